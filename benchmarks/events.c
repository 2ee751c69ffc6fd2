/* events_writer: events in other schemas than ours, to a topic.
 *
 *   events_writer --form wide|partner -c CONFIG --topic TOPIC --schema-id ID --events N --entries N
 *                 [--hit-rate RATE] [--seed S] [--truth FILE]
 *
 * The bookings of `checkit generate bookings` of the same seed, with the same hits, written as the
 * schemas in benchmarks/schemas say. FILE is as `checkit generate` writes it. What nobody reads is
 * made up of words, numbers and random bytes, the same ones for the same seed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operators/support/encode.h"
#include "operators/support/generator.h"
#include "pipeline/base/file_writer.h"
#include "pipeline/base/random.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/output.h"

enum { FILLER_BYTES_MAX = 512, BRANCH_NULL = 0, BRANCH_ADULT = 0, BRANCH_INFANT = 1 };

/* --- what nobody reads ----------------------------------------------------------------------- */

enum filler_kind {
    FILLER_TEXT,
    FILLER_OPTIONAL_TEXT, /* null one time in four */
    FILLER_BYTES,
    FILLER_LONG,
    FILLER_DOUBLE,
    FILLER_BOOLEAN,
    FILLER_TEXTS, /* an array of three */
    FILLER_MAP    /* of three */
};

struct filler {
    enum filler_kind kind;
    uint32_t size; /* of each text or run of bytes, about */
};

/* In the order of Wide.avsc; parts end where what is read begins. */
static const struct filler wide_first[] = {{FILLER_TEXT, 24},          {FILLER_LONG, 0},
                                           {FILLER_BYTES, 16},         {FILLER_OPTIONAL_TEXT, 20},
                                           {FILLER_OPTIONAL_TEXT, 30}, {FILLER_TEXTS, 14}};
static const struct filler wide_fares[] = {
    {FILLER_TEXT, 16},   {FILLER_TEXT, 220},  {FILLER_DOUBLE, 0},         {FILLER_MAP, 12},
    {FILLER_BOOLEAN, 0}, {FILLER_BOOLEAN, 0}, {FILLER_OPTIONAL_TEXT, 12}, {FILLER_TEXTS, 6}};
static const struct filler wide_journey[] = {
    {FILLER_TEXT, 180}, {FILLER_TEXT, 260}, {FILLER_OPTIONAL_TEXT, 10}, {FILLER_LONG, 0}};
static const struct filler wide_last[] = {
    {FILLER_TEXT, 20},  {FILLER_BYTES, 32}, {FILLER_DOUBLE, 0},         {FILLER_MAP, 24},
    {FILLER_TEXTS, 20}, {FILLER_TEXT, 430}, {FILLER_OPTIONAL_TEXT, 40}, {FILLER_TEXT, 90},
    {FILLER_BYTES, 48}, {FILLER_TEXT, 280}, {FILLER_LONG, 0},           {FILLER_LONG, 0}};

static void put_words(struct encoder *encoder, struct random *random, uint32_t size)
{
    static const char *const words[] = {
        "adult",    "aisle",   "booking",  "cabin",    "change",  "child",  "coach",   "connect",
        "date",     "evening", "family",   "flexible", "ground",  "hotel",  "inbound", "lounge",
        "meal",     "night",   "onward",   "outbound", "paid",    "queue",  "return",  "seat",
        "standard", "ticket",  "transfer", "upgrade",  "voucher", "window", "yes",     "zone"};
    enum { WORDS = sizeof words / sizeof *words };
    char text[FILLER_BYTES_MAX];
    uint32_t used = 0;
    uint64_t drawn = 0;
    while (used + 16 < size) {
        drawn = drawn >> 5 ? drawn >> 5 : random_next(random); /* five bits a word */
        const char *word = words[drawn % WORDS];
        size_t length = strlen(word);
        memcpy(text + used, word, length);
        used += (uint32_t)length;
        text[used++] = ' ';
    }
    int written = snprintf(text + used, 16, "%08" PRIx32, (uint32_t)random_next(random));
    encode_bytes(encoder, bytes_of(text, used + (uint32_t)written));
}

static void put_noise(struct encoder *encoder, struct random *random, uint32_t size)
{
    uint64_t noise[FILLER_BYTES_MAX / sizeof(uint64_t)];
    for (uint32_t i = 0; i * sizeof *noise < size; i++)
        noise[i] = random_next(random);
    encode_bytes(encoder, bytes_of(noise, size));
}

/* The encoder has none: our own records hold no real numbers. */
static void put_double(struct encoder *encoder, double value)
{
    if (encoder->full || sizeof value > (size_t)(encoder->end - encoder->next)) {
        encoder->full = true;
        return;
    }
    memcpy(encoder->next, &value, sizeof value);
    encoder->next += sizeof value;
}

static void put_items(struct encoder *encoder, struct random *random, const struct filler *filler)
{
    static const char *const keys[] = {"base", "extra", "total"};
    enum { KEYS = sizeof keys / sizeof *keys };
    encode_items(encoder, KEYS);
    for (uint32_t i = 0; i < KEYS; i++) {
        if (filler->kind == FILLER_MAP)
            encode_text(encoder, keys[i]);
        put_words(encoder, random, filler->size);
    }
    encode_items_end(encoder);
}

static void put_filler(struct encoder *encoder, struct random *random, const struct filler *filler)
{
    switch (filler->kind) {
    case FILLER_OPTIONAL_TEXT:
        if (random_below(random, 4) == 0) {
            encode_optional_text(encoder, bytes_of(NULL, 0));
            return;
        }
        encode_long(encoder, 1); /* not null */
        put_words(encoder, random, filler->size);
        return;
    case FILLER_TEXT:
        put_words(encoder, random, filler->size);
        return;
    case FILLER_BYTES:
        put_noise(encoder, random, filler->size);
        return;
    case FILLER_LONG:
        encode_long(encoder, (int64_t)random_below(random, 1000000));
        return;
    case FILLER_DOUBLE:
        put_double(encoder, (double)random_below(random, 1000000) / 100);
        return;
    case FILLER_BOOLEAN:
        encode_boolean(encoder, random_below(random, 2) == 1);
        return;
    case FILLER_TEXTS:
    case FILLER_MAP:
        put_items(encoder, random, filler);
        return;
    }
}

#define PUT_FILLERS(encoder, random, fillers)                                                      \
    put_fillers((encoder), (random), (fillers), sizeof(fillers) / sizeof *(fillers))

static void put_fillers(struct encoder *encoder, struct random *random,
                        const struct filler *fillers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_filler(encoder, random, &fillers[i]);
}

/* --- what is read, as each schema has it ------------------------------------------------------ */

static void put_optional(struct encoder *encoder, const char *text)
{
    encode_optional_text(encoder, bytes_of_text(text));
}

static void put_wide_document(struct encoder *encoder, const struct generated_document *document)
{
    encode_bytes(encoder, document->sent.number);
    encode_long(encoder, document->source);
    encode_bytes(encoder, document->sent.type);
    encode_optional_text(encoder, document->sent.issuer);
    encode_optional_text(encoder, document->sent.nationality);
    encode_optional_long(encoder, document->expiry != DATE_NONE, document->expiry);
}

static void put_wide_travellers(struct encoder *encoder, const struct generated_event *event)
{
    uint32_t next = 0;
    encode_items(encoder, event->travellers);
    for (uint32_t traveller = 0; traveller < event->travellers; traveller++) {
        uint32_t end = generator_end_of_traveller(event, next, traveller);
        const char reference = (char)('1' + traveller);
        encode_bytes(encoder, bytes_of(&reference, 1));
        encode_items(encoder, end - next);
        for (; next < end; next++)
            put_wide_document(encoder, &event->documents[next]);
        encode_items_end(encoder);
    }
    encode_items_end(encoder);
}

static void put_wide(struct encoder *encoder, struct random *random,
                     const struct generated_event *event)
{
    encode_text(encoder, event->id);
    PUT_FILLERS(encoder, random, wide_first);
    encode_long(encoder, event->time_ms);
    encode_text(encoder, event->partner);
    encode_long(encoder, event->sector);
    encode_long(encoder, event->stage);
    encode_text(encoder, event->journey);
    PUT_FILLERS(encoder, random, wide_fares);
    put_optional(encoder, event->origin);
    put_optional(encoder, event->destination);
    encode_optional_long(encoder, event->departs_at_ms != TIME_NONE, event->departs_at_ms);
    PUT_FILLERS(encoder, random, wide_journey);
    put_wide_travellers(encoder, event);
    PUT_FILLERS(encoder, random, wide_last);
}

static void put_partner_document(struct encoder *encoder, const struct generated_document *document)
{
    encode_optional_text(encoder, document->sent.number);
    encode_optional_text(encoder, document->sent.issuer);
    encode_optional_text(encoder, document->sent.type);
    encode_optional_text(encoder, document->sent.nationality);
    encode_optional_long(encoder, document->expiry != DATE_NONE, document->expiry);
}

/* A second traveller with a single document is an infant, who has only one. */
static uint32_t put_passenger(struct encoder *encoder, const struct generated_event *event,
                              uint32_t first, uint32_t traveller)
{
    uint32_t end = generator_end_of_traveller(event, first, traveller);
    if (traveller == 1 && end - first == 1) {
        encode_long(encoder, BRANCH_INFANT);
        encode_boolean(encoder, true);
        encode_long(encoder, 1); /* document: not null */
        put_partner_document(encoder, &event->documents[first]);
        return end;
    }
    encode_long(encoder, BRANCH_ADULT);
    encode_long(encoder, BRANCH_NULL); /* seat */
    encode_items(encoder, end - first);
    for (; first < end; first++)
        put_partner_document(encoder, &event->documents[first]);
    encode_items_end(encoder);
    return end;
}

static void put_history(struct encoder *encoder, struct random *random)
{
    encode_items(encoder, 3);
    encode_long(encoder, 1);
    encode_text(encoder, "made");
    encode_long(encoder, BRANCH_NULL);
    encode_long(encoder, 2);
    encode_long(encoder, (int64_t)random_below(random, 1000000));
    put_noise(encoder, random, 8);
    encode_items_end(encoder);
}

static void put_fares(struct encoder *encoder, struct random *random)
{
    encode_items(encoder, 1);
    encode_items(encoder, 2);
    encode_text(encoder, "net");
    encode_optional_long(encoder, true, (int64_t)random_below(random, 100000));
    encode_text(encoder, "tax");
    encode_optional_long(encoder, false, 0);
    encode_items_end(encoder);
    encode_items_end(encoder);
}

static void put_partner(struct encoder *encoder, struct random *random,
                        const struct generated_event *event)
{
    uint32_t next = 0;
    encode_text(encoder, event->id);
    encode_long(encoder, 1); /* office: an int */
    encode_long(encoder, (int64_t)random_below(random, 1000));
    put_optional(encoder, event->channel);
    put_fares(encoder, random);
    encode_long(encoder, event->time_ms * 1000);
    encode_long(encoder, (int64_t)random_below(random, 3));
    put_history(encoder, random);
    encode_items(encoder, event->travellers);
    for (uint32_t traveller = 0; traveller < event->travellers; traveller++)
        next = put_passenger(encoder, event, next, traveller);
    encode_items_end(encoder);
    put_optional(encoder, event->origin);
    put_optional(encoder, event->destination);
    encode_items(encoder, 2);
    encode_text(encoder, "fare");
    put_optional(encoder, event->fare); /* the branches null and string come first here too */
    encode_text(encoder, "weight");
    encode_long(encoder, 2);
    put_double(encoder, 0.5);
    encode_items_end(encoder);
}

/* --- writing ---------------------------------------------------------------------------------- */

struct options {
    const char *form;
    const char *config;
    const char *topic;
    const char *truth;
    const char *hit_rate;
    uint64_t schema_id;
    uint64_t events;
    uint64_t entries;
    uint64_t seed;
};

#define OPTION(NAME, KIND, member, ...)                                                            \
    {                                                                                              \
        .name = (NAME), .kind = (KIND), .offset = offsetof(struct options, member), __VA_ARGS__    \
    }

static const struct argument arguments[] = {
    OPTION("form", ARGUMENT_TEXT, form, .value = "NAME", .choices = "wide|partner",
           .required = true, .help = "the schema: benchmarks/schemas"),
    OPTION("config", ARGUMENT_TEXT, config, .letter = 'c', .value = "FILE", .required = true,
           .help = "the configuration, which names the brokers"),
    OPTION("topic", ARGUMENT_TEXT, topic, .value = "TOPIC", .required = true, .help = "where to"),
    OPTION("schema-id", ARGUMENT_NUMBER, schema_id, .value = "ID", .required = true, .min = 1,
           .max = INT32_MAX, .help = "that the schema has"),
    OPTION("events", ARGUMENT_NUMBER, events, .value = "N", .required = true, .min = 1,
           .max = GENERATOR_EVENTS_MAX / 2, .help = "how many"),
    OPTION("entries", ARGUMENT_NUMBER, entries, .value = "N", .required = true, .min = 1,
           .max = GENERATOR_ENTRIES_MAX, .help = "of the list: as it was generated"),
    OPTION("hit-rate", ARGUMENT_TEXT, hit_rate, .value = "RATE", .preset = "9e-6",
           .help = "hits a document"),
    OPTION("seed", ARGUMENT_NUMBER, seed, .value = "S", .preset = "1",
           .help = "the same seed makes the same"),
    OPTION("truth", ARGUMENT_TEXT, truth, .value = "FILE", .help = "the hits to be found"),
    {0}};

static const struct arguments_command command = {.name = "events_writer",
                                                 .summary = "Events in a schema that is not ours.",
                                                 .arguments = arguments};

static enum status write_all(const struct options *options, const struct generator *generator,
                             struct output *output, struct file_writer *truth, struct error *err)
{
    bool is_wide = strcmp(options->form, "wide") == 0;
    uint8_t buffer[GENERATED_BYTES_MAX];
    struct generated_event event;
    struct random random;
    random_init(&random, options->seed);
    for (uint64_t i = 0; i < options->events; i++) {
        struct encoder encoder = encoder_of(buffer, sizeof buffer);
        generator_event(generator, EVENT_BOOKING, i, &event);
        encode_prefix(&encoder, (uint32_t)options->schema_id);
        (is_wide ? put_wide : put_partner)(&encoder, &random, &event);
        struct bytes payload = encoder_done(&encoder, buffer);
        if (!payload.data)
            return error_fail(err, EX_SOFTWARE, "an event is too large");
        TRY(output_put(output, bytes_of_text(event.journey), payload, err));
        if (truth && event.hits_count > 0)
            TRY(file_writer_put(truth, generator_csv_truth(&event, options->topic, buffer), err));
    }
    return output_finish(output, err);
}

static enum status write_with_truth(const struct options *options,
                                    const struct generator *generator, struct output *output,
                                    struct error *err)
{
    if (!options->truth)
        return write_all(options, generator, output, NULL, err);
    struct file_writer *truth = NULL;
    TRY(file_writer_open(options->truth, &truth, err));
    enum status status = file_writer_put(truth, bytes_of_text(generator_csv_truth_header), err);
    if (status == STATUS_OK)
        status = write_all(options, generator, output, truth, err);
    if (status == STATUS_OK)
        status = file_writer_finish(truth, err);
    file_writer_close(truth);
    return status;
}

static enum status write_events(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    TRY(arguments_parse(&command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    struct config *config = NULL;
    struct output *output = NULL;
    TRY(config_open(options.config, &config, err));
    log_configure(config->log_level, config->log_json);
    const struct generator_settings settings = {.seed = options.seed,
                                                .entries = options.entries,
                                                .hit_rate = strtod(options.hit_rate, NULL),
                                                .noise = true};
    struct generator *generator = generator_open(&settings);
    /* The contract is there to be asked for; events name a schema of their own. */
    enum status status =
        output_open_topic(config, options.topic, "schemas/BookingEvent.avsc", &output, err);
    if (status == STATUS_OK)
        status = write_with_truth(&options, generator, output, err);
    output_close(output);
    generator_close(generator);
    config_close(config);
    return status;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    if (write_events(argc, argv, &err) == STATUS_OK)
        return 0;
    (void)fprintf(stderr, "%s\n", err.text);
    return err.exit_code ? err.exit_code : EX_SOFTWARE;
}
