/* Transactions of the Kafka client, failure by failure, against librdkafka's mock cluster. That
 * readers see what is committed and nothing else, and that positions are committed with it, is for
 * a real Kafka to show (tests/kafka): the embedded one takes positions and forgets them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"
#include "tests/broker/mock_requests.h"

enum {
    PATIENCE_MS = 30000, /* only a failing test waits so long */
    SHORT_MS = 200,
    NAME_SIZE = 128,
    REFUSALS_MANY = 1000,
    API_PRODUCE = 0,
    API_JOIN_GROUP = 11,
    API_INIT_PRODUCER_ID = 22,
    API_ADD_PARTITIONS_TO_TXN = 24,
    API_ADD_OFFSETS_TO_TXN = 25,
    API_END_TXN = 26,
    API_TXN_OFFSET_COMMIT = 28,
};

static struct kafka_mock *mock;
static rd_kafka_mock_cluster_t *cluster;
static struct config *config;
static struct kafka_consumer *consumer;
static struct kafka_producer *producer;
static uint32_t reported[KAFKA_GIVEN_UP + 1];
static bool is_assigned;
static struct error err;

static void on_report(void *state, enum kafka_delivery delivery, uint64_t opaque,
                      const char *reason)
{
    (void)state;
    (void)opaque;
    cr_assert_not_null(reason);
    reported[delivery]++;
}

static void on_assigned(void *state, const struct kafka_position *positions, uint32_t count)
{
    (void)state;
    (void)positions;
    is_assigned = count > 0;
}

static void on_revoked(void *state, const struct kafka_position *positions, uint32_t count,
                       bool lost)
{
    (void)state;
    (void)positions;
    (void)count;
    (void)lost;
}

static void set_property(const char *name, const char *value)
{
    config->kafka[config->kafka_count++] = (struct kafka_property){name, value};
}

static void configure(void)
{
    config = memory_new(1, sizeof *config);
    config->group = "screeners";
    config->instance = "one";
    config->workers = 1;
    config->memory_mb = 64;
    config->exactly_once = true;
    config->inputs[0].topic = "events";
    config->inputs_count = 1;
    set_property("bootstrap.servers", kafka_mock_bootstrap(mock));
    set_property("session.timeout.ms", "6000");
    set_property("fetch.wait.max.ms", "50");
}

static void poll_until_assigned(void)
{
    uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_MS * UINT64_C(1000000);
    struct record records[8];
    uint32_t count;
    while (!is_assigned) {
        cr_assert_eq(kafka_poll(consumer, records, 8, 20, &count, &err), STATUS_OK, "%s", err.text);
        cr_assert(clock_monotonic_ns() < deadline_ns, "never assigned");
    }
}

static void open_mock(void)
{
    cr_assert_eq(kafka_mock_open(&mock, &err), STATUS_OK, "%s", err.text);
    cluster = kafka_mock_cluster(mock);
    cr_assert_eq(kafka_mock_topic(mock, "events", 1, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_mock_topic(mock, "alerts", 1, &err), STATUS_OK, "%s", err.text);
    configure();
}

static void open_clients(void)
{
    struct kafka_rebalance rebalance = {NULL, on_assigned, on_revoked, NULL};
    struct kafka_reports reports = {NULL, on_report};
    cr_assert_eq(kafka_consumer_open(config, 0, &rebalance, &consumer, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_eq(kafka_transactional_open(config, "0", &reports, &producer, &err), STATUS_OK, "%s",
                 err.text);
}

static void set_up(void)
{
    open_mock();
    open_clients();
}

/* Who asks this is told to come again, until let_go(). */
static void hold_back(int16_t api)
{
    rd_kafka_resp_err_t refusals[REFUSALS_MANY];
    for (uint32_t i = 0; i < REFUSALS_MANY; i++)
        refusals[i] = RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    rd_kafka_mock_push_request_errors_array(cluster, api, REFUSALS_MANY, refusals);
}

static void let_go(int16_t api)
{
    rd_kafka_mock_clear_request_errors(cluster, api);
}

static void set_up_outside(void)
{
    open_mock();
    hold_back(API_JOIN_GROUP);
    open_clients();
}

static void tear_down(void)
{
    kafka_consumer_close(consumer);
    kafka_producer_close(producer);
    kafka_mock_close(mock);
    memory_free(config);
}

TestSuite(kafka_transactions, .init = set_up, .fini = tear_down);

static enum status produce(void)
{
    struct kafka_message message = {
        .topic = "alerts", .partition = 0, .payload = bytes_of_text("alert")};
    err = (struct error){0};
    return kafka_produce(producer, &message, &err);
}

static enum status commit(int64_t offset, uint32_t timeout_ms)
{
    const struct kafka_position position = {0, 0, offset};
    err = (struct error){0};
    return kafka_transaction_commit(producer, consumer, &position, 1, timeout_ms, &err);
}

/* Until it is done: what passes is asked for again. */
static enum status abort_transaction(void)
{
    uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_MS * UINT64_C(1000000);
    enum status status = STATUS_RETRY;
    while (status == STATUS_RETRY && clock_monotonic_ns() < deadline_ns) {
        err = (struct error){0};
        status = kafka_transaction_abort(producer, PATIENCE_MS, &err);
    }
    return status;
}

/* A producer ready for use, a member of the group, and a message in a transaction. */
static void begin(void)
{
    cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    poll_until_assigned();
    cr_assert_not(kafka_transaction_is_open(producer));
    cr_assert_eq(produce(), STATUS_OK, "%s", err.text);
    cr_assert(kafka_transaction_is_open(producer));
}

/* Each client of a process has a name of its own. */
static void name_client(char name[NAME_SIZE])
{
    (void)snprintf(name, NAME_SIZE, "%s", rd_kafka_name(kafka_producer_client(producer)));
}

static void expect_client(const char *name, bool is_same)
{
    char now[NAME_SIZE];
    name_client(now);
    cr_expect_eq(strcmp(now, name) == 0, is_same, "%s, then %s", name, now);
}

/* After whatever was before it: another transaction is as good as the first. */
static void expect_another(int64_t offset)
{
    uint32_t before = reported[KAFKA_DELIVERED];
    cr_expect_not(kafka_transaction_is_open(producer));
    cr_assert_eq(produce(), STATUS_OK, "%s", err.text);
    cr_assert_eq(commit(offset, PATIENCE_MS), STATUS_OK, "%s", err.text);
    cr_expect_eq(reported[KAFKA_DELIVERED], before + 1);
}

Test(kafka_transactions, commit_takes_messages_and_positions_along)
{
    begin();
    cr_assert_eq(commit(7, PATIENCE_MS), STATUS_OK, "%s", err.text);
    cr_expect_eq(reported[KAFKA_DELIVERED], 1, "all reports have come");
    expect_another(8);
}

Test(kafka_transactions, abort_reports_its_messages_and_commits_nothing)
{
    begin();
    cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    cr_expect_eq(reported[KAFKA_DELIVERED] + reported[KAFKA_GIVEN_UP], 1);
    expect_another(3);
}

Test(kafka_transactions, positions_alone_are_a_transaction_and_nothing_is_none)
{
    cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    poll_until_assigned();
    cr_assert_eq(kafka_transaction_commit(producer, consumer, NULL, 0, PATIENCE_MS, &err),
                 STATUS_OK);
    cr_assert_eq(commit(5, PATIENCE_MS), STATUS_OK, "%s", err.text);
}

Test(kafka_transactions, passing_errors_are_waited_for)
{
    cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    poll_until_assigned();
    rd_kafka_mock_push_request_errors(cluster, API_ADD_PARTITIONS_TO_TXN, 1,
                                      RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS);
    rd_kafka_mock_push_request_errors(cluster, API_ADD_OFFSETS_TO_TXN, 1,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    rd_kafka_mock_push_request_errors(cluster, API_END_TXN, 1,
                                      RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS);
    cr_assert_eq(produce(), STATUS_OK, "%s", err.text); /* it asks for its partition at once */
    cr_assert_eq(commit(7, PATIENCE_MS), STATUS_OK, "%s", err.text);
}

/* --- abort --- */

Test(kafka_transactions, group_that_has_moved_on_aborts)
{
    begin();
    rd_kafka_mock_push_request_errors(cluster, API_TXN_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    cr_assert_eq(commit(7, PATIENCE_MS), STATUS_ABORT, "%s", err.text);
    cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    expect_another(8);
}

Test(kafka_transactions, who_is_no_member_commits_nothing, .init = set_up_outside)
{
    cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    cr_assert_eq(produce(), STATUS_OK, "%s", err.text);
    cr_assert_eq(commit(7, PATIENCE_MS), STATUS_ABORT);
    cr_expect_not_null(strstr(err.text, "no member of the group"), "%s", err.text);
    cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    let_go(API_JOIN_GROUP);
    poll_until_assigned();
    expect_another(8);
}

Test(kafka_transactions, message_that_is_refused_aborts)
{
    cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    poll_until_assigned();
    rd_kafka_mock_push_request_errors(cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    cr_assert_eq(produce(), STATUS_OK, "%s", err.text);
    cr_assert_eq(commit(7, PATIENCE_MS), STATUS_ABORT, "%s", err.text);
    cr_expect_eq(reported[KAFKA_TOO_LARGE], 1);
    cr_expect_eq(produce(), STATUS_ABORT, "it takes nothing more");
    cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    /* librdkafka finds a gap among the numbers of its messages, once, and begins a new series. */
    cr_assert_eq(produce(), STATUS_OK, "%s", err.text);
    if (commit(7, PATIENCE_MS) == STATUS_ABORT)
        cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    expect_another(8);
}

/* With its positions, and asked for when this returns; the broker was told not to answer. */
static void commit_in_vain(int64_t offset)
{
    uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_MS * UINT64_C(1000000);
    rd_kafka_mock_start_request_tracking(cluster);
    while (!mock_was_asked(cluster, API_END_TXN)) {
        cr_assert_eq(commit(offset, SHORT_MS), STATUS_RETRY, "%s", err.text);
        cr_assert(clock_monotonic_ns() < deadline_ns);
    }
}

Test(kafka_transactions, commit_answered_late_is_asked_for_again)
{
    begin();
    char before[NAME_SIZE];
    name_client(before);
    hold_back(API_END_TXN);
    commit_in_vain(7);
    cr_assert(kafka_transaction_is_open(producer));
    let_go(API_END_TXN);
    cr_assert_eq(commit(7, PATIENCE_MS), STATUS_OK, "%s", err.text);
    expect_another(8);
    cr_assert_eq(abort_transaction(), STATUS_OK);
    expect_client(before, true); /* there is nothing in doubt */
}

/* The broker may have committed it: only another producer id can tell, and refuse what is late. */
Test(kafka_transactions, commit_without_an_answer_is_settled_by_a_new_client)
{
    begin();
    char before[NAME_SIZE];
    name_client(before);
    rd_kafka_mock_broker_push_request_error_rtts(cluster, 1, API_END_TXN, 1,
                                                 RD_KAFKA_RESP_ERR_NO_ERROR, 2 * PATIENCE_MS);
    commit_in_vain(7);
    cr_expect_eq(produce(), STATUS_ABORT, "it takes nothing more");
    cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    expect_client(before, false);
    expect_another(9);
}

Test(kafka_transactions, client_that_can_do_no_more_is_replaced)
{
    begin();
    char before[NAME_SIZE];
    name_client(before);
    rd_kafka_mock_push_request_errors(cluster, API_END_TXN, 1, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
    cr_assert_eq(commit(7, PATIENCE_MS), STATUS_ABORT, "%s", err.text);
    cr_expect_eq(kafka_producer_poll(producer, 0, &err), STATUS_ABORT);
    cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    expect_client(before, false);
    expect_another(8);
}

/* --- the end --- */

static void expect_fenced(enum status status)
{
    cr_assert_eq(status, STATUS_FAIL, "%s", err.text);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    cr_expect_not_null(strstr(err.text, "'screeners-one-0' is another process's now"), "%s",
                       err.text);
}

Test(kafka_transactions, id_that_was_taken_over_ends_it)
{
    begin();
    rd_kafka_mock_push_request_errors(cluster, API_END_TXN, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    expect_fenced(commit(7, PATIENCE_MS));
    expect_fenced(kafka_producer_poll(producer, 0, &err));
    expect_fenced(abort_transaction());
}

/* The broker fences who was silent for too long as well: then nobody else has the id. */
Test(kafka_transactions, transaction_open_for_too_long_is_not_taken_for_another_process)
{
    begin();
    producer->began_ns -= UINT64_C(1000000) * kafka_transaction_lasts_ms(producer) / 2;
    rd_kafka_mock_push_request_errors(cluster, API_END_TXN, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    cr_assert_eq(commit(7, PATIENCE_MS), STATUS_ABORT, "%s", err.text);
    cr_expect_not_null(strstr(err.text, "open for too long"), "%s", err.text);
    cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    expect_another(8);
}

Test(kafka_transactions, topic_that_may_not_be_written_ends_it)
{
    cr_assert_eq(abort_transaction(), STATUS_OK, "%s", err.text);
    poll_until_assigned();
    rd_kafka_mock_push_request_errors(cluster, API_ADD_PARTITIONS_TO_TXN, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    cr_assert_eq(produce(), STATUS_OK, "%s", err.text);
    cr_assert_eq(commit(7, PATIENCE_MS), STATUS_FAIL, "%s", err.text);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
}

Test(kafka_transactions, ids_that_may_not_be_used_are_told_by_a_try)
{
    cr_expect_eq(kafka_transaction_try(config, &err), STATUS_OK, "%s", err.text);
    rd_kafka_mock_push_request_errors(cluster, API_INIT_PRODUCER_ID, 1,
                                      RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    cr_expect_eq(kafka_transaction_try(config, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    cr_expect_not_null(strstr(err.text, "'screeners-one-check'"), "%s", err.text);
}

Test(kafka_transactions, id_is_made_of_prefix_instance_and_worker)
{
    char id[KAFKA_TRANSACTIONAL_ID_SIZE];
    cr_assert_eq(kafka_transactional_id(config, "3", id, &err), STATUS_OK);
    cr_expect_str_eq(id, "screeners-one-3");
    config->transactional_id_prefix = "x";
    cr_assert_eq(kafka_transactional_id(config, "3", id, &err), STATUS_OK);
    cr_expect_str_eq(id, "x-one-3");

    char prefix[KAFKA_TRANSACTIONAL_ID_SIZE];
    memset(prefix, 'p', sizeof prefix);
    prefix[KAFKA_TRANSACTIONAL_ID_SIZE - 1 - strlen("-one-3")] = '\0';
    config->transactional_id_prefix = prefix;
    cr_assert_eq(kafka_transactional_id(config, "3", id, &err), STATUS_OK);
    cr_assert_eq(kafka_transactional_id(config, "33", id, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
}
