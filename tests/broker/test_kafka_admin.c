/* Topics and rights as kafka.h tells them, against the embedded broker. It knows no settings, no
 * rights and makes no topics: those are tried on a real Kafka, under the label kafka. */
#include <criterion/criterion.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/base/memory.h"

static struct kafka_mock *mock;
static struct config *config;
static struct kafka_consumer *reader;

static void set_up(void)
{
    struct error err = {0};
    cr_assert_eq(kafka_mock_open(&mock, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_mock_topic(mock, "events", 3, &err), STATUS_OK, "%s", err.text);
    config = memory_new(1, sizeof *config);
    config->memory_mb = 64;
    config->kafka[config->kafka_count++] =
        (struct kafka_property){"bootstrap.servers", kafka_mock_bootstrap(mock)};
    cr_assert_eq(kafka_reader_open(config, "events", "test", &reader, &err), STATUS_OK, "%s",
                 err.text);
}

static void tear_down(void)
{
    kafka_consumer_close(reader);
    kafka_mock_close(mock);
    memory_free(config);
}

TestSuite(kafka_admin, .init = set_up, .fini = tear_down);

Test(kafka_admin, a_topic_is_described)
{
    struct kafka_topic_state state;
    struct error err = {0};
    cr_assert_eq(kafka_topic_state(reader, "events", &state, &err), STATUS_OK, "%s", err.text);
    cr_assert(state.exists);
    cr_assert_eq(state.partitions, 3);
    cr_assert_eq(state.replicas, 1);
}

Test(kafka_admin, a_topic_that_is_not_there_is_no_failure)
{
    struct kafka_topic_state state = {.exists = true, .partitions = 9};
    struct error err = {0};
    rd_kafka_mock_topic_set_error(kafka_mock_cluster(mock), "none",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    cr_assert_eq(kafka_topic_state(reader, "none", &state, &err), STATUS_OK, "%s", err.text);
    cr_assert_not(state.exists);
    cr_assert_eq(state.partitions, 0);
}

Test(kafka_admin, settings_that_are_not_told_are_empty)
{
    struct kafka_setting settings[] = {{"cleanup.policy", "left over"}, {"retention.ms", "1"}};
    struct error err = {0};
    cr_assert_eq(kafka_topic_settings(reader, "events", settings, 2, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_str_empty(settings[0].value);
    cr_assert_str_empty(settings[1].value);
}

Test(kafka_admin, rights_in_a_group_that_are_not_told_are_said_so)
{
    bool is_told = true;
    uint32_t rights = KAFKA_MAY_READ;
    struct error err = {0};
    cr_assert_eq(kafka_group_rights(reader, "checkit", &is_told, &rights, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_not(is_told);
    cr_assert_eq(rights, 0);
}

Test(kafka_admin, a_topic_that_cannot_be_made_is_a_failure)
{
    static const struct kafka_property settings[] = {{"cleanup.policy", "compact"}};
    const struct kafka_new_topic topic = {
        .name = "new", .partitions = 1, .settings = settings, .settings_count = 1};
    bool is_made = true;
    struct error err = {0};
    cr_assert_neq(kafka_create_topic(reader, &topic, &is_made, &err), STATUS_OK);
    cr_assert_not(is_made);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
}
