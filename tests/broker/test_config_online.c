/* What `checkit config check` says of the brokers, against the embedded one, which tells neither
 * settings nor rights. */
#include <stdlib.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/run/config_online.h"
#include "tests/broker/topic_fixture.h"

static void set_up(void)
{
    static const char *const others[] = {"bookings", "document-changes", "receipts"};
    struct error err = {0};
    open_site("alerts", 2, "4.avsc", "schemas/Alert.avsc");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_assert_eq(kafka_mock_topic(mock, others[i], 3, &err), STATUS_OK, "%s", err.text);
}

TestSuite(config_online, .init = set_up, .fini = close_site);

/* The caller's: free. */
static char *check(enum status *status, uint32_t *faults, struct error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    *status = config_online_check(config, faults, out, err);
    cr_assert_eq(fclose(out), 0);
    return text;
}

Test(config_online, every_topic_and_the_group_have_a_line)
{
    struct error err = {0};
    uint32_t faults = 0;
    enum status status;
    cr_assert_eq(kafka_mock_topic(mock, "dead-letters", 1, &err), STATUS_OK, "%s", err.text);
    char *text = check(&status, &faults, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    cr_expect_eq(faults, 0, "%s", text);
    cr_expect_eq(count_of(text, "\nok     topic "), 5);
    cr_expect_not_null(strstr(text, "\nok     topic alerts: alerts, partitions 2, replicas 1, "
                                    "settings not told"));
    cr_expect_not_null(strstr(text, "\nok     group checkit: rights not told\n"));
    cr_expect_not_null(strstr(text, "\nok     delivery: at_least_once\n"));
    free(text);
}

Test(config_online, transactions_are_tried_when_there_are_to_be_any)
{
    enum { API_INIT_PRODUCER_ID = 22 };
    struct error err = {0};
    uint32_t faults = 0;
    enum status status;
    cr_assert_eq(kafka_mock_topic(mock, "dead-letters", 1, &err), STATUS_OK, "%s", err.text);
    config->exactly_once = true;
    config->instance = "one";
    config->workers = 2;
    char *text = check(&status, &faults, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    cr_expect_eq(faults, 0, "%s", text);
    cr_expect_not_null(strstr(text, "\nok     delivery: exactly_once, transactional ids "
                                    "checkit-one-0 to -1\n"),
                       "%s", text);
    free(text);

    /* What delivered has its producer id: it asks for none in place of who is to be refused. */
    put("dead-letters", bytes_of_text("any"), 0);
    rd_kafka_mock_push_request_errors(kafka_mock_cluster(mock), API_INIT_PRODUCER_ID, 1,
                                      RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    text = check(&status, &faults, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    cr_expect_eq(faults, 1, "%s", text);
    cr_expect_not_null(strstr(text, "\nfault  delivery: exactly_once: "), "%s", text);
    cr_expect_not_null(strstr(text, "--transactional-id checkit-one-)"), "%s", text);
    free(text);
}

Test(config_online, a_topic_that_is_missing_is_a_fault)
{
    struct error err = {0};
    uint32_t faults = 1; /* it adds */
    enum status status;
    rd_kafka_mock_topic_set_error(kafka_mock_cluster(mock), "dead-letters",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    char *text = check(&status, &faults, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    cr_expect_eq(faults, 2, "%s", text);
    cr_expect_not_null(strstr(text, "\nfault  topic dead-letters (dead letters) does not exist, or "
                                    "we may not Describe it: `checkit config topics --create`"));
    free(text);
}

Test(config_online, brokers_that_do_not_answer_are_told)
{
    struct error err = {0};
    uint32_t faults = 0;
    enum status status;
    rd_kafka_mock_broker_set_down(kafka_mock_cluster(mock), 1);
    char *text = check(&status, &faults, &err);
    cr_assert_eq(status, STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    cr_expect_eq(count_of(text, "\n"), 1, "%s", text);
    cr_expect_eq(strncmp(text, "fault  kafka: ", 14), 0);
    free(text);
}
