/* rig.h - what a worker gives its steps, for tests of one of them: a broker, a clock and a registry
 * of the test's (tests/simulation/fake.h), with nothing left to chance, and the rest as it is.
 *
 * Two inputs, "in" and "other", of two partitions; records hold the schema of rig_schema. */
#ifndef CHECKIT_TESTS_RIG_H
#define CHECKIT_TESTS_RIG_H

#include "operators/support/dead_letters.h"
#include "operators/support/encode.h"
#include "operators/support/rule_data.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "pipeline/counters.h"
#include "pipeline/list_state.h"
#include "pipeline/operator.h"
#include "tests/simulation/fake.h"
#include "tests/unit/store_fixture.h"

enum {
    RIG_SCHEMA = 1,
    RIG_SCHEMA_LATE = 2,    /* the registry does not know it yet */
    RIG_SCHEMA_DENIED = 3,  /* it says that there is none */
    RIG_SCHEMA_REFUSED = 4, /* without the number path */
    RIG_SCHEMA_ALERT = 5,
    RIG_SCHEMA_RECEIPT = 6,
    RIG_SCHEMA_CHANGE = 7,
    RIG_PAYLOAD_SIZE = 2 * 1024 * 1024,
};

static const char rig_schema[] =
    "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"id\",\"type\":\"string\"},"
    "{\"name\":\"docs\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"D\","
    "\"fields\":[{\"name\":\"number\",\"type\":\"string\"},{\"name\":\"issuer\",\"type\":"
    "\"string\"}]}}}]}";
static const char rig_schema_refused[] =
    "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"id\",\"type\":\"string\"}]}";

struct rig {
    struct config config;
    struct fixture keys;
    struct rule_data *rules;
    struct identity *identity;
    struct store *store;
    struct list_state list;
    struct counters counters;
    struct ledger *ledger;
    struct batch *batch;
    struct kafka_consumer *consumer;
    struct kafka_producer *producer;
    struct dead_letters *letters;
    struct environment environment;
    enum status report_status; /* the first that is not OK */
    struct error report_error;
    uint32_t reports; /* come so far, of any kind */
};

static inline void rig_assigned(void *state, const struct kafka_position *positions, uint32_t count)
{
    struct rig *rig = state;
    for (uint32_t i = 0; i < count; i++)
        cr_assert(ledger_take(rig->ledger, positions[i].topic, positions[i].partition,
                              positions[i].offset));
}

static inline void rig_revoked(void *state, const struct kafka_position *positions, uint32_t count,
                               bool lost)
{
    struct rig *rig = state;
    (void)lost;
    for (uint32_t i = 0; i < count; i++)
        ledger_drop(rig->ledger, positions[i].topic, positions[i].partition);
}

static inline void rig_report(void *state, enum kafka_delivery delivery, uint64_t opaque,
                              const char *reason)
{
    struct rig *rig = state;
    struct tag tag = tag_unpack(opaque);
    rig->reports++;
    if (tag.kind != TAG_DEAD_LETTER) {
        ledger_delivered(rig->ledger, tag.interval);
        return;
    }
    struct error err = {0};
    enum status status = dead_letters_report(rig->letters, tag, delivery, reason, &err);
    if (status == STATUS_OK || rig->report_status != STATUS_OK)
        return;
    rig->report_status = status;
    rig->report_error = err;
}

static inline void rig_configure(struct config *config)
{
    *config = (struct config){
        .group = "checkit",
        .instance = "rig",
        .workers = 1,
        .memory_mb = 64,
        .commit_interval_ms = 1000,
        .transaction_ms = 200,
        .inputs_count = 2,
        .alerts_topic = "alerts",
        .alerts_test_topic = "alerts.test",
        .receipts_topic = "receipts",
        .dead_letters_topic = "dead-letters",
        .due_s = {60, 3600},
        .feed_topic = "changes",
        .feed_wait_s = 60,
    };
    static const char *const topics[] = {"in", "other"};
    for (uint32_t i = 0; i < 2; i++) {
        config->inputs[i].topic = topics[i];
        config->inputs[i].mapping = (struct mapping){
            .documents = {{.path = "docs[]", .number = "number", .issuer = "issuer"}},
            .documents_count = 1,
            .event_id = "id",
        };
    }
}

static inline void rig_open_broker(void)
{
    fake_reset(1);
    fake_set_calm(true);
    fake_clock_reset();
    fake_registry_reset();
    fake_topic("in", 2);
    fake_topic("other", 2);
    fake_topic("changes", 2);
    fake_topic("alerts", 1);
    fake_topic("receipts", 1);
    fake_topic("dead-letters", 1);
    fake_registry_give(RIG_SCHEMA, rig_schema);
    fake_registry_give(RIG_SCHEMA_REFUSED, rig_schema_refused);
    fake_registry_deny(RIG_SCHEMA_DENIED, true);
    fake_registry_give(RIG_SCHEMA_CHANGE,
                       (const char *)assets_find("schemas/DocumentChange.avsc").data);
}

/* Everything but consumer, producer and what needs them. */
static inline struct rig *rig_open_bare(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct error err = {0};
    char path[TEMP_PATH_SIZE];
    log_configure(LOG_LEVEL_ERROR, false);
    rig_configure(&rig->config);
    rig_open_broker();
    rig->keys = fixture_make();
    temp_path(&rig->keys.folder, "identity", path);
    cr_assert_eq(keys_create(path, KEY_IDENTITY, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(identity_open(path, &rig->identity, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(rule_data_open(NULL, &rig->rules, &err), STATUS_OK, "%s", err.text);
    rig->store = fixture_open(&rig->keys, NULL);
    rig->ledger = ledger_open();
    rig->batch = batch_open();
    rig->environment = (struct environment){
        .config = &rig->config,
        .rules = rig->rules,
        .store = rig->store,
        .store_key = rig->keys.key,
        .identity = rig->identity,
        .ledger = rig->ledger,
        .counters = &rig->counters,
        .list = &rig->list,
        .cluster_id = "simulated",
        .alert_schema_id = RIG_SCHEMA_ALERT,
    };
    return rig;
}

static inline struct rig *rig_open(void)
{
    struct rig *rig = rig_open_bare();
    struct error err = {0};
    struct kafka_rebalance rebalance = {rig, rig_assigned, rig_revoked, NULL};
    struct kafka_reports reports = {rig, rig_report};
    cr_assert_eq(kafka_consumer_open(&rig->config, 0, &rebalance, &rig->consumer, &err), STATUS_OK);
    cr_assert_eq(kafka_producer_open(&rig->config, "rig", &reports, &rig->producer, &err),
                 STATUS_OK);
    rig->letters = dead_letters_open(&rig->config, rig->producer, rig->ledger);
    rig->environment.consumer = rig->consumer;
    rig->environment.producer = rig->producer;
    rig->environment.dead_letters = rig->letters;
    return rig;
}

static inline void rig_close(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->batch->records_count; i++)
        kafka_release(&rig->batch->records[i]);
    kafka_consumer_close(rig->consumer);
    kafka_producer_close(rig->producer);
    dead_letters_close(rig->letters);
    batch_close(rig->batch);
    ledger_close(rig->ledger);
    store_close(rig->store);
    rule_data_close(rig->rules);
    identity_close(rig->identity);
    fixture_end(&rig->keys);
    fake_close();
    free(rig);
}

/* A step of the rig's environment. */
static inline void *rig_step_open(struct rig *rig, const struct operator_step *step)
{
    void *state = NULL;
    struct error err = {0};
    cr_assert_eq(step->open(&rig->environment, &state, &err), STATUS_OK, "%s", err.text);
    return state;
}

static inline void rig_step_run(struct rig *rig, const struct operator_step *step, void *state)
{
    struct error err = {0};
    cr_assert_eq(step->process(state, rig->batch, &err), STATUS_OK, "%s", err.text);
}

/* A record of the schema, written to buffer: documents first, first + 1, ... of France, numbers
 * "QW1000003" and so on. */
static inline struct bytes rig_payload(void *buffer, uint32_t schema_id, uint32_t first,
                                       uint32_t count)
{
    struct encoder encoder = encoder_of(buffer, RIG_PAYLOAD_SIZE);
    encode_prefix(&encoder, schema_id);
    encode_text(&encoder, "event");
    if (count > 0)
        encode_items(&encoder, count);
    for (uint32_t i = first; i < first + count; i++) {
        char number[16];
        (void)snprintf(number, sizeof number, "QW%07u", 1000003 + i);
        encode_text(&encoder, number);
        encode_text(&encoder, "FR");
    }
    encode_items_end(&encoder);
    struct bytes payload = encoder_done(&encoder, buffer);
    cr_assert_not_null(payload.data);
    return payload;
}

static inline int64_t rig_append(const char *topic, int32_t partition, uint32_t schema_id,
                                 uint32_t first, uint32_t count)
{
    uint8_t *buffer = malloc(RIG_PAYLOAD_SIZE);
    struct bytes payload = rig_payload(buffer, schema_id, first, count);
    int64_t offset = fake_append(topic, partition, bytes_of_text("key"), payload);
    free(buffer);
    return offset;
}

/* A record of the batch that no broker knows: payload borrowed. */
static inline struct record *rig_record(struct rig *rig, uint16_t input, int32_t partition,
                                        struct bytes payload)
{
    uint32_t index = rig->batch->records_count++;
    struct record *record = &rig->batch->records[index];
    *record = (struct record){.payload = payload,
                              .origin = {input, partition, index, clock_wall_ms()},
                              .received_at_ms = clock_wall_ms()};
    return record;
}

/* A live entry for document `document` of rig_payload. */
static inline struct entry rig_entry(const char *id, uint32_t document, int64_t revision)
{
    char number[16];
    (void)snprintf(number, sizeof number, "QW%07u", 1000003 + document);
    struct entry entry = entry_make(id, number, revision);
    entry.issuer = (struct issuer){{'F', 'R', 'A'}};
    return entry;
}

#endif
