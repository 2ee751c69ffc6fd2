/* checkit list export: the whole list as a file that an import takes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "operators/support/change_csv_write.h"
#include "operators/support/change_encode.h"
#include "operators/support/container.h"
#include "operators/support/wire.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/figures.h"
#include "pipeline/run/list_store.h"

enum {
    RECORD_SIZE =
        CHANGE_BYTES_MAX(3 * ENTRY_TEXT_SIZE_MAX + ENTRY_ID_SIZE_MAX + 2 * NUMBER_SIZE_MAX),
    OFFSETS_MAX = 4096,
    FORMAT_AVRO = 'a'
};

struct options {
    const char *config;
    const char *store;
    const char *out;
    const char *format;
    bool quiet;
};

static const struct argument arguments[] = {
    {.name = "config",
     .letter = 'c',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .required = true,
     .offset = offsetof(struct options, config),
     .help = "the configuration"},
    {.name = "out",
     .letter = 'o',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .required = true,
     .offset = offsetof(struct options, out),
     .help = "the file to write, mode 0600; - is standard output"},
    {.name = "format",
     .kind = ARGUMENT_TEXT,
     .value = "FORMAT",
     .choices = "csv|avro",
     .preset = "csv",
     .offset = offsetof(struct options, format),
     .help = "rows as checkit feed takes them, or DocumentChange records"},
    {.name = "store",
     .kind = ARGUMENT_TEXT,
     .value = "FOLDER",
     .offset = offsetof(struct options, store),
     .help = "another store of the same key, such as a snapshot"},
    {.name = "quiet",
     .letter = 'q',
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, quiet),
     .help = "tell neither progress nor count"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DATAERR, "the store is damaged"},
    {EX_UNAVAILABLE, "the store or the file cannot be used, no answer, or stopped"},
    {EX_CONFIG, "a fault in FILE, no store, or another key's"},
    {0}};

static const struct arguments_command command = {
    .name = "list export",
    .summary = "Writes the whole list, in the order of ids, numbers in clear: keep it as you keep\n"
               "the list. Withdrawn entries are in it with their revision, so that nothing old\n"
               "comes back. An Avro container also says up to where the feed had been applied\n"
               "(checkit.origin, checkit.offsets). Of a store in use a checkpoint is written.",
    .arguments = arguments,
    .examples = "checkit list export -c checkit.yaml --out list.csv\n"
                "checkit list export -c checkit.yaml --format avro --out list.avro",
    .exits = exits};

/* One run; container: NULL for CSV. */
struct job {
    struct file_writer *writer;
    struct container *container;
    struct buffer row;
    uint64_t count;
};

static enum status write_entry(void *state, const struct entry *entry, struct error *err)
{
    struct job *job = state;
    job->count++;
    if (!job->container) {
        buffer_reset(&job->row);
        change_csv_write(entry, &job->row);
        return file_writer_put(job->writer, bytes_of(job->row.data, job->row.size), err);
    }
    uint8_t record[RECORD_SIZE];
    const struct change change = change_of_entry(entry);
    struct bytes datum = change_encode(&change, 0, record, sizeof record);
    return container_put(job->container,
                         bytes_of(datum.data + WIRE_PREFIX_SIZE, datum.size - WIRE_PREFIX_SIZE),
                         err);
}

/* {"0": 17, "1": 4}: by partition the next offset. */
static void write_offsets(const struct store *store, struct buffer *out)
{
    struct feed_offset *offsets = memory_new(OFFSETS_MAX, sizeof *offsets);
    uint32_t count = store_offsets(store, offsets, OFFSETS_MAX);
    struct json *json = json_new_object();
    for (uint32_t i = 0; i < count && i < OFFSETS_MAX; i++) {
        char partition[16];
        (void)snprintf(partition, sizeof partition, "%" PRId32, offsets[i].partition);
        json_put_whole(json, partition, offsets[i].next_offset);
    }
    json_write(json, out);
    json_close(json);
    memory_free(offsets);
}

static enum status begin(struct job *job, const struct options *options, const struct store *store,
                         struct error *err)
{
    TRY(file_writer_open_private(options->out, &job->writer, err));
    if (options->format[0] != FORMAT_AVRO) {
        change_csv_write_header(&job->row);
        return file_writer_put(job->writer, bytes_of(job->row.data, job->row.size), err);
    }
    write_offsets(store, &job->row);
    const struct container_note notes[] = {
        {"checkit.origin", bytes_of_text(store_origin(store))},
        {"checkit.offsets", bytes_of(job->row.data, job->row.size)}};
    struct store_figures figures = store_figures(store);
    return container_open_noted(job->writer, assets_find("schemas/DocumentChange.avsc"), notes,
                                sizeof notes / sizeof *notes,
                                figures.entries_live ^ figures.entries_withdrawn << 32,
                                &job->container, err);
}

static enum status finish(struct job *job, struct error *err)
{
    if (job->container)
        TRY(container_finish(job->container, err));
    return file_writer_finish(job->writer, err);
}

static enum status write_list(struct job *job, const struct options *options, struct store *store,
                              struct error *err)
{
    struct store_figures figures = store_figures(store);
    struct progress progress;
    const struct progress_task task = {"exporting", "entries", 1,
                                       figures.entries_live + figures.entries_withdrawn};
    const struct store_scan scan =
        list_store_scan(&progress, options->quiet ? NULL : stderr, &task, 1);
    TRY(begin(job, options, store, err));
    enum status status = store_read_entries(store, &scan, write_entry, job, err);
    progress_end(&progress);
    TRY(status);
    return finish(job, err);
}

static enum status run(struct list_store *source, const void *state,
                       const struct operands *operands, const struct config *config,
                       struct error *err)
{
    const struct options *options = state;
    struct store *store = NULL;
    struct job job = {0};
    char number[FIGURE_SIZE];
    (void)operands;
    TRY(list_store_open(source, config, options->store, err));
    TRY(list_store_inspect(source, &store, err));
    enum status status = write_list(&job, options, store, err);
    if (status == STATUS_OK && !options->quiet && strcmp(options->out, "-") != 0)
        printf("exported %s entries to %s\n", figure_whole(job.count, number), options->out);
    container_close(job.container);
    file_writer_close(job.writer);
    buffer_close(&job.row);
    store_close(store);
    return status;
}

enum status command_list_export(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    const struct list_command list = {&command, &options, &options.config, run};
    return list_command_run(&list, argc, argv, err);
}
