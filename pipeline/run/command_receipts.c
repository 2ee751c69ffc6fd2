/* checkit receipts verify: whether the receipts prove every input, and the heartbeats, without a
 * gap. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/quote.h"
#include "operators/support/time_parse.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/coverage.h"
#include "pipeline/run/datum_json.h"
#include "pipeline/run/heartbeat.h"
#include "pipeline/run/signals.h"
#include "pipeline/run/since.h"
#include "pipeline/run/topic_reader.h"

enum { STEP_MS = 200, ANSWER_MS = 10000 };

struct options {
    const char *config;
    const char *since;
    const char *format;
};

static const struct argument verify_arguments[] = {
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
     .preset = "beginning",
     .offset = offsetof(struct options, since),
     .help = "beginning, 90s, 10m, 2h, 3d, or a time such as 2026-01-31T12:00:00Z"},
    {.name = "format",
     .kind = ARGUMENT_TEXT,
     .value = "FORMAT",
     .choices = "text|json",
     .preset = "text",
     .offset = offsetof(struct options, format),
     .help = "text, or json: one partition a line"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DATAERR, "a gap, receipts in conflict, or receipts that cannot be read"},
    {EX_UNAVAILABLE, "Kafka is not reached, or it was stopped before the end"},
    {EX_CONFIG, "a fault in FILE"},
    {0}};

static const struct arguments_command verify_command = {
    .name = "receipts verify",
    .summary =
        "Reads the receipts to the end of their topic and says for every partition whether\n"
        "they follow each other without a gap, up to what the group has committed, of the\n"
        "heartbeats' topic too. Lists gaps, and repeated receipts that contradict each other.",
    .arguments = verify_arguments,
    .examples = "checkit receipts verify -c checkit.yaml\n"
                "checkit receipts verify -c checkit.yaml --since 1d --format json",
    .exits = exits};

/* A partition of an input, as it was before the receipts were read. */
struct committed {
    uint32_t input;
    int32_t partition;
    int64_t low;
    int64_t offset; /* KAFKA_OFFSET_NONE: nothing committed */
};

struct job {
    const struct config *config;
    bool is_json;
    bool is_whole;               /* from the beginning */
    char *cluster;               /* owned */
    struct committed *committed; /* owned */
    uint32_t committed_count;
    struct coverage coverage;
    uint64_t unreadable;
    uint64_t gaps;
    uint64_t conflicts;
};

/* --- what the group has committed ----------------------------------------------------------- */

static enum status add_committed(struct job *job, struct kafka_consumer *reader, uint32_t input,
                                 struct kafka_position *positions, uint32_t count,
                                 struct error *err)
{
    TRY(kafka_committed(reader, positions, count, ANSWER_MS, err));
    job->committed =
        memory_resize(job->committed, job->committed_count + count, sizeof *job->committed);
    for (uint32_t i = 0; i < count; i++) {
        struct committed *committed = &job->committed[job->committed_count];
        int64_t high;
        *committed = (struct committed){input, positions[i].partition, 0, positions[i].offset};
        TRY(kafka_watermarks(reader, 0, positions[i].partition, &committed->low, &high, err));
        job->committed_count++;
    }
    return STATUS_OK;
}

static enum status ask_input(struct job *job, uint32_t input, struct kafka_consumer *reader,
                             struct error *err)
{
    const char *cluster;
    uint32_t count = 0;
    TRY(kafka_cluster_id(reader, &cluster, err));
    if (!job->cluster)
        job->cluster = memory_copy_text(cluster, strlen(cluster));
    TRY(kafka_partitions(reader, 0, &count, err));
    if (count == 0)
        return STATUS_OK;
    struct kafka_position *positions = memory_new(count, sizeof *positions);
    for (uint32_t i = 0; i < count; i++)
        positions[i].partition = (int32_t)i;
    enum status status = add_committed(job, reader, input, positions, count, err);
    memory_free(positions);
    return status;
}

/* Before the receipts: one that is committed has its receipt on the topic already. */
static enum status ask_inputs(struct job *job, struct error *err)
{
    for (uint32_t i = 0; i < job->config->inputs_count; i++) {
        struct kafka_consumer *reader = NULL;
        TRY(kafka_reader_open(job->config, job->config->inputs[i].topic, "receipts", &reader, err));
        enum status status = ask_input(job, i, reader, err);
        kafka_consumer_close(reader);
        if (status != STATUS_OK)
            return STATUS_FAIL;
    }
    return STATUS_OK;
}

/* --- reading -------------------------------------------------------------------------------- */

struct receipt_view {
    struct proof proof;
    char cluster[COVERAGE_NAME_SIZE];
    char topic[COVERAGE_NAME_SIZE];
    int64_t partition;
    uint32_t seen; /* a bit for each field below */
};

#define NUMBER(path, member)                                                                       \
    {                                                                                              \
        path, offsetof(struct receipt_view, member)                                                \
    }

static void visit(void *state, const struct datum_value *value)
{
    static const struct {
        const char *path;
        size_t offset;
    } numbers[] = {
        NUMBER("partition", partition),        NUMBER("from_offset", proof.from),
        NUMBER("to_offset", proof.to),         NUMBER("records", proof.records),
        NUMBER("documents", proof.documents),  NUMBER("began_at", proof.began_at_ms),
        NUMBER("ended_at", proof.ended_at_ms),
    };
    struct receipt_view *view = state;
    if (value->kind == DATUM_TEXT && strcmp(value->path, "cluster") == 0)
        (void)quote_line(value->text, view->cluster, sizeof view->cluster);
    if (value->kind == DATUM_TEXT && strcmp(value->path, "topic") == 0)
        (void)quote_line(value->text, view->topic, sizeof view->topic);
    if (value->kind != DATUM_INTEGER && value->kind != DATUM_TIME)
        return;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(value->path, numbers[i].path) == 0) {
            *(int64_t *)(void *)((char *)view + numbers[i].offset) = value->integer;
            view->seen |= 1U << i;
        }
}

static const char *read_receipt(const struct topic_record *record, struct receipt_view *view)
{
    enum { ALL_SEEN = (1 << 7) - 1 };
    *view = (struct receipt_view){0};
    if (!record->schema)
        return record->reason;
    if (datum_walk(record->schema, record->datum, visit, view) != RECORD_OK)
        return "it does not follow its schema";
    if (view->seen != ALL_SEEN || !view->topic[0] || view->partition < 0 ||
        view->partition > INT32_MAX || !coverage_is_possible(&view->proof))
        return "no receipt says that";
    return NULL;
}

static void take(void *state, const struct topic_record *record)
{
    struct job *job = state;
    struct receipt_view view;
    const char *reason = read_receipt(record, &view);
    const struct origin *origin = &record->record->origin;
    if (reason) {
        LOG_WARN("receipts", "cannot be read", LOG_INTEGER("partition", origin->partition),
                 LOG_INTEGER("offset", origin->offset), LOG_TEXT("reason", reason));
        job->unreadable++;
        return;
    }
    view.proof.at_partition = origin->partition;
    view.proof.at_offset = origin->offset;
    coverage_add(coverage_find(&job->coverage, view.cluster, view.topic, (int32_t)view.partition),
                 &view.proof);
}

static enum status read_all(struct job *job, int64_t since_ms, struct error *err)
{
    struct topic_reader *reader = NULL;
    const struct topic_reader_settings settings = {.config = job->config,
                                                   .topic = job->config->receipts_topic,
                                                   .client = "receipts",
                                                   .since_ms = since_ms,
                                                   .state = job,
                                                   .take = take};
    TRY(topic_reader_open(&settings, &reader, err));
    enum status status = STATUS_OK;
    do {
        status = topic_reader_step(reader, STEP_MS, err);
        if (status == STATUS_OK && signals_wait(NULL, 0))
            status = error_fail(err, EX_UNAVAILABLE, "stopped before the end of the receipts");
    } while (status == STATUS_OK && !topic_reader_is_at_end(reader));
    topic_reader_close(reader);
    return status;
}

/* --- telling -------------------------------------------------------------------------------- */

/* A stretch without a proof. */
struct gap {
    int64_t from;
    int64_t to;
    int64_t after_ms;  /* end of the receipt before; 0: there is none */
    int64_t before_ms; /* begin of the next one; 0: there is none */
};

static const struct committed *find_committed(const struct job *job,
                                              const struct coverage_partition *partition)
{
    if (!job->cluster || strcmp(job->cluster, partition->cluster) != 0)
        return NULL;
    for (uint32_t i = 0; i < job->committed_count; i++) {
        const struct committed *committed = &job->committed[i];
        const char *topic = job->config->inputs[committed->input].topic;
        if (committed->partition == partition->partition && strcmp(topic, partition->topic) == 0)
            return committed;
    }
    return NULL;
}

/* The index-th gap: between stretches, then up to what is committed. */
static bool gap_at(const struct job *job, const struct coverage_partition *partition,
                   uint32_t index, struct gap *gap)
{
    const struct stretch *stretches = partition->stretches;
    uint32_t count = partition->stretches_count;
    if (index + 1 < count) {
        *gap = (struct gap){stretches[index].to, stretches[index + 1].from,
                            stretches[index].ended_at_ms, stretches[index + 1].began_at_ms};
        return true;
    }
    const struct committed *committed = find_committed(job, partition);
    if (!committed || index + 1 > (count > 0 ? count : 1))
        return false;
    *gap = (struct gap){.from = count > 0 ? stretches[count - 1].to : committed->low,
                        .to = committed->offset,
                        .after_ms = count > 0 ? stretches[count - 1].ended_at_ms : 0};
    return gap->to > gap->from && (count > 0 || job->is_whole);
}

static const char *time_text(int64_t ms, char out[TIME_TEXT_SIZE])
{
    return time_format(ms, out) ? out : "?";
}

static void write_gap_text(const struct coverage_partition *partition, const struct gap *gap)
{
    char time[TIME_TEXT_SIZE];
    printf("gap       %s/%" PRId32 ": [%" PRId64 ", %" PRId64 ") has no receipt", partition->topic,
           partition->partition, gap->from, gap->to);
    if (gap->after_ms)
        printf(", after %s", time_text(gap->after_ms, time));
    if (gap->before_ms)
        printf(", before %s", time_text(gap->before_ms, time));
    (void)putchar('\n');
}

static void write_proof_text(const struct proof *proof)
{
    char time[TIME_TEXT_SIZE];
    printf("[%" PRId64 ", %" PRId64 ") %" PRId64 " records, %" PRId64
           " documents, %s (receipt %" PRId32 "/%" PRId64 ")",
           proof->from, proof->to, proof->records, proof->documents,
           time_text(proof->ended_at_ms, time), proof->at_partition, proof->at_offset);
}

static void write_text(const struct job *job, const struct coverage_partition *partition)
{
    struct gap gap;
    bool has_gap = gap_at(job, partition, 0, &gap);
    for (uint32_t i = 0; gap_at(job, partition, i, &gap); i++)
        write_gap_text(partition, &gap);
    for (uint64_t i = 0; i < partition->conflicts_count && i < COVERAGE_CONFLICTS_MAX; i++) {
        printf("conflict  %s/%" PRId32 ": ", partition->topic, partition->partition);
        write_proof_text(&partition->conflicts[i].first);
        fputs(" and ", stdout);
        write_proof_text(&partition->conflicts[i].second);
        (void)putchar('\n');
    }
    if (has_gap || partition->conflicts_count > 0)
        return;
    if (partition->stretches_count == 0) {
        printf("none      %s/%" PRId32 ": no receipt\n", partition->topic, partition->partition);
        return;
    }
    const struct stretch *whole = &partition->stretches[0];
    char began[TIME_TEXT_SIZE];
    char ended[TIME_TEXT_SIZE];
    printf("ok        %s/%" PRId32 ": [%" PRId64 ", %" PRId64 "), receipts %" PRIu64
           ", again %" PRIu64 ", %s to %s\n",
           partition->topic, partition->partition, whole->from, whole->to, partition->receipts,
           partition->overlapping, time_text(whole->began_at_ms, began),
           time_text(whole->ended_at_ms, ended));
}

static void write_time_json(const char *name, int64_t ms)
{
    char time[TIME_TEXT_SIZE];
    if (ms && time_format(ms, time))
        printf(",\"%s\":\"%s\"", name, time);
}

static void write_proof_json(const struct proof *proof)
{
    printf("{\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"records\":%" PRId64 ",\"documents\":%" PRId64
           ",\"receipt_partition\":%" PRId32 ",\"receipt_offset\":%" PRId64,
           proof->from, proof->to, proof->records, proof->documents, proof->at_partition,
           proof->at_offset);
    write_time_json("ended_at", proof->ended_at_ms);
    (void)putchar('}');
}

static void write_gaps_json(const struct job *job, const struct coverage_partition *partition)
{
    struct gap gap;
    fputs(",\"gaps\":[", stdout);
    for (uint32_t i = 0; gap_at(job, partition, i, &gap); i++) {
        printf("%s{\"from\":%" PRId64 ",\"to\":%" PRId64, i > 0 ? "," : "", gap.from, gap.to);
        write_time_json("after", gap.after_ms);
        write_time_json("before", gap.before_ms);
        (void)putchar('}');
    }
    (void)putchar(']');
}

static void write_json(const struct job *job, const struct coverage_partition *partition)
{
    fputs("{\"cluster\":", stdout);
    datum_json_write_text(bytes_of_text(partition->cluster), stdout);
    fputs(",\"topic\":", stdout);
    datum_json_write_text(bytes_of_text(partition->topic), stdout);
    printf(",\"partition\":%" PRId32 ",\"receipts\":%" PRIu64 ",\"again\":%" PRIu64,
           partition->partition, partition->receipts, partition->overlapping);
    if (partition->stretches_count > 0)
        printf(",\"from\":%" PRId64 ",\"to\":%" PRId64, partition->stretches[0].from,
               partition->stretches[partition->stretches_count - 1].to);
    write_gaps_json(job, partition);
    printf(",\"conflicts_count\":%" PRIu64 ",\"conflicts\":[", partition->conflicts_count);
    for (uint64_t i = 0; i < partition->conflicts_count && i < COVERAGE_CONFLICTS_MAX; i++) {
        fputs(i > 0 ? ",[" : "[", stdout);
        write_proof_json(&partition->conflicts[i].first);
        (void)putchar(',');
        write_proof_json(&partition->conflicts[i].second);
        (void)putchar(']');
    }
    fputs("]}\n", stdout);
}

static enum status tell(struct job *job, struct error *err)
{
    for (uint32_t i = 0; i < job->committed_count; i++)
        (void)coverage_find(&job->coverage, job->cluster,
                            job->config->inputs[job->committed[i].input].topic,
                            job->committed[i].partition);
    for (uint32_t i = 0; i < job->coverage.count; i++) {
        const struct coverage_partition *partition = &job->coverage.partitions[i];
        struct gap gap;
        for (uint32_t k = 0; gap_at(job, partition, k, &gap); k++)
            job->gaps++;
        job->conflicts += partition->conflicts_count;
        if (job->is_json)
            write_json(job, partition);
        else
            write_text(job, partition);
    }
    if (job->gaps + job->conflicts + job->unreadable == 0)
        return STATUS_OK;
    return error_fail(err, EX_DATAERR,
                      "%" PRIu64 " gaps, %" PRIu64 " conflicts, %" PRIu64
                      " receipts that cannot be read",
                      job->gaps, job->conflicts, job->unreadable);
}

static enum status run(struct job *job, const struct options *options, struct error *err)
{
    int64_t since_ms;
    TRY(since_parse("receipts verify", options->since, clock_wall_ms(), &since_ms, err));
    job->is_whole = since_ms == KAFKA_AT_BEGINNING;
    signals_block();
    TRY(ask_inputs(job, err));
    TRY(read_all(job, since_ms, err));
    return tell(job, err);
}

static enum status receipts_verify(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    TRY(arguments_parse(&verify_command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    struct config *config = NULL;
    TRY(config_open(options.config, &config, err));
    if (config->heartbeat_interval_s > 0) /* else they are not screened */
        heartbeat_add_input(config);
    log_configure(config->log_level < LOG_LEVEL_WARN ? LOG_LEVEL_WARN : config->log_level,
                  config->log_json); /* the schemas it fetches are no news */
    struct job job = {.config = config, .is_json = strcmp(options.format, "json") == 0};
    coverage_init(&job.coverage);
    enum status status = run(&job, &options, err);
    coverage_close(&job.coverage);
    memory_free(job.committed);
    memory_free(job.cluster);
    config_close(config);
    return status;
}

enum status command_receipts(int argc, char **argv, struct error *err)
{
    static const struct subcommand commands[] = {
        {"verify", receipts_verify, "find stretches that were not screened"}, {0}};
    return arguments_dispatch("receipts", commands, argc, argv, err);
}
