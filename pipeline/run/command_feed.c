/* checkit feed: list files to document-changes, validated first. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "operators/support/quote.h"
#include "operators/support/registry.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/change_send.h"
#include "pipeline/run/heartbeat.h"
#include "pipeline/run/signals.h"

enum { FILES_MAX = 4096, DAY_S = 86400, SUMMARY_SIZE = 512 };

struct options {
    const char *config;
    const char *contributor;
    const char *rejections;
    bool skip_rejected;
    bool dry_run;
    bool test_entry;
    uint64_t timeout_s;
};

static const struct argument arguments[] = {
    {.name = "config",
     .letter = 'c',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .required = true,
     .offset = offsetof(struct options, config),
     .help = "the configuration"},
    {.name = "contributor",
     .kind = ARGUMENT_TEXT,
     .value = "NAME",
     .offset = offsetof(struct options, contributor),
     .help = "who answers for entries of which the CSV does not say it"},
    {.name = "dry-run",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, dry_run),
     .help = "validate only: no Kafka is needed and nothing is sent"},
    {.name = "skip-rejected",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, skip_rejected),
     .help = "send what is valid; without it one rejection stops all"},
    {.name = "rejections",
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .offset = offsetof(struct options, rejections),
     .help = "write rejections to FILE, as CSV, instead of standard error"},
    {.name = "test-entry",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, test_entry),
     .help = "send the TEST entry that heartbeats name: once for a list, before any CSV"},
    {.name = "timeout-s",
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = 1,
     .max = DAY_S,
     .preset = "60",
     .offset = offsetof(struct options, timeout_s),
     .help = "give up after N seconds in which nothing was delivered"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DATAERR, "rows are rejected, or a CSV is none: nothing was sent"},
    {EX_UNAVAILABLE, "a file cannot be read or written, or not all was delivered: the message\n"
                     "      says how many were; sending all again does no harm"},
    {EX_CONFIG, "a fault in FILE, or the schema folder lacks our DocumentChange"},
    {0}};

static const struct arguments_command command = {
    .name = "feed",
    .summary =
        "Puts the list entries of CSV files on the feed (`document-changes`). All rows are\n"
        "validated before the first is sent; `-` is standard input. The first row names the\n"
        "columns, in any order: entry_id, op (UPSERT, WITHDRAW), revision, number, number_to,\n"
        "issuer, type, loss, flags (joined by |), contributor, reported_on, lost_on, expiry,\n"
        "review_on (dates), national_ref, effective_at. Needed: entry_id, and for an UPSERT\n"
        "number and issuer.",
    .arguments = arguments,
    .operands = "CSV...",
    .operands_min = 0,
    .operands_max = FILES_MAX,
    .examples = "checkit feed -c checkit.yaml --dry-run list.csv\n"
                "checkit feed -c checkit.yaml --contributor FRA list.csv corrections.csv\n"
                "checkit feed -c checkit.yaml --test-entry\n"
                "zcat list.csv.gz | checkit feed -c checkit.yaml -",
    .exits = exits,
};

/* One run of the command. */
struct job {
    const struct options *options;
    const struct operands *files;
    const struct config *config;
    struct rule_data *rules;
    struct rejections *rejections;
    struct change_list *list;
    struct progress progress;
    uint32_t schema_id;
    struct change_counts counts;
};

static bool is_stopped(void *state)
{
    return signals_wait(state, 0);
}

static enum status check_contributor(const char *name, struct error *err)
{
    uint8_t copy[ENTRY_TEXT_SIZE_MAX];
    unsigned faults = 0;
    if (!name)
        return STATUS_OK;
    struct bytes text = bytes_of_text(name);
    (void)quote_text(text, copy, sizeof copy, &faults);
    if (text.size == 0 || faults != 0)
        return error_fail(err, EX_USAGE, "feed: --contributor must be 1 to %d bytes of UTF-8",
                          (int)ENTRY_TEXT_SIZE_MAX);
    return STATUS_OK;
}

static enum status find_schema_id(struct job *job, struct error *err)
{
    struct registry *registry = NULL;
    if (job->options->dry_run)
        return STATUS_OK;
    TRY(registry_open(job->config, &registry, err));
    const char *schema = (const char *)assets_find("schemas/DocumentChange.avsc").data;
    enum status status =
        registry_id_of(registry, job->config->feed_topic, schema, &job->schema_id, err);
    registry_close(registry);
    return status;
}

/* --- reading --- */

/* The entry of heartbeat.h, as a row. */
static enum status read_test_entry(struct job *job, struct error *err)
{
    static const char row[] =
        "entry_id,op,revision,number,issuer,type,loss,flags,contributor\n" TEST_ENTRY_ID
        ",UPSERT,1," TEST_ENTRY_NUMBER "," TEST_ENTRY_ISSUER ",PASSPORT,INVALID,TEST,checkit\n";
    return change_list_read_text(job->list, "the TEST entry", bytes_of_text(row), err);
}

static enum status read_files(struct job *job, struct error *err)
{
    const struct change_list_settings settings = {
        .rules = job->rules,
        .contributor = bytes_of_text(job->options->contributor),
        .effective_at_ms = clock_wall_ms(),
        .schema_id = job->schema_id,
        .rejections = job->rejections,
        .progress = &job->progress,
    };
    job->list = change_list_open(&settings);
    if (job->options->test_entry)
        TRY(read_test_entry(job, err));
    for (uint32_t i = 0; i < job->files->count; i++)
        TRY(change_list_read(job->list, job->files->items[i], err));
    return change_list_finish(job->list, &job->counts, err);
}

static uint64_t count_rejected(const struct job *job)
{
    uint64_t count = 0;
    for (int fault = CHANGE_FAULT_NO + 1; fault < CHANGE_OUTRANKED; fault++)
        count += rejections_count(job->rejections, (enum change_fault)fault);
    return count;
}

static enum status judge(const struct job *job, struct error *err)
{
    uint64_t rejected = count_rejected(job);
    if (rejected == 0 || job->options->skip_rejected)
        return STATUS_OK;
    char reasons[SUMMARY_SIZE];
    rejections_summary(job->rejections, reasons, sizeof reasons);
    return error_fail(err, EX_DATAERR,
                      "feed: nothing was sent, rejected %" PRIu64 " of %" PRIu64 " rows (%s); "
                      "--skip-rejected sends the others",
                      rejected, rejected + job->counts.upserts + job->counts.withdrawals, reasons);
}

/* --- sending --- */

static void write_result(const struct job *job, const char *what, const struct change_counts *sent)
{
    uint64_t outranked = rejections_count(job->rejections, CHANGE_OUTRANKED);
    printf("%s %" PRIu64 " upserts, %" PRIu64 " withdrawals, rejected %" PRIu64, what,
           sent->upserts, sent->withdrawals, count_rejected(job));
    if (outranked > 0)
        printf(", left out %" PRIu64 " of a lower revision", outranked);
    (void)putchar('\n');
}

static enum status send_list(struct job *job, struct error *err)
{
    struct change_counts sent = {0};
    const struct change_send_settings settings = {
        .config = job->config,
        .list = job->list,
        .counts = job->counts,
        .timeout_s = (uint32_t)job->options->timeout_s,
        .progress = &job->progress,
        .stopped = is_stopped,
    };
    /* Before, a signal just ends the process: nothing was sent, and no file is left behind. */
    signals_block();
    if (job->counts.upserts + job->counts.withdrawals > 0)
        TRY(change_send(&settings, &sent, err));
    write_result(job, "sent", &sent);
    return STATUS_OK;
}

static enum status run(struct job *job, struct error *err)
{
    progress_init(&job->progress, stderr, isatty(STDERR_FILENO));
    TRY(rule_data_open(job->config->rules_folder, &job->rules, err));
    TRY(find_schema_id(job, err));
    TRY(rejections_open(job->options->rejections, &job->rejections, err));
    TRY(read_files(job, err));
    TRY(judge(job, err));
    if (!job->options->dry_run)
        return send_list(job, err);
    write_result(job, "would send", &job->counts);
    return STATUS_OK;
}

enum status command_feed(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    TRY(arguments_parse(&command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    if (operands.count == 0 && !options.test_entry)
        return error_fail(err, EX_USAGE, "feed: CSV... is missing; see checkit feed --help");
    TRY(check_contributor(options.contributor, err));
    struct config *config = NULL;
    TRY(config_open(options.config, &config, err));
    log_configure(config->log_level, config->log_json);
    struct job job = {.options = &options, .files = &operands, .config = config};
    enum status status = run(&job, err);
    change_list_close(job.list);
    rejections_close(job.rejections);
    rule_data_close(job.rules);
    config_close(config);
    return status;
}
