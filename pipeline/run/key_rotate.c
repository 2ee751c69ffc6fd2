/* checkit key rotate: the store built again under another key. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/store_rotate.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/figures.h"
#include "pipeline/run/list_import.h"
#include "pipeline/run/list_store.h"
#include "pipeline/run/signals.h"

struct options {
    const char *config;
    const char *new_store_key;
    bool force;
    bool quiet;
    uint64_t threads;
    uint64_t memory_mb;
};

static const struct argument arguments[] = {
    {.name = "config",
     .letter = 'c',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .required = true,
     .offset = offsetof(struct options, config),
     .help = "the configuration, which names the store and its key"},
    {.name = "new-store-key",
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .required = true,
     .offset = offsetof(struct options, new_store_key),
     .help = "the new key; made, mode 0400, when it is not there"},
    {.name = "force",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, force),
     .help = "begin though the disk looks too small"},
    {.name = "threads",
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = 1,
     .max = STORE_THREADS_MAX,
     .offset = offsetof(struct options, threads),
     .help = "threads that work; without it one a processor"},
    {.name = "memory-mb",
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = LIST_SORT_MB_MIN,
     .max = LIST_SORT_MB_MAX,
     .preset = "1024",
     .offset = offsetof(struct options, memory_mb),
     .help = "memory for sorting"},
    {.name = "quiet",
     .letter = 'q',
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, quiet),
     .help = "no progress on standard error"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DATAERR, "the store is damaged"},
    {EX_UNAVAILABLE, "the store is in use, the disk is too small or fails, or stopped"},
    {EX_CONFIG, "a fault in FILE or a key file, no store, or another key's"},
    {0}};

static const struct arguments_command command = {
    .name = "key rotate",
    .summary =
        "Builds the store again under a new key, from all its entries, withdrawn ones too, and\n"
        "what it knows of the feed; then the new one takes its place and the one before is kept\n"
        "as STORE.replaced. Refuses while a process has the store open. Until the new one is\n"
        "whole the old one stands as it was. The configuration is not changed: what it has to\n"
        "say then is printed.",
    .arguments = arguments,
    .examples = "checkit key rotate -c checkit.yaml --new-store-key /etc/checkit/store-2.key",
    .exits = exits};

/* One run. */
struct job {
    const struct options *options;
    struct list_store source;
    struct store_key *new_key;
    char new_key_path[PATH_MAX]; /* absolute, once the file is there */
    struct progress progress;
};

/* --- the keys ------------------------------------------------------------------------------- */

static const char *check_text(const struct store_key *key, char text[ID_TEXT_SIZE])
{
    struct id check = store_key_check_value(key);
    id_to_text(&check, text);
    return text;
}

static bool is_there(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

static bool is_same_key(const struct job *job)
{
    struct id old = store_key_check_value(job->source.key);
    struct id new = store_key_check_value(job->new_key);
    return memcmp(old.bytes, new.bytes, sizeof old.bytes) == 0;
}

static enum status open_new_key(struct job *job, struct error *err)
{
    const char *path = job->options->new_store_key;
    TRY(store_key_open(path, &job->new_key, err));
    if (!realpath(path, job->new_key_path))
        return error_fail(err, EX_CONFIG, "store key '%s' cannot be found: %s", path,
                          strerror(errno));
    if (is_same_key(job))
        return error_fail(err, EX_CONFIG,
                          "'%s' is the key the configuration names: give another, or the name of "
                          "a file to be made",
                          path);
    return STATUS_OK;
}

/* Made only when all else is in order. */
static enum status make_new_key(struct job *job, struct error *err)
{
    const char *path = job->options->new_store_key;
    if (job->new_key)
        return STATUS_OK;
    TRY(keys_create(path, KEY_STORE, err));
    printf("made      store key %s (mode 0400)\n", path);
    return open_new_key(job, err);
}

/* --- what is said --------------------------------------------------------------------------- */

static void tell_if_kept(const char *store, const char *ending)
{
    char path[PATH_MAX];
    size_t size = strlen(store);
    while (size > 1 && store[size - 1] == '/')
        size--;
    (void)snprintf(path, sizeof path, "%.*s%s", (int)size, store, ending);
    if (is_there(path))
        printf("The store before is kept and needs the old key. Once screening runs, remove both:\n"
               "  rm -r '%s'\n",
               path);
}

/* As YAML has it in quotes. */
static void write_quoted(const char *text)
{
    putchar('"');
    for (; *text; text++)
        printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    putchar('"');
}

static void tell_end(const struct job *job)
{
    const struct config *config = job->source.config;
    char text[ID_TEXT_SIZE];
    printf("old key   check value %s, %s\n", check_text(job->source.key, text),
           config->store_key_path);
    printf("new key   check value %s, %s\n", check_text(job->new_key, text), job->new_key_path);
    printf("Back up the new key, and have the configuration '%s' name it before the next start:\n"
           "  store.key: ",
           job->options->config);
    write_quoted(job->new_key_path);
    printf("\n");
    tell_if_kept(config->store_path, ".replaced");
    tell_if_kept(config->store_path, ".importing"); /* killed between the two renames */
}

/* --- building ------------------------------------------------------------------------------- */

static bool tell_building(void *state, uint64_t done, uint64_t total)
{
    struct progress *progress = state;
    if (strcmp(progress->task.what, "building") != 0) {
        progress_end(progress);
        progress_begin(progress, &(struct progress_task){"building", "items", 1, total});
    }
    progress_tell(progress, done);
    return !signals_wait(NULL, 0);
}

static enum status rotate(struct job *job, uint64_t entries, struct store_rotated *rotated,
                          struct error *err)
{
    const struct options *options = job->options;
    struct store_rotation rotation = {.path = job->source.path,
                                      .old_key = job->source.key,
                                      .new_key = job->new_key,
                                      .new_key_path = job->new_key_path,
                                      .scan = list_store_scan(&job->progress, options->threads),
                                      .tell = tell_building};
    rotation.sort_bytes = list_sort_bytes(options->memory_mb, rotation.scan.threads);
    TRY(list_store_logs(&job->source, &rotation.logs, err));
    progress_init(&job->progress, options->quiet ? NULL : stderr, isatty(STDERR_FILENO));
    progress_begin(&job->progress, &(struct progress_task){"reading", "entries", 1, entries});
    enum status status = store_rotate(&rotation, rotated, err);
    progress_end(&job->progress);
    return status;
}

/* Whether an earlier run came to its end, or was killed right before. */
static bool is_rotated_already(const struct job *job)
{
    struct store_summary summary;
    struct error ignored;
    return job->new_key &&
           store_look(job->source.path, job->new_key, &summary, &ignored) == STATUS_OK;
}

static enum status look(struct job *job, uint64_t *entries, bool *is_done, struct error *err)
{
    struct store *store = NULL;
    enum status status = list_store_inspect(&job->source, &store, err);
    if (status != STATUS_OK && err->exit_code == EX_CONFIG && is_rotated_already(job)) {
        *is_done = true;
        return STATUS_OK;
    }
    TRY(status);
    struct store_figures figures = store_figures(store);
    *entries = figures.entries_live + figures.entries_withdrawn;
    store_close(store);
    return STATUS_OK;
}

static enum status check_use(const struct list_store *source, struct error *err)
{
    if (!source->client)
        return STATUS_OK;
    return error_fail(err, EX_UNAVAILABLE,
                      "store '%s' is in use: stop the process that answers at '%s' first",
                      source->store, source->config->store_socket);
}

static enum status run(struct job *job, const struct config *config, struct error *err)
{
    const struct options *options = job->options;
    uint64_t began_ns = clock_monotonic_ns();
    uint64_t entries = 0;
    bool is_done = false;
    struct store_rotated rotated;
    char numbers[2][FIGURE_SIZE];
    TRY(list_store_open(&job->source, config, NULL, err));
    TRY(check_use(&job->source, err));
    if (is_there(options->new_store_key))
        TRY(open_new_key(job, err));
    TRY(look(job, &entries, &is_done, err));
    if (is_done) {
        printf("rotated   %s already\n", config->store_path);
        tell_end(job);
        return STATUS_OK;
    }
    if (!options->force)
        TRY(list_check_room("key rotate: the new store and what is sorted for it",
                            config->store_path, store_rotate_bytes(job->source.path), err));
    TRY(make_new_key(job, err));
    TRY(rotate(job, entries, &rotated, err));
    printf("rotated   %s: %s live entries, %s withdrawn, in %.1f s\n", config->store_path,
           figure_whole(rotated.live, numbers[0]), figure_whole(rotated.withdrawn, numbers[1]),
           (double)(clock_monotonic_ns() - began_ns) / 1e9);
    tell_end(job);
    return STATUS_OK;
}

enum status command_key_rotate(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    struct config *config = NULL;
    TRY(arguments_parse(&command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    TRY(config_open(options.config, &config, err));
    log_configure(LOG_LEVEL_WARN, config->log_json);
    struct job job = {.options = &options};
    enum status status = run(&job, config, err);
    store_key_close(job.new_key);
    list_store_close(&job.source);
    config_close(config);
    return status;
}
