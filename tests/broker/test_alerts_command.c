/* checkit alerts against the embedded broker: what it prints of what stands on the topic. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "operators/support/kafka.h"
#include "pipeline/base/assets.h"
#include "pipeline/run/command.h"
#include "tests/unit/alert_fixture.h"
#include "tests/unit/temp_folder.h"

enum { PATIENCE_MS = 30000, PARTITIONS = 2, SCHEMA_ID = 4, ARGUMENTS_COUNT_MAX = 16 };

static struct temp_folder folder;
static struct kafka_mock *mock;
static struct config *config;
static struct kafka_producer *producer;

static void write_file(const char *name, struct bytes text)
{
    char path[TEMP_PATH_SIZE];
    FILE *file = fopen(temp_path(&folder, name, path), "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text.data, 1, text.size, file), text.size);
    cr_assert_eq(fclose(file), 0);
}

static void on_report(void *state, enum kafka_delivery delivery, uint64_t opaque,
                      const char *reason)
{
    (void)state;
    (void)opaque;
    cr_assert_eq(delivery, KAFKA_DELIVERED, "%s", reason);
}

static void set_up(void)
{
    struct error err = {0};
    char path[TEMP_PATH_SIZE];
    char text[1024];
    folder = temp_folder_make();
    cr_assert_eq(kafka_mock_open(&mock, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_mock_topic(mock, "alerts", PARTITIONS, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(mkdir(temp_path(&folder, "schemas", path), 0700), 0);
    write_file("schemas/4.avsc", assets_find("schemas/Alert.avsc"));
    (void)snprintf(text, sizeof text,
                   "kafka: {bootstrap.servers: '%s', fetch.wait.max.ms: 50}\n"
                   "inputs: [{topic: bookings, preset: booking}]\n"
                   "store: {path: store, key: store.key}\n"
                   "identity_key: identity.key\n"
                   "schemas: {folder: schemas}\n"
                   "log: {level: error}\n",
                   kafka_mock_bootstrap(mock));
    write_file("checkit.yaml", bytes_of_text(text));
    cr_assert_eq(config_open(temp_path(&folder, "checkit.yaml", path), &config, &err), STATUS_OK,
                 "%s", err.text);
    const struct kafka_reports reports = {NULL, on_report};
    cr_assert_eq(kafka_producer_open(config, "test", &reports, &producer, &err), STATUS_OK, "%s",
                 err.text);
    cr_redirect_stdout();
}

static void tear_down(void)
{
    kafka_producer_close(producer);
    config_close(config);
    kafka_mock_close(mock);
    temp_folder_remove(&folder);
}

TestSuite(alerts_command, .init = set_up, .fini = tear_down);

static void put(struct bytes payload, int32_t partition)
{
    struct error err = {0};
    const struct kafka_message message = {
        .topic = "alerts", .payload = payload, .partition = partition};
    cr_assert_eq(kafka_produce(producer, &message, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_flush(producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
}

static void put_alert(const char *number, int32_t alert_class, int32_t partition)
{
    uint8_t buffer[ALERT_BYTES_MAX];
    const struct alert_fixture alert = {
        .partner = "carrier-1", .issuer = "FRA", .number = number, .alert_class = alert_class};
    put(encode_fixture(&alert, SCHEMA_ID, buffer), partition);
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

/* What was printed, as far as it fits. */
static const char *printed(void)
{
    static char text[16384];
    (void)fflush(stdout);
    FILE *file = cr_get_redirected_stdout();
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = 0;
    return text;
}

static uint32_t count_of(const char *text, const char *what)
{
    uint32_t count = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
        count++;
    return count;
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
    put(bytes_of_text("no alert"), 0);
    put(bytes_of("\0\0\0\0\004\002", 6), 0); /* cut short */
    put(bytes_of("\0\0\0\0\011\002", 6), 0); /* of a schema that is not there */
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
