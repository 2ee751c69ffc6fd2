/* A whole screening process on the embedded broker: threads, store on disk and all. */
#include "pipeline/run/screener.h"

#include <jansson.h>
#include <sys/stat.h>

#include "operators/support/change_encode.h"
#include "operators/support/encode.h"
#include "operators/support/kafka.h"
#include "operators/support/keys.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "tests/tools/read_avro.h"
#include "tests/unit/change_fixture.h"
#include "tests/unit/temp_folder.h"

enum {
    PATIENCE_MS = 60000, /* only a failing test waits so long */
    PARTITIONS = 3,
    EVENTS = 200,
    LISTED = 20,
    SCHEMA_CHANGE = 3,
    SCHEMA_BANKING = 4,
};

static struct {
    struct temp_folder folder;
    char paths[5][TEMP_PATH_SIZE]; /* store, store key, identity key, schemas, bootstrap */
    struct kafka_mock *mock;
    struct config config;
    struct screener *screener;
    struct error err;
    uint64_t deadline_ns;
} test;

static void write_schema(const char *name, uint32_t id)
{
    char file[16];
    char path[2 * TEMP_PATH_SIZE];
    struct bytes schema = assets_find(name);
    (void)snprintf(file, sizeof file, "%u.avsc", id);
    (void)snprintf(path, sizeof path, "%s/%s", test.config.schemas_folder, file);
    FILE *out = fopen(path, "wb");
    cr_assert_not_null(out);
    cr_assert_eq(fwrite(schema.data, 1, schema.size, out), schema.size);
    cr_assert_eq(fclose(out), 0);
}

static void make_files(void)
{
    struct config *config = &test.config;
    config->store_path = temp_path(&test.folder, "store", test.paths[0]);
    config->store_key_path = temp_path(&test.folder, "store.key", test.paths[1]);
    config->identity_key_path = temp_path(&test.folder, "identity.key", test.paths[2]);
    config->schemas_folder = temp_path(&test.folder, "schemas", test.paths[3]);
    cr_assert_eq(keys_create(config->store_key_path, KEY_STORE, &test.err), STATUS_OK);
    cr_assert_eq(keys_create(config->identity_key_path, KEY_IDENTITY, &test.err), STATUS_OK);
    cr_assert_eq(mkdir(config->schemas_folder, 0700), 0);
    write_schema("schemas/Alert.avsc", 1);
    write_schema("schemas/Receipt.avsc", 2);
    write_schema("schemas/DocumentChange.avsc", SCHEMA_CHANGE);
    write_schema("schemas/BankingEvent.avsc", SCHEMA_BANKING);
}

static void open_mock(void)
{
    static const struct {
        const char *name;
        uint32_t partitions;
    } topics[] = {{"banking", PARTITIONS},
                  {"document-changes", 2},
                  {"alerts", 1},
                  {"receipts", 1},
                  {"dead-letters", 1}};
    cr_assert_eq(kafka_mock_open(&test.mock, &test.err), STATUS_OK, "%s", test.err.text);
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        cr_assert_eq(kafka_mock_topic(test.mock, topics[i].name, topics[i].partitions, &test.err),
                     STATUS_OK);
}

static void set_up(void)
{
    log_configure(LOG_LEVEL_ERROR, false);
    test.folder = temp_folder_make();
    open_mock();
    test.config = (struct config){
        .kafka = {{"bootstrap.servers", kafka_mock_bootstrap(test.mock)}},
        .kafka_count = 1,
        .group = "checkit",
        .instance = "test",
        .workers = 1, /* while a second member joins, the embedded broker refuses commits */
        .memory_mb = 64,
        .start = START_EARLIEST,
        .commit_interval_ms = 100,
        .inputs = {{.topic = "banking", .mapping = *mapping_preset("banking")}},
        .inputs_count = 1,
        .alerts_topic = "alerts",
        .alerts_test_topic = "alerts.test",
        .heartbeat_topic = "heartbeat", /* not at all: heartbeat_interval_s is 0 */
        .receipts_topic = "receipts",
        .dead_letters_topic = "dead-letters",
        .due_s = {60, 3600},
        .feed_topic = "document-changes",
        .feed_wait_s = 60,
    };
    make_files();
    test.deadline_ns = clock_monotonic_ns() + UINT64_C(1000000) * PATIENCE_MS;
}

static void tear_down(void)
{
    screener_close(test.screener);
    kafka_mock_close(test.mock);
    temp_folder_remove(&test.folder);
}

TestSuite(screener, .init = set_up, .fini = tear_down);

/* --- opening --- */

static void expect_refused(int exit_code, const char *said)
{
    cr_assert_eq(screener_open(&test.config, &test.screener, &test.err), STATUS_FAIL);
    cr_assert_eq(test.err.exit_code, exit_code, "%s", test.err.text);
    cr_assert_not_null(strstr(test.err.text, said), "%s", test.err.text);
    cr_assert_null(test.screener);
}

Test(screener, key_that_is_missing_names_the_command_that_makes_it)
{
    cr_assert_eq(remove(test.config.store_key_path), 0);
    expect_refused(EX_CONFIG, "checkit key new");
}

Test(screener, identity_that_is_missing_names_the_command_that_makes_it)
{
    cr_assert_eq(remove(test.config.identity_key_path), 0);
    expect_refused(EX_CONFIG, "checkit key new");
}

Test(screener, contract_not_in_the_schemas_is_named)
{
    char path[2 * TEMP_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/2.avsc", test.config.schemas_folder);
    cr_assert_eq(remove(path), 0);
    expect_refused(EX_CONFIG, "Receipt");
}

Test(screener, rule_data_at_fault_is_told)
{
    test.config.rules_folder = test.config.schemas_folder;
    expect_refused(EX_CONFIG, "csv");
}

Test(screener, store_of_another_key_is_refused_and_kept)
{
    cr_assert_eq(screener_open(&test.config, &test.screener, &test.err), STATUS_OK, "%s",
                 test.err.text);
    screener_close(test.screener);
    test.screener = NULL;
    cr_assert_eq(remove(test.config.store_key_path), 0);
    cr_assert_eq(keys_create(test.config.store_key_path, KEY_STORE, &test.err), STATUS_OK);
    expect_refused(EX_CONFIG, "key");
    struct stat info;
    cr_assert_eq(stat(test.config.store_path, &info), 0);
}

Test(screener, corrupt_store_is_set_aside)
{
    char path[2 * TEMP_PATH_SIZE];
    struct stat info;
    cr_assert_eq(mkdir(test.config.store_path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/CURRENT", test.config.store_path);
    FILE *file = fopen(path, "wb");
    cr_assert(file && fputs("no store at all\n", file) >= 0 && fclose(file) == 0);
    cr_assert_eq(screener_open(&test.config, &test.screener, &test.err), STATUS_OK, "%s",
                 test.err.text);
    (void)snprintf(path, sizeof path, "%s.quarantine", test.config.store_path);
    cr_assert_eq(stat(path, &info), 0);
}

/* --- running --- */

struct sent {
    uint32_t delivered;
};

static void on_report(void *state, enum kafka_delivery delivery, uint64_t opaque,
                      const char *reason)
{
    struct sent *sent = state;
    (void)opaque, (void)reason;
    sent->delivered += delivery == KAFKA_DELIVERED;
}

static struct bytes encode_change(uint8_t *buffer, const char *id, const char *number)
{
    struct change change = change_make(id, number, 1);
    return change_encode(&change, SCHEMA_CHANGE, buffer, 1024);
}

static struct bytes encode_event(uint8_t *buffer, const char *number)
{
    struct encoder encoder = encoder_of(buffer, 1024);
    encode_prefix(&encoder, SCHEMA_BANKING);
    encode_text(&encoder, "event");
    encode_long(&encoder, 1700000000000);
    encode_text(&encoder, "bank-1");
    encode_long(&encoder, 0);
    encode_text(&encoder, "customer");
    encode_items(&encoder, 1);
    encode_text(&encoder, number);
    encode_long(&encoder, 0);
    encode_text(&encoder, "P");
    encode_optional_text(&encoder, bytes_of_text("FR"));
    encode_optional_text(&encoder, (struct bytes){NULL, 0});
    encode_optional_long(&encoder, false, 0);
    encode_items_end(&encoder);
    encode_items_end(&encoder);
    return encoder_done(&encoder, buffer);
}

static void produce(struct kafka_producer *producer, const char *topic, int32_t partition,
                    const char *key, struct bytes payload)
{
    struct kafka_message message = {
        .topic = topic, .partition = partition, .key = bytes_of_text(key), .payload = payload};
    cr_assert_eq(kafka_produce(producer, &message, &test.err), STATUS_OK, "%s", test.err.text);
}

/* LISTED entries, and EVENTS events that name document i: so LISTED of them hit. One is no Avro. */
static void send_all(void)
{
    struct kafka_producer *producer = NULL;
    struct sent sent = {0};
    struct kafka_reports reports = {&sent, on_report};
    cr_assert_eq(kafka_producer_open(&test.config, "test", &reports, &producer, &test.err),
                 STATUS_OK, "%s", test.err.text);
    for (int i = 0; i < EVENTS; i++) {
        char number[16];
        uint8_t buffer[1024];
        (void)snprintf(number, sizeof number, "QW%07d", 1000003 + 37 * i);
        produce(producer, "banking", i % PARTITIONS, NULL, encode_event(buffer, number));
        if (i < LISTED)
            produce(producer, "document-changes", i % 2, number,
                    encode_change(buffer, number, number));
    }
    produce(producer, "banking", 0, NULL, bytes_of_text("no Avro"));
    cr_assert_eq(kafka_flush(producer, PATIENCE_MS, &test.err), STATUS_OK, "%s", test.err.text);
    cr_assert_eq(sent.delivered, EVENTS + LISTED + 1);
    kafka_producer_close(producer);
}

/* A wait that ends a test that would hang. */
static bool wait_until_late(void *state, uint32_t ms)
{
    (void)state;
    clock_sleep_ms(ms);
    return clock_monotonic_ns() > test.deadline_ns;
}

static bool wait_not_at_all(void *state, uint32_t ms)
{
    (void)state, (void)ms;
    return true;
}

static json_t *summary(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    screener_write_summary(test.screener, out);
    cr_assert_eq(fclose(out), 0);
    cr_assert(size > 0 && text[size - 1] == '\n');
    json_error_t fault;
    json_t *json = json_loads(text, 0, &fault);
    cr_assert_not_null(json, "%s: %s", fault.text, text);
    free(text);
    return json;
}

static void open_screener(void)
{
    cr_assert_eq(screener_open(&test.config, &test.screener, &test.err), STATUS_OK, "%s",
                 test.err.text);
}

static void run_until_end(void)
{
    cr_assert_eq(screener_run(test.screener, SCREENER_UNTIL_END, wait_until_late, NULL, &test.err),
                 STATUS_OK, "%s", test.err.text);
    cr_assert_leq(clock_monotonic_ns(), test.deadline_ns, "it did not see its end");
}

/* Everything that was sent is committed: asked of the broker, not of the process. */
static void expect_all_committed(void)
{
    struct kafka_consumer *reader = NULL;
    struct kafka_position positions[PARTITIONS];
    for (int32_t i = 0; i < PARTITIONS; i++)
        positions[i] = (struct kafka_position){0, i, KAFKA_OFFSET_NONE};
    cr_assert_eq(kafka_reader_open(&test.config, "banking", "test", &reader, &test.err), STATUS_OK);
    cr_assert_eq(kafka_committed(reader, positions, PARTITIONS, PATIENCE_MS, &test.err), STATUS_OK,
                 "%s", test.err.text);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        int64_t low;
        int64_t high;
        cr_assert_eq(kafka_watermarks(reader, 0, i, &low, &high, &test.err), STATUS_OK);
        cr_assert_eq(positions[i].offset, high, "partition %d is committed up to %lld of %lld", i,
                     (long long)positions[i].offset, (long long)high);
    }
    kafka_consumer_close(reader);
}

Test(screener, run_until_the_end_screens_everything_once_and_tells_it)
{
    send_all();
    open_screener();
    run_until_end();
    json_t *told = summary();
    cr_assert_eq(json_number(told, "records"), EVENTS + 1);
    cr_assert_eq(json_number(told, "documents"), EVENTS);
    cr_assert_eq(json_number(told, "hits.EXACT.PAGE"), LISTED);
    cr_assert_eq(json_number(told, "hits.EXACT.REVIEW"), 0);
    cr_assert_eq(json_number(told, "dead_letters.wire_invalid"), 1);
    cr_assert_eq(json_number(told, "unscreenable.number_invalid"), 0);
    json_decref(told);
    cr_assert_eq(atomic_load(&screener_list(test.screener)->changes_applied), LISTED);
    expect_all_committed();
}

Test(screener, stopped_before_the_list_is_ready_is_no_fault)
{
    open_screener();
    cr_assert_eq(
        screener_run(test.screener, SCREENER_UNTIL_STOPPED, wait_not_at_all, NULL, &test.err),
        STATUS_OK, "%s", test.err.text);
    struct counters counters = {0};
    screener_count(test.screener, &counters);
    cr_assert_eq(counters_get(&counters.records), 0);
}

/* Ends the run once the workers have screened all events. */
static bool wait_for_events(void *state, uint32_t ms)
{
    struct counters counters = {0};
    screener_count(test.screener, &counters);
    return counters_get(&counters.records) > EVENTS || wait_until_late(state, ms);
}

Test(screener, stop_delivers_and_commits_what_was_screened)
{
    send_all();
    open_screener();
    cr_assert_eq(
        screener_run(test.screener, SCREENER_UNTIL_STOPPED, wait_for_events, NULL, &test.err),
        STATUS_OK, "%s", test.err.text);
    cr_assert_leq(clock_monotonic_ns(), test.deadline_ns, "not everything was screened");
    expect_all_committed();
}
