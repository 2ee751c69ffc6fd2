/* checkit match: documents of a file, or one, against a list, without Kafka. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/log.h"
#include "pipeline/config.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/match_explain.h"
#include "pipeline/run/match_run.h"
#include "pipeline/run/signals.h"

struct options {
    const char *entries;
    const char *store;
    const char *store_key;
    const char *rules;
    const char *in;
    const char *preset;
    const char *config;
    const char *topic;
    const char *out;
    const char *number;
    const char *issuer;
    const char *type;
    const char *nationality;
    uint64_t threads;
    bool explain;
    bool quiet;
};

#define TEXT_ARGUMENT(member, ...)                                                                 \
    {                                                                                              \
        .kind = ARGUMENT_TEXT, .offset = offsetof(struct options, member), __VA_ARGS__             \
    }

static const struct argument arguments[] = {
    TEXT_ARGUMENT(entries, .name = "entries", .value = "FILE",
                  .help = "the list: a CSV of entries, or a list file"),
    TEXT_ARGUMENT(store, .name = "store", .value = "DIR",
                  .help = "or the store of a screener, which may be running"),
    TEXT_ARGUMENT(store_key, .name = "store-key", .value = "FILE", .help = "that store's key"),
    TEXT_ARGUMENT(rules, .name = "rules", .value = "DIR",
                  .help = "rule data that replaces what is built in"),
    TEXT_ARGUMENT(in, .name = "in", .letter = 'i', .value = "FILE",
                  .help = "the documents, as CSV or an Avro file; - is standard input"),
    TEXT_ARGUMENT(preset, .name = "preset", .value = "NAME", .choices = "booking|banking",
                  .help = "how events are read; without it by their schema's name"),
    TEXT_ARGUMENT(config, .name = "config", .letter = 'c', .value = "FILE",
                  .help = "or by the mapping of an input of this configuration"),
    TEXT_ARGUMENT(topic, .name = "topic", .value = "TOPIC", .help = "that input's topic"),
    TEXT_ARGUMENT(out, .name = "out", .letter = 'o', .value = "FILE", .preset = "-",
                  .help = "where the answers go"),
    TEXT_ARGUMENT(number, .name = "number", .value = "TEXT", .help = "or one document: its number"),
    TEXT_ARGUMENT(issuer, .name = "issuer", .value = "CODE", .help = "its issuer"),
    TEXT_ARGUMENT(type, .name = "type", .value = "WORD", .help = "its type"),
    TEXT_ARGUMENT(nationality, .name = "nationality", .value = "CODE",
                  .help = "its holder's nationality"),
    {.name = "explain",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, explain),
     .help = "say in words how each answer comes about"},
    {.name = "threads",
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = 1,
     .max = WORKERS_MAX,
     .offset = offsetof(struct options, threads),
     .help = "threads that match; without it one a processor"},
    {.name = "quiet",
     .letter = 'q',
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, quiet),
     .help = "no progress and no summary on standard error"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DATAERR, "a CSV or Avro file is none, or the store is damaged"},
    {EX_UNAVAILABLE, "a file cannot be read or written"},
    {EX_CONFIG, "a fault in rule data or configuration, or a store or key that does not fit"},
    {0}};

static const struct arguments_command command = {
    .name = "match",
    .summary =
        "Matches documents against a list as `screen` does, without Kafka. The first row of\n"
        "the documents names the columns, in any order: id, number, issuer, type,\n"
        "nationality; with a column kind, rows `doc` are documents and rows `entry` are\n"
        "entries (number_to for a range), so one file may be both. Entries may also be a list\n"
        "file as `feed` takes it. Documents may also be those of the events of an Avro\n"
        "container file, with the ids EVENT_ID/1, EVENT_ID/2 and so on.\n"
        "Answers are CSV, "
        "id,answer, in the order of the documents:\n"
        "none, specimen, unscreenable:REASON, or ENTRY_ID=TIER:CLASS joined by `;`.",
    .arguments = arguments,
    .examples =
        "checkit match --entries cases.csv --in cases.csv --out answers.csv\n"
        "checkit match --entries list.csv --number 12AB34567 --issuer FRA --explain\n"
        "checkit match --entries list.csv --in events.avro -c checkit.yaml --topic bookings\n"
        "checkit match --store store --store-key store.key --in -",
    .exits = exits,
};

static enum status check_options(const struct options *options, struct error *err)
{
    if (!options->entries == !options->store)
        return error_fail(err, EX_USAGE, "match: one of --entries and --store is needed");
    if (options->store && !options->store_key)
        return error_fail(err, EX_USAGE, "match: --store needs --store-key");
    if (!options->in == !options->number)
        return error_fail(err, EX_USAGE, "match: one of --in and --number is needed");
    if (!options->number && (options->issuer || options->type || options->nationality))
        return error_fail(err, EX_USAGE,
                          "match: --issuer, --type and --nationality go with --number");
    if (options->entries && options->in && strcmp(options->entries, "-") == 0 &&
        strcmp(options->in, "-") == 0)
        return error_fail(err, EX_USAGE,
                          "match: standard input cannot be both the entries and the documents");
    if (options->number && (options->preset || options->config))
        return error_fail(err, EX_USAGE, "match: --preset and --config go with --in");
    if (!options->config != !options->topic)
        return error_fail(err, EX_USAGE, "match: --config and --topic go together");
    if (options->config && options->preset)
        return error_fail(err, EX_USAGE, "match: give --preset, or --config and --topic");
    return STATUS_OK;
}

/* One run of the command. */
struct job {
    const struct options *options;
    struct rule_data *rules;
    struct match_list list;
    struct match_documents *documents;
    struct config *config; /* NULL: not asked for */
    struct file_writer *out;
    struct progress progress;
    struct match_counts counts;
    uint32_t threads;
    uint64_t bytes_total;
    int file;
    char *text; /* of open_memstream */
    size_t text_size;
};

static uint32_t thread_count(const struct options *options)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (options->threads > 0)
        return (uint32_t)options->threads;
    if (options->number || options->explain || processors < 1)
        return 1;
    return processors < WORKERS_MAX ? (uint32_t)processors : WORKERS_MAX;
}

/* NULL: none was asked for. */
static enum status find_mapping(struct job *job, const struct mapping **mapping, struct error *err)
{
    const struct options *options = job->options;
    *mapping = options->preset ? mapping_preset(options->preset) : NULL;
    if (!options->config)
        return STATUS_OK;
    TRY(config_open(options->config, &job->config, err));
    for (uint32_t i = 0; i < job->config->inputs_count && !*mapping; i++)
        if (strcmp(job->config->inputs[i].topic, options->topic) == 0)
            *mapping = &job->config->inputs[i].mapping;
    return *mapping ? STATUS_OK
                    : error_fail(err, EX_CONFIG, "%s: no input has the topic '%s'", options->config,
                                 options->topic);
}

static enum status open_documents(struct job *job, struct error *err)
{
    const char *path = job->options->in;
    bool is_input = strcmp(path, "-") == 0;
    struct stat info = {0};
    struct match_documents_source source = {.name = is_input ? "standard input" : path};
    TRY(find_mapping(job, &source.mapping, err));
    job->file = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (job->file < 0)
        return error_fail(err, EX_UNAVAILABLE, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(job->file, &info) == 0 && S_ISREG(info.st_mode))
        job->bytes_total = (uint64_t)info.st_size;
    source.file = job->file;
    return match_documents_open(&source, &job->documents, err);
}

/* The one document of the options as a file of one row. */
static enum status open_document(struct job *job, struct error *err)
{
    const struct options *options = job->options;
    const char *const fields[] = {options->number, options->issuer, options->type,
                                  options->nationality};
    FILE *text = open_memstream(&job->text, &job->text_size);
    if (!text)
        return error_fail(err, EX_UNAVAILABLE, "match: no memory");
    (void)fputs("id,number,issuer,type,nationality\n", text);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        (void)putc(',', text);
        csv_write_field(text, bytes_of_text(fields[i] ? fields[i] : ""));
    }
    (void)putc('\n', text);
    if (fclose(text) != 0)
        return error_fail(err, EX_UNAVAILABLE, "match: no memory");
    const struct match_documents_source source = {
        .name = "options", .file = -1, .text = bytes_of(job->text, job->text_size)};
    return match_documents_open(&source, &job->documents, err);
}

/* --- with words --- */

static enum status explain_document(struct job *job, const struct match_explain_settings *settings,
                                    const struct document *document, struct bytes id,
                                    struct error *err)
{
    struct buffer text = {0};
    if (id.size > 0) {
        buffer_add(&text, (const char *)id.data, id.size);
        buffer_add_text(&text, ": ");
    }
    enum status status = match_explain(settings, document, &text, err);
    if (status == STATUS_OK)
        status = file_writer_put(job->out, bytes_of(text.data, text.size), err);
    buffer_close(&text);
    return status;
}

static enum status explain_documents(struct job *job, const struct match_explain_settings *settings,
                                     struct error *err)
{
    for (;;) {
        struct match_row row;
        TRY(match_documents_next(job->documents, &row, err));
        if (row.line == 0)
            return STATUS_OK;
        const struct document document = {.number = row.number,
                                          .issuer = row.issuer,
                                          .type = row.type,
                                          .nationality = row.nationality};
        TRY(explain_document(job, settings, &document, row.id, err));
    }
}

static enum status explain(struct job *job, struct error *err)
{
    struct match_explain_settings settings = {.rules = job->rules, .store = job->list.store};
    TRY(key_prf_open(job->list.key, &settings.prf, err));
    enum status status = explain_documents(job, &settings, err);
    key_prf_close(settings.prf);
    return status;
}

/* --- without --- */

static enum status match_rows(struct job *job, struct error *err)
{
    const struct match_run_settings settings = {.rules = job->rules,
                                                .list = &job->list,
                                                .documents = job->documents,
                                                .out = job->out,
                                                .progress = &job->progress,
                                                .bytes_total = job->bytes_total,
                                                .threads = job->threads,
                                                .answers_only = job->options->number != NULL};
    return match_run(&settings, &job->counts, err);
}

static void write_summary(const struct job *job)
{
    const struct match_counts *counts = &job->counts;
    if (job->options->quiet || job->options->explain || job->options->number)
        return;
    (void)fprintf(stderr,
                  "%" PRIu64 " documents against %" PRIu64 " entries (%" PRIu64 " rejected): "
                  "%" PRIu64 " with hits, %" PRIu64 " unscreenable, %" PRIu64 " specimens\n",
                  counts->documents, job->list.entries, job->list.rejected, counts->with_hits,
                  counts->unscreenable, counts->specimens);
}

static enum status run(struct job *job, struct error *err)
{
    const struct options *options = job->options;
    TRY(rule_data_open(options->rules, &job->rules, err));
    TRY(options->in ? open_documents(job, err) : open_document(job, err));
    const struct match_list_settings settings = {.rules = job->rules,
                                                 .entries = options->entries,
                                                 .store = options->store,
                                                 .store_key = options->store_key,
                                                 .readers = job->threads,
                                                 .progress = &job->progress};
    TRY(match_list_open(&settings, &job->list, err));
    TRY(file_writer_open(options->out, &job->out, err));
    TRY(options->explain ? explain(job, err) : match_rows(job, err));
    TRY(file_writer_finish(job->out, err));
    write_summary(job);
    return STATUS_OK;
}

enum status command_match(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    TRY(arguments_parse(&command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    TRY(check_options(&options, err));
    log_configure(LOG_LEVEL_WARN, false);
    struct job job = {.options = &options, .threads = thread_count(&options), .file = -1};
    progress_init(&job.progress, options.quiet ? NULL : stderr, isatty(STDERR_FILENO));
    signals_block();
    enum status status = run(&job, err);
    file_writer_close(job.out);
    match_documents_close(job.documents);
    config_close(job.config);
    if (job.file > STDIN_FILENO)
        (void)close(job.file);
    free(job.text);
    match_list_close(&job.list);
    rule_data_close(job.rules);
    return status;
}
