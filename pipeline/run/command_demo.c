/* checkit demo: the whole line against an embedded broker, compared with the truth. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/change_encode.h"
#include "operators/support/generator.h"
#include "operators/support/kafka.h"
#include "operators/support/projection.h"
#include "operators/support/wire.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/counters.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/command.h"
#include "pipeline/run/demo_site.h"
#include "pipeline/run/output.h"
#include "pipeline/run/screener.h"
#include "pipeline/run/signals.h"
#include "pipeline/run/verdict.h"

enum {
    EX_DIFFERS = 1,    /* what was found is not what was planted */
    EVENTS_MIN = 1000, /* so that 16 hits are to be expected */
    COUNT_MAX = 1000000,
    POLL_MS = 100,
    PATIENCE_MS = 10000, /* for the next alert: the broker is in this process */
    POLL_RECORDS = 256,
    LINE_SIZE = 512
};

static const double hit_rate = 1e-2; /* of the profile stress */

struct options {
    uint64_t entries;
    uint64_t events;
    uint64_t seed;
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
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DIFFERS, "a hit was missed or false, or the demo was interrupted"},
    {EX_UNAVAILABLE, "a file cannot be written, or the embedded broker does not answer"},
    {EX_SOFTWARE, "a fault of the program"},
    {0}};

static const struct arguments_command command = {
    .name = "demo",
    .summary = "Starts an embedded broker, puts a made-up list on the feed and made-up events on\n"
               "their topics, screens these as `checkit screen` does, reads the alerts, and\n"
               "compares them with the truth. Needs nothing and leaves nothing behind.",
    .arguments = arguments,
    .examples = "checkit demo\n"
                "checkit demo --events 1000000 --entries 1000000 --seed 7",
    .exits = exits,
};

struct demo {
    struct options options;
    struct demo_site *site;
    struct generator *generator;
    struct verdict *verdict;
    struct counters *counters;
    uint64_t began_ns; /* of what it does now */
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

static enum status put_events(struct demo *demo, enum event_kind kind, const char *topic,
                              uint64_t count, struct output *output, struct error *err)
{
    struct generated_event event;
    uint8_t buffer[GENERATED_BYTES_MAX];
    for (uint64_t i = 0; i < count; i++) {
        generator_event(demo->generator, kind, i, &event);
        struct bytes payload = generator_encode_event(&event, output_schema_id(output), buffer);
        TRY(output_put(output, bytes_of_text(event.journey), payload, err));
        if (event.hits_count > 0)
            verdict_add_truth(demo->verdict, generator_csv_truth(&event, topic, buffer));
    }
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

static enum status produce_events(struct demo *demo, enum event_kind kind, const char *topic,
                                  const char *contract, uint64_t count, struct error *err)
{
    struct output *output = NULL;
    begin(demo, topic);
    TRY(output_open_topic(demo_site_config(demo->site), topic, contract, &output, err));
    enum status status = put_events(demo, kind, topic, count, output, err);
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

/* --- reading the alerts -------------------------------------------------------------------------
 */

/* An alert is read as any event is: what stands where a document's fields are asked for is what
 * the truth is about. */
static const struct mapping alert_mapping = {
    .documents = {{.path = "",
                   .number = "entry.entry_id",
                   .issuer = "tier",
                   .type = "class",
                   .nationality = "sighting_id"}},
    .documents_count = 1,
    .event_id = "event.event_id",
    .place = "event.topic",
};

struct alerts_reader {
    struct kafka_consumer *consumer;
    struct projection *projection;
    struct arena arena; /* nothing is written out from integers: it stays empty */
    uint64_t left;
};

static enum status take_alert(struct demo *demo, struct alerts_reader *reader,
                              const struct record *record, struct error *err)
{
    uint32_t schema_id;
    struct bytes datum;
    struct document fields;
    struct context context;
    uint32_t count = 0;
    bool more = false;
    bool is_read = record->status == RECORD_OK && wire_split(record->payload, &schema_id, &datum) &&
                   projection_documents(reader->projection, datum, 0, &reader->arena, &fields, 1,
                                        &count, &more) == RECORD_OK &&
                   count == 1 &&
                   projection_context(reader->projection, datum, &context) == RECORD_OK;
    if (!is_read)
        return error_fail(err, EX_SOFTWARE, "demo: alert %d/%" PRId64 " cannot be read",
                          (int)record->origin.partition, record->origin.offset);
    char line[LINE_SIZE];
    int size = snprintf(line, sizeof line, "%.*s,%.*s,%.*s,%.*s,%.*s", (int)context.place.size,
                        context.place.data, (int)context.event_id.size, context.event_id.data,
                        (int)fields.number.size, fields.number.data, (int)fields.issuer.size,
                        fields.issuer.data, (int)fields.type.size, fields.type.data);
    if (size < 0 || size >= (int)sizeof line)
        return error_fail(err, EX_SOFTWARE, "demo: an alert has longer ids than were generated");
    verdict_add_alert(demo->verdict, bytes_of(line, (size_t)size), fields.nationality);
    return STATUS_OK;
}

/* Assigns all partitions from their beginnings. */
static enum status assign_alerts(struct alerts_reader *reader, struct error *err)
{
    enum { PARTITIONS_MAX = 256 };
    struct kafka_position positions[PARTITIONS_MAX];
    uint32_t partitions = 0;
    TRY(kafka_partitions(reader->consumer, 0, &partitions, err));
    if (partitions > PARTITIONS_MAX)
        return error_fail(err, EX_SOFTWARE, "demo: more partitions of alerts than were made");
    for (uint32_t i = 0; i < partitions; i++) {
        int64_t high = 0;
        positions[i] = (struct kafka_position){0, (int32_t)i, 0};
        TRY(kafka_watermarks(reader->consumer, 0, (int32_t)i, &positions[i].offset, &high, err));
        reader->left += (uint64_t)(high - positions[i].offset);
    }
    return kafka_assign(reader->consumer, positions, partitions, err);
}

static enum status take_alerts(struct demo *demo, struct alerts_reader *reader, struct error *err)
{
    struct record records[POLL_RECORDS];
    uint32_t waited_ms = 0;
    while (reader->left > 0) {
        uint32_t count = 0;
        TRY(kafka_poll(reader->consumer, records, POLL_RECORDS, POLL_MS, &count, err));
        enum status status = STATUS_OK;
        for (uint32_t i = 0; i < count; i++) {
            if (status == STATUS_OK)
                status = take_alert(demo, reader, &records[i], err);
            kafka_release(&records[i]);
        }
        if (status != STATUS_OK)
            return status;
        reader->left -= count < reader->left ? count : reader->left;
        waited_ms = count > 0 ? 0 : waited_ms + POLL_MS;
        if (wait_for_signal(demo, 0))
            return interrupted(err);
        if (waited_ms > PATIENCE_MS)
            return error_fail(err, EX_UNAVAILABLE, "demo: %" PRIu64 " alerts do not come",
                              reader->left);
    }
    return STATUS_OK;
}

static enum status read_alerts(struct demo *demo, struct error *err)
{
    const struct config *config = demo_site_config(demo->site);
    struct bytes schema = assets_find("schemas/Alert.avsc");
    struct alerts_reader reader = {0};
    begin(demo, "alerts");
    arena_open(&reader.arena, 1024);
    enum status status = projection_compile((const char *)schema.data, schema.size, &alert_mapping,
                                            &reader.projection, err);
    if (status == STATUS_OK)
        status = kafka_reader_open(config, config->alerts_topic, "demo", &reader.consumer, err);
    if (status == STATUS_OK)
        status = assign_alerts(&reader, err);
    uint64_t alerts = reader.left;
    if (status == STATUS_OK)
        status = take_alerts(demo, &reader, err);
    kafka_consumer_close(reader.consumer);
    projection_close(reader.projection);
    arena_close(&reader.arena);
    if (status == STATUS_OK)
        printf("%" PRIu64 " read from topic %s, %.1f s\n", alerts, config->alerts_topic,
               seconds(demo));
    return status == STATUS_RETRY ? STATUS_FAIL : status;
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static enum status judge(struct demo *demo, struct error *err)
{
    struct verdict_counts counts = verdict_count(demo->verdict, stderr);
    uint64_t screened = counters_get(&demo->counters->records);
    if (screened != demo->options.events)
        (void)fprintf(stderr, "demo: %" PRIu64 " events of %" PRIu64 " were screened\n", screened,
                      demo->options.events);
    printf("planted %" PRIu64 " · found %" PRIu64 " · missed %" PRIu64 " · false %" PRIu64 "\n",
           counts.planted, counts.found, counts.missed, counts.false_count);
    bool is_right = counts.planted > 0 && counts.missed == 0 && counts.false_count == 0 &&
                    screened == demo->options.events;
    return is_right ? STATUS_OK : error_fail(err, EX_DIFFERS, "demo: that is not what was planted");
}

static enum status run(struct demo *demo, struct error *err)
{
    uint64_t bookings = demo->options.events / 2;
    uint64_t bankings = demo->options.events - bookings;
    struct demo_sizes sizes = {demo->options.entries, bookings, bankings};
    TRY(demo_site_open(&sizes, &demo->site, err));
    const struct config *config = demo_site_config(demo->site);
    log_configure(config->log_level, config->log_json);
    printf("%-10san embedded broker, %s; removed at the end\n", "site",
           demo_site_folder(demo->site));
    TRY(produce_list(demo, err));
    TRY(produce_events(demo, EVENT_BOOKING, "bookings", "schemas/BookingEvent.avsc", bookings,
                       err));
    TRY(produce_events(demo, EVENT_BANKING, "banking", "schemas/BankingEvent.avsc", bankings, err));
    if (wait_for_signal(demo, 0))
        return interrupted(err);
    TRY(screen(demo, err));
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
    struct generator_settings settings = {.seed = demo.options.seed,
                                          .entries = demo.options.entries,
                                          .hit_rate = hit_rate,
                                          .noise = true};
    demo.generator = generator_open(&settings);
    demo.verdict = verdict_open();
    demo.counters = memory_new(1, sizeof *demo.counters);
    enum status status = run(&demo, err);
    demo_site_close(demo.site);
    memory_free(demo.counters);
    verdict_close(demo.verdict);
    generator_close(demo.generator);
    return status;
}
