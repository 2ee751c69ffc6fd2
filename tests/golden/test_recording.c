/* A recording (tests/golden/line/recording.jsonl) goes through a whole worker and a feed, with a
 * broker, a clock, a registry and keys of the test's, and the list in memory. What comes out is
 * compared line by line with what is written beside it. CHECKIT_GOLDEN=rewrite writes it anew. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/encode.h"
#include "operators/support/keys.h"
#include "operators/support/rule_data.h"
#include "operators/support/store.h"
#include "operators/support/wire.h"
#include "pipeline/run/feed.h"
#include "pipeline/run/worker.h"
#include "tests/simulation/fake.h"
#include "tests/tools/read_avro.h"
#include "tests/tools/write_avro.h"

enum {
    ROUNDS = 16,     /* more than it takes to work off what was appended */
    FEED_MS = 500,   /* for the changes, then */
    WORKER_MS = 200, /* for the events: more than the rounds take */
    INPUTS = 3,
    PARTITIONS = 2,
    FILE_BYTES_MAX = 1024 * 1024,
    MESSAGE_BYTES_MAX = 64 * 1024,
    HEADERS_MAX = 16,
    DEAD_LETTER_BYTES_MAX = 128, /* of the topic: larger ones go without their value */
    SCHEMA_BOOKING = 1,
    SCHEMA_BANKING,
    SCHEMA_CHANGE,
    SCHEMA_ALERT,
    SCHEMA_RECEIPT,
    SCHEMA_SCAN,
    SCHEMA_DENIED, /* the registry says that there is none */
    SCHEMAS,
};

#define FOLDER TESTS_FOLDER "/golden/line/"
#define must(condition, ...) cr_assert(condition, __VA_ARGS__)

static const char *const schema_files[SCHEMAS] = {
    [SCHEMA_BOOKING] = "schemas/BookingEvent.avsc",  [SCHEMA_BANKING] = "schemas/BankingEvent.avsc",
    [SCHEMA_CHANGE] = "schemas/DocumentChange.avsc", [SCHEMA_ALERT] = "schemas/Alert.avsc",
    [SCHEMA_RECEIPT] = "schemas/Receipt.avsc",
};

static const char *const input_topics[INPUTS] = {"bookings", "banking", "scans"};

struct line_test {
    struct config config;
    struct rule_data *rules;
    struct store_key *store_key;
    struct identity *identity;
    struct store *store;
    struct list_state list;
    struct feed *feed;
    struct worker *worker;
    uint64_t now_ms; /* of the recording */
    char *scan_schema;
    struct bytes schemas[SCHEMAS];
};

/* --- files --- */

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    must(file, "%s cannot be read", path);
    char *text = calloc(1, FILE_BYTES_MAX);
    *size = fread(text, 1, FILE_BYTES_MAX - 1, file);
    must(feof(file), "%s is larger than %d bytes", path, FILE_BYTES_MAX - 1);
    (void)fclose(file);
    return text;
}

static void write_file(const char *path, const char *text, size_t size, mode_t mode)
{
    FILE *file = fopen(path, "wb");
    must(file && fwrite(text, 1, size, file) == size && fclose(file) == 0 && chmod(path, mode) == 0,
         "%s cannot be written", path);
}

/* --- the process around the line --- */

static void open_keys(struct line_test *test)
{
    static const char digits[] =
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
    struct error err = {0};
    char folder[] = "/tmp/checkit-golden-XXXXXX";
    char path[64];
    char text[128];
    must(mkdtemp(folder), "no temporary folder");
    (void)snprintf(path, sizeof path, "%s/key", folder);

    int size = snprintf(text, sizeof text, "checkit store key 1\n%s", digits);
    write_file(path, text, (size_t)size, 0400);
    must(store_key_open(path, &test->store_key, &err) == STATUS_OK, "%s", err.text);
    (void)unlink(path);
    size = snprintf(text, sizeof text, "checkit identity key 1\n%s", digits);
    write_file(path, text, (size_t)size, 0400);
    must(identity_open(path, &test->identity, &err) == STATUS_OK, "%s", err.text);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void configure(struct line_test *test)
{
    test->config = (struct config){
        .group = "checkit",
        .instance = "golden",
        .workers = 1,
        .memory_mb = 64,
        .commit_interval_ms = 1000,
        .inputs_count = INPUTS,
        .alerts_topic = "alerts",
        .alerts_test_topic = "alerts", /* one list of all */
        .receipts_topic = "receipts",
        .dead_letters_topic = "dead-letters",
        .due_s = {60, 3600},
        .feed_topic = "document-changes",
        .feed_wait_s = 60,
    };
    struct input *inputs = test->config.inputs;
    inputs[0].mapping = *mapping_preset("booking");
    inputs[1].mapping = *mapping_preset("banking");
    inputs[2].mapping = (struct mapping){
        .documents = {{.path = "",
                       .number = "number",
                       .issuer = "issuer",
                       .type = "kind",
                       .number_width = 9}},
        .documents_count = 1,
        .event_id = "id",
        .partner_fixed = "gates",
        .sector_fixed = "SEA",
        .place = "gate",
    };
    for (uint32_t i = 0; i < INPUTS; i++)
        inputs[i].topic = input_topics[i];
}

static void open_broker(struct line_test *test)
{
    fake_reset(1);
    fake_set_calm(true);
    fake_clock_reset();
    fake_registry_reset();
    for (uint32_t i = 0; i < INPUTS; i++)
        fake_topic(input_topics[i], PARTITIONS);
    fake_topic("document-changes", PARTITIONS);
    fake_topic("alerts", 1);
    fake_topic("receipts", 1);
    fake_topic("dead-letters", 1);
    fake_set_message_max("dead-letters", DEAD_LETTER_BYTES_MAX);

    size_t size;
    test->scan_schema = read_file(FOLDER "Scan.avsc", &size);
    for (uint32_t i = 0; i < SCHEMAS; i++)
        if (schema_files[i])
            test->schemas[i] = assets_find(schema_files[i]);
    test->schemas[SCHEMA_SCAN] = bytes_of(test->scan_schema, size);
    for (uint32_t i = 0; i < SCHEMAS; i++)
        if (test->schemas[i].data)
            fake_registry_give(i, (const char *)test->schemas[i].data);
    fake_registry_deny(SCHEMA_DENIED, true);
}

static struct line_test *open_test(void)
{
    struct error err = {0};
    struct line_test *test = calloc(1, sizeof *test);
    log_configure(LOG_LEVEL_ERROR, false);
    configure(test);
    open_broker(test);
    open_keys(test);
    must(rule_data_open(NULL, &test->rules, &err) == STATUS_OK, "%s", err.text);
    must(store_open(NULL, test->store_key, 1, 1, &test->store, &err) == STATUS_OK, "%s", err.text);
    struct feed_settings feed = {&test->config, test->rules, NULL, test->store, &test->list};
    must(feed_open(&feed, &test->feed, &err) == STATUS_OK, "%s", err.text);
    struct worker_settings settings = {.shared = {.config = &test->config,
                                                  .rules = test->rules,
                                                  .store = test->store,
                                                  .store_key = test->store_key,
                                                  .identity = test->identity,
                                                  .list = &test->list,
                                                  .cluster_id = "golden",
                                                  .alert_schema_id = SCHEMA_ALERT},
                                       .receipt_schema_id = SCHEMA_RECEIPT};
    must(worker_open(&settings, 0, &test->worker, &err) == STATUS_OK, "%s", err.text);
    return test;
}

static void close_test(struct line_test *test)
{
    worker_close(test->worker);
    feed_close(test->feed);
    store_close(test->store);
    rule_data_close(test->rules);
    identity_close(test->identity);
    store_key_close(test->store_key);
    fake_close();
    free(test->scan_schema);
    free(test);
}

/* --- the recording --- */

static size_t from_hex(const char *text, uint8_t *out)
{
    size_t size = strlen(text) / 2;
    for (size_t i = 0; i < size; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return size;
}

/* "value" as Avro under "schema", or "bytes" in hexadecimal, or nothing: a null value. */
static struct bytes payload_of(const struct line_test *test, const json_t *message, uint8_t *buffer)
{
    const char *bytes = json_string_value(json_object_get(message, "bytes"));
    if (bytes)
        return bytes_of(buffer, from_hex(bytes, buffer));
    const json_t *value = json_object_get(message, "value");
    if (!value)
        return (struct bytes){NULL, 0};
    uint32_t schema = (uint32_t)json_integer_value(json_object_get(message, "schema"));
    must(schema < SCHEMAS && test->schemas[schema].data, "no such schema: %u", schema);
    struct encoder encoder = encoder_of(buffer, MESSAGE_BYTES_MAX);
    encode_prefix(&encoder, schema);
    size_t size = write_avro(test->schemas[schema], value, buffer + WIRE_PREFIX_SIZE,
                             MESSAGE_BYTES_MAX - WIRE_PREFIX_SIZE);
    must(size > 0, "not what the schema says: %s", json_dumps(message, JSON_COMPACT));
    return bytes_of(buffer, WIRE_PREFIX_SIZE + size);
}

static void append(const struct line_test *test, const json_t *message)
{
    static uint8_t buffer[MESSAGE_BYTES_MAX];
    struct kafka_header_field headers[HEADERS_MAX];
    uint32_t count = 0;
    const char *name;
    const json_t *value;
    json_object_foreach(json_object_get(message, "headers"), name, value)
    {
        must(count < HEADERS_MAX, "too many headers");
        headers[count++] =
            (struct kafka_header_field){name, bytes_of_text(json_string_value(value))};
    }
    (void)fake_append_with(json_text(message, "topic"), (int32_t)json_number(message, "partition"),
                           bytes_of_text(json_string_value(json_object_get(message, "key"))),
                           payload_of(test, message, buffer), headers, count);
}

/* Everything appended so far: first the changes of the list, then the events. How long it took does
 * not show: the clock is set to the same time after each. */
static void work_off(struct line_test *test)
{
    struct error err = {0};
    for (uint32_t i = 0; i < ROUNDS; i++)
        must(feed_step(test->feed, &err) == STATUS_OK, "feed: %s", err.text);
    must(atomic_load(&test->list.ready), "the list is not ready");
    fake_clock_set_ms(test->now_ms + FEED_MS);
    for (uint32_t i = 0; i < ROUNDS; i++)
        must(worker_step(test->worker, &err) == STATUS_OK, "worker: %s", err.text);
    fake_clock_set_ms(test->now_ms + FEED_MS + WORKER_MS);
}

/* "at_ms" alone: what stands before it is worked off, then it is so late. */
static void play(struct line_test *test)
{
    size_t size;
    char *text = read_file(FOLDER "recording.jsonl", &size);
    char *rest = text;
    for (uint32_t number = 1; *rest; number++) {
        size_t length = strcspn(rest, "\n");
        json_error_t fault;
        json_t *line = json_loadb(rest, length, 0, &fault);
        must(line, "recording.jsonl:%u: %s", number, fault.text);
        long long at_ms = json_number(line, "at_ms");
        if (at_ms >= 0) {
            work_off(test);
            test->now_ms = (uint64_t)at_ms;
            fake_clock_set_ms(test->now_ms);
        } else {
            append(test, line);
        }
        json_decref(line);
        rest += length + (rest[length] == '\n');
    }
    free(text);
}

static void stop(struct line_test *test)
{
    struct error err = {0};
    work_off(test);
    must(worker_stop(test->worker, UINT64_MAX, &err) == STATUS_OK, "%s", err.text);
    for (uint32_t i = 0; i < INPUTS; i++)
        for (int32_t p = 0; p < PARTITIONS; p++)
            must(fake_committed(input_topics[i], p) == fake_end(input_topics[i], p),
                 "%s/%d is committed up to %lld of %lld", input_topics[i], p,
                 (long long)fake_committed(input_topics[i], p),
                 (long long)fake_end(input_topics[i], p));
}

/* --- what comes out --- */

static json_t *text_of(struct bytes bytes)
{
    return bytes.data ? json_stringn((const char *)bytes.data, bytes.size) : json_null();
}

static json_t *hex_of(struct bytes bytes)
{
    char text[2 * MESSAGE_BYTES_MAX + 1] = "";
    for (size_t i = 0; i < bytes.size; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes.data[i]);
    return bytes.data ? json_string(text) : json_null();
}

/* What is another with every commit. */
static bool is_build(const char *name)
{
    return strcmp(name, "checkit.build") == 0;
}

static json_t *read_contract(const struct fake_message *message, const char *contract)
{
    json_t *value = read_avro(contract, bytes_of(message->payload, message->payload_size));
    must(value, "a message that is not a %s", contract);
    must(strcmp(json_text(value, "build"), CHECKIT_BUILD) == 0, "another build");
    json_object_set_new(value, "build", json_string("VERSION+COMMIT"));
    return json_pack("{s:o, s:o}", "key", text_of(bytes_of(message->key, message->key_size)),
                     "value", value);
}

static json_t *read_alert(const struct fake_message *message)
{
    return read_contract(message, "schemas/Alert.avsc");
}

static json_t *read_receipt(const struct fake_message *message)
{
    return read_contract(message, "schemas/Receipt.avsc");
}

static json_t *read_dead_letter(const struct fake_message *message)
{
    json_t *headers = json_array();
    for (uint32_t i = 0; i < message->headers_count; i++) {
        const struct kafka_header_field *header = &message->headers[i];
        json_t *value =
            is_build(header->name) ? json_string("VERSION+COMMIT") : text_of(header->value);
        json_array_append_new(headers, json_pack("[s, o]", header->name, value));
    }
    return json_pack("{s:o, s:o, s:o}", "key", text_of(bytes_of(message->key, message->key_size)),
                     "headers", headers, "value",
                     hex_of(bytes_of(message->payload, message->payload_size)));
}

static char *read_topic(const char *topic, json_t *(*read)(const struct fake_message *message))
{
    char *text = calloc(1, FILE_BYTES_MAX);
    size_t size = 0;
    for (int64_t i = 0; i < fake_end(topic, 0); i++) {
        json_t *value = read(fake_message(topic, 0, i));
        must(value, "%s/%lld cannot be told as JSON", topic, (long long)i);
        char *line = json_dumps(value, JSON_COMPACT);
        size += (size_t)snprintf(text + size, FILE_BYTES_MAX - size, "%s\n", line);
        must(size < FILE_BYTES_MAX, "%s says too much", topic);
        free(line);
        json_decref(value);
    }
    return text;
}

static void expect_golden(const char *path, const char *text)
{
    const char *rewrite = getenv("CHECKIT_GOLDEN");
    if (rewrite && strcmp(rewrite, "rewrite") == 0) {
        write_file(path, text, strlen(text), 0644);
        (void)fprintf(stderr, "%s written: review it as a diff\n", path);
        return;
    }
    size_t size;
    char *golden = read_file(path, &size);
    const char *want = golden;
    for (uint32_t line = 1; *want || *text; line++) {
        size_t want_size = strcspn(want, "\n");
        size_t text_size = strcspn(text, "\n");
        must(want_size == text_size && memcmp(want, text, text_size) == 0,
             "%s:%u: it was\n%.*s\nand is\n%.*s\nCHECKIT_GOLDEN=rewrite writes it anew", path, line,
             (int)want_size, want, (int)text_size, text);
        want += want_size + (want[want_size] == '\n');
        text += text_size + (text[text_size] == '\n');
    }
    free(golden);
}

static void add_count(json_t *counts, const char *group, const char *name, uint64_t count)
{
    json_t *object = json_object_get(counts, group);
    if (!object) {
        object = json_object();
        json_object_set_new(counts, group, object);
    }
    if (count > 0)
        json_object_set_new(object, name, json_integer((json_int_t)count));
}

static char *read_counts(const struct line_test *test)
{
    const struct counters *counters = worker_counters(test->worker);
    json_t *counts = json_object();
    add_count(counts, "events", "records", counters_get(&counters->records));
    add_count(counts, "events", "documents", counters_get(&counters->documents));
    add_count(counts, "events", "duplicates", counters_get(&counters->duplicates));
    add_count(counts, "events", "specimens", counters_get(&counters->specimens));
    add_count(counts, "events", "issuers_unknown", counters_get(&counters->issuers_unknown));
    add_count(counts, "events", "nationalities_unknown",
              counters_get(&counters->nationalities_unknown));
    for (uint32_t i = 0; i < UNSCREENABLE_COUNT; i++)
        add_count(counts, "unscreenable", unscreenable_name(i),
                  counters_get(&counters->unscreenable[i]));
    for (uint32_t i = 0; i < RECORD_STATUS_COUNT; i++)
        add_count(counts, "dead_letters", record_status_name(i),
                  counters_get(&counters->dead_letters[i]));
    for (uint32_t i = 0; i < TIER_COUNT; i++) {
        add_count(counts, "page", tier_name(i), counters_get(&counters->hits[i][CLASS_PAGE]));
        add_count(counts, "review", tier_name(i), counters_get(&counters->hits[i][CLASS_REVIEW]));
    }
    add_count(counts, "changes", "applied", counters_get(&test->list.changes_applied));
    add_count(counts, "changes", "older", counters_get(&test->list.changes_older));
    add_count(counts, "changes", "skipped", counters_get(&test->list.changes_skipped));
    char *text = json_dumps(counts, JSON_INDENT(2));
    json_decref(counts);
    size_t size = strlen(text);
    text = realloc(text, size + 2);
    memcpy(text + size, "\n", 2);
    return text;
}

static struct line_test *play_recording(void)
{
    struct line_test *test = open_test();
    play(test);
    stop(test);
    return test;
}

static void expect_of_recording(const char *topic,
                                json_t *(*read)(const struct fake_message *message),
                                const char *path)
{
    struct line_test *test = play_recording();
    char *text = read_topic(topic, read);
    expect_golden(path, text);
    free(text);
    close_test(test);
}

Test(recording, line_gives_the_alerts_as_written)
{
    expect_of_recording("alerts", read_alert, FOLDER "alerts.jsonl");
}

Test(recording, line_gives_the_receipts_as_written)
{
    expect_of_recording("receipts", read_receipt, FOLDER "receipts.jsonl");
}

Test(recording, line_gives_the_dead_letters_as_written)
{
    expect_of_recording("dead-letters", read_dead_letter, FOLDER "dead_letters.jsonl");
}

Test(recording, line_gives_the_counts_as_written)
{
    struct line_test *test = play_recording();
    char *text = read_counts(test);
    expect_golden(FOLDER "counts.json", text);
    free(text);
    close_test(test);
}
