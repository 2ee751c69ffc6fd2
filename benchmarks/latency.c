/* latency_bench: from an event to its alert, as who sent the one and waits for the other sees it.
 *
 *   latency_bench -c CONFIG --topic TOPIC --entries N --rate R --seconds S [--changes R] ...
 *
 * Sends made-up bookings at an even rate, some of them with a listed document, while a screener
 * runs, and reads the configured alerts as they come. An event's id is the moment it was due, so a
 * writer that falls behind its rate counts against the result, and an alert quotes the id. Ends
 * when every alert that is to come has come, and fails when one does not, or one too many. With
 * --rate 0 it sends as fast as it can.
 *
 * Events are made before and sent again and again with other ids: sending costs little beside
 * screening. Prints one JSON object; times are in microseconds, those of the first tenth of the
 * seconds are left out.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "benchmarks/changes.h"
#include "benchmarks/must.h"
#include "operators/support/generator.h"
#include "operators/support/kafka.h"
#include "operators/support/registry.h"
#include "operators/support/wire.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/topic_reader.h"

enum {
    PLAIN_EVENTS = 64 * 1024,
    HIT_EVENTS = 1024,
    ID_BYTES = 14,     /* of a generated booking: "B3f9a-00000017" */
    ID_MARK = 'L',     /* of ours: then the microseconds, in 13 digits */
    POLL_EVERY = 256,  /* messages between looks at delivery reports */
    PAUSE_NS = 250000, /* between looks at what is due */
    DRAIN_S = 120,     /* for alerts to come once all is sent */
    READ_MS = 100,
    PIECE = 4096,
    UNPACED_RATE = 500000, /* what --alerts is taken of with --rate 0 */
    US_PER_S = 1000000,
    SAMPLES_MAX = 4 * 1024 * 1024
};

struct options {
    const char *config;
    const char *topic;
    uint64_t entries;
    uint64_t seed;
    uint64_t rate;
    uint64_t seconds;
    uint64_t alerts;
    uint64_t changes;
    uint64_t unchanged;
};

struct made_event {
    uint8_t *payload; /* owned; the id begins behind the prefix and its length */
    size_t size;
    char key[GENERATED_WORD_BYTES_MAX];
};

struct bench {
    struct options options;
    struct config *config;
    struct registry *registry;
    struct kafka_producer *producer;
    struct made_event *plain;
    struct made_event *hits; /* each with one alert to come */
    uint64_t began_ns;
    uint64_t sent;
    uint64_t planted;
    uint64_t changes_sent;
    struct topic_reader *reader;
    _Atomic bool changes_stop;
    _Atomic bool stop;
    _Atomic uint64_t came;
    uint64_t last_came_us; /* the reader's, as what follows */
    uint64_t samples_count;
    uint32_t *samples_us;
};

static void fail(const char *what)
{
    (void)fprintf(stderr, "latency_bench: %s\n", what);
    exit(EX_UNAVAILABLE);
}

static uint64_t passed_us(const struct bench *bench)
{
    return (clock_monotonic_ns() - bench->began_ns) / 1000;
}

static void pause_a_moment(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    (void)nanosleep(&pause, NULL);
}

/* --- alerts as they come --------------------------------------------------------------------- */

static void find_id(void *state, const struct datum_value *value)
{
    struct bytes *id = state;
    if (value->kind == DATUM_TEXT && strcmp(value->path, "event.event_id") == 0)
        *id = value->text;
}

static void take_alert(void *state, const struct topic_record *record)
{
    struct bench *bench = state;
    struct bytes id = {NULL, 0};
    char digits[ID_BYTES];
    if (!record->schema || datum_walk(record->schema, record->datum, find_id, &id) != RECORD_OK)
        fail("an alert cannot be read");
    if (id.size != ID_BYTES || id.data[0] != ID_MARK)
        fail("an alert of an event that was not sent");
    memcpy(digits, id.data + 1, ID_BYTES - 1);
    digits[ID_BYTES - 1] = 0;
    uint64_t due_us = strtoull(digits, NULL, 10);
    uint64_t now_us = passed_us(bench);
    bench->last_came_us = now_us;
    bool counts = due_us >= bench->options.seconds * US_PER_S / 10;
    if (counts && bench->samples_count < SAMPLES_MAX)
        bench->samples_us[bench->samples_count++] = (uint32_t)(now_us - due_us);
    atomic_fetch_add(&bench->came, 1);
}

static void *read_alerts(void *state)
{
    struct bench *bench = state;
    struct error err = {0};
    while (!atomic_load(&bench->stop))
        must(topic_reader_step(bench->reader, READ_MS, &err), &err);
    return NULL;
}

/* --- events ---------------------------------------------------------------------------------- */

/* The next of the stream that is wanted: without a hit, or with one, of an entry below `below`. Its
 * number in the stream is moved on. */
static void make_event(const struct generator *generator, uint32_t schema_id, uint64_t below,
                       uint64_t *index, struct made_event *out)
{
    uint8_t buffer[GENERATED_BYTES_MAX];
    struct generated_event event;
    bool is_wanted = false;
    while (!is_wanted) {
        generator_event(generator, EVENT_BOOKING, (*index)++, &event);
        is_wanted = below == 0 ? event.hits_count == 0
                               : event.hits_count == 1 && event.hits[0].entry < below;
    }
    struct bytes payload = generator_encode_event(&event, schema_id, buffer);
    if (strlen(event.id) != ID_BYTES || payload.data[WIRE_PREFIX_SIZE] != 2 * ID_BYTES)
        fail("the id of an event is not where it was");
    out->size = payload.size;
    out->payload = memory_new(payload.size, 1);
    memcpy(out->payload, payload.data, payload.size);
    (void)snprintf(out->key, sizeof out->key, "%s", event.journey);
}

static struct made_event *make_events(const struct options *options, uint32_t schema_id,
                                      bool with_hit, uint32_t count)
{
    const struct generator_settings settings = {.seed = options->seed,
                                                .entries = options->entries,
                                                .hit_rate = with_hit ? 0.5 : 0,
                                                .noise = true};
    struct generator *generator = generator_open(&settings);
    struct made_event *events = memory_new(count, sizeof *events);
    uint64_t index = 0;
    uint64_t below = options->unchanged ? options->unchanged : options->entries;
    for (uint32_t i = 0; i < count; i++)
        make_event(generator, schema_id, with_hit ? below : 0, &index, &events[i]);
    generator_close(generator);
    return events;
}

static void close_events(struct made_event *events, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        memory_free(events[i].payload);
    memory_free(events);
}

static void send_event(struct bench *bench, struct made_event *event, uint64_t due_us)
{
    char id[ID_BYTES + 1];
    struct error err = {0};
    (void)snprintf(id, sizeof id, "%c%013" PRIu64, ID_MARK, due_us % 10000000000000U);
    memcpy(event->payload + WIRE_PREFIX_SIZE + 1, id, ID_BYTES);
    const struct kafka_message message = {.topic = bench->options.topic,
                                          .key = bytes_of_text(event->key),
                                          .payload = bytes_of(event->payload, event->size),
                                          .partition = -1};
    enum status status = kafka_produce(bench->producer, &message, &err);
    while (status == STATUS_RETRY) { /* the queue is full: reports make room */
        must(kafka_producer_poll(bench->producer, 1, &err), &err);
        status = kafka_produce(bench->producer, &message, &err);
    }
    must(status, &err);
    if (++bench->sent % POLL_EVERY == 0)
        must(kafka_producer_poll(bench->producer, 0, &err), &err);
}

/* Which of the events are hits: one in so many, the first of them in the middle. */
static uint64_t hit_stride(const struct options *options)
{
    uint64_t rate = options->rate ? options->rate : UNPACED_RATE;
    return rate > options->alerts ? rate / options->alerts : 1;
}

static void send_next(struct bench *bench, uint64_t due_us)
{
    uint64_t stride = hit_stride(&bench->options);
    bool is_hit = bench->sent % stride == stride / 2;
    struct made_event *event = is_hit ? &bench->hits[bench->planted++ % HIT_EVENTS]
                                      : &bench->plain[bench->sent % PLAIN_EVENTS];
    send_event(bench, event, due_us);
}

/* How many are due after so long. Without a rate: a few more each time. */
static uint64_t due_after(const struct bench *bench, uint64_t us)
{
    uint64_t rate = bench->options.rate;
    return rate ? us * rate / US_PER_S : bench->sent + POLL_EVERY;
}

/* Returns how many were due and not sent when the time was over. */
static uint64_t send_all(struct bench *bench)
{
    struct error err = {0};
    uint64_t rate = bench->options.rate;
    uint64_t end_us = bench->options.seconds * US_PER_S;
    for (uint64_t now_us = passed_us(bench); now_us < end_us; now_us = passed_us(bench)) {
        uint64_t due = due_after(bench, now_us);
        /* In pieces, so that the clock is looked at again by who is far behind. */
        uint64_t until = due - bench->sent > PIECE ? bench->sent + PIECE : due;
        while (bench->sent < until)
            send_next(bench, rate ? bench->sent * US_PER_S / rate : now_us);
        must(kafka_producer_poll(bench->producer, 0, &err), &err);
        if (rate && until == due)
            pause_a_moment();
    }
    uint64_t due = due_after(bench, end_us);
    return rate && due > bench->sent ? due - bench->sent : 0;
}

/* --- changes of the list meanwhile ----------------------------------------------------------- */

static void *send_changes(void *state)
{
    struct bench *bench = state;
    uint64_t rate = bench->options.changes;
    struct changes *changes = changes_open(bench->config, bench->registry);
    uint64_t began_ns = clock_monotonic_ns();
    while (!atomic_load(&bench->changes_stop)) {
        uint64_t due = (clock_monotonic_ns() - began_ns) / 1000 * rate / US_PER_S;
        while (changes_sent(changes) < due)
            changes_send(changes);
        clock_sleep_ms(1);
    }
    changes_flush(changes);
    bench->changes_sent = changes_sent(changes);
    changes_close(changes);
    return NULL;
}

/* --- all of it ------------------------------------------------------------------------------- */

static void wait_for_alerts(struct bench *bench)
{
    uint64_t deadline_ns = clock_monotonic_ns() + DRAIN_S * UINT64_C(1000000000);
    while (atomic_load(&bench->came) < bench->planted) {
        if (clock_monotonic_ns() > deadline_ns)
            fail("alerts have not come");
        clock_sleep_ms(1);
    }
}

static int compare_us(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a;
    uint32_t second = *(const uint32_t *)b;
    return (first > second) - (first < second);
}

static void report(struct bench *bench, uint64_t behind, uint64_t written_us)
{
    qsort(bench->samples_us, bench->samples_count, sizeof *bench->samples_us, compare_us);
    (void)printf("{\"sent\":%" PRIu64 ",\"behind\":%" PRIu64 ",\"written_s\":%.3f,"
                 "\"screened_s\":%.3f,\"alerts\":%" PRIu64 ",\"changes\":%" PRIu64 ",\"us\":[",
                 bench->sent, behind, (double)written_us / US_PER_S,
                 (double)bench->last_came_us / US_PER_S, bench->planted, bench->changes_sent);
    for (uint64_t i = 0; i < bench->samples_count; i++)
        (void)printf("%s%" PRIu32, i ? "," : "", bench->samples_us[i]);
    (void)printf("]}\n");
}

static void open_topic_ends(struct bench *bench)
{
    struct error err = {0};
    const struct kafka_reports reports = {NULL, must_be_delivered};
    const struct topic_reader_settings settings = {.config = bench->config,
                                                   .topic = bench->config->alerts_topic,
                                                   .client = "latency-alerts",
                                                   .since_ms = clock_wall_ms(),
                                                   .state = bench,
                                                   .take = take_alert};
    must(topic_reader_open(&settings, &bench->reader, &err), &err);
    must(kafka_producer_open(bench->config, "latency-events", &reports, &bench->producer, &err),
         &err);
}

static void bench_open(struct bench *bench)
{
    struct error err = {0};
    uint32_t schema_id = 0;
    const char *schema = (const char *)assets_find("schemas/BookingEvent.avsc").data;
    must(config_open(bench->options.config, &bench->config, &err), &err);
    log_configure(bench->config->log_level, bench->config->log_json);
    must(registry_open(bench->config, &bench->registry, &err), &err);
    must(registry_id_of(bench->registry, bench->options.topic, schema, &schema_id, &err), &err);
    bench->plain = make_events(&bench->options, schema_id, false, PLAIN_EVENTS);
    bench->hits = make_events(&bench->options, schema_id, true, HIT_EVENTS);
    bench->samples_us = memory_new(SAMPLES_MAX, sizeof *bench->samples_us);
    open_topic_ends(bench);
}

static void bench_close(struct bench *bench)
{
    kafka_producer_close(bench->producer);
    topic_reader_close(bench->reader);
    close_events(bench->plain, PLAIN_EVENTS);
    close_events(bench->hits, HIT_EVENTS);
    registry_close(bench->registry);
    config_close(bench->config);
    memory_free(bench->samples_us);
}

static void start(pthread_t *thread, void *(*run)(void *state), struct bench *bench)
{
    if (pthread_create(thread, NULL, run, bench) != 0)
        fail("a thread cannot be started");
}

static void run(struct bench *bench)
{
    struct error err = {0};
    pthread_t reader;
    pthread_t changes;
    send_event(bench, &bench->plain[0], 0); /* finds its way to the brokers first */
    must(kafka_flush(bench->producer, DRAIN_S * 1000, &err), &err);
    bench->sent = 0;
    bench->began_ns = clock_monotonic_ns();
    start(&reader, read_alerts, bench);
    if (bench->options.changes)
        start(&changes, send_changes, bench);
    uint64_t behind = send_all(bench);
    must(kafka_flush(bench->producer, DRAIN_S * 1000, &err), &err);
    uint64_t written_us = passed_us(bench);
    atomic_store(&bench->changes_stop, true);
    if (bench->options.changes)
        (void)pthread_join(changes, NULL);
    wait_for_alerts(bench);
    atomic_store(&bench->stop, true);
    (void)pthread_join(reader, NULL);
    if (atomic_load(&bench->came) != bench->planted)
        fail("more alerts came than are to come");
    report(bench, behind, written_us);
}

#define OPTION(NAME, KIND, member, ...)                                                            \
    {                                                                                              \
        .name = (NAME), .kind = (KIND), .offset = offsetof(struct options, member), __VA_ARGS__    \
    }

static const struct argument arguments[] = {
    OPTION("config", ARGUMENT_TEXT, config, .letter = 'c', .value = "FILE", .required = true,
           .help = "the configuration, which names brokers and topics"),
    OPTION("topic", ARGUMENT_TEXT, topic, .value = "TOPIC", .required = true,
           .help = "where events go: an input of the screener"),
    OPTION("entries", ARGUMENT_NUMBER, entries, .value = "N", .required = true, .min = 1,
           .max = GENERATOR_ENTRIES_MAX, .help = "of the list: as it was generated"),
    OPTION("seed", ARGUMENT_NUMBER, seed, .value = "S", .preset = "1", .help = "of the list too"),
    OPTION("rate", ARGUMENT_NUMBER, rate, .value = "N", .preset = "0", .max = 100000000,
           .help = "events a second; 0: as many as can be"),
    OPTION("seconds", ARGUMENT_NUMBER, seconds, .value = "N", .min = 1, .max = 3600, .preset = "10",
           .help = "how long"),
    OPTION("alerts", ARGUMENT_NUMBER, alerts, .value = "N", .min = 1, .max = 100000,
           .preset = "200", .help = "alerts a second, about"),
    OPTION("changes", ARGUMENT_NUMBER, changes, .value = "N", .max = 1000000, .preset = "0",
           .help = "changes of the list a second meanwhile"),
    OPTION("unchanged", ARGUMENT_NUMBER, unchanged, .value = "N", .max = 200000000, .preset = "0",
           .help = "documents listed are of the first so many entries; 0: of all"),
    {0}};

static const struct arguments_command command = {
    .name = "latency_bench",
    .summary = "From an event to its alert, while a screener runs.",
    .arguments = arguments};

int main(int argc, char **argv)
{
    static struct bench bench;
    struct error err = {0};
    struct operands operands;
    if (arguments_parse(&command, argc, argv, &bench.options, &operands, &err) != STATUS_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        return err.exit_code;
    }
    if (operands.help_shown)
        return 0;
    bench_open(&bench);
    run(&bench);
    bench_close(&bench);
    return 0;
}
