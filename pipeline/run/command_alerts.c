/* checkit alerts: the alert topic as a table or as JSON lines. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/base/clock.h"
#include "pipeline/run/alert_view.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/signals.h"
#include "pipeline/run/since.h"
#include "pipeline/run/topic_reader.h"

enum { STEP_MS = 200 };

struct options {
    const char *config;
    const char *since;
    const char *alert_class;
    const char *tier;
    const char *issuer;
    const char *partner;
    const char *format;
    uint64_t limit;
    bool redact;
    bool until_end;
};

static const struct argument arguments[] = {
    {.name = "config",
     .letter = 'c',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .required = true,
     .offset = offsetof(struct options, config),
     .help = "the configuration"},
    {.name = "since",
     .kind = ARGUMENT_TEXT,
     .value = "TIME",
     .preset = "10m",
     .offset = offsetof(struct options, since),
     .help = "beginning, now, 90s, 10m, 2h, 3d, or a time such as 2026-01-31T12:00:00Z"},
    {.name = "class",
     .kind = ARGUMENT_TEXT,
     .value = "CLASS",
     .choices = "page|review",
     .offset = offsetof(struct options, alert_class),
     .help = "only alerts of this class: page or review"},
    {.name = "tier",
     .kind = ARGUMENT_TEXT,
     .value = "TIER",
     .choices =
         "exact|type_differs|repaired|check_digit|ocr_fold|issuer_inferred|number_only|range",
     .offset = offsetof(struct options, tier),
     .help = "only alerts of this tier, such as exact or type_differs"},
    {.name = "issuer",
     .kind = ARGUMENT_TEXT,
     .value = "CODE",
     .offset = offsetof(struct options, issuer),
     .help = "only documents of this issuer, such as FRA"},
    {.name = "partner",
     .kind = ARGUMENT_TEXT,
     .value = "NAME",
     .offset = offsetof(struct options, partner),
     .help = "only events of this partner"},
    {.name = "format",
     .kind = ARGUMENT_TEXT,
     .value = "FORMAT",
     .choices = "table|json",
     .offset = offsetof(struct options, format),
     .help = "table (on a terminal) or json, one alert a line (elsewhere)"},
    {.name = "limit",
     .letter = 'n',
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = 1,
     .offset = offsetof(struct options, limit),
     .help = "end after N alerts"},
    {.name = "redact",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, redact),
     .help = "show the token of a document instead of its number"},
    {.name = "until-end",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, until_end),
     .help = "end where the topic ended at the start, instead of following it"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DATAERR, "some alerts could not be read; the others were shown"},
    {EX_UNAVAILABLE, "Kafka is not reached, or standard output cannot be written"},
    {EX_CONFIG, "a fault in FILE"},
    {0}};

static const struct arguments_command command = {
    .name = "alerts",
    .summary = "Shows the alerts of the alert topic, one a line, and follows it until SIGINT or\n"
               "SIGTERM. Reads without a group: nobody else notices. Document numbers are shown.",
    .arguments = arguments,
    .examples = "checkit alerts -c checkit.yaml\n"
                "checkit alerts -c checkit.yaml --class page --since 2h\n"
                "checkit alerts -c checkit.yaml --since beginning --until-end --format json",
    .exits = exits};

struct job {
    const struct options *options;
    struct alert_filter filter;
    bool is_table;
    uint64_t shown;
    uint64_t unreadable;
};

static void tell_unreadable(struct job *job, const struct record *record, const char *reason)
{
    LOG_WARN("alerts", "cannot be read", LOG_INTEGER("partition", record->origin.partition),
             LOG_INTEGER("offset", record->origin.offset), LOG_TEXT("reason", reason));
    job->unreadable++;
}

static bool is_enough(const struct job *job)
{
    return job->options->limit > 0 && job->shown >= job->options->limit;
}

static void take(void *state, const struct topic_record *record)
{
    struct job *job = state;
    struct alert_view view;
    bool is_redacted = job->options->redact;
    if (is_enough(job))
        return;
    if (!record->schema) {
        tell_unreadable(job, record->record, record->reason);
        return;
    }
    if (alert_view_read(record->schema, record->datum, &view) != RECORD_OK) {
        tell_unreadable(job, record->record, "it does not follow its schema");
        return;
    }
    if (!alert_view_passes(&view, &job->filter))
        return;
    if (job->is_table)
        alert_view_write_row(&view, is_redacted, stdout);
    else
        alert_view_write_json(record->schema, record->datum, &view, is_redacted, stdout);
    job->shown++;
}

static enum status follow(struct job *job, struct topic_reader *reader, struct error *err)
{
    if (job->is_table)
        alert_view_write_header(job->options->redact, stdout);
    for (;;) {
        TRY(topic_reader_step(reader, STEP_MS, err));
        if (fflush(stdout) != 0)
            return error_fail(err, EX_UNAVAILABLE, "standard output cannot be written");
        bool is_done = job->options->until_end && topic_reader_is_at_end(reader);
        if (is_done || is_enough(job) || signals_wait(NULL, 0))
            return STATUS_OK;
    }
}

static enum status run(struct job *job, const struct config *config, struct error *err)
{
    struct topic_reader *reader = NULL;
    struct topic_reader_settings settings = {.config = config,
                                             .topic = config->alerts_topic,
                                             .client = "alerts",
                                             .state = job,
                                             .take = take};
    TRY(since_parse("alerts", job->options->since, clock_wall_ms(), &settings.since_ms, err));
    signals_block();
    TRY(topic_reader_open(&settings, &reader, err));
    enum status status = follow(job, reader, err);
    topic_reader_close(reader);
    if (status != STATUS_OK || job->unreadable == 0)
        return status;
    return error_fail(err, EX_DATAERR, "%" PRIu64 " alert%s could not be read", job->unreadable,
                      job->unreadable == 1 ? "" : "s");
}

enum status command_alerts(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    TRY(arguments_parse(&command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    struct config *config = NULL;
    TRY(config_open(options.config, &config, err));
    log_configure(config->log_level < LOG_LEVEL_WARN ? LOG_LEVEL_WARN : config->log_level,
                  config->log_json); /* the schemas it fetches are no news */
    struct job job = {
        .options = &options,
        .filter = {options.alert_class, options.tier, options.issuer, options.partner},
        .is_table =
            options.format ? strcmp(options.format, "table") == 0 : isatty(STDOUT_FILENO) == 1};
    enum status status = run(&job, config, err);
    config_close(config);
    return status;
}
