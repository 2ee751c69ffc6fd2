/* line_bench: what the steps between source and sink cost, without Kafka.
 *
 *   line_bench [EVENTS [ENTRIES [STORE KEY SEED]]]
 *
 * Made-up bookings (generator.h: about 170 bytes and 1.6 documents, noise of real life, no hit) lie
 * in memory as they would in a consumer's queue; a list of ENTRIES (default 1,000,000) in a store
 * in memory, or in STORE, sealed with the file KEY, which holds the list of that many and SEED.
 * EVENTS (default 20,000,000) of them go through the steps in batches of 1,024, one thread. Prints
 * one JSON object: nanoseconds an event and a document by step, of processor time, which other
 * programs on the machine change least; "take" is what source does beside the client, "count" what
 * sink does when there is nothing to send.
 *
 * Callgrind counts the instructions of run_batches alone: tests/golden/check_instructions.py.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "benchmarks/must.h"
#include "operators/canonical.h"
#include "operators/decode.h"
#include "operators/match.h"
#include "operators/support/canonical.h"
#include "operators/support/generator.h"
#include "operators/support/keys.h"
#include "operators/support/registry.h"
#include "operators/support/rule_data.h"
#include "operators/support/store.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/config.h"
#include "pipeline/counters.h"
#include "pipeline/ledger.h"

enum {
    EVENTS_KEPT_MAX = 256 * 1024, /* made once, and gone through again and again */
    PARTITIONS = 4,
    RUN_OF_PARTITION = 512, /* records of one partition come in runs */
    STEPS = 3,
    PARTS = STEPS + 2,
    ENTRIES_A_CALL = 1024,
    PATH_SIZE = 64,
    SCHEMA_ID = 1,
    SEED = 1,
};

static const struct operator_step *const steps[STEPS] = {&decode_step, &canonical_step,
                                                         &match_step};
static const char *const parts[PARTS] = {"take", "decode", "canonical", "match", "count"};

struct options {
    uint64_t events;
    uint64_t entries;
    const char *store; /* NULL: one in memory, with a key of its own */
    const char *key;
    uint64_t seed;
};

struct bench {
    char folder[PATH_SIZE];
    struct config config;
    struct environment environment;
    struct rule_data *rules;
    struct store_key *store_key;
    struct ledger *ledger;
    struct counters counters;
    struct batch *batch;
    void *states[STEPS];
    uint32_t events_kept; /* whole batches */
    struct bytes *payloads;
    uint8_t *memory;
    uint64_t part_ns[PARTS];
    uint64_t documents;
};

static struct bench bench;

/* Of this thread: RocksDB's own may still be busy with the list. */
static uint64_t thread_cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* --- what there is to read, and to find ------------------------------------------------------ */

static void make_events(const struct generator *generator)
{
    bench.payloads = memory_new(bench.events_kept, sizeof *bench.payloads);
    size_t capacity = (size_t)bench.events_kept * 512;
    size_t used = 0;
    bench.memory = memory_new(capacity, 1);
    for (uint64_t i = 0; i < bench.events_kept; i++) {
        uint8_t buffer[GENERATED_BYTES_MAX];
        struct generated_event event;
        generator_event(generator, EVENT_BOOKING, i, &event);
        struct bytes payload = generator_encode_event(&event, SCHEMA_ID, buffer);
        if (used + payload.size > capacity)
            exit(EX_SOFTWARE);
        memcpy(bench.memory + used, payload.data, payload.size);
        bench.payloads[i] = bytes_of(bench.memory + used, payload.size);
        used += payload.size;
    }
}

static void make_list(const struct generator *generator, uint64_t entries)
{
    struct entry *call = memory_new(ENTRIES_A_CALL, sizeof *call);
    enum store_outcome *outcomes = memory_new(ENTRIES_A_CALL, sizeof *outcomes);
    struct error err = {0};
    for (uint64_t at = 0; at < entries;) {
        uint32_t count = 0;
        for (; count < ENTRIES_A_CALL && at < entries; at++) {
            struct generated_entry made;
            generator_entry(generator, at, &made);
            if (canonical_entry(bench.rules, &made.change, &call[count]) == REJECTION_NO)
                count++;
        }
        must(store_apply(bench.environment.store, call, count, NULL, 0, outcomes, &err), &err);
    }
    memory_free(outcomes);
    memory_free(call);
}

static void write_schema(void)
{
    char path[PATH_SIZE + 16];
    struct bytes schema = assets_find("schemas/BookingEvent.avsc");
    (void)snprintf(path, sizeof path, "%s/%d.avsc", bench.folder, SCHEMA_ID);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(schema.data, 1, schema.size, file) != schema.size || fclose(file) != 0)
        exit(EX_CANTCREAT);
}

static void open_keys(const char *given, struct error *err)
{
    char path[PATH_SIZE + 16];
    (void)snprintf(path, sizeof path, "%s/store.key", bench.folder);
    if (!given)
        must(keys_create(path, KEY_STORE, err), err);
    must(store_key_open(given ? given : path, &bench.store_key, err), err);
}

static void open_store(const struct options *options, const struct generator *generator)
{
    struct error err = {0};
    uint64_t hash = options->store ? rule_data_canonical_hash(bench.rules) : 1;
    must(store_open(options->store, bench.store_key, hash, 1, &bench.environment.store, &err),
         &err);
    if (!options->store)
        make_list(generator, options->entries);
}

static void open_all(const struct options *options)
{
    struct error err = {0};
    const struct generator_settings settings = {
        .seed = options->seed, .entries = options->entries, .noise = true};
    struct generator *generator = generator_open(&settings);
    (void)snprintf(bench.folder, sizeof bench.folder, "/tmp/line_bench-XXXXXX");
    if (!mkdtemp(bench.folder))
        exit(EX_CANTCREAT);
    write_schema();
    open_keys(options->key, &err);
    struct environment *environment = &bench.environment;
    must(rule_data_open(NULL, &bench.rules, &err), &err);
    open_store(options, generator);
    must(registry_open_folder(bench.folder, &environment->registry, &err), &err);
    bench.config.inputs[0] =
        (struct input){.topic = "bookings", .mapping = *mapping_preset("booking")};
    bench.config.inputs_count = 1;
    bench.ledger = ledger_open();
    environment->config = &bench.config;
    environment->rules = bench.rules;
    environment->store_key = bench.store_key;
    environment->ledger = bench.ledger;
    environment->counters = &bench.counters;
    bench.batch = batch_open();
    for (uint32_t i = 0; i < STEPS; i++)
        must(steps[i]->open(environment, &bench.states[i], &err), &err);
    for (int32_t i = 0; i < PARTITIONS; i++)
        (void)ledger_take(bench.ledger, 0, i, 0);
    make_events(generator);
    generator_close(generator);
}

static void close_all(void)
{
    char path[PATH_SIZE + 16];
    for (uint32_t i = 0; i < STEPS; i++)
        steps[i]->close(bench.states[i]);
    batch_close(bench.batch);
    ledger_close(bench.ledger);
    registry_close(bench.environment.registry);
    store_close(bench.environment.store);
    store_key_close(bench.store_key);
    rule_data_close(bench.rules);
    memory_free(bench.payloads);
    memory_free(bench.memory);
    (void)snprintf(path, sizeof path, "%s/%d.avsc", bench.folder, SCHEMA_ID);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/store.key", bench.folder);
    (void)unlink(path);
    (void)rmdir(bench.folder);
}

/* --- the line -------------------------------------------------------------------------------- */

static void take(uint64_t first)
{
    struct batch *batch = bench.batch;
    const struct bytes *payloads = &bench.payloads[first % bench.events_kept];
    int64_t now_ms = clock_wall_ms();
    for (uint32_t i = 0; i < BATCH_RECORDS_MAX; i++) {
        uint64_t at = first + i;
        batch->records[i] = (struct record){
            .payload = payloads[i],
            .origin = {.partition = (int32_t)(at / RUN_OF_PARTITION % PARTITIONS),
                       .offset = (int64_t)at,
                       .timestamp_ms = now_ms},
            .received_at_ms = now_ms,
        };
    }
    batch->records_count = BATCH_RECORDS_MAX;
    batch->records_done = 0;
    batch->window_end = 0;
}

static uint64_t add_part(uint32_t part, uint64_t began_ns)
{
    uint64_t now_ns = thread_cpu_ns();
    bench.part_ns[part] += now_ns - began_ns;
    return now_ns;
}

/* Once through the steps; the batch is done when its last window is. */
static uint64_t round_from(uint64_t began_ns)
{
    struct batch *batch = bench.batch;
    struct error err = {0};
    for (uint32_t i = 0; i < STEPS; i++) {
        must(steps[i]->process(bench.states[i], batch, &err), &err);
        began_ns = add_part(1 + i, began_ns);
    }
    if (batch->hits_count > 0 || !batch_window_is_matched(batch))
        exit(EX_SOFTWARE); /* none was planted */
    ledger_count_window(bench.ledger, batch);
    bench.documents += batch->subjects_count;
    batch->records_done = batch->window_end;
    return add_part(PARTS - 1, began_ns);
}

/* Until the schema has come from its folder, then all events once: of a long list RocksDB opens a
 * file, a millisecond each, when it first looks into it. */
static void warm_up(void)
{
    for (uint64_t done = 0; done < bench.events_kept;) {
        take(done);
        while (!batch_is_drained(bench.batch))
            (void)round_from(thread_cpu_ns());
        if (bench.documents == 0)
            clock_sleep_ms(1);
        else
            done += BATCH_RECORDS_MAX;
    }
    bench.documents = 0;
    memset(bench.part_ns, 0, sizeof bench.part_ns);
}

/* Callgrind is told this name. */
static __attribute__((noinline)) void run_batches(uint64_t events)
{
    for (uint64_t done = 0; done < events; done += BATCH_RECORDS_MAX) {
        uint64_t began_ns = thread_cpu_ns();
        take(done);
        began_ns = add_part(0, began_ns);
        while (!batch_is_drained(bench.batch))
            began_ns = round_from(began_ns);
    }
}

static void report_by_part(const char *name, uint64_t count)
{
    uint64_t sum_ns = 0;
    (void)printf(",\"%s\":{", name);
    for (uint32_t i = 0; i < PARTS; i++) {
        sum_ns += bench.part_ns[i];
        (void)printf("\"%s\":%.1f,", parts[i], (double)bench.part_ns[i] / (double)count);
    }
    (void)printf("\"all\":%.1f}", (double)sum_ns / (double)count);
}

static void report(uint64_t events, uint64_t entries)
{
    (void)printf("{\"compiler\":\"%s\",\"events\":%" PRIu64 ",\"documents\":%" PRIu64
                 ",\"entries\":%" PRIu64,
                 __VERSION__, events, bench.documents, entries);
    report_by_part("ns_an_event", events);
    report_by_part("ns_a_document", bench.documents);
    (void)printf("}\n");
}

static struct options read_options(int argc, char **argv)
{
    struct options options = {.events = 20000000, .entries = 1000000, .seed = SEED};
    if (argc > 1)
        options.events = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        options.entries = strtoull(argv[2], NULL, 10);
    if (argc == 6) {
        options.store = argv[3];
        options.key = argv[4];
        options.seed = strtoull(argv[5], NULL, 10);
    }
    if (argc > 6 || argc == 4 || argc == 5 || options.events == 0 || options.entries == 0) {
        (void)fprintf(stderr, "usage: line_bench [EVENTS [ENTRIES [STORE KEY SEED]]]\n");
        exit(EX_USAGE);
    }
    return options;
}

int main(int argc, char **argv)
{
    log_configure(LOG_LEVEL_ERROR, false);
    struct options options = read_options(argc, argv);
    uint64_t batches = (options.events + BATCH_RECORDS_MAX - 1) / BATCH_RECORDS_MAX;
    uint64_t events = batches * BATCH_RECORDS_MAX;
    bench.events_kept = (uint32_t)(events < EVENTS_KEPT_MAX ? events : EVENTS_KEPT_MAX);
    open_all(&options);
    warm_up();
    run_batches(events);
    report(events, options.entries);
    close_all();
    return 0;
}
