/* checkit list verify: whether all families of the store agree. */
#include <inttypes.h>
#include <unistd.h>

#include "operators/support/quote.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/figures.h"
#include "pipeline/run/list_store.h"

enum { SHOWN_SIZE = 4 * STORE_FAULT_TEXT_SIZE };

struct options {
    const char *config;
    const char *store;
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
     .help = "one JSON object"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DATAERR, "something is wrong with the store; what, is told"},
    {EX_UNAVAILABLE, "the store cannot be read, its process does not answer, or stopped"},
    {EX_CONFIG, "a fault in FILE, no store, or another key's"},
    {0}};

static const struct arguments_command command = {
    .name = "list verify",
    .summary = "Reads the whole store: every entry can be read and unsealed, is found by its keys\n"
               "and passes the filter, no key is without its entry, counters and offsets are\n"
               "right. Of a store in use a checkpoint is read, beside whoever screens.",
    .arguments = arguments,
    .examples = "checkit list verify -c checkit.yaml\n"
                "checkit list verify -c checkit.yaml --store /backup/list --json",
    .exits = exits};

static const char *shown(const struct store_fault_example *example, char out[SHOWN_SIZE])
{
    return quote_line(bytes_of(example->text, example->size), out, SHOWN_SIZE);
}

static uint32_t examples_count(const struct store_faults *faults)
{
    return faults->count < STORE_FAULT_EXAMPLES ? (uint32_t)faults->count : STORE_FAULT_EXAMPLES;
}

static void write_faults(const struct store_verdict *verdict)
{
    char text[SHOWN_SIZE];
    for (int fault = 0; fault < STORE_FAULT_COUNT; fault++) {
        const struct store_faults *faults = &verdict->faults[fault];
        if (faults->count == 0)
            continue;
        printf("fault     %" PRIu64 " %s: ", faults->count,
               store_fault_words((enum store_fault)fault));
        for (uint32_t i = 0; i < examples_count(faults); i++)
            printf("%s%s", i ? "; " : "", shown(&faults->examples[i], text));
        printf("%s\n", faults->count > STORE_FAULT_EXAMPLES ? "; ..." : "");
    }
}

static void write_read(const char *name, uint64_t count)
{
    char number[FIGURE_SIZE];
    printf("%-9s %15s\n", name, figure_whole(count, number));
}

static void write_text(const struct store_verdict *verdict)
{
    write_read("live", verdict->live);
    write_read("withdrawn", verdict->withdrawn);
    write_read("ranges", verdict->ranges);
    write_read("points", verdict->points);
    write_read("numbers", verdict->numbers);
    write_read("due", verdict->due);
    write_faults(verdict);
}

static void write_json(const struct store_verdict *verdict)
{
    struct json *out = json_new_object();
    struct json *all = json_new_object();
    struct buffer line = {0};
    char text[SHOWN_SIZE];
    json_put_whole(out, "live", (int64_t)verdict->live);
    json_put_whole(out, "withdrawn", (int64_t)verdict->withdrawn);
    json_put_whole(out, "ranges", (int64_t)verdict->ranges);
    json_put_whole(out, "points", (int64_t)verdict->points);
    json_put_whole(out, "numbers", (int64_t)verdict->numbers);
    json_put_whole(out, "due", (int64_t)verdict->due);
    for (int fault = 0; fault < STORE_FAULT_COUNT; fault++) {
        const struct store_faults *faults = &verdict->faults[fault];
        if (faults->count == 0)
            continue;
        struct json *one = json_new_object();
        struct json *examples = json_new_array();
        for (uint32_t i = 0; i < examples_count(faults); i++) {
            struct json *example = json_new_object();
            json_put_text(example, "at", shown(&faults->examples[i], text));
            json_add(examples, example);
        }
        json_put_whole(one, "count", (int64_t)faults->count);
        json_put(one, "examples", examples);
        json_put(all, store_fault_name((enum store_fault)fault), one);
    }
    json_put(out, "faults", all);
    json_write(out, &line);
    printf("%s\n", line.data);
    buffer_close(&line);
    json_close(out);
}

static enum status judge(const struct store_verdict *verdict, struct error *err)
{
    uint64_t faults = 0;
    for (int i = 0; i < STORE_FAULT_COUNT; i++)
        faults += verdict->faults[i].count;
    if (faults == 0)
        return STATUS_OK;
    return error_fail(err, EX_DATAERR,
                      "list verify: %" PRIu64 " fault%s: the store has to be built again, or a "
                      "snapshot restored",
                      faults, faults == 1 ? "" : "s");
}

static enum status verify(struct store *store, const struct options *options,
                          struct store_verdict *verdict, struct error *err)
{
    struct store_figures figures = store_figures(store);
    struct progress progress;
    const struct progress_task task = {"verifying", "records", 1,
                                       figures.entries_live + figures.entries_withdrawn +
                                           2 * figures.points};
    const struct store_scan scan = list_store_scan(&progress, stderr, &task, options->threads);
    enum status status = store_verify(store, &scan, verdict, err);
    progress_end(&progress);
    return status;
}

static enum status run(struct list_store *source, const void *state,
                       const struct operands *operands, const struct config *config,
                       struct error *err)
{
    const struct options *options = state;
    struct store *store = NULL;
    (void)operands;
    TRY(list_store_open(source, config, options->store, err));
    TRY(list_store_inspect(source, &store, err));
    struct store_verdict *verdict = memory_new(1, sizeof *verdict);
    enum status status = verify(store, options, verdict, err);
    if (status == STATUS_OK) {
        (options->json ? write_json : write_text)(verdict);
        status = judge(verdict, err);
    }
    memory_free(verdict);
    store_close(store);
    return status;
}

enum status command_list_verify(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    const struct list_command list = {&command, &options, &options.config, run};
    return list_command_run(&list, argc, argv, err);
}
