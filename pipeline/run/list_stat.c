/* checkit list stat: what the list is made of, and what it takes on disk and in memory. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "operators/support/quote.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/figures.h"
#include "pipeline/run/list_store.h"

enum {
    DAY_MS = 24 * 60 * 60 * 1000,
    NAME_SIZE = 4 * ENTRY_TEXT_SIZE_MAX,
    OFFSETS_MAX = 4096,
    ROWS_MOST = 1000000
};

struct options {
    const char *config;
    const char *store;
    uint64_t rows;
    uint64_t threads;
    bool json;
};

static const struct argument arguments[] = {
    {.name = "config",
     .letter = 'c',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .required = true,
     .offset = offsetof(struct options, config),
     .help = "the configuration"},
    {.name = "store",
     .kind = ARGUMENT_TEXT,
     .value = "FOLDER",
     .offset = offsetof(struct options, store),
     .help = "another store of the same key, such as a snapshot"},
    {.name = "rows",
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = 1,
     .max = ROWS_MOST,
     .preset = "20",
     .offset = offsetof(struct options, rows),
     .help = "how many issuers, contributors and shapes are shown as text"},
    {.name = "threads",
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = 1,
     .max = STORE_THREADS_MAX,
     .offset = offsetof(struct options, threads),
     .help = "threads that read; without it one a processor"},
    {.name = "json",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, json),
     .help = "one JSON object, with all issuers, contributors and shapes"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DATAERR, "the store is damaged"},
    {EX_UNAVAILABLE, "the store cannot be read, its process does not answer, or stopped"},
    {EX_CONFIG, "a fault in FILE, no store, or another key's"},
    {0}};

static const struct arguments_command command = {
    .name = "list stat",
    .summary = "Counts the list by issuer, type, loss, shape of the number, contributor and days\n"
               "since the report, and tells what it takes: on disk by family, in memory of the\n"
               "process that has it. Of a store in use a checkpoint is read.",
    .arguments = arguments,
    .examples = "checkit list stat -c checkit.yaml\n"
                "checkit list stat -c checkit.yaml --json | jq .by_issuer.NLD",
    .exits = exits};

static const char *const age_names[STORE_AGE_COUNT] = {
    [STORE_AGE_FUTURE] = "in the future",    [STORE_AGE_MONTH] = "under 30 days",
    [STORE_AGE_QUARTER] = "under 90 days",   [STORE_AGE_YEAR] = "under 1 year",
    [STORE_AGE_2_YEARS] = "under 2 years",   [STORE_AGE_5_YEARS] = "under 5 years",
    [STORE_AGE_10_YEARS] = "under 10 years", [STORE_AGE_OLDER] = "10 years and more",
    [STORE_AGE_UNKNOWN] = "not said",
};

struct job {
    const struct options *options;
    struct store *store;
    struct store_stat stat;
    struct json *memory; /* what the process answered; NULL: nobody has the store open */
};

/* --- as JSON -------------------------------------------------------------------------------- */

static void put_tallies(struct json *out, const char *name, const struct store_tallies *tallies)
{
    struct json *all = json_new_object();
    for (uint32_t i = 0; i < tallies->count; i++) {
        const struct store_tally *tally = &tallies->items[i];
        char text[NAME_SIZE];
        json_put_whole(all, quote_line(bytes_of(tally->name, tally->name_size), text, sizeof text),
                       (int64_t)tally->count);
    }
    json_put(out, name, all);
}

static void put_counts(struct json *out, const struct store_stat *stat)
{
    struct json *losses = json_new_object();
    struct json *types = json_new_object();
    struct json *ages = json_new_object();
    for (int i = 0; i < LOSS_COUNT; i++)
        json_put_whole(losses, loss_name((enum loss)i), (int64_t)stat->by_loss[i]);
    for (int i = 0; i < TYPE_COUNT; i++)
        json_put_whole(types, document_type_name((enum document_type)i), (int64_t)stat->by_type[i]);
    for (int i = 0; i < STORE_AGE_COUNT; i++)
        json_put_whole(ages, age_names[i], (int64_t)stat->by_age[i]);
    json_put_whole(out, "live", (int64_t)stat->live);
    json_put_whole(out, "withdrawn", (int64_t)stat->withdrawn);
    json_put_whole(out, "ranges", (int64_t)stat->ranges);
    json_put_whole(out, "silent", (int64_t)stat->silent);
    json_put_whole(out, "disputed", (int64_t)stat->disputed);
    json_put_whole(out, "test", (int64_t)stat->test);
    json_put_whole(out, "expired", (int64_t)stat->expired);
    json_put(out, "by_loss", losses);
    json_put(out, "by_type", types);
    json_put(out, "by_age", ages);
    put_tallies(out, "by_issuer", &stat->by_issuer);
    put_tallies(out, "by_contributor", &stat->by_contributor);
    put_tallies(out, "by_shape", &stat->by_shape);
}

static void put_sizes(struct json *out, const struct store *store)
{
    struct store_size sizes[STORE_SIZES_MAX];
    uint32_t count = store_sizes(store, sizes);
    struct json *disk = json_new_object();
    for (uint32_t i = 0; i < count; i++)
        json_put_whole(disk, sizes[i].family, (int64_t)sizes[i].disk_bytes);
    json_put(out, "disk_bytes", disk);
}

static void put_feed(struct json *out, const struct store *store)
{
    struct feed_offset *offsets = memory_new(OFFSETS_MAX, sizeof *offsets);
    uint32_t count = store_offsets(store, offsets, OFFSETS_MAX);
    struct json *feed = json_new_object();
    for (uint32_t i = 0; i < count && i < OFFSETS_MAX; i++) {
        char partition[16];
        (void)snprintf(partition, sizeof partition, "%" PRId32, offsets[i].partition);
        json_put_whole(feed, partition, offsets[i].next_offset);
    }
    json_put_text(out, "origin", store_origin(store));
    json_put(out, "offsets", feed);
    memory_free(offsets);
}

static void write_json(struct job *job)
{
    struct json *out = json_new_object();
    struct buffer line = {0};
    put_counts(out, &job->stat);
    put_sizes(out, job->store);
    put_feed(out, job->store);
    if (job->memory)
        json_put(out, "memory", job->memory);
    job->memory = NULL;
    json_write(out, &line);
    printf("%s\n", line.data);
    buffer_close(&line);
    json_close(out);
}

/* --- as text -------------------------------------------------------------------------------- */

static void write_count(const char *name, uint64_t count)
{
    char number[FIGURE_SIZE];
    if (count > 0)
        printf("  %-24s %15s\n", name, figure_whole(count, number));
}

static void write_tallies(const char *title, const struct store_tallies *tallies, uint64_t rows)
{
    uint64_t rest = 0;
    printf("%s (%" PRIu32 ")\n", title, tallies->count);
    for (uint32_t i = 0; i < tallies->count; i++) {
        const struct store_tally *tally = &tallies->items[i];
        char text[NAME_SIZE];
        if (i >= rows)
            rest += tally->count;
        else
            write_count(quote_line(bytes_of(tally->name, tally->name_size), text, sizeof text),
                        tally->count);
    }
    write_count("all others", rest);
}

static void write_counts(const struct store_stat *stat)
{
    printf("entries\n");
    write_count("live", stat->live);
    write_count("of them ranges", stat->ranges);
    write_count("of them silent", stat->silent);
    write_count("of them disputed", stat->disputed);
    write_count("of them test", stat->test);
    write_count("of them expired", stat->expired);
    write_count("withdrawn", stat->withdrawn);
    printf("loss\n");
    for (int i = 0; i < LOSS_COUNT; i++)
        write_count(loss_name((enum loss)i), stat->by_loss[i]);
    printf("type\n");
    for (int i = 0; i < TYPE_COUNT; i++)
        write_count(document_type_name((enum document_type)i), stat->by_type[i]);
    printf("reported\n");
    for (int i = 0; i < STORE_AGE_COUNT; i++)
        write_count(age_names[i], stat->by_age[i]);
}

static void write_sizes(const struct store *store)
{
    struct store_size sizes[STORE_SIZES_MAX];
    uint32_t count = store_sizes(store, sizes);
    uint64_t all = 0;
    printf("bytes on disk\n");
    for (uint32_t i = 0; i < count; i++) {
        write_count(sizes[i].family, sizes[i].disk_bytes);
        all += sizes[i].disk_bytes;
    }
    write_count("together", all);
}

static void write_memory(const struct json *memory)
{
    static const char *const names[][2] = {{"filter_bytes", "filter"},
                                           {"tables_bytes", "indexes of files"},
                                           {"memtables_bytes", "not yet in files"},
                                           {"cache_bytes", "cache"}};
    if (!memory) {
        printf("bytes in memory\n  none: no process has it open\n");
        return;
    }
    printf("bytes in memory\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int64_t bytes = 0;
        (void)json_whole(json_member(memory, names[i][0]), &bytes);
        write_count(names[i][1], (uint64_t)bytes);
    }
}

static void write_text(const struct job *job)
{
    uint64_t rows = job->options->rows;
    write_counts(&job->stat);
    write_tallies("issuers", &job->stat.by_issuer, rows);
    write_tallies("contributors", &job->stat.by_contributor, rows);
    write_tallies("shapes, L a letter, D a digit", &job->stat.by_shape, rows);
    write_sizes(job->store);
    write_memory(job->memory);
}

/* --- the whole ------------------------------------------------------------------------------ */

static enum status count(struct job *job, struct error *err)
{
    struct store_figures figures = store_figures(job->store);
    struct progress progress;
    const struct progress_task task = {"counting", "entries", 1,
                                       figures.entries_live + figures.entries_withdrawn};
    const struct store_scan scan = list_store_scan(&progress, stderr, &task, job->options->threads);
    int32_t today = (int32_t)(clock_wall_ms() / DAY_MS);
    enum status status = store_count(job->store, &scan, today, &job->stat, err);
    progress_end(&progress);
    return status;
}

static enum status ask_memory(struct list_store *source, struct job *job, struct error *err)
{
    uint32_t code = 0;
    return source->client ? list_store_ask(source, "/memory", false, &code, &job->memory, err)
                          : STATUS_OK;
}

static enum status tell(struct list_store *source, struct job *job, const struct config *config,
                        struct error *err)
{
    TRY(list_store_open(source, config, job->options->store, err));
    TRY(ask_memory(source, job, err));
    TRY(list_store_inspect(source, &job->store, err));
    TRY(count(job, err));
    if (job->options->json)
        write_json(job);
    else
        write_text(job);
    return STATUS_OK;
}

static enum status run(struct list_store *source, const void *state,
                       const struct operands *operands, const struct config *config,
                       struct error *err)
{
    struct job job = {.options = state};
    (void)operands;
    enum status status = tell(source, &job, config, err);
    store_stat_close(&job.stat);
    store_close(job.store);
    json_close(job.memory);
    return status;
}

enum status command_list_stat(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    const struct list_command list = {&command, &options, &options.config, run};
    return list_command_run(&list, argc, argv, err);
}
