/* checkit generate: a list, or events that name its documents, with the truth about them. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "operators/support/change_encode.h"
#include "operators/support/generator.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/file_writer.h"
#include "pipeline/base/log.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/command.h"
#include "pipeline/run/output.h"
#include "pipeline/run/progress.h"

enum { TOPIC_SIZE_MAX = 249, TELL_EVERY = 1024 };

/* --- options ------------------------------------------------------------------------------------
 */

struct options {
    uint64_t entries;
    uint64_t events;
    uint64_t first;
    uint64_t seed;
    uint64_t misreads;
    const char *profile;
    const char *hit_rate;
    const char *config;
    const char *topic;
    const char *out;
    const char *truth;
    bool plain;
    bool quiet;
};

#define TEXT_ARGUMENT(member, ...)                                                                 \
    {                                                                                              \
        .kind = ARGUMENT_TEXT, .offset = offsetof(struct options, member), __VA_ARGS__             \
    }
#define NUMBER_ARGUMENT(member, ...)                                                               \
    {                                                                                              \
        .kind = ARGUMENT_NUMBER, .offset = offsetof(struct options, member), __VA_ARGS__           \
    }
#define SWITCH_ARGUMENT(member, ...)                                                               \
    {                                                                                              \
        .kind = ARGUMENT_SWITCH, .offset = offsetof(struct options, member), __VA_ARGS__           \
    }

#define SEED_ARGUMENT                                                                              \
    NUMBER_ARGUMENT(seed, .name = "seed", .value = "S", .preset = "1",                             \
                    .help = "the same seed makes the same")
#define CONFIG_ARGUMENT                                                                            \
    TEXT_ARGUMENT(config, .name = "config", .letter = 'c', .value = "FILE",                        \
                  .help = "write to a topic; the configuration names the brokers")
#define OUT_ARGUMENT                                                                               \
    TEXT_ARGUMENT(out, .name = "out", .value = "FILE",                                             \
                  .help = "write FILE.avro or FILE.csv; - is CSV on standard output")
#define PLAIN_ARGUMENT                                                                             \
    SWITCH_ARGUMENT(plain, .name = "no-noise", .help = "write everything as it ought to be written")
#define QUIET_ARGUMENT                                                                             \
    SWITCH_ARGUMENT(quiet, .name = "quiet", .letter = 'q',                                         \
                    .help = "say nothing but what goes wrong")

static const struct argument list_arguments[] = {
    NUMBER_ARGUMENT(entries, .name = "entries", .value = "N", .required = true, .min = 1,
                    .max = GENERATOR_ENTRIES_MAX, .help = "how many"),
    SEED_ARGUMENT,
    CONFIG_ARGUMENT,
    TEXT_ARGUMENT(topic, .name = "topic", .value = "TOPIC",
                  .help = "with -c: another topic than the configured feed"),
    OUT_ARGUMENT,
    PLAIN_ARGUMENT,
    QUIET_ARGUMENT,
    {0}};

static const struct argument event_arguments[] = {
    NUMBER_ARGUMENT(events, .name = "events", .value = "N", .required = true, .min = 1,
                    .max = GENERATOR_EVENTS_MAX / 2, .help = "how many"),
    NUMBER_ARGUMENT(entries, .name = "entries", .value = "N", .required = true, .min = 1,
                    .max = GENERATOR_ENTRIES_MAX, .help = "of the list: as it was generated"),
    SEED_ARGUMENT,
    NUMBER_ARGUMENT(first, .name = "first", .value = "N", .max = GENERATOR_EVENTS_MAX / 2,
                    .preset = "0", .help = "begin behind so many events: parts of one stream"),
    TEXT_ARGUMENT(profile, .name = "profile", .value = "NAME", .choices = "airline|border|stress",
                  .preset = "airline", .help = "hits a document, 9e-6, 6.5e-5 or 1e-2"),
    TEXT_ARGUMENT(hit_rate, .name = "hit-rate", .value = "RATE",
                  .help = "hits a document, 0 to 1, instead of the profile's"),
    NUMBER_ARGUMENT(misreads, .name = "misreads", .value = "N", .max = 1000, .preset = "0",
                    .help = "of 1,000 planted documents, with one character misread: found as "
                            "REPAIRED or OCR_FOLD, the truth says MISREAD"),
    TEXT_ARGUMENT(truth, .name = "truth", .value = "FILE",
                  .help = "the hits to be found: topic,event_id,entry_id,tier,class"),
    CONFIG_ARGUMENT,
    TEXT_ARGUMENT(topic, .name = "topic", .value = "TOPIC",
                  .help = "where to write, and in FILE of --truth (default: as the command)"),
    OUT_ARGUMENT,
    PLAIN_ARGUMENT,
    QUIET_ARGUMENT,
    {0}};

static const struct arguments_exit exits[] = {
    {EX_UNAVAILABLE, "Kafka is not reached, or a file cannot be written"},
    {EX_CONFIG, "a fault in the configuration, or a schema is missing (checkit schemas)"},
    {0}};

static const struct arguments_command list_command = {
    .name = "generate list",
    .summary = "Makes up a list of stolen and lost documents: to the feed's topic, a file of\n"
               "DocumentChange records, or CSV as `checkit feed` reads it.",
    .arguments = list_arguments,
    .examples = "checkit generate list --entries 5000000 --out list.csv\n"
                "checkit generate list --entries 100000 --seed 7 -c checkit.yaml",
    .exits = exits};

static const struct arguments_command bookings_command = {
    .name = "generate bookings",
    .summary = "Makes up booking events of about 170 bytes and 1.6 documents, some of them on\n"
               "the list of the same --entries and --seed: to a topic, a file of BookingEvent\n"
               "records, or CSV, one line a document with what is expected of it.",
    .arguments = event_arguments,
    .examples =
        "checkit generate bookings --events 10000000 --entries 5000000 -c checkit.yaml\n"
        "checkit generate bookings --events 1000 --entries 5000000 --profile stress --out -\n"
        "checkit generate bookings --events 100000 --entries 100000 --truth truth.csv --out b.avro",
    .exits = exits};

static const struct arguments_command banking_command = {
    .name = "generate banking",
    .summary = "Makes up account openings and other events of banks, some of their documents on\n"
               "the list of the same --entries and --seed: to a topic, a file of BankingEvent\n"
               "records, or CSV, one line a document with what is expected of it.",
    .arguments = event_arguments,
    .examples = "checkit generate banking --events 100000 --entries 5000000 -c checkit.yaml\n"
                "checkit generate banking --events 1000 --entries 1000 --hit-rate 0.1 --out -",
    .exits = exits};

static bool is_topic(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    size_t size = strlen(text);
    return size >= 1 && size <= TOPIC_SIZE_MAX && strspn(text, allowed) == size;
}

static bool is_out(const char *path)
{
    size_t size = strlen(path);
    return strcmp(path, "-") == 0 || (size > 4 && strcmp(path + size - 4, ".csv") == 0) ||
           (size > 5 && strcmp(path + size - 5, ".avro") == 0);
}

static enum status check_options(const struct arguments_command *command,
                                 const struct options *options, struct error *err)
{
    const char *name = command->name;
    if ((options->config != NULL) == (options->out != NULL))
        return error_fail(err, EX_USAGE,
                          "%s: give either -c FILE or --out FILE; see checkit %s --help", name,
                          name);
    if (options->out && !is_out(options->out))
        return error_fail(err, EX_USAGE, "%s: --out '%s': must end in .avro or .csv, or be -", name,
                          options->out);
    if (options->topic && !is_topic(options->topic))
        return error_fail(err, EX_USAGE,
                          "%s: --topic '%s': must be 1 to %d letters, digits, '.', '_', '-'", name,
                          options->topic, (int)TOPIC_SIZE_MAX);
    if (options->out && options->truth && strcmp(options->out, options->truth) == 0)
        return error_fail(err, EX_USAGE, "%s: --out and --truth are both '%s'", name, options->out);
    return STATUS_OK;
}

/* The rate asked for, else the profile's. */
static enum status find_rate(const struct arguments_command *command, const struct options *options,
                             double *rate, struct error *err)
{
    static const struct {
        const char *name;
        double rate;
    } profiles[] = {{"airline", 9e-6}, {"border", 6.5e-5}, {"stress", 1e-2}};
    if (!options->hit_rate) {
        for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
            if (strcmp(profiles[i].name, options->profile) == 0)
                *rate = profiles[i].rate;
        return STATUS_OK;
    }
    char *end = NULL;
    bool is_number = strspn(options->hit_rate, "0123456789.eE-+") == strlen(options->hit_rate);
    *rate = is_number ? strtod(options->hit_rate, &end) : NAN;
    if (is_number && end != options->hit_rate && *end == 0 && *rate >= 0 && *rate <= 1)
        return STATUS_OK;
    return error_fail(err, EX_USAGE, "%s: --hit-rate '%s': must be a number, 0 to 1, such as 1e-4",
                      command->name, options->hit_rate);
}

/* --- making -------------------------------------------------------------------------------------
 */

struct job {
    const struct options *options;
    const struct generator *generator;
    enum event_kind kind;
    const char *topic;
    struct output *output;
    struct file_writer *truth; /* NULL: not asked for */
    uint64_t hits;
    struct progress progress;
};

static void tell(struct job *job, uint64_t done)
{
    if (!job->options->quiet && done % TELL_EVERY == 0)
        progress_tell(&job->progress, done);
}

static enum status make_list(struct job *job, struct error *err)
{
    struct generated_entry entry;
    uint8_t buffer[GENERATED_BYTES_MAX];
    for (uint64_t i = 0; i < job->options->entries; i++) {
        generator_entry(job->generator, i, &entry);
        struct bytes data = output_form(job->output) == OUTPUT_CSV
                                ? generator_csv_entry(&entry, buffer)
                                : change_encode(&entry.change, output_schema_id(job->output),
                                                buffer, sizeof buffer);
        TRY(output_put(job->output, entry.change.entry_id, data, err));
        tell(job, i + 1);
    }
    return STATUS_OK;
}

static enum status make_events(struct job *job, struct error *err)
{
    struct generated_event event;
    uint8_t buffer[GENERATED_BYTES_MAX];
    for (uint64_t i = 0; i < job->options->events; i++) {
        generator_event(job->generator, job->kind, job->options->first + i, &event);
        struct bytes data =
            output_form(job->output) == OUTPUT_CSV
                ? generator_csv_event(&event, buffer)
                : generator_encode_event(&event, output_schema_id(job->output), buffer);
        TRY(output_put(job->output, bytes_of_text(event.journey), data, err));
        job->hits += event.hits_count;
        if (job->truth && event.hits_count > 0)
            TRY(file_writer_put(job->truth, generator_csv_truth(&event, job->topic, buffer), err));
        tell(job, i + 1);
    }
    return STATUS_OK;
}

/* The truth first: events without it are of no use. */
static enum status finish(struct job *job, struct error *err)
{
    if (job->truth)
        TRY(file_writer_finish(job->truth, err));
    return output_finish(job->output, err);
}

/* Standard output is left alone where it holds what was made. */
static void write_summary(const struct job *job, const char *what, uint64_t total)
{
    const char *out = job->options->out;
    if (job->options->quiet || (out && strcmp(out, "-") == 0))
        return;
    double seconds = (double)(clock_monotonic_ns() - job->progress.began_ns) / 1e9;
    printf("wrote %" PRIu64 " %s to %s%s in %.1f s", total, what, out ? "" : "topic ",
           out ? out : job->topic, seconds);
    if (job->options->events > 0)
        printf("; %" PRIu64 " hits to be found", job->hits);
    printf("\n");
}

static enum status run(struct job *job, enum status (*make)(struct job *job, struct error *err),
                       const char *what, uint64_t total, struct error *err)
{
    struct progress_task task = {.what = "generate", .unit = what, .unit_size = 1, .total = total};
    progress_init(&job->progress, stderr, isatty(STDERR_FILENO) == 1);
    progress_begin(&job->progress, &task);
    enum status status = make(job, err);
    if (status == STATUS_OK)
        status = finish(job, err);
    progress_end(&job->progress);
    if (status == STATUS_OK)
        write_summary(job, what, total);
    output_close(job->output);
    file_writer_close(job->truth);
    return status;
}

static enum status open_truth(struct job *job, struct error *err)
{
    if (!job->options->truth)
        return STATUS_OK;
    TRY(file_writer_open(job->options->truth, &job->truth, err));
    return file_writer_put(job->truth, bytes_of_text(generator_csv_truth_header), err);
}

/* --- commands -----------------------------------------------------------------------------------
 */

static enum status open_config(const struct options *options, struct config **config,
                               struct error *err)
{
    if (!options->config)
        return STATUS_OK;
    TRY(config_open(options->config, config, err));
    log_configure((*config)->log_level, (*config)->log_json);
    return STATUS_OK;
}

static enum status generate_list(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    TRY(arguments_parse(&list_command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    TRY(check_options(&list_command, &options, err));
    struct config *config = NULL;
    TRY(open_config(&options, &config, err));

    struct generator_settings settings = {
        .seed = options.seed, .entries = options.entries, .noise = !options.plain};
    struct generator *generator = generator_open(&settings);
    struct job job = {.options = &options, .generator = generator, .topic = options.topic};
    if (config && !job.topic)
        job.topic = config->feed_topic;
    const char *contract = "schemas/DocumentChange.avsc";
    enum status status = config
                             ? output_open_topic(config, job.topic, contract, &job.output, err)
                             : output_open_file(options.out, contract, generator_csv_entry_header,
                                                options.seed, &job.output, err);
    if (status == STATUS_OK)
        status = run(&job, make_list, "entries", options.entries, err);
    generator_close(generator);
    config_close(config);
    return status;
}

static enum status open_events(struct job *job, struct config *config, struct error *err)
{
    const char *contract =
        job->kind == EVENT_BOOKING ? "schemas/BookingEvent.avsc" : "schemas/BankingEvent.avsc";
    TRY(open_truth(job, err));
    if (config)
        return output_open_topic(config, job->topic, contract, &job->output, err);
    return output_open_file(job->options->out, contract, generator_csv_event_header,
                            job->options->seed, &job->output, err);
}

static enum status generate_events(const struct arguments_command *command, enum event_kind kind,
                                   const char *topic, int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    double rate = 0;
    TRY(arguments_parse(command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    TRY(check_options(command, &options, err));
    TRY(find_rate(command, &options, &rate, err));
    struct config *config = NULL;
    TRY(open_config(&options, &config, err));

    struct generator_settings settings = {.seed = options.seed,
                                          .entries = options.entries,
                                          .hit_rate = rate,
                                          .noise = !options.plain,
                                          .misreads = (uint32_t)options.misreads};
    struct generator *generator = generator_open(&settings);
    struct job job = {.options = &options,
                      .generator = generator,
                      .kind = kind,
                      .topic = options.topic ? options.topic : topic};
    enum status status = open_events(&job, config, err);
    if (status == STATUS_OK)
        status = run(&job, make_events, "events", options.events, err);
    else
        file_writer_close(job.truth);
    generator_close(generator);
    config_close(config);
    return status;
}

static enum status generate_bookings(int argc, char **argv, struct error *err)
{
    return generate_events(&bookings_command, EVENT_BOOKING, "bookings", argc, argv, err);
}

static enum status generate_banking(int argc, char **argv, struct error *err)
{
    return generate_events(&banking_command, EVENT_BANKING, "banking", argc, argv, err);
}

enum status command_generate(int argc, char **argv, struct error *err)
{
    static const struct subcommand commands[] = {{"list", generate_list, "entries of a list"},
                                                 {"bookings", generate_bookings, "booking events"},
                                                 {"banking", generate_banking, "events of banks"},
                                                 {0}};
    return arguments_dispatch("generate", commands, argc, argv, err);
}
