/* feed_bench: how fast a list is loaded from Kafka, and how soon a change of it is in effect.
 *
 *   feed_bench CONFIG SECONDS [RATE]
 *
 * Reads the configured feed into the configured store until its end is reached; then, for SECONDS,
 * sends one change at a time, at random moments some 20 ms apart, or RATE of them a second, those
 * of a millisecond together, and waits until the feed has applied them. Prints one JSON object; the
 * time of a change is from its record's timestamp to when the store has it, as list_state.h tells
 * it. The configuration's schemas must hold ours.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "benchmarks/changes.h"
#include "benchmarks/must.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"
#include "pipeline/counters.h"
#include "pipeline/run/feed.h"

enum { PAUSE_MS = 20, WAIT_MS = 10 };

struct bench {
    struct config *config;
    struct rule_data *rules;
    struct registry *registry;
    struct store_key *key;
    struct store *store;
    struct list_state list;
    _Atomic bool stop;
    pthread_t thread;
};

static void *run_feed(void *state)
{
    struct bench *bench = state;
    struct error err = {0};
    struct feed *feed = NULL;
    struct feed_settings settings = {bench->config, bench->rules, bench->registry, bench->store,
                                     &bench->list};
    must(feed_open(&settings, &feed, &err), &err);
    while (!atomic_load(&bench->stop))
        must(feed_step(feed, &err), &err);
    feed_close(feed);
    return NULL;
}

static void bench_open(struct bench *bench, const char *path)
{
    struct error err = {0};
    must(config_open(path, &bench->config, &err), &err);
    log_configure(LOG_LEVEL_WARN, false);
    must(rule_data_open(bench->config->rules_folder, &bench->rules, &err), &err);
    must(registry_open(bench->config, &bench->registry, &err), &err);
    must(store_key_open(bench->config->store_key_path, &bench->key, &err), &err);
    uint64_t began_ns = clock_monotonic_ns();
    must(store_open(bench->config->store_path, bench->key, rule_data_canonical_hash(bench->rules),
                    1, &bench->store, &err),
         &err);
    printf("{\"open_s\":%.2f,", (double)(clock_monotonic_ns() - began_ns) / 1e9);
}

static void bench_close(struct bench *bench)
{
    atomic_store(&bench->stop, true);
    (void)pthread_join(bench->thread, NULL);
    store_close(bench->store);
    store_key_close(bench->key);
    registry_close(bench->registry);
    rule_data_close(bench->rules);
    config_close(bench->config);
}

static void wait_until_ready(struct bench *bench)
{
    uint64_t began_ns = clock_monotonic_ns();
    uint64_t cpu_ns = clock_process_cpu_ns();
    while (!atomic_load(&bench->list.ready))
        clock_sleep_ms(WAIT_MS);
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    double seconds = (double)(clock_monotonic_ns() - began_ns) / 1e9;
    printf("\"ready_s\":%.2f,\"ready_cpu_s\":%.2f,\"changes\":%" PRIu64
           ",\"changes_per_s\":%.0f,\"entries\":%" PRIu64 ",\"peak_mb\":%ld,\n",
           seconds, (double)(clock_process_cpu_ns() - cpu_ns) / 1e9,
           counters_get(&bench->list.changes_applied),
           (double)counters_get(&bench->list.changes_applied) / seconds,
           store_figures(bench->store).entries_live, usage.ru_maxrss / 1024);
}

static void print_times(const struct histogram *times)
{
    printf("\"change_to_effect_ms\":{\"p50\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"p999\":%" PRIu64
           ",\"max\":%" PRIu64 "}}\n",
           histogram_quantile(times, 0.5), histogram_quantile(times, 0.99),
           histogram_quantile(times, 0.999), histogram_quantile(times, 1));
}

static void change(struct bench *bench, uint32_t seconds, uint64_t rate)
{
    struct random random;
    random_init(&random, 1);
    uint64_t before = counters_get(&bench->list.changes_applied);
    struct changes *changes = changes_open(bench->config, bench->registry);
    uint64_t began_ns = clock_monotonic_ns();
    uint64_t passed_ns = 0;
    while (passed_ns < seconds * UINT64_C(1000000000)) {
        passed_ns = clock_monotonic_ns() - began_ns;
        uint64_t due = rate ? rate * (passed_ns / 1000) / 1000000 : changes_sent(changes) + 1;
        while (changes_sent(changes) < due)
            changes_send(changes);
        clock_sleep_ms(rate ? 1 : (uint32_t)random_below(&random, 2 * PAUSE_MS));
    }
    changes_flush(changes);
    while (counters_get(&bench->list.changes_applied) < before + changes_sent(changes))
        clock_sleep_ms(WAIT_MS);
    printf(" \"changed\":%" PRIu64 ",", changes_sent(changes));
    print_times(&bench->list.change_to_effect_ms);
    changes_close(changes);
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4) {
        (void)fprintf(stderr, "feed_bench CONFIG SECONDS [RATE]\n");
        return EX_USAGE;
    }
    struct error err = {0};
    struct bench *bench = memory_new(1, sizeof *bench);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    bench_open(bench, argv[1]);
    if (pthread_create(&bench->thread, NULL, run_feed, bench) != 0)
        must(error_fail(&err, EX_OSERR, "no thread"), &err);
    wait_until_ready(bench);
    change(bench, (uint32_t)strtoul(argv[2], NULL, 10),
           argc == 4 ? strtoull(argv[3], NULL, 10) : 0);
    bench_close(bench);
    memory_free(bench);
    return 0;
}
