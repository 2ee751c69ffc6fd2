/* checkit demo: the whole line against an embedded broker, compared with the truth. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "operators/support/change_encode.h"
#include "operators/support/generator.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/counters.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/command.h"
#include "pipeline/run/demo_alerts.h"
#include "pipeline/run/demo_events.h"
#include "pipeline/run/demo_live.h"
#include "pipeline/run/demo_site.h"
#include "pipeline/run/output.h"
#include "pipeline/run/screener.h"
#include "pipeline/run/signals.h"
#include "pipeline/run/terminal.h"
#include "pipeline/run/verdict.h"

enum {
    EX_DIFFERS = 1,    /* what was found is not what was planted */
    EVENTS_MIN = 1000, /* so that 16 hits are to be expected */
    COUNT_MAX = 1000000,
    POLL_MS = 100,
    PATIENCE_MS = 10000, /* for the next alert: the broker is in this process */
    SECONDS_MAX = 3600,
    TERMINAL_S = 30 /* there is something to look at */
};

static const double hit_rate = 1e-2; /* of the profile stress */

struct options {
    uint64_t entries;
    uint64_t events;
    uint64_t seed;
    uint64_t seconds;
};

static const struct argument arguments[] = {
    {.name = "events",
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = EVENTS_MIN,
     .max = COUNT_MAX,
     .preset = "100000",
     .offset = offsetof(struct options, events),
     .help = "bookings and account openings, half of each"},
    {.name = "entries",
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = 1,
     .max = COUNT_MAX,
     .preset = "100000",
     .offset = offsetof(struct options, entries),
     .help = "documents on the list"},
    {.name = "seed",
     .kind = ARGUMENT_NUMBER,
     .value = "S",
     .preset = "1",
     .offset = offsetof(struct options, seed),
     .help = "the same seed makes the same list and events"},
    {.name = "seconds",
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = 1,
     .max = SECONDS_MAX,
     .offset = offsetof(struct options, seconds),
     .help = "send the events over N seconds and show what happens; on a terminal 30"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DIFFERS, "a hit was missed or false, or the demo was interrupted before it had any"},
    {EX_UNAVAILABLE, "a file cannot be written, or the embedded broker does not answer"},
    {EX_SOFTWARE, "a fault of the program"},
    {0}};

static const struct arguments_command command = {
    .name = "demo",
    .summary = "Starts an embedded broker, puts a made-up list on the feed and made-up events on\n"
               "their topics, screens these as `checkit screen` does, reads the alerts, and\n"
               "compares them with the truth. Needs nothing and leaves nothing behind.\n"
               "On a terminal it shows what happens while it does (NO_COLOR is respected);\n"
               "Ctrl-C ends the sending, and what was sent is compared.",
    .arguments = arguments,
    .examples = "checkit demo\n"
                "checkit demo --events 1000000 --entries 1000000 --seed 7\n"
                "checkit demo --seconds 10 | cat",
    .exits = exits,
};

struct demo {
    struct options options;
    struct demo_site *site;
    struct generator *generator;
    struct verdict *verdict;
    struct counters *counters;
    struct demo_events source;
    struct demo_alerts *alerts;
    uint64_t sent;     /* events */
    uint64_t began_ns; /* of what it does now */
    bool on_terminal;  /* standard output can be drawn on */
    bool is_interrupted;
};

/* --- what it says -------------------------------------------------------------------------------
 */

static void begin(struct demo *demo, const char *what)
{
    demo->began_ns = clock_monotonic_ns();
    printf("%-10s", what);
    (void)fflush(stdout);
}

static double seconds(const struct demo *demo)
{
    return (double)(clock_monotonic_ns() - demo->began_ns) / 1e9;
}

static enum status interrupted(struct error *err)
{
    return error_fail(err, EX_DIFFERS, "demo: interrupted");
}

/* A screener_wait. */
static bool wait_for_signal(void *state, uint32_t ms)
{
    struct demo *demo = state;
    demo->is_interrupted = demo->is_interrupted || signals_wait(NULL, ms);
    return demo->is_interrupted;
}

/* --- producing ----------------------------------------------------------------------------------
 */

static enum status put_entries(struct demo *demo, struct output *output, struct error *err)
{
    struct generated_entry entry;
    uint8_t buffer[GENERATED_BYTES_MAX];
    for (uint64_t i = 0; i < demo->options.entries; i++) {
        generator_entry(demo->generator, i, &entry);
        struct bytes payload =
            change_encode(&entry.change, output_schema_id(output), buffer, sizeof buffer);
        TRY(output_put(output, entry.change.entry_id, payload, err));
    }
    return output_finish(output, err);
}

static enum status put_events(struct demo *demo, enum event_kind kind, uint64_t count,
                              struct output *output, struct error *err)
{
    for (uint64_t i = 0; i < count; i++)
        TRY(demo_events_put(&demo->source, kind, i, output, err));
    return output_finish(output, err);
}

static enum status produce_list(struct demo *demo, struct error *err)
{
    const struct config *config = demo_site_config(demo->site);
    struct output *output = NULL;
    begin(demo, "list");
    TRY(output_open_topic(config, config->feed_topic, "schemas/DocumentChange.avsc", &output, err));
    enum status status = put_entries(demo, output, err);
    output_close(output);
    if (status == STATUS_OK)
        printf("%" PRIu64 " documents to topic %s, %.1f s\n", demo->options.entries,
               config->feed_topic, seconds(demo));
    return status;
}

static enum status produce_events(struct demo *demo, enum event_kind kind, uint64_t count,
                                  struct error *err)
{
    const char *topic = demo_events_topic(kind);
    struct output *output = NULL;
    begin(demo, topic);
    TRY(demo_events_open(&demo->source, kind, &output, err));
    enum status status = put_events(demo, kind, count, output, err);
    output_close(output);
    if (status == STATUS_OK)
        printf("%" PRIu64 " events to topic %s, %.1f s\n", count, topic, seconds(demo));
    return status;
}

/* --- screening ----------------------------------------------------------------------------------
 */

static enum status screen(struct demo *demo, struct error *err)
{
    struct screener *screener = NULL;
    begin(demo, "screening");
    TRY(screener_open(demo_site_config(demo->site), &screener, err));
    enum status status = screener_run(screener, SCREENER_UNTIL_END, wait_for_signal, demo, err);
    screener_count(screener, demo->counters);
    screener_close(screener);
    if (status == STATUS_OK && demo->is_interrupted)
        return interrupted(err);
    if (status == STATUS_OK)
        printf("%" PRIu64 " events, %" PRIu64 " documents, %.1f s with loading the list\n",
               counters_get(&demo->counters->records), counters_get(&demo->counters->documents),
               seconds(demo));
    return status;
}

/* In real time, and shown meanwhile. */
static enum status screen_live(struct demo *demo, struct error *err)
{
    uint64_t began_ns = clock_monotonic_ns();
    struct demo_live_settings settings = {.config = demo_site_config(demo->site),
                                          .source = &demo->source,
                                          .alerts = demo->alerts,
                                          .counters = demo->counters,
                                          .events = demo->options.events,
                                          .seconds = demo->options.seconds,
                                          .on_terminal = demo->on_terminal};
    TRY(demo_live_run(&settings, &demo->sent, err));
    printf("screening %" PRIu64 " events, %" PRIu64 " documents, %.1f s with loading the list\n",
           counters_get(&demo->counters->records), counters_get(&demo->counters->documents),
           (double)(clock_monotonic_ns() - began_ns) / 1e9);
    return STATUS_OK;
}

/* --- reading the alerts -------------------------------------------------------------------------
 */

static enum status take_alerts(struct demo *demo, struct error *err)
{
    uint64_t left = 0;
    uint32_t waited_ms = 0;
    TRY(demo_alerts_left(demo->alerts, &left, err));
    while (left > 0) {
        uint32_t count = 0;
        TRY(demo_alerts_step(demo->alerts, POLL_MS, &count, err));
        left -= count < left ? count : left;
        waited_ms = count > 0 ? 0 : waited_ms + POLL_MS;
        if (wait_for_signal(demo, 0))
            return interrupted(err);
        if (waited_ms > PATIENCE_MS)
            return error_fail(err, EX_UNAVAILABLE, "demo: %" PRIu64 " alerts do not come", left);
    }
    return STATUS_OK;
}

static enum status read_alerts(struct demo *demo, struct error *err)
{
    begin(demo, "alerts");
    enum status status = take_alerts(demo, err);
    if (status == STATUS_OK)
        printf("%" PRIu64 " read from topic %s, %.1f s\n", demo_alerts_count(demo->alerts),
               demo_site_config(demo->site)->alerts_topic, seconds(demo));
    return status == STATUS_RETRY ? STATUS_FAIL : status;
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static enum status judge(struct demo *demo, struct error *err)
{
    struct verdict_counts counts = verdict_count(demo->verdict, stderr);
    uint64_t screened = counters_get(&demo->counters->records);
    if (screened != demo->sent)
        (void)fprintf(stderr, "demo: %" PRIu64 " events of %" PRIu64 " were screened\n", screened,
                      demo->sent);
    printf("planted %" PRIu64 " · found %" PRIu64 " · missed %" PRIu64 " · false %" PRIu64 "\n",
           counts.planted, counts.found, counts.missed, counts.false_count);
    bool is_right = counts.planted > 0 && counts.missed == 0 && counts.false_count == 0 &&
                    screened == demo->sent;
    return is_right ? STATUS_OK : error_fail(err, EX_DIFFERS, "demo: that is not what was planted");
}

/* All events first, then all alerts: what there is to see is how fast it is. */
static enum status screen_at_once(struct demo *demo, uint64_t bookings, uint64_t bankings,
                                  struct error *err)
{
    TRY(produce_events(demo, EVENT_BOOKING, bookings, err));
    TRY(produce_events(demo, EVENT_BANKING, bankings, err));
    demo->sent = demo->options.events;
    if (wait_for_signal(demo, 0))
        return interrupted(err);
    return screen(demo, err);
}

static enum status run(struct demo *demo, struct error *err)
{
    uint64_t bookings = demo->options.events / 2;
    uint64_t bankings = demo->options.events - bookings;
    struct demo_sizes sizes = {demo->options.entries, bookings, bankings};
    TRY(demo_site_open(&sizes, &demo->site, err));
    struct config *config = demo_site_config(demo->site);
    demo->source = (struct demo_events){config, demo->generator, demo->verdict};
    log_configure(config->log_level, config->log_json);
    printf("%-10san embedded broker, %s; removed at the end\n", "site",
           demo_site_folder(demo->site));
    TRY(produce_list(demo, err));
    TRY(demo_alerts_open(config, demo->verdict, &demo->alerts, err));
    if (demo->options.seconds > 0)
        TRY(screen_live(demo, err));
    else
        TRY(screen_at_once(demo, bookings, bankings, err));
    TRY(read_alerts(demo, err));
    return judge(demo, err);
}

enum status command_demo(int argc, char **argv, struct error *err)
{
    struct demo demo = {0};
    struct operands operands;
    TRY(arguments_parse(&command, argc, argv, &demo.options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    signals_block();
    demo.on_terminal = terminal_is_fit(STDOUT_FILENO);
    if (demo.on_terminal && demo.options.seconds == 0)
        demo.options.seconds = TERMINAL_S;
    struct generator_settings settings = {.seed = demo.options.seed,
                                          .entries = demo.options.entries,
                                          .hit_rate = hit_rate,
                                          .noise = true};
    demo.generator = generator_open(&settings);
    demo.verdict = verdict_open();
    demo.counters = memory_new(1, sizeof *demo.counters);
    enum status status = run(&demo, err);
    demo_alerts_close(demo.alerts);
    demo_site_close(demo.site);
    memory_free(demo.counters);
    verdict_close(demo.verdict);
    generator_close(demo.generator);
    return status;
}
