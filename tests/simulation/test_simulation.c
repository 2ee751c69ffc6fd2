/* Drives workers and the feed of the real code from one seeded scheduler, over a broker that takes
 * partitions away, blocks, refuses, deletes what was not read, loses commits, and delivers in any
 * order; workers crash, stop gracefully and start again, schemas come late, the list gets stale.
 * Heartbeats go among the events, sent by the real sender, which crashes too. What must hold:
 *
 *   - when an offset is committed, every record before it was given to a worker, every listed
 *     document in it has its alert in the log, every record that could not be read its dead letter
 *     with all headers, and a receipt covers it; commits never go back;
 *   - the same of heartbeats, whose alerts go to a topic of their own, where no other goes;
 *   - a document that was never listed has no alert;
 *   - the same document of a record screened again gives the same sighting;
 *   - a worker that says it stopped in order has committed all that was given to it;
 *   - in the end everything is committed, the receipts leave no gap, and a heartbeat comes through
 *     to its sender;
 *   - exactly once: what a reader of committed messages sees has each sighting and each dead letter
 *     once, and receipts cover each offset once, up to what is committed and not beyond.
 *
 * CHECKIT_SEED=N runs that seed alone, as a failure tells; CHECKIT_SEEDS=N runs so many, from
 * CHECKIT_FIRST_SEED on.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "tests/simulation/world.h"
#include "tests/tools/read_avro.h"

enum {
    STEPS = 1500,
    SETTLE_STEPS_MAX = 20000,
    SEEDS = 25,
    EVENTS_MAX = 8192,
    STABLE = 10,   /* entries 0.. are listed once, before the first event */
    REVISED = 20,  /* up to here: changed again and again, but always listed */
    VOLATILE = 30, /* up to here: corrected, withdrawn, listed again */
    TEST = 30,     /* stands for the heartbeats' entry, always listed */
    ENTRIES,
    NEVER = 100, /* from here: never listed */
    DOCUMENTS_USUAL = 40,
    DOCUMENTS_GIANT = BATCH_SUBJECTS_MAX + BATCH_SUBJECTS_MAX / 2,
    FEED_WAIT_S = 3,
    HEADERS = 70,
};

enum { INPUT_EVENTS, INPUT_HEARTBEATS, INPUTS };
static const char *const inputs[INPUTS] = {"in", "heartbeat"};

/* What must become of a record. Bits of alerts: by the number of the entry. */
enum fate { FATE_MARKER, FATE_SCREENED, FATE_DEAD_LETTER };

struct event {
    enum fate fate;
    uint32_t must_alert;
    uint32_t may_alert;
    uint32_t alerted;
    bool given;   /* to a worker, once at least */
    bool deleted; /* before it was committed: nothing more can be asked of it */
    bool dead;
    bool covered; /* by a receipt */
    char sightings[ENTRIES][ID_TEXT_SIZE];
};

struct simulation {
    struct world world;
    bool blocked;
    struct event events[INPUTS][WORLD_PARTITIONS][EVENTS_MAX];
    int64_t committed[INPUTS][WORLD_PARTITIONS];
    uint32_t documents[DOCUMENTS_GIANT];
};

static struct simulation *sim;
static avro_value_iface_t *alert_reader;
static avro_value_iface_t *receipt_reader;

#define must(condition, ...) cr_assert(condition, __VA_ARGS__)
#define must_seed(condition, format, ...)                                                          \
    must(condition, "seed %llu: " format, (unsigned long long)sim->world.seed, __VA_ARGS__)

static uint64_t below(uint64_t bound)
{
    return random_below(fake_random(), bound);
}

/* --- what is sent --- */

static void change_list(void)
{
    uint32_t entry = STABLE + (uint32_t)below(VOLATILE - STABLE);
    char number[16];
    world_number(entry, number);
    if (entry >= REVISED && below(2))
        number[2] = 'X'; /* corrected to a number nobody asks for, and perhaps back later */
    world_change(&sim->world, entry, number, entry >= REVISED && below(4) == 0);
}

static uint32_t input_of(const char *topic)
{
    uint32_t input = 0;
    while (input < INPUTS && strcmp(inputs[input], topic) != 0)
        input++;
    must_seed(input < INPUTS, "no such input: %s", topic);
    return input;
}

/* A heartbeat has its document's alert to come, whenever it was sent. */
static struct event *event_of(const char *topic, long long partition, long long offset)
{
    uint32_t input = input_of(topic);
    must_seed(partition >= 0 && partition < fake_partitions(topic) && offset >= 0 &&
                  offset < fake_end(topic, (int32_t)partition),
              "no such event: %s/%lld/%lld", topic, partition, offset);
    must(offset < EVENTS_MAX, "more events than the test has room for");
    struct event *event = &sim->events[input][partition][offset];
    if (input == INPUT_HEARTBEATS) {
        event->fate = FATE_SCREENED;
        event->must_alert = event->may_alert = 1U << TEST;
    }
    return event;
}

static struct event *new_event(int32_t partition, int64_t offset, enum fate fate)
{
    struct event *event = event_of("in", partition, offset);
    *event = (struct event){.fate = fate};
    return event;
}

/* Documents of entries, now and then of listed ones. */
static void append_documents(int32_t partition, uint32_t schema_id, uint32_t count)
{
    uint32_t must_alert = 0;
    uint32_t may_alert = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool is_listed = below(2) && (count <= DOCUMENTS_USUAL || below(500) == 0);
        uint32_t entry = is_listed ? (uint32_t)below(VOLATILE) : NEVER + (uint32_t)below(100000);
        if (entry < REVISED)
            must_alert |= 1U << entry;
        if (entry < VOLATILE)
            may_alert |= 1U << entry;
        sim->documents[i] = entry;
    }
    int64_t offset = world_event(partition, schema_id, sim->documents, count);
    struct event *event = new_event(partition, offset, FATE_SCREENED);
    event->must_alert = must_alert;
    event->may_alert = may_alert;
}

static void append_garbage(int32_t partition)
{
    static const char garbage[] =
        "not Avro, and often too long for the topic of the dead letters as it is configured here";
    size_t size = 10 + below(sizeof garbage - 10);
    struct kafka_header_field headers[HEADERS];
    for (uint32_t i = 0; i < HEADERS; i++)
        headers[i] = (struct kafka_header_field){"original", bytes_of_text("")};
    int64_t offset = fake_append_with("in", partition, (struct bytes){0}, bytes_of(garbage, size),
                                      headers, HEADERS);
    (void)new_event(partition, offset, FATE_DEAD_LETTER);
}

static void append_event(void)
{
    int32_t partition = (int32_t)below(WORLD_PARTITIONS);
    uint64_t kind = below(1000);
    if (kind < 700)
        append_documents(partition, SCHEMA_EVENT, 1);
    else if (kind < 850)
        append_documents(partition, SCHEMA_EVENT, (uint32_t)below(DOCUMENTS_USUAL));
    else if (kind < 855)
        append_documents(partition, SCHEMA_EVENT, (uint32_t)below(DOCUMENTS_GIANT));
    else if (kind < 885)
        append_documents(partition, SCHEMA_LATE, 1);
    else if (kind < 905) {
        int64_t offset = world_event(partition, SCHEMA_DENIED, NULL, 0);
        (void)new_event(partition, offset, FATE_DEAD_LETTER);
    } else if (kind < 950)
        fake_append_marker("in", partition); /* events are FATE_MARKER until said otherwise */
    else
        append_garbage(partition);
}

/* Up to a place somewhere behind what was committed; before the first commit the log would simply
 * begin there. */
static void delete_some(void)
{
    uint32_t input = below(4) ? INPUT_EVENTS : INPUT_HEARTBEATS;
    const char *topic = inputs[input];
    int32_t partition = (int32_t)below(fake_partitions(topic));
    if (!fake_is_committed(topic, partition))
        return;
    int64_t from = sim->committed[input][partition];
    int64_t to = from + (int64_t)below((uint64_t)(fake_end(topic, partition) - from) + 1);
    for (int64_t i = from; i < to; i++)
        event_of(topic, partition, i)->deleted = true;
    fake_delete_before(topic, partition, to);
}

/* --- what is seen --- */

static bool is_exactly_once(void)
{
    return sim->world.config.exactly_once;
}

static uint32_t entry_of(const json_t *alert)
{
    const char *id = json_text(alert, "entry.entry_id");
    return strcmp(id, TEST_ENTRY_ID) == 0 ? TEST : (uint32_t)strtoul(id + 1, NULL, 10);
}

static void on_alert(const struct fake_message *message, bool is_test)
{
    json_t *alert = read_avro_with(alert_reader, bytes_of(message->payload, message->payload_size));
    must_seed(alert, "%s", "an alert that is not one");
    long long partition = json_number(alert, "event.partition");
    long long offset = json_number(alert, "event.offset");
    struct event *event = event_of(json_text(alert, "event.topic"), partition, offset);
    uint32_t entry = entry_of(alert);
    must_seed(entry < ENTRIES && event->may_alert & 1U << entry, "false alert of entry %u", entry);
    must_seed(is_test == (entry == TEST), "the alert of entry %u went elsewhere", entry);
    must_seed(!is_exactly_once() || !(event->alerted & 1U << entry),
              "the alert of entry %u for %lld/%lld is seen twice", entry, partition, offset);
    const char *sighting = json_text(alert, "sighting_id");
    char *known = event->sightings[entry];
    must_seed(!(event->alerted & 1U << entry) || strcmp(known, sighting) == 0,
              "one sighting, two ids: %s and %s", known, sighting);
    event->alerted |= 1U << entry;
    (void)snprintf(known, ID_TEXT_SIZE, "%s", sighting);
    json_decref(alert);
}

static void on_receipt(const struct fake_message *message)
{
    json_t *receipt =
        read_avro_with(receipt_reader, bytes_of(message->payload, message->payload_size));
    must_seed(receipt, "%s", "a receipt that is not one");
    const char *topic = json_text(receipt, "topic");
    long long partition = json_number(receipt, "partition");
    for (long long i = json_number(receipt, "from_offset"); i < json_number(receipt, "to_offset");
         i++) {
        struct event *event = event_of(topic, partition, i);
        must_seed(!is_exactly_once() || !event->covered, "two receipts cover %s/%lld/%lld", topic,
                  partition, i);
        event->covered = true;
    }
    json_decref(receipt);
}

static void on_dead_letter(const struct fake_message *message)
{
    struct event *event = event_of(message->topic, message->partition, message->offset);
    bool is_gap = strcmp(message->reason, "offsets_lost") == 0;
    must_seed(is_gap ? event->deleted : event->fate == FATE_DEAD_LETTER,
              "%s/%d/%lld is no dead letter", message->topic, message->partition,
              (long long)message->offset);
    bool is_garbage = strcmp(message->reason, "wire_invalid") == 0;
    must_seed(!is_garbage || message->bare || message->headers_count > HEADERS,
              "%d/%lld lost its headers: %u left", message->partition, (long long)message->offset,
              message->headers_count);
    must_seed(!is_exactly_once() || !event->dead, "the dead letter of %s/%d/%lld is seen twice",
              message->topic, message->partition, (long long)message->offset);
    event->dead = true;
}

static void on_arrived(void *state, const char *topic, const struct fake_message *message)
{
    (void)state;
    bool is_test = strcmp(topic, "alerts.test") == 0;
    if (is_test || strcmp(topic, "alerts") == 0)
        on_alert(message, is_test);
    else if (strcmp(topic, "receipts") == 0)
        on_receipt(message);
    else if (strcmp(topic, "dead") == 0)
        on_dead_letter(message);
}

static void on_given(void *state, const char *topic, int32_t partition, int64_t offset)
{
    (void)state;
    if (strcmp(topic, "in") == 0 || strcmp(topic, "heartbeat") == 0)
        event_of(topic, partition, offset)->given = true;
}

static void check_committed(const char *topic, int32_t partition, int64_t offset)
{
    const struct event *event = event_of(topic, partition, offset);
    const char *fault = NULL;
    if (!event->covered)
        fault = "a receipt";
    else if (event->deleted || event->fate == FATE_MARKER)
        return;
    else if (!event->given)
        fault = "having been read";
    else if (event->must_alert & ~event->alerted)
        fault = "its alerts";
    else if (event->fate == FATE_DEAD_LETTER && !event->dead)
        fault = "its dead letter";
    must_seed(!fault, "%s/%d/%lld committed without %s", topic, partition, (long long)offset,
              fault);
}

static void on_committed(void *state, const char *topic, int32_t partition, int64_t offset)
{
    (void)state;
    int64_t *committed = &sim->committed[input_of(topic)][partition];
    must_seed(offset >= *committed, "commit of %s/%d went back from %lld to %lld", topic, partition,
              (long long)*committed, (long long)offset);
    for (int64_t i = *committed; i < offset; i++)
        check_committed(topic, partition, i);
    *committed = offset;
    must_seed(!is_exactly_once() || offset >= fake_end(topic, partition) ||
                  !event_of(topic, partition, offset)->covered,
              "a receipt covers %s/%d/%lld, which is not committed", topic, partition,
              (long long)offset);
}

/* --- the schedule --- */

static void crash_worker(uint32_t index)
{
    world_crash(&sim->world, index);
    world_start(&sim->world, index);
}

static void stop_worker(uint32_t index)
{
    struct error err = {0};
    enum status status = world_stop(&sim->world, index, &err);
    must_seed(status == STATUS_OK || err.exit_code == EX_UNAVAILABLE, "stop: %s", err.text);
    world_start(&sim->world, index);
}

/* The worker that gets the report ends, without a commit. */
static void refuse_delivery(uint32_t index)
{
    fake_refuse_delivery(true);
    struct error err = {0};
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < 50 && status == STATUS_OK; i++)
        status = worker_step(sim->world.workers[index], &err);
    fake_refuse_delivery(false);
    if (status == STATUS_OK)
        return; /* there was nothing to deliver */
    must_seed(status == STATUS_FAIL && err.exit_code == EX_UNAVAILABLE, "%s", err.text);
    worker_close(sim->world.workers[index]);
    world_start(&sim->world, index);
}

static void trouble(uint64_t what)
{
    uint32_t worker = (uint32_t)below(WORLD_WORKERS);
    if (what < 20)
        fake_rebalance();
    else if (what < 25)
        fake_lose();
    else if (what < 28)
        crash_worker(worker);
    else if (what < 31)
        stop_worker(worker);
    else if (what < 33)
        refuse_delivery(worker);
    else if (what < 34)
        delete_some();
    else if (what < 46)
        fake_block(sim->blocked = !sim->blocked);
    else if (what < 47)
        world_give_late();
    else if (what < 49)
        world_crash_heartbeat(&sim->world);
    else
        fake_clock_advance_ms(below(400));
}

static void do_something(void)
{
    uint64_t what = below(1000);
    if (what < 500)
        world_step(&sim->world, (uint32_t)below(WORLD_WORKERS));
    else if (what < 630)
        world_step_feed(&sim->world);
    else if (what < 650)
        world_beat(&sim->world);
    else if (what < 850)
        append_event();
    else if (what < 930)
        change_list();
    else
        trouble(what - 930);
}

static void step_all(void)
{
    for (uint32_t i = 0; i < WORLD_WORKERS; i++) {
        world_step(&sim->world, i);
        world_step_feed(&sim->world);
    }
}

/* Another one is sent, and nothing is in its way: its sender sees an alert of its own. */
static void see_heartbeat(void)
{
    const struct heartbeat_state *beats = &sim->world.beats;
    uint64_t before = atomic_load(&beats->beats);
    for (uint32_t i = 0; i < SETTLE_STEPS_MAX && atomic_load(&beats->beats) == before; i++)
        world_beat(&sim->world);
    int64_t sent_ms = clock_wall_ms();
    for (uint32_t i = 0; i < SETTLE_STEPS_MAX && atomic_load(&beats->last_success_ms) < sent_ms;
         i++) {
        step_all();
        world_beat(&sim->world);
    }
    must_seed(atomic_load(&beats->last_success_ms) >= sent_ms, "%s", "no heartbeat comes through");
}

static void settle(void)
{
    fake_block(false);
    fake_set_commits(FAKE_COMMITS_GOOD);
    world_give_late();
    fake_rebalance();
    see_heartbeat();
    for (uint32_t i = 0; i < SETTLE_STEPS_MAX && !world_is_committed(&sim->world); i++)
        step_all();
    must_seed(world_is_committed(&sim->world), "%s", "not everything was committed");
}

/* --- one run --- */

static void run(uint64_t seed, bool exactly_once)
{
    sim = calloc(1, sizeof *sim);
    world_open(&sim->world, seed);
    world_open_heartbeats(&sim->world);
    sim->world.config.exactly_once = exactly_once;
    sim->world.config.feed_hold_when_stale = below(2);
    sim->world.config.feed_wait_s = below(2) ? FEED_WAIT_S : 60;
    fake_set_commits(FAKE_COMMITS_UNRELIABLE);
    fake_set_hooks(&(struct fake_hooks){NULL, on_given, on_committed, on_arrived});
    world_list(&sim->world, REVISED);
    for (uint32_t i = 0; i < WORLD_WORKERS; i++)
        world_start(&sim->world, i);
    for (uint32_t i = 0; i < STEPS; i++)
        do_something();
    settle();
    world_close(&sim->world);
    free(sim);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void run_seeds(bool exactly_once)
{
    log_configure(LOG_LEVEL_ERROR, false);
    alert_reader = read_avro_open("schemas/Alert.avsc");
    receipt_reader = read_avro_open("schemas/Receipt.avsc");
    uint64_t only = number_from("CHECKIT_SEED", 0);
    uint64_t first = only ? only : number_from("CHECKIT_FIRST_SEED", 1);
    uint64_t seeds = only ? 1 : number_from("CHECKIT_SEEDS", SEEDS);
    for (uint64_t seed = first; seed < first + seeds; seed++)
        run(seed, exactly_once);
    avro_value_iface_decref(receipt_reader);
    avro_value_iface_decref(alert_reader);
}

Test(simulation, any_schedule_loses_and_invents_nothing)
{
    run_seeds(false);
}

Test(simulation, any_schedule_shows_everything_exactly_once)
{
    run_seeds(true);
}
