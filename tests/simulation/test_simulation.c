/* Drives workers and the feed of the real code from one seeded scheduler, over a broker that takes
 * partitions away, blocks, loses members in the middle and delivers in any order. What must hold:
 *
 *   - when an offset is committed, every listed document before it has its alert in the log, and
 *     every record that could not be read its dead letter;
 *   - a document that was never listed has no alert;
 *   - the same record screened again gives the same sighting;
 *   - in the end everything is committed, and the receipts leave no gap.
 *
 * CHECKIT_SEED=N runs that seed alone, as a failure tells; CHECKIT_SEEDS=N runs so many.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operators/support/encode.h"
#include "operators/support/keys.h"
#include "operators/support/rule_data.h"
#include "operators/support/store.h"
#include "pipeline/run/feed.h"
#include "pipeline/run/worker.h"
#include "tests/simulation/fake.h"
#include "tests/tools/read_avro.h"

enum {
    STEPS = 1500,
    SETTLE_STEPS_MAX = 20000,
    SEEDS = 25,
    WORKERS = 2,
    PARTITIONS = 3,
    EVENTS_MAX = 8192,
    SCHEMA_EVENT = 1,
    SCHEMA_LATE = 2,   /* the registry learns of it while events wait */
    SCHEMA_DENIED = 3, /* it never does, and says so */
    SCHEMA_CHANGE = 4,
    SCHEMA_ALERT = 5,
    SCHEMA_RECEIPT = 6,
    STABLE = 10,   /* entries 0.. are listed once, before the first event */
    REVISED = 20,  /* up to here: changed again and again, but always listed */
    VOLATILE = 30, /* up to here: corrected, withdrawn, listed again */
    NEVER = 100,   /* from here: never listed */
};

static const char event_schema[] =
    "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"id\",\"type\":\"string\"},"
    "{\"name\":\"number\",\"type\":\"string\"},{\"name\":\"issuer\",\"type\":\"string\"},"
    "{\"name\":\"type\",\"type\":\"string\"}]}";

/* What must become of a record. */
enum fate { FATE_MARKER, FATE_HIT, FATE_NONE, FATE_EITHER, FATE_DEAD_LETTER };

struct event {
    enum fate fate;
    bool alerted;
    bool dead;
    bool covered; /* by a receipt */
    char sighting[ID_TEXT_SIZE];
};

struct simulation {
    uint64_t seed;
    struct config config;
    struct rule_data *rules;
    struct store_key *store_key;
    struct identity *identity;
    struct store *store;
    struct list_state list;
    struct feed *feed;
    struct worker_settings settings;
    struct worker *workers[WORKERS];
    int64_t revision;
    bool blocked;
    struct event events[PARTITIONS][EVENTS_MAX];
    int64_t committed[PARTITIONS];
};

static struct simulation *sim;

#define must(condition, ...) cr_assert(condition, __VA_ARGS__)

static uint64_t below(uint64_t bound)
{
    return random_below(fake_random(), bound);
}

/* --- what is sent --- */

static void number_of(uint32_t entry, char number[16])
{
    (void)snprintf(number, 16, "QW%07u", 1000003 + entry * 37);
}

static void append_change(uint32_t entry, const char *number, bool withdraw)
{
    uint8_t buffer[512];
    char id[16];
    (void)snprintf(id, sizeof id, "E%u", entry);
    struct encoder encoder = encoder_of(buffer, sizeof buffer);
    encode_prefix(&encoder, SCHEMA_CHANGE);
    encode_text(&encoder, id);
    encode_long(&encoder, withdraw);
    encode_long(&encoder, ++sim->revision);
    encode_optional_text(&encoder, bytes_of_text(number));
    encode_optional_text(&encoder, (struct bytes){0});
    encode_optional_text(&encoder, bytes_of_text("FRA"));
    encode_optional_text(&encoder, bytes_of_text(below(2) ? "PASSPORT" : "VISA"));
    encode_optional_long(&encoder, false, 0); /* loss */
    encode_long(&encoder, 0);                 /* flags */
    encode_text(&encoder, "simulated");
    for (int i = 0; i < 4; i++)
        encode_optional_long(&encoder, false, 0); /* dates */
    encode_optional_text(&encoder, (struct bytes){0});
    encode_long(&encoder, 0);
    struct bytes payload = encoder_done(&encoder, buffer);
    (void)fake_append("changes", (int32_t)(entry % 2), bytes_of_text(id), payload);
}

static void change_list(void)
{
    uint32_t entry = STABLE + (uint32_t)below(VOLATILE - STABLE);
    char number[16];
    number_of(entry, number);
    if (entry >= REVISED && below(2))
        number[2] = 'X'; /* corrected to a number nobody asks for, and perhaps back later */
    append_change(entry, number, entry >= REVISED && below(4) == 0);
}

static void append_event(int32_t partition, uint32_t schema_id, uint32_t entry, enum fate fate)
{
    char number[16];
    char id[32];
    uint8_t buffer[256];
    number_of(entry, number);
    struct encoder encoder = encoder_of(buffer, sizeof buffer);
    encode_prefix(&encoder, schema_id);
    (void)snprintf(id, sizeof id, "%d-%lld", partition, (long long)fake_end("in", partition));
    encode_text(&encoder, id);
    encode_text(&encoder, number);
    encode_text(&encoder, "FR");
    encode_text(&encoder, "P");
    int64_t offset =
        fake_append("in", partition, (struct bytes){0}, encoder_done(&encoder, buffer));
    must(offset < EVENTS_MAX, "more events than the test has room for");
    sim->events[partition][offset] = (struct event){.fate = fate};
}

static void append_events(void)
{
    int32_t partition = (int32_t)below(PARTITIONS);
    uint64_t kind = below(100);
    if (kind < 40)
        append_event(partition, SCHEMA_EVENT, (uint32_t)below(REVISED), FATE_HIT);
    else if (kind < 75)
        append_event(partition, SCHEMA_EVENT, NEVER + (uint32_t)below(100), FATE_NONE);
    else if (kind < 85)
        append_event(partition, SCHEMA_EVENT, REVISED + (uint32_t)below(VOLATILE - REVISED),
                     FATE_EITHER);
    else if (kind < 88)
        append_event(partition, SCHEMA_LATE, (uint32_t)below(STABLE), FATE_HIT);
    else if (kind < 90)
        append_event(partition, SCHEMA_DENIED, 0, FATE_DEAD_LETTER);
    else if (kind < 95)
        fake_append_marker("in", partition); /* events are FATE_MARKER until said otherwise */
    else {
        int64_t offset = fake_append("in", partition, (struct bytes){0},
                                     bytes_of_text("not Avro, and long enough to be too large"));
        sim->events[partition][offset] = (struct event){.fate = FATE_DEAD_LETTER};
    }
}

/* --- what is seen --- */

static struct event *event_of(long long partition, long long offset)
{
    must(partition >= 0 && partition < PARTITIONS && offset >= 0 &&
             offset < fake_end("in", (int32_t)partition),
         "seed %llu: no such event: %lld/%lld", (unsigned long long)sim->seed, partition, offset);
    return &sim->events[partition][offset];
}

static void on_alert(const struct fake_message *message)
{
    json_t *alert =
        read_avro("schemas/Alert.avsc", bytes_of(message->payload, message->payload_size));
    must(alert, "seed %llu: an alert that is not one", (unsigned long long)sim->seed);
    struct event *event =
        event_of(json_number(alert, "event.partition"), json_number(alert, "event.offset"));
    must(event->fate == FATE_HIT || event->fate == FATE_EITHER, "seed %llu: false alert",
         (unsigned long long)sim->seed);
    const char *sighting = json_text(alert, "sighting_id");
    must(!event->alerted || strcmp(event->sighting, sighting) == 0,
         "seed %llu: one sighting, two ids", (unsigned long long)sim->seed);
    event->alerted = true;
    (void)snprintf(event->sighting, sizeof event->sighting, "%s", sighting);
    json_decref(alert);
}

static void on_receipt(const struct fake_message *message)
{
    json_t *receipt =
        read_avro("schemas/Receipt.avsc", bytes_of(message->payload, message->payload_size));
    must(receipt, "seed %llu: a receipt that is not one", (unsigned long long)sim->seed);
    long long partition = json_number(receipt, "partition");
    for (long long i = json_number(receipt, "from_offset"); i < json_number(receipt, "to_offset");
         i++)
        event_of(partition, i)->covered = true;
    json_decref(receipt);
}

static void on_arrived(void *state, const char *topic, const struct fake_message *message)
{
    (void)state;
    if (strcmp(topic, "alerts") == 0)
        on_alert(message);
    else if (strcmp(topic, "receipts") == 0)
        on_receipt(message);
    else if (strcmp(topic, "dead") == 0)
        event_of(message->partition, message->offset)->dead = true;
}

static void on_committed(void *state, const char *topic, int32_t partition, int64_t offset)
{
    (void)state;
    (void)topic;
    must(offset >= sim->committed[partition], "seed %llu: a commit went back",
         (unsigned long long)sim->seed);
    for (int64_t i = sim->committed[partition]; i < offset; i++) {
        const struct event *event = event_of(partition, i);
        must(event->fate != FATE_HIT || event->alerted,
             "seed %llu: %d/%lld committed without its alert", (unsigned long long)sim->seed,
             partition, (long long)i);
        must(event->fate != FATE_DEAD_LETTER || event->dead,
             "seed %llu: %d/%lld committed without its dead letter", (unsigned long long)sim->seed,
             partition, (long long)i);
    }
    sim->committed[partition] = offset;
}

/* --- the schedule --- */

static void step_feed(void)
{
    struct error err = {0};
    must(feed_step(sim->feed, &err) == STATUS_OK, "seed %llu: feed: %s",
         (unsigned long long)sim->seed, err.text);
}

static void step_worker(uint32_t index)
{
    struct error err = {0};
    must(worker_step(sim->workers[index], &err) == STATUS_OK, "seed %llu: worker: %s",
         (unsigned long long)sim->seed, err.text);
}

static void start_worker(uint32_t index)
{
    struct error err = {0};
    must(worker_open(&sim->settings, index, &sim->workers[index], &err) == STATUS_OK, "%s",
         err.text);
}

static void crash_worker(uint32_t index)
{
    fake_crash_all(true);
    worker_close(sim->workers[index]);
    fake_crash_all(false);
    start_worker(index);
}

static void do_something(void)
{
    uint64_t what = below(1000);
    if (what < 500)
        step_worker((uint32_t)below(WORKERS));
    else if (what < 650)
        step_feed();
    else if (what < 850)
        append_events();
    else if (what < 930)
        change_list();
    else if (what < 950)
        fake_rebalance();
    else if (what < 955)
        fake_lose();
    else if (what < 958)
        crash_worker((uint32_t)below(WORKERS));
    else if (what < 970)
        fake_block(sim->blocked = !sim->blocked);
    else if (what < 971)
        fake_registry_give(SCHEMA_LATE, event_schema);
    else
        fake_clock_advance_ms(below(400));
}

static bool is_all_committed(void)
{
    for (int32_t i = 0; i < PARTITIONS; i++)
        if (fake_committed("in", i) != fake_end("in", i))
            return false;
    return true;
}

static void settle(void)
{
    sim->blocked = false;
    fake_block(false);
    fake_registry_give(SCHEMA_LATE, event_schema);
    fake_rebalance();
    for (uint32_t i = 0; i < SETTLE_STEPS_MAX && !is_all_committed(); i++) {
        step_worker(i % WORKERS);
        step_feed();
    }
    must(is_all_committed(), "seed %llu: not everything was committed",
         (unsigned long long)sim->seed);
    for (int32_t partition = 0; partition < PARTITIONS; partition++)
        for (int64_t i = 0; i < fake_end("in", partition); i++)
            must(event_of(partition, i)->covered, "seed %llu: no receipt covers %d/%lld",
                 (unsigned long long)sim->seed, partition, (long long)i);
}

/* --- one run --- */

static void open_keys(void)
{
    struct error err = {0};
    char folder[] = "/tmp/checkit-simulation-XXXXXX";
    char path[64];
    must(mkdtemp(folder), "no temporary folder");
    (void)snprintf(path, sizeof path, "%s/store.key", folder);
    must(keys_create(path, KEY_STORE, &err) == STATUS_OK, "%s", err.text);
    must(store_key_open(path, &sim->store_key, &err) == STATUS_OK, "%s", err.text);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/identity.key", folder);
    must(keys_create(path, KEY_IDENTITY, &err) == STATUS_OK, "%s", err.text);
    must(identity_open(path, &sim->identity, &err) == STATUS_OK, "%s", err.text);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void open_broker(void)
{
    fake_reset(sim->seed);
    fake_clock_reset();
    fake_registry_reset();
    fake_topic("in", PARTITIONS);
    fake_topic("changes", 2);
    fake_topic("alerts", 2);
    fake_topic("receipts", 1);
    fake_topic("dead", 1);
    fake_set_message_max("dead", 30);
    fake_set_hooks(&(struct fake_hooks){NULL, on_committed, on_arrived});
    fake_registry_give(SCHEMA_EVENT, event_schema);
    fake_registry_deny(SCHEMA_DENIED, true);
    fake_registry_give(SCHEMA_CHANGE,
                       (const char *)assets_find("schemas/DocumentChange.avsc").data);
}

static void configure(void)
{
    sim->config = (struct config){
        .group = "checkit",
        .instance = "simulated",
        .workers = WORKERS,
        .memory_mb = 64,
        .commit_interval_ms = 1000,
        .inputs = {{.topic = "in",
                    .mapping = {.documents = {{.path = "",
                                               .number = "number",
                                               .issuer = "issuer",
                                               .type = "type"}},
                                .documents_count = 1,
                                .event_id = "id"}}},
        .inputs_count = 1,
        .alerts_topic = "alerts",
        .receipts_topic = "receipts",
        .dead_letters_topic = "dead",
        .due_s = {60, 3600},
        .feed_topic = "changes",
        .feed_wait_s = 60,
        .log_level = LOG_LEVEL_ERROR,
    };
}

static void open_simulation(uint64_t seed)
{
    struct error err = {0};
    sim = calloc(1, sizeof *sim);
    sim->seed = seed;
    configure();
    open_broker();
    open_keys();
    must(rule_data_open(NULL, &sim->rules, &err) == STATUS_OK, "%s", err.text);
    must(store_open(NULL, sim->store_key, 1, WORKERS, &sim->store, &err) == STATUS_OK, "%s",
         err.text);
    struct feed_settings feed = {&sim->config, sim->rules, NULL, sim->store, &sim->list};
    must(feed_open(&feed, &sim->feed, &err) == STATUS_OK, "%s", err.text);
    sim->settings = (struct worker_settings){.shared = {.config = &sim->config,
                                                        .rules = sim->rules,
                                                        .store = sim->store,
                                                        .store_key = sim->store_key,
                                                        .identity = sim->identity,
                                                        .list = &sim->list,
                                                        .cluster_id = "simulated",
                                                        .alert_schema_id = SCHEMA_ALERT},
                                             .receipt_schema_id = SCHEMA_RECEIPT};
}

static void list_first_entries(void)
{
    for (uint32_t i = 0; i < REVISED; i++) {
        char number[16];
        number_of(i, number);
        append_change(i, number, false);
    }
    for (uint32_t i = 0; i < SETTLE_STEPS_MAX && !atomic_load(&sim->list.ready); i++)
        step_feed();
    must(atomic_load(&sim->list.ready), "seed %llu: the list is never ready",
         (unsigned long long)sim->seed);
}

static void close_simulation(void)
{
    for (uint32_t i = 0; i < WORKERS; i++)
        worker_close(sim->workers[i]);
    feed_close(sim->feed);
    store_close(sim->store);
    rule_data_close(sim->rules);
    identity_close(sim->identity);
    store_key_close(sim->store_key);
    fake_close();
    free(sim);
}

static void run(uint64_t seed)
{
    open_simulation(seed);
    list_first_entries();
    for (uint32_t i = 0; i < WORKERS; i++)
        start_worker(i);
    for (uint32_t i = 0; i < STEPS; i++)
        do_something();
    settle();
    close_simulation();
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

Test(simulation, any_schedule_loses_and_invents_nothing)
{
    log_configure(LOG_LEVEL_ERROR, false);
    uint64_t only = number_from("CHECKIT_SEED", 0);
    uint64_t seeds = only ? only : number_from("CHECKIT_SEEDS", SEEDS);
    for (uint64_t seed = only ? only : 1; seed <= seeds; seed++)
        run(seed);
}
