/* store_bench: what the list costs, without Kafka.
 *
 *   store_bench FOLDER ENTRIES
 *
 * FOLDER must not exist; it is left behind for a look. Loads ENTRIES made-up entries, opens the
 * store again, looks up keys that are not listed and keys that are, then applies changes, three in
 * ten of them corrections of entries that are there. Prints one JSON object. One thread but for
 * RocksDB's own.
 *
 *   store_bench FOLDER KEY
 *
 * The same of a store that is there, with its key file: a process that applies changes to it is
 * killed, then it is opened, looked into, and its filter made anew. The changes stay in it.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "benchmarks/must.h"
#include "operators/support/canonical.h"
#include "operators/support/rule_data.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"

enum {
    CALL = 1024,
    PATH_SIZE = 4096,
    PROBES = 20000 * CALL,
    FINDS = 200 * CALL,
    UPDATES_IN_TEN = 3,
    KILLED_CHANGES = 200 * CALL,
    SYSTEM_PAGE_KB = 4
};

struct bench {
    char path[PATH_SIZE];
    struct store_key *key;
    struct key_prf *prf;
    struct store *store;
    uint64_t hash; /* of the rule data that is built in */
    uint64_t entries;
    struct random random;
    struct entry call[CALL];
    enum store_outcome outcomes[CALL];
    struct canonical forms[CALL];
    struct key keys[CALL];
    uint8_t passes[CALL];
};

static long resident_mb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        (void)fclose(file);
    return pages * SYSTEM_PAGE_KB / 1024;
}

static long peak_mb(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
}

/* --- entries -------------------------------------------------------------------------------- */

/* Distinct numbers of two shapes; variant tells corrections apart. */
static void number_of(uint64_t at, uint64_t variant, char number[NUMBER_SIZE_MAX], uint8_t *size)
{
    char text[NUMBER_SIZE_MAX + 1];
    int written = at % 2
                      ? snprintf(text, sizeof text, "%c%c%08" PRIu64, (char)('C' + variant % 20),
                                 (char)('A' + at % 26), at)
                      : snprintf(text, sizeof text, "%" PRIu64 "%09" PRIu64, 1 + variant % 9, at);
    memset(number, 0, NUMBER_SIZE_MAX);
    memcpy(number, text, (size_t)written);
    *size = (uint8_t)written;
}

static void make_entry(uint64_t at, int64_t revision, struct entry *out)
{
    static const char issuers[][4] = {"FRA", "DEU", "UTO", "ESP", "ITA"};
    *out = (struct entry){.revision = revision,
                          .effective_at_ms = 1700000000000,
                          .reported_on = 19000,
                          .lost_on = 18999,
                          .expiry = 21000,
                          .review_on = DATE_NONE,
                          .type = (uint8_t)(1 + at % 3),
                          .loss = LOSS_STOLEN,
                          .is_live = true};
    out->id_size = (uint8_t)snprintf(out->id, sizeof out->id, "E-%010" PRIu64, at);
    number_of(at, (uint64_t)revision, out->number, &out->size);
    memcpy(out->issuer.code, issuers[at % 5], sizeof out->issuer.code);
    out->contributor_size = (uint8_t)snprintf(out->contributor, sizeof out->contributor,
                                              "contributor-%d", (int)(at % 40));
    out->national_ref_size =
        (uint8_t)snprintf(out->national_ref, sizeof out->national_ref, "%012" PRIu64, at);
}

/* A stride with no common factor spreads the ids over the whole range, as a topic does. */
static uint64_t spread(const struct bench *bench, uint64_t i)
{
    return i * UINT64_C(7778777) % bench->entries;
}

/* --- what is measured ----------------------------------------------------------------------- */

/* Wall and processor time of a step; the second is what other programs on the machine change
 * least. */
struct watch {
    uint64_t wall_ns;
    uint64_t cpu_ns;
};

static struct watch watch_start(void)
{
    return (struct watch){clock_monotonic_ns(), clock_process_cpu_ns()};
}

static void watch_add(struct watch *sum, struct watch began)
{
    sum->wall_ns += clock_monotonic_ns() - began.wall_ns;
    sum->cpu_ns += clock_process_cpu_ns() - began.cpu_ns;
}

static struct watch watch_stop(struct watch began)
{
    struct watch sum = {0, 0};
    watch_add(&sum, began);
    return sum;
}

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static void load(struct bench *bench)
{
    struct error err = {0};
    must(store_open(bench->path, bench->key, bench->hash, 1, &bench->store, &err), &err);
    struct watch began = watch_start();
    must(store_ingest_begin(bench->store, &err), &err);
    for (uint64_t done = 0; done < bench->entries;) {
        uint32_t count = 0;
        for (; count < CALL && done < bench->entries; count++, done++)
            make_entry(spread(bench, done), 1, &bench->call[count]);
        must(store_ingest(bench->store, bench->call, count, &err), &err);
    }
    struct watch taken = watch_stop(began);
    struct feed_offset offset = {0, (int64_t)bench->entries};
    struct store_ingested ingested;
    uint64_t step_ns_max = 0;
    must(store_ingest_end(bench->store, &offset, 1, &err), &err);
    for (bool done = false; !done;) {
        struct watch step = watch_start();
        must(store_ingest_step(bench->store, &done, &ingested, &err), &err);
        uint64_t step_ns = watch_stop(step).wall_ns;
        step_ns_max = step_ns > step_ns_max ? step_ns : step_ns_max;
    }
    struct watch took = watch_stop(began);
    printf("{\"entries\":%" PRIu64 ",\"load_s\":%.2f,\"load_cpu_s\":%.2f,\"load_take_cpu_s\":%.2f,"
           "\"load_changes_per_s\":%.0f,\"load_peak_mb\":%ld,\"load_step_ms_max\":%.0f,\n",
           bench->entries, seconds(took.wall_ns), seconds(took.cpu_ns), seconds(taken.cpu_ns),
           (double)bench->entries / seconds(took.wall_ns), peak_mb(), (double)step_ns_max / 1e6);
    store_close(bench->store);
}

static void open_again(struct bench *bench)
{
    struct error err = {0};
    struct watch began = watch_start();
    must(store_open(bench->path, bench->key, bench->hash, 1, &bench->store, &err), &err);
    struct watch took = watch_stop(began);
    printf(" \"open_s\":%.2f,\"open_cpu_s\":%.2f,\"open_resident_mb\":%ld,\n",
           seconds(took.wall_ns), seconds(took.cpu_ns), resident_mb());
}

/* Random keys, as those of documents that are not listed are. */
static void probe_missing(struct bench *bench)
{
    uint64_t passed = 0;
    struct watch took = {0, 0};
    for (int done = 0; done < PROBES; done += CALL) {
        for (int i = 0; i < CALL; i++) {
            uint64_t words[2] = {random_next(&bench->random), random_next(&bench->random)};
            memcpy(bench->keys[i].bytes, words, sizeof words);
        }
        struct watch began = watch_start();
        store_probe(bench->store, bench->keys, CALL, bench->passes);
        watch_add(&took, began);
        for (int i = 0; i < CALL; i++)
            passed += bench->passes[i];
    }
    printf(" \"probe_missing_ns\":%.1f,\"false_passes\":%.5f,\n", (double)took.cpu_ns / PROBES,
           (double)passed / PROBES);
}

static uint64_t find_all(struct bench *bench)
{
    uint64_t found = 0;
    for (int i = 0; i < CALL; i++) {
        struct error err = {0};
        struct store_cursor cursor = {0};
        struct entry entries[4];
        uint32_t count = 0;
        must(store_find(bench->store, 0, &bench->keys[i], &cursor, entries, 4, &count, &err), &err);
        found += count;
    }
    return found;
}

/* What a filter's mistake costs: the point is not there. */
static void find_missing(struct bench *bench)
{
    struct watch took = {0, 0};
    for (int done = 0; done < FINDS; done += CALL) {
        for (int i = 0; i < CALL; i++) {
            uint64_t words[2] = {random_next(&bench->random), random_next(&bench->random)};
            memcpy(bench->keys[i].bytes, words, sizeof words);
        }
        struct watch began = watch_start();
        (void)find_all(bench);
        watch_add(&took, began);
    }
    printf(" \"find_missing_ns\":%.0f,\n", (double)took.cpu_ns / FINDS);
}

/* Listed documents: probe and look-up of the entry. */
static void find_listed(struct bench *bench)
{
    struct watch took = {0, 0};
    uint64_t found = 0;
    for (int done = 0; done < FINDS; done += CALL) {
        for (int i = 0; i < CALL; i++) {
            struct entry entry;
            make_entry(random_below(&bench->random, bench->entries), 1, &entry);
            canonical_number(bytes_of(entry.number, entry.size), true, &bench->forms[i]);
            bench->forms[i].issuer = entry.issuer;
        }
        key_prf_documents(bench->prf, bench->forms, CALL, bench->keys);
        struct watch began = watch_start();
        store_probe(bench->store, bench->keys, CALL, bench->passes);
        found += find_all(bench);
        watch_add(&took, began);
    }
    printf(" \"find_listed_ns\":%.0f,\"found\":%.3f,\n", (double)took.cpu_ns / FINDS,
           (double)found / FINDS);
}

static void change(struct bench *bench)
{
    struct error err = {0};
    uint64_t changes = bench->entries / 5 / CALL * CALL + CALL;
    uint64_t fresh = bench->entries;
    uint64_t apply_ns_max = 0;
    struct watch began = watch_start();
    for (uint64_t done = 0; done < changes; done += CALL) {
        for (int i = 0; i < CALL; i++) {
            bool is_update = random_below(&bench->random, 10) < UPDATES_IN_TEN;
            uint64_t at = is_update ? random_below(&bench->random, bench->entries) : fresh++;
            make_entry(at, 2 + (int64_t)done, &bench->call[i]);
        }
        struct feed_offset offset = {0, (int64_t)(bench->entries + done)};
        uint32_t pending;
        uint64_t call_ns = clock_monotonic_ns();
        must(store_apply(bench->store, bench->call, CALL, &offset, 1, bench->outcomes, &err), &err);
        must(store_settle(bench->store, &pending, &err), &err);
        call_ns = clock_monotonic_ns() - call_ns;
        apply_ns_max = call_ns > apply_ns_max ? call_ns : apply_ns_max;
    }
    struct watch took = watch_stop(began);
    printf(" \"changes\":%" PRIu64
           ",\"changes_per_s\":%.0f,\"change_cpu_us\":%.1f,\"call_ms_max\":%.0f,"
           "\"end_resident_mb\":%ld}\n",
           changes, (double)changes / seconds(took.wall_ns),
           (double)took.cpu_ns / (double)changes / 1e3, (double)apply_ns_max / 1e6, resident_mb());
}

/* --- a store that is there ------------------------------------------------------------------ */

/* In a process of its own: it ends in the middle of changes as by kill -9. */
static void change_and_die(struct bench *bench)
{
    struct error err = {0};
    uint32_t pending;
    must(store_open(bench->path, bench->key, bench->hash, 1, &bench->store, &err), &err);
    for (uint64_t done = 0; done < KILLED_CHANGES; done += CALL) {
        for (uint32_t i = 0; i < CALL; i++)
            make_entry(done + i, (int64_t)(1 + done), &bench->call[i]);
        must(store_apply(bench->store, bench->call, CALL, NULL, 0, bench->outcomes, &err), &err);
        must(store_settle(bench->store, &pending, &err), &err);
    }
    (void)raise(SIGKILL);
}

static void kill_one(struct bench *bench)
{
    int ended = 0;
    pid_t child = fork();
    if (child == 0)
        change_and_die(bench);
    if (child < 0 || waitpid(child, &ended, 0) != child || !WIFSIGNALED(ended)) {
        (void)fprintf(stderr, "store_bench: the process to be killed ended by itself\n");
        exit(EX_UNAVAILABLE);
    }
}

static void rebuild(struct bench *bench)
{
    enum { PAUSE_MS = 10 };
    struct error err = {0};
    struct watch began = watch_start();
    uint64_t before = store_figures(bench->store).filter_rebuilds;
    must(store_begin_rebuild(bench->store,
                             store_filter_size(bench->store, store_count_keys(bench->store)), &err),
         &err);
    while (store_figures(bench->store).filter_rebuilds == before) {
        uint32_t pending;
        clock_sleep_ms(PAUSE_MS);
        must(store_settle(bench->store, &pending, &err), &err);
    }
    uint32_t pending;
    must(store_settle(bench->store, &pending, &err), &err);
    struct watch took = watch_stop(began);
    printf(" \"rebuild_s\":%.1f,\"rebuild_cpu_s\":%.1f,\"rebuild_peak_mb\":%ld,"
           "\"filter_mb\":%.0f,\"resident_mb\":%ld}\n",
           seconds(took.wall_ns), seconds(took.cpu_ns), peak_mb(),
           (double)store_figures(bench->store).filter_bytes / 1e6, resident_mb());
}

static void look(struct bench *bench)
{
    kill_one(bench);
    printf("{\"killed_after_changes\":%d,\n", KILLED_CHANGES);
    open_again(bench);
    probe_missing(bench);
    find_missing(bench);
    printf(" \"looked_resident_mb\":%ld,\n", resident_mb());
    rebuild(bench);
}

/* --- the program ---------------------------------------------------------------------------- */

static void load_and_look(struct bench *bench, uint64_t entries)
{
    bench->entries = entries;
    load(bench);
    open_again(bench);
    probe_missing(bench);
    find_missing(bench);
    find_listed(bench);
    change(bench);
}

static void open_bench(struct bench *bench, const char *key_path, bool is_new)
{
    struct error err = {0};
    struct rule_data *rules = NULL;
    random_init(&bench->random, 1);
    must(rule_data_open(NULL, &rules, &err), &err);
    bench->hash = rule_data_canonical_hash(rules);
    rule_data_close(rules);
    if (is_new)
        must(keys_create(key_path, KEY_STORE, &err), &err);
    must(store_key_open(key_path, &bench->key, &err), &err);
    must(key_prf_open(bench->key, &bench->prf, &err), &err);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "store_bench FOLDER ENTRIES | FOLDER KEY\n");
        return EX_USAGE;
    }
    log_configure(LOG_LEVEL_WARN, false);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    struct bench *bench = memory_new(1, sizeof *bench);
    char key_path[PATH_SIZE + 8];
    (void)snprintf(bench->path, sizeof bench->path, "%s", argv[1]);
    (void)snprintf(key_path, sizeof key_path, "%s.key", bench->path);
    char *end;
    uint64_t entries = strtoull(argv[2], &end, 10);
    bool is_new = *end == 0 && entries > 0;
    open_bench(bench, is_new ? key_path : argv[2], is_new);
    if (is_new)
        load_and_look(bench, entries);
    else
        look(bench);
    store_close(bench->store);
    key_prf_close(bench->prf);
    store_key_close(bench->key);
    memory_free(bench);
    return 0;
}
