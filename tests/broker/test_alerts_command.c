/* checkit alerts against the embedded broker: what it prints of what stands on the topic. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/run/command.h"
#include "tests/broker/topic_fixture.h"
#include "tests/unit/alert_fixture.h"

enum { PARTITIONS = 2, SCHEMA_ID = 4, ARGUMENTS_COUNT_MAX = 16 };

static void set_up(void)
{
    open_site("alerts", PARTITIONS, "4.avsc", "schemas/Alert.avsc");
}

TestSuite(alerts_command, .init = set_up, .fini = close_site);

static void put_alert(const char *number, int32_t alert_class, int32_t partition)
{
    uint8_t buffer[ALERT_BYTES_MAX];
    const struct alert_fixture alert = {
        .partner = "carrier-1", .issuer = "FRA", .number = number, .alert_class = alert_class};
    put("alerts", encode_fixture(&alert, SCHEMA_ID, buffer), partition);
}

/* Runs `checkit alerts -c checkit.yaml` with more arguments, the last one NULL. */
static enum status alerts(struct error *err, ...)
{
    char path[TEMP_PATH_SIZE];
    char *arguments[ARGUMENTS_COUNT_MAX] = {"alerts", "-c",
                                            (char *)temp_path(&folder, "checkit.yaml", path)};
    int count = 3;
    va_list more;
    va_start(more, err);
    while ((arguments[count] = va_arg(more, char *)))
        count++;
    va_end(more);
    *err = (struct error){0};
    return command_alerts(count, arguments, err);
}

Test(alerts_command, all_partitions_are_read_to_their_end)
{
    struct error err;
    put_alert("AB100", 0, 0);
    put_alert("AB200", 1, 1);
    put_alert("AB300", 1, 1);
    cr_assert_eq(alerts(&err, "--since", "beginning", "--until-end", NULL), STATUS_OK, "%s",
                 err.text);
    const char *text = printed();
    cr_expect_eq(count_of(text, "\n"), 3);
    cr_expect_eq(count_of(text, "\"canonical_number\":\"AB"), 3);
}

Test(alerts_command, a_filter_and_a_limit_leave_what_they_name)
{
    struct error err;
    for (int i = 0; i < 3; i++) {
        put_alert("AB100", 0, 0);
        put_alert("AB200", 1, 0);
    }
    cr_assert_eq(alerts(&err, "--since", "beginning", "--class", "review", "--limit", "2",
                        "--format", "table", "--redact", NULL),
                 STATUS_OK, "%s", err.text);
    const char *text = printed();
    cr_expect_eq(count_of(text, "\n"), 3, "%s", text);
    cr_expect_eq(count_of(text, "REVIEW"), 2);
    cr_expect_eq(count_of(text, "AB200"), 0);
    cr_expect_eq(count_of(text, FIXTURE_TOKEN), 2);
}

Test(alerts_command, alerts_that_cannot_be_read_are_counted_and_the_others_shown)
{
    struct error err;
    put("alerts", bytes_of_text("no alert"), 0);
    put("alerts", bytes_of("\0\0\0\0\004\002", 6), 0); /* cut short */
    put("alerts", bytes_of("\0\0\0\0\011\002", 6), 0); /* of a schema that is not there */
    put_alert("AB100", 0, 0);
    cr_assert_eq(alerts(&err, "--since", "beginning", "--until-end", NULL), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect_str_eq(err.text, "3 alerts could not be read");
    cr_expect_eq(count_of(printed(), "\n"), 1);
}

Test(alerts_command, a_signal_ends_it_cleanly)
{
    struct error err;
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* stays pending until it is asked for */
    (void)raise(SIGINT);
    cr_assert_eq(alerts(&err, NULL), STATUS_OK, "%s", err.text);
}

Test(alerts_command, a_topic_that_is_missing_is_told)
{
    struct error err;
    char path[TEMP_PATH_SIZE];
    FILE *file = fopen(temp_path(&folder, "checkit.yaml", path), "a");
    cr_assert_not_null(file);
    (void)fputs("outputs: {alerts: none}\n", file);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(alerts(&err, "--until-end", NULL), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    cr_expect_str_eq(err.text, "topic none does not exist");
}
