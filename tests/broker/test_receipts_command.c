/* checkit receipts verify against the embedded broker: gaps, conflicts, and what is committed. */
#include "operators/support/kafka_internal.h"
#include "operators/support/receipt.h"
#include "pipeline/base/clock.h"
#include "pipeline/run/command.h"
#include "pipeline/run/heartbeat.h"
#include "tests/broker/topic_fixture.h"

enum { SCHEMA_ID = 5, INPUT_PARTITIONS = 2, POLL_MS = 50 };

static void set_up(void)
{
    struct error err = {0};
    open_site("receipts", 1, "5.avsc", "schemas/Receipt.avsc");
    cr_assert_eq(kafka_mock_topic(mock, "bookings", INPUT_PARTITIONS, &err), STATUS_OK, "%s",
                 err.text);
}

TestSuite(receipts_command, .init = set_up, .fini = close_site);

/* Of the cluster that is there, so that what the group has committed counts. */
static void put_receipt(int32_t partition, int64_t from, int64_t to, uint64_t documents)
{
    uint8_t buffer[1024];
    struct error err = {0};
    struct kafka_consumer *reader = NULL;
    struct receipt receipt = {.topic = "bookings",
                              .partition = partition,
                              .from_offset = from,
                              .to_offset = to,
                              .began_at_ms = INT64_C(1700000000000) + 1000 * from,
                              .ended_at_ms = INT64_C(1700000000000) + 1000 * to,
                              .records = (uint64_t)(to - from),
                              .documents = documents};
    cr_assert_eq(kafka_reader_open(config, "receipts", "test", &reader, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_eq(kafka_cluster_id(reader, &receipt.cluster, &err), STATUS_OK, "%s", err.text);
    put("receipts", receipt_encode(&receipt, SCHEMA_ID, buffer, sizeof buffer), 0);
    kafka_consumer_close(reader);
}

static void on_rebalance(void *state, const struct kafka_position *positions, uint32_t count)
{
    (void)positions;
    *(uint32_t *)state += count;
}

static void on_revoke(void *state, const struct kafka_position *positions, uint32_t count,
                      bool lost)
{
    (void)state;
    (void)positions;
    (void)count;
    (void)lost;
}

/* As the group of screeners does. */
static void commit_of(uint16_t input, int32_t partition, int64_t offset)
{
    struct error err = {0};
    struct kafka_consumer *consumer = NULL;
    uint32_t assigned = 0;
    const struct kafka_rebalance rebalance = {
        .state = &assigned, .assigned = on_rebalance, .revoked = on_revoke};
    cr_assert_eq(kafka_consumer_open(config, 0, &rebalance, &consumer, &err), STATUS_OK, "%s",
                 err.text);
    uint64_t began_ns = clock_monotonic_ns();
    while (assigned < INPUT_PARTITIONS) {
        struct record record;
        uint32_t count;
        cr_assert_lt(clock_monotonic_ns() - began_ns, PATIENCE_MS * UINT64_C(1000000));
        cr_assert_eq(kafka_poll(consumer, &record, 1, POLL_MS, &count, &err), STATUS_OK, "%s",
                     err.text);
    }
    const struct kafka_position position = {input, partition, offset};
    cr_assert_eq(kafka_commit(consumer, &position, 1, PATIENCE_MS, &err), STATUS_OK, "%s",
                 err.text);
    kafka_consumer_close(consumer);
}

static void commit(int32_t partition, int64_t offset)
{
    commit_of(0, partition, offset);
}

/* Of the heartbeats' topic, which has one partition. */
static void commit_heartbeats(int64_t offset)
{
    struct error err = {0};
    cr_assert_eq(kafka_mock_topic(mock, config->heartbeat_topic, 1, &err), STATUS_OK, "%s",
                 err.text);
    heartbeat_add_input(config);
    commit_of((uint16_t)(config->inputs_count - 1), 0, offset);
}

/* One line more. */
static void append_to_configuration(const char *line)
{
    char path[TEMP_PATH_SIZE];
    FILE *file = fopen(temp_path(&folder, "checkit.yaml", path), "a");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(line, file), 0);
    cr_assert_eq(fclose(file), 0);
}

static enum status verify(const char *format, struct error *err)
{
    char path[TEMP_PATH_SIZE];
    char *arguments[] = {
        "receipts", "verify",       "-c", (char *)temp_path(&folder, "checkit.yaml", path),
        "--format", (char *)format, NULL};
    *err = (struct error){0};
    return command_receipts(6, arguments, err);
}

Test(receipts_command, receipts_without_a_gap_are_content)
{
    struct error err;
    put_receipt(0, 0, 10, 20);
    put_receipt(1, 3, 5, 2);
    put_receipt(0, 10, 15, 5);
    put_receipt(0, 10, 15, 5); /* proved twice, as after a restart */
    cr_assert_eq(verify("text", &err), STATUS_OK, "%s", err.text);
    cr_expect_str_eq(printed(), "ok        bookings/0: [0, 15), receipts 3, again 1, "
                                "2023-11-14T22:13:20.000Z to 2023-11-14T22:13:35.000Z\n"
                                "ok        bookings/1: [3, 5), receipts 1, again 0, "
                                "2023-11-14T22:13:23.000Z to 2023-11-14T22:13:25.000Z\n");
}

Test(receipts_command, a_gap_is_told_with_its_times)
{
    struct error err;
    put_receipt(0, 0, 10, 20);
    put_receipt(0, 11, 15, 5);
    cr_assert_eq(verify("text", &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect_str_eq(err.text, "1 gaps, 0 conflicts, 0 receipts that cannot be read");
    cr_expect_str_eq(printed(), "gap       bookings/0: [10, 11) has no receipt, after "
                                "2023-11-14T22:13:30.000Z, before 2023-11-14T22:13:31.000Z\n"
                                "none      bookings/1: no receipt\n");
}

Test(receipts_command, what_is_committed_without_a_receipt_is_a_gap)
{
    struct error err;
    put_receipt(0, 0, 10, 20);
    commit(0, 12);
    cr_assert_eq(verify("text", &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect_not_null(strstr(printed(), "gap       bookings/0: [10, 12) has no receipt, after"));
}

Test(receipts_command, a_partition_that_is_committed_and_has_no_receipt_is_a_gap)
{
    struct error err;
    commit(1, 12);
    cr_assert_eq(verify("text", &err), STATUS_FAIL);
    cr_expect_not_null(strstr(printed(), "gap       bookings/1: [0, 12) has no receipt\n"));
}

Test(receipts_command, heartbeats_that_are_committed_without_a_receipt_are_a_gap)
{
    struct error err;
    commit_heartbeats(3);
    cr_assert_eq(verify("text", &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect_not_null(strstr(printed(), "gap       heartbeat/0: [0, 3) has no receipt\n"));
}

Test(receipts_command, heartbeats_count_for_nothing_where_they_are_off)
{
    struct error err;
    commit_heartbeats(3);
    append_to_configuration("heartbeat: {interval_s: 0}\n");
    cr_assert_eq(verify("text", &err), STATUS_OK, "%s", err.text);
    cr_expect_null(strstr(printed(), "heartbeat"));
}

Test(receipts_command, receipts_up_to_what_is_committed_are_content)
{
    struct error err;
    put_receipt(0, 0, 10, 20);
    commit(0, 10);
    cr_assert_eq(verify("text", &err), STATUS_OK, "%s", err.text);
}

/* A worker, which screens nothing meanwhile, would not wait for it. */
Test(receipts_command, a_broker_that_takes_seconds_is_waited_for)
{
    enum { API_OFFSET_FETCH = 9, SECONDS_MS = 3000 };
    struct error err;
    put_receipt(0, 0, 10, 20);
    commit(0, 10);
    rd_kafka_mock_broker_push_request_error_rtts(kafka_mock_cluster(mock), 1, API_OFFSET_FETCH, 1,
                                                 RD_KAFKA_RESP_ERR_NO_ERROR, SECONDS_MS);
    cr_assert_eq(verify("text", &err), STATUS_OK, "%s", err.text);
}

Test(receipts_command, a_conflict_is_told_with_both_receipts)
{
    struct error err;
    put_receipt(0, 0, 10, 20);
    put_receipt(0, 0, 10, 21);
    cr_assert_eq(verify("json", &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    const char *text = printed();
    cr_expect_not_null(strstr(text, "\"again\":1,\"from\":0,\"to\":10,\"gaps\":[],"
                                    "\"conflicts_count\":1,\"conflicts\":[[{\"from\":0,"));
    cr_expect_not_null(strstr(text, "\"documents\":20,\"receipt_partition\":0,"
                                    "\"receipt_offset\":0"));
    cr_expect_not_null(strstr(text, "\"documents\":21,\"receipt_partition\":0,"
                                    "\"receipt_offset\":1"));
    cr_expect_eq(count_of(text, "\n"), INPUT_PARTITIONS);
}

Test(receipts_command, what_is_no_receipt_is_counted)
{
    struct error err;
    put("receipts", bytes_of_text("no receipt"), 0);
    put_receipt(0, 5, 4, 0); /* ends before it begins */
    put_receipt(0, 0, 10, 20);
    cr_assert_eq(verify("text", &err), STATUS_FAIL);
    cr_expect_str_eq(err.text, "0 gaps, 0 conflicts, 2 receipts that cannot be read");
}
