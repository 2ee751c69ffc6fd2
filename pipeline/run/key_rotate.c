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
#include "pipeline/run/list_room.h"
#include "pipeline/run/list_store.h"
#include "pipeline/run/rotation.h"
#include "pipeline/run/signals.h"

enum { ASK_MS = 100 };

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
        "as STORE.replaced. Of a store in use a checkpoint is read, and the process that screens\n"
        "goes over to the new store without a stop. Until the new one is whole the old one\n"
        "stands as it was. The configuration is not changed: what it has to say then is printed.",
    .arguments = arguments,
    .examples = "checkit key rotate -c checkit.yaml --new-store-key /etc/checkit/store-2.key",
    .exits = exits};

/* One run. */
struct job {
    const struct options *options;
    struct list_store source;
    struct store_key *new_key;
    char new_key_path[PATH_MAX]; /* absolute, once the file is there */
    char path[PATH_MAX];         /* where the new store is built */
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
    struct store_rotation rotation = {.from = job->source.path,
                                      .path = job->path,
                                      .old_key = job->source.key,
                                      .new_key = job->new_key,
                                      .new_key_path = job->new_key_path,
                                      .tell = tell_building};
    TRY(list_store_logs(&job->source, &rotation.logs, err));
    const struct progress_task task = {"reading", "entries", 1, entries};
    rotation.scan =
        list_store_scan(&job->progress, options->quiet ? NULL : stderr, &task, options->threads);
    rotation.sort_bytes = list_sort_bytes(options->memory_mb, rotation.scan.threads);
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

/* --- a list in use -------------------------------------------------------------------------- */

/* Where it is built beside the list in use, whose process is asked to take it. What an earlier
 * command has left there is removed. */
static enum status choose_place(struct job *job, struct error *err)
{
    const struct list_store *source = &job->source;
    char target[LIST_TARGET_SIZE];
    int64_t process = 0;
    if (!source->client) {
        (void)snprintf(job->path, sizeof job->path, "%s", source->path);
        return STATUS_OK;
    }
    if (!rotation_path(source->store, job->path))
        return error_fail(err, EX_CONFIG, "store '%s': too long a path", source->store);
    TRY(list_store_target("/rotate?key=", job->options->new_store_key, target, err));
    if (!is_there(job->path))
        return STATUS_OK;
    TRY(store_user(job->path, &process, err));
    if (process != 0)
        return error_fail(err, EX_UNAVAILABLE, "'%s' is in use: a rotation is under way",
                          job->path);
    return store_remove(job->path, err);
}

/* *is_over: it is done; else it goes on. */
static enum status take_answer(const struct list_store *source, const struct json *answer,
                               bool *is_over, struct error *err)
{
    const char *state = json_text(json_member(answer, "state"));
    const char *why = json_text(json_member(answer, "error"));
    if (!state || strcmp(state, rotation_state_name(ROTATION_FAILED)) == 0 ||
        strcmp(state, rotation_state_name(ROTATION_OFF)) == 0)
        return error_fail(err, EX_UNAVAILABLE, "the process at '%s' has not taken the new key: %s",
                          source->config->store_socket, why ? why : "it stops");
    *is_over = strcmp(state, rotation_state_name(ROTATION_DONE)) == 0;
    return STATUS_OK;
}

static enum status ask(struct job *job, const char *target, bool is_post, bool *is_over,
                       struct error *err)
{
    struct json *answer = NULL;
    uint32_t code = 0;
    TRY(list_store_ask(&job->source, target, is_post, &code, &answer, err));
    enum status status = take_answer(&job->source, answer, is_over, err);
    json_close(answer);
    return status;
}

static enum status hand_over(struct job *job, struct error *err)
{
    char target[LIST_TARGET_SIZE];
    bool is_over = false;
    if (!job->source.client)
        return STATUS_OK;
    TRY(list_store_target("/rotate?key=", job->new_key_path, target, err));
    TRY(ask(job, target, true, &is_over, err));
    printf("built     %s: the process that screens goes over to it\n", job->path);
    (void)fflush(stdout);
    while (!is_over) {
        if (signals_wait(NULL, ASK_MS))
            return error_fail(err, EX_UNAVAILABLE,
                              "stopped; the process at '%s' goes on to take the new key by itself",
                              job->source.config->store_socket);
        TRY(ask(job, "/rotation", false, &is_over, err));
    }
    return STATUS_OK;
}

/* --- the command ---------------------------------------------------------------------------- */

/* What root makes another user's process could not open. */
static enum status check_owner(const struct config *config, struct error *err)
{
    struct stat info;
    if (lstat(config->store_path, &info) != 0 || info.st_uid == geteuid())
        return STATUS_OK;
    return error_fail(err, EX_UNAVAILABLE, "store '%s' is another user's: rotate as that user",
                      config->store_path);
}

static enum status build(struct job *job, struct store_rotated *rotated, bool *is_done,
                         struct error *err)
{
    uint64_t entries = 0;
    if (is_there(job->options->new_store_key))
        TRY(open_new_key(job, err));
    TRY(look(job, &entries, is_done, err));
    if (*is_done)
        return STATUS_OK;
    TRY(choose_place(job, err));
    if (!job->options->force)
        TRY(list_check_room("key rotate: the new store and what is sorted for it",
                            job->source.store, store_rotate_bytes(job->source.path),
                            "; --force tries it", err));
    TRY(make_new_key(job, err));
    TRY(rotate(job, entries, rotated, err));
    return hand_over(job, err);
}

static enum status run(struct job *job, const struct config *config, struct error *err)
{
    uint64_t began_ns = clock_monotonic_ns();
    bool is_done = false;
    struct store_rotated rotated;
    char numbers[2][FIGURE_SIZE];
    TRY(list_store_open(&job->source, config, NULL, err));
    TRY(check_owner(config, err));
    TRY(store_check_place(config->store_path, err));
    TRY(build(job, &rotated, &is_done, err));
    if (is_done)
        printf("rotated   %s already\n", config->store_path);
    else
        printf("rotated   %s: %s live entries, %s withdrawn, in %.1f s%s\n", config->store_path,
               figure_whole(rotated.live, numbers[0]), figure_whole(rotated.withdrawn, numbers[1]),
               (double)(clock_monotonic_ns() - began_ns) / 1e9,
               job->source.client ? "; it is screened with" : "");
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
