/* Generated records on a topic: the embedded broker has each of them once. Files are tested from
 * the command line (tests/cli). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/kafka_internal.h"
#include "operators/support/wire.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/output.h"
#include "tests/broker/stopped_clock.h"
#include "tests/unit/temp_folder.h"

enum {
    PATIENCE_MS = 30000, /* only a failing test waits so long */
    POLL_MS = 100,
    PARTITIONS = 3,
    RECORDS = 5000,
    SCHEMA_ID = 3,
    API_PRODUCE = 0
};

/* --- fixture --- */

static const char contract[] = "schemas/DocumentChange.avsc";

static struct temp_folder folder;
static struct kafka_mock *mock;
static struct config *config;
static struct error err;

static void write_schema(void)
{
    char path[TEMP_PATH_SIZE];
    struct bytes schema = assets_find(contract);
    FILE *file = fopen(temp_path(&folder, "3.avsc", path), "wb");
    cr_assert_eq(fwrite(schema.data, 1, schema.size, file), schema.size);
    (void)fclose(file);
}

static void set_property(const char *name, const char *value)
{
    config->kafka[config->kafka_count++] = (struct kafka_property){name, value};
}

static void set_up(void)
{
    folder = temp_folder_make();
    write_schema();
    cr_assert_eq(kafka_mock_open(&mock, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_mock_topic(mock, "changes", PARTITIONS, &err), STATUS_OK, "%s", err.text);
    config = memory_new(1, sizeof *config);
    config->workers = 1;
    config->memory_mb = 64;
    config->schemas_folder = folder.path;
    set_property("bootstrap.servers", kafka_mock_bootstrap(mock));
}

static void tear_down(void)
{
    kafka_mock_close(mock);
    memory_free(config);
    temp_folder_remove(&folder);
}

TestSuite(output, .init = set_up, .fini = tear_down);

static struct output *open_topic(const char *topic)
{
    struct output *output = NULL;
    cr_assert_eq(output_open_topic(config, topic, contract, &output, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_eq(output_form(output), OUTPUT_AVRO);
    cr_assert_eq(output_schema_id(output), SCHEMA_ID);
    return output;
}

/* Key and payload are the number of the record. */
static enum status put(struct output *output, uint32_t number)
{
    struct bytes data = bytes_of(&number, sizeof number);
    return output_put(output, data, data, &err);
}

/* Reads the topic to its end; each record once. */
static void expect_all(uint32_t count)
{
    struct kafka_position positions[PARTITIONS];
    struct kafka_consumer *reader = NULL;
    bool seen[RECORDS] = {false};
    uint32_t found = 0;
    cr_assert_eq(kafka_reader_open(config, "changes", "test", &reader, &err), STATUS_OK);
    for (int32_t i = 0; i < PARTITIONS; i++)
        positions[i] = (struct kafka_position){0, i, 0};
    cr_assert_eq(kafka_assign(reader, positions, PARTITIONS, &err), STATUS_OK, "%s", err.text);
    uint32_t waited_ms = 0;
    while (found < count && waited_ms < PATIENCE_MS) {
        struct record records[256];
        uint32_t read = 0;
        cr_assert_eq(kafka_poll(reader, records, 256, POLL_MS, &read, &err), STATUS_OK);
        for (uint32_t i = 0; i < read; i++) {
            uint32_t number;
            cr_assert(bytes_equal(records[i].key, records[i].payload));
            cr_assert_eq(records[i].payload.size, sizeof number);
            memcpy(&number, records[i].payload.data, sizeof number);
            cr_assert_lt(number, count);
            cr_assert(!seen[number], "%u twice", number);
            seen[number] = true;
            kafka_release(&records[i]);
        }
        found += read;
        waited_ms = read > 0 ? 0 : waited_ms + POLL_MS;
    }
    cr_assert_eq(found, count);
    int64_t high = 0;
    int64_t sum = 0;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        int64_t low;
        cr_assert_eq(kafka_watermarks(reader, 0, i, &low, &high, &err), STATUS_OK);
        cr_assert_gt(high, 0); /* the key decides, so all of them have some */
        sum += high;
    }
    cr_assert_eq(sum, count);
    kafka_consumer_close(reader);
}

static void put_all(void)
{
    struct output *output = open_topic("changes");
    for (uint32_t i = 0; i < RECORDS; i++)
        cr_assert_eq(put(output, i), STATUS_OK, "%s", err.text);
    cr_assert_eq(output_finish(output, &err), STATUS_OK, "%s", err.text);
    output_close(output);
}

Test(output, every_record_is_on_the_topic_once)
{
    put_all();
    expect_all(RECORDS);
}

Test(output, full_queue_makes_it_wait)
{
    set_property("queue.buffering.max.messages", "100"); /* as configured, not as preferred */
    put_all();
    expect_all(RECORDS);
}

Test(output, most_properties_leave_no_room_for_what_is_preferred)
{
    while (config->kafka_count < KAFKA_PROPERTIES_MAX)
        set_property("linger.ms", "1");
    put_all();
    expect_all(RECORDS);
}

Test(output, topic_that_does_not_exist_is_told)
{
    struct output *output = NULL;
    rd_kafka_mock_topic_set_error(kafka_mock_cluster(mock), "nothing",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    cr_assert_eq(output_open_topic(config, "nothing", contract, &output, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_str_eq(err.text, "topic nothing does not exist: create it first");
}

Test(output, schema_without_an_id_is_told)
{
    struct output *output = NULL;
    cr_assert_eq(output_open_topic(config, "changes", "schemas/BookingEvent.avsc", &output, &err),
                 STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_CONFIG);
}

Test(output, topic_that_takes_nothing_for_a_minute_ends_it)
{
    enum { LOOK_EVERY = 1024 };
    struct output *output = open_topic("changes");
    rd_kafka_mock_broker_set_down(kafka_mock_cluster(mock), 1);
    uint32_t next = 0;
    stopped_at_ns = clock_monotonic_ns();
    for (; next < LOOK_EVERY; next++) /* the last of them looks, with nothing delivered */
        cr_assert_eq(put(output, next), STATUS_OK, "%s", err.text);
    stopped_at_ns += 59 * UINT64_C(1000000000);
    for (; next < 2 * LOOK_EVERY; next++)
        cr_assert_eq(put(output, next), STATUS_OK, "%s", err.text);
    stopped_at_ns += 2 * UINT64_C(1000000000);
    for (; next < 3 * LOOK_EVERY - 1; next++)
        cr_assert_eq(put(output, next), STATUS_OK, "%s", err.text);
    cr_assert_eq(put(output, next), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_str_eq(err.text,
                     "topic changes: nothing was taken for 60 s; 0 of 3072 records are delivered");
    output_close(output);
}

Test(output, record_that_is_refused_ends_it)
{
    struct output *output = open_topic("changes");
    rd_kafka_resp_err_t refused = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    rd_kafka_mock_push_request_errors(kafka_mock_cluster(mock), API_PRODUCE, 1, refused);
    cr_assert_eq(put(output, 1), STATUS_OK);
    cr_assert_eq(output_finish(output, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "topic changes: a record was not taken: "), "%s", err.text);
    output_close(output);
}
