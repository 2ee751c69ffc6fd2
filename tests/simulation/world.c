#include "tests/simulation/world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operators/support/change_encode.h"
#include "operators/support/encode.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "tests/unit/change_fixture.h"

enum { FEED_STEPS_MAX = 20000, STOP_MS = 4000, EVENT_BYTES_MAX = 1024 * 1024 };

static const char event_schema[] =
    "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"id\",\"type\":\"string\"},"
    "{\"name\":\"docs\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"D\","
    "\"fields\":[{\"name\":\"number\",\"type\":\"string\"},{\"name\":\"issuer\",\"type\":"
    "\"string\"},{\"name\":\"type\",\"type\":\"string\"}]}}}]}";

#define must(condition, ...) cr_assert(condition, __VA_ARGS__)

/* --- what is sent --- */

void world_number(uint32_t entry, char number[16])
{
    (void)snprintf(number, 16, "QW%07u", 1000003 + entry * 37);
}

static void send_change(const struct change *change, int32_t partition)
{
    uint8_t buffer[512];
    struct bytes payload = change_encode(change, SCHEMA_CHANGE, buffer, sizeof buffer);
    (void)fake_append("changes", partition, change->entry_id, payload);
}

void world_change(struct world *world, uint32_t entry, const char *number, bool withdraw)
{
    char id[16];
    (void)snprintf(id, sizeof id, "E%u", entry);
    struct change change = change_make(id, number, ++world->revision);
    change.op = withdraw ? CHANGE_WITHDRAW : CHANGE_UPSERT;
    change.type = bytes_of_text(random_below(fake_random(), 2) ? "PASSPORT" : "VISA");
    send_change(&change, (int32_t)(entry % 2));
}

int64_t world_event(int32_t partition, uint32_t schema_id, const uint32_t *entries, uint32_t count)
{
    uint8_t *buffer = malloc(EVENT_BYTES_MAX);
    char id[32];
    struct encoder encoder = encoder_of(buffer, EVENT_BYTES_MAX);
    encode_prefix(&encoder, schema_id);
    (void)snprintf(id, sizeof id, "%d-%lld", partition, (long long)fake_end("in", partition));
    encode_text(&encoder, id);
    encode_items(&encoder, count);
    for (uint32_t i = 0; i < count; i++) {
        char number[16];
        world_number(entries[i], number);
        encode_text(&encoder, number);
        encode_text(&encoder, "FR");
        encode_text(&encoder, "P");
    }
    encode_items_end(&encoder);
    struct bytes payload = encoder_done(&encoder, buffer);
    must(payload.data, "an event of %u documents is too large", count);
    int64_t offset = fake_append("in", partition, (struct bytes){0}, payload);
    free(buffer);
    return offset;
}

void world_give_late(void)
{
    fake_registry_give(SCHEMA_LATE, event_schema);
}

/* --- heartbeats --- */

static void send_test_entry(struct world *world)
{
    struct change change = change_make(TEST_ENTRY_ID, TEST_ENTRY_NUMBER, ++world->revision);
    change.issuer = bytes_of_text(TEST_ENTRY_ISSUER);
    change.flags = ENTRY_TEST;
    send_change(&change, 0);
}

static void begin_heartbeat(struct world *world)
{
    world->beats = (struct heartbeat_state){0};
    atomic_store(&world->beats.began_ms, clock_wall_ms());
    atomic_store(&world->beats.is_on, true);
    world->heartbeat = heartbeat_open(
        &(struct heartbeat_settings){&world->config, NULL, world->store, &world->beats});
}

void world_open_heartbeats(struct world *world)
{
    fake_topic("heartbeat", WORLD_HEARTBEAT_PARTITIONS);
    fake_topic("alerts.test", 1);
    fake_registry_give(SCHEMA_BOOKING, (const char *)assets_find("schemas/BookingEvent.avsc").data);
    fake_registry_give(SCHEMA_ALERT, (const char *)assets_find("schemas/Alert.avsc").data);
    heartbeat_add_input(&world->config);
    send_test_entry(world);
    begin_heartbeat(world);
}

void world_beat(struct world *world)
{
    heartbeat_step(world->heartbeat);
}

void world_crash_heartbeat(struct world *world)
{
    fake_crash_all(true);
    heartbeat_close(world->heartbeat);
    fake_crash_all(false);
    begin_heartbeat(world);
}

/* --- steps --- */

void world_step_feed(struct world *world)
{
    struct error err = {0};
    must(feed_step(world->feed, &err) == STATUS_OK, "seed %llu: feed: %s",
         (unsigned long long)world->seed, err.text);
}

void world_list(struct world *world, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char number[16];
        world_number(i, number);
        world_change(world, i, number, false);
    }
    for (uint32_t i = 0; i < FEED_STEPS_MAX && !atomic_load(&world->list.ready); i++)
        world_step_feed(world);
    must(atomic_load(&world->list.ready), "seed %llu: the list is never ready",
         (unsigned long long)world->seed);
}

void world_start(struct world *world, uint32_t worker)
{
    struct error err = {0};
    must(worker_open(&world->settings, worker, &world->workers[worker], &err) == STATUS_OK, "%s",
         err.text);
}

void world_step(struct world *world, uint32_t worker)
{
    struct error err = {0};
    must(worker_step(world->workers[worker], &err) == STATUS_OK, "seed %llu: worker: %s",
         (unsigned long long)world->seed, err.text);
}

void world_crash(struct world *world, uint32_t worker)
{
    fake_crash_all(true);
    worker_close(world->workers[worker]);
    fake_crash_all(false);
    world->workers[worker] = NULL;
}

enum status world_stop(struct world *world, uint32_t worker, struct error *err)
{
    uint64_t deadline_ns = clock_monotonic_ns() + STOP_MS * UINT64_C(1000000);
    enum status status = worker_stop(world->workers[worker], deadline_ns, err);
    worker_close(world->workers[worker]);
    world->workers[worker] = NULL;
    return status;
}

/* --- open and close --- */

static void open_keys(struct world *world)
{
    struct error err = {0};
    char folder[] = "/tmp/checkit-simulation-XXXXXX";
    char path[64];
    must(mkdtemp(folder), "no temporary folder");
    (void)snprintf(path, sizeof path, "%s/store.key", folder);
    must(keys_create(path, KEY_STORE, &err) == STATUS_OK, "%s", err.text);
    must(store_key_open(path, &world->store_key, &err) == STATUS_OK, "%s", err.text);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/identity.key", folder);
    must(keys_create(path, KEY_IDENTITY, &err) == STATUS_OK, "%s", err.text);
    must(identity_open(path, &world->identity, &err) == STATUS_OK, "%s", err.text);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void open_broker(uint64_t seed)
{
    fake_reset(seed);
    fake_clock_reset();
    fake_registry_reset();
    fake_topic("in", WORLD_PARTITIONS);
    fake_topic("changes", 2);
    fake_topic("alerts", 2);
    fake_topic("receipts", 1);
    fake_topic("dead", 1);
    fake_set_message_max("dead", WORLD_DEAD_LETTER_MAX);
    fake_registry_give(SCHEMA_EVENT, event_schema);
    fake_registry_deny(SCHEMA_DENIED, true);
    fake_registry_give(SCHEMA_CHANGE,
                       (const char *)assets_find("schemas/DocumentChange.avsc").data);
}

static void configure(struct config *config)
{
    *config = (struct config){
        .group = "checkit",
        .instance = "simulated",
        .workers = WORLD_WORKERS,
        .memory_mb = 64,
        .commit_interval_ms = 1000,
        .transaction_ms = 200,
        .inputs = {{.topic = "in",
                    .mapping = {.documents = {{.path = "docs[]",
                                               .number = "number",
                                               .issuer = "issuer",
                                               .type = "type"}},
                                .documents_count = 1,
                                .event_id = "id"}}},
        .inputs_count = 1,
        .alerts_topic = "alerts",
        .alerts_test_topic = "alerts.test",
        .receipts_topic = "receipts",
        .dead_letters_topic = "dead",
        .due_s = {60, 3600},
        .feed_topic = "changes",
        .feed_wait_s = 60,
        .heartbeat_topic = "heartbeat",
        .heartbeat_interval_s = WORLD_HEARTBEAT_S,
        .log_level = LOG_LEVEL_ERROR,
    };
}

void world_open(struct world *world, uint64_t seed)
{
    struct error err = {0};
    *world = (struct world){.seed = seed};
    configure(&world->config);
    open_broker(seed);
    open_keys(world);
    must(rule_data_open(NULL, &world->rules, &err) == STATUS_OK, "%s", err.text);
    must(store_open(NULL, world->store_key, 1, WORLD_WORKERS, &world->store, &err) == STATUS_OK,
         "%s", err.text);
    struct feed_settings feed = {&world->config, world->rules, NULL, world->store, &world->list};
    must(feed_open(&feed, &world->feed, &err) == STATUS_OK, "%s", err.text);
    world->settings = (struct worker_settings){.shared = {.config = &world->config,
                                                          .rules = world->rules,
                                                          .store = world->store,
                                                          .store_key = world->store_key,
                                                          .identity = world->identity,
                                                          .list = &world->list,
                                                          .cluster_id = "simulated",
                                                          .alert_schema_id = SCHEMA_ALERT},
                                               .receipt_schema_id = SCHEMA_RECEIPT};
}

void world_close(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_WORKERS; i++)
        worker_close(world->workers[i]);
    heartbeat_close(world->heartbeat);
    feed_close(world->feed);
    store_close(world->store);
    rule_data_close(world->rules);
    identity_close(world->identity);
    store_key_close(world->store_key);
    fake_close();
}

int64_t world_event_of(int32_t partition, uint32_t count, uint32_t listed)
{
    static uint32_t entries[WORLD_DOCUMENTS_MAX];
    cr_assert_leq(count, WORLD_DOCUMENTS_MAX);
    for (uint32_t i = 0; i < count; i++)
        entries[i] = i < listed ? i : WORLD_NOBODYS + i;
    return world_event(partition, SCHEMA_EVENT, entries, count);
}

static bool is_committed(const struct input *input)
{
    uint32_t partitions = fake_partitions(input->topic);
    for (int32_t i = 0; i < (int32_t)partitions; i++)
        if (!fake_is_committed(input->topic, i) ||
            fake_committed(input->topic, i) != fake_end(input->topic, i))
            return false;
    return true;
}

bool world_is_committed(const struct world *world)
{
    for (uint32_t i = 0; i < world->config.inputs_count; i++)
        if (!is_committed(&world->config.inputs[i]))
            return false;
    return true;
}

void world_step_times(struct world *world, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        world_step(world, 0);
}
