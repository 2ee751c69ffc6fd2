/* checkit list snapshot and list restore: a copy of the store as it stands, and back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/rule_data.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/figures.h"
#include "pipeline/run/list_room.h"
#include "pipeline/run/list_store.h"

struct options {
    const char *config;
    bool replace;
};

static const struct argument snapshot_arguments[] = {{.name = "config",
                                                      .letter = 'c',
                                                      .kind = ARGUMENT_TEXT,
                                                      .value = "FILE",
                                                      .required = true,
                                                      .offset = offsetof(struct options, config),
                                                      .help = "the configuration"},
                                                     {0}};

static const struct argument restore_arguments[] = {
    {.name = "config",
     .letter = 'c',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .required = true,
     .offset = offsetof(struct options, config),
     .help = "the configuration"},
    {.name = "replace",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, replace),
     .help = "also when there is a store: it is set aside as STORE.replaced"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DATAERR, "what was copied is damaged, or stands on other rule data"},
    {EX_UNAVAILABLE, "a folder cannot be read or written, or the store is in use"},
    {EX_CONFIG, "a fault in FILE, FOLDER is there or is no store, or another key's"},
    {0}};

static const struct arguments_command snapshot_command = {
    .name = "list snapshot",
    .summary = "Keeps a copy of the store in FOLDER, which must not be there yet, and opens it to\n"
               "see that it is whole. On the store's own file system files are links and take no\n"
               "room of their own until the store moves on; on another one they are copied. Of a\n"
               "store in use it is a checkpoint its process makes. The store key is not in it.",
    .arguments = snapshot_arguments,
    .operands = "FOLDER",
    .operands_min = 1,
    .operands_max = 1,
    .examples = "checkit list snapshot -c checkit.yaml /backup/list-2026-11-24",
    .exits = exits};

static const struct arguments_command restore_command = {
    .name = "list restore",
    .summary =
        "Puts a copy of the snapshot FOLDER in the store's place, once it was opened to see\n"
        "that it is whole. Refuses while a process has the store open. The next screening\n"
        "process reads the feed on from where it was at the snapshot.",
    .arguments = restore_arguments,
    .operands = "FOLDER",
    .operands_min = 1,
    .operands_max = 1,
    .examples = "checkit list restore -c checkit.yaml /backup/list-2026-11-24\n"
                "checkit list restore -c checkit.yaml --replace /backup/list-2026-11-24",
    .exits = exits};

/* --- both ----------------------------------------------------------------------------------- */

/* As screening would open it: points and counters agree, the filter can be made. */
static enum status open_to_see(struct list_store *source, const char *path, uint64_t *entries,
                               struct error *err)
{
    struct rule_data *rules = NULL;
    struct store *store = NULL;
    const char *logs;
    TRY(list_store_logs(source, &logs, err));
    TRY(rule_data_open(source->config->rules_folder, &rules, err));
    enum status status = store_open_read_only(path, logs, source->key,
                                              rule_data_canonical_hash(rules), 1, &store, err);
    if (status == STATUS_OK)
        *entries = store_figures(store).entries_live;
    store_close(store);
    rule_data_close(rules);
    return status;
}

/* Copies to `to`, beside where it is to stand, and looks whether it is whole. */
static enum status copy_and_see(struct list_store *source, const char *from, const char *to,
                                uint64_t *entries, struct error *err)
{
    struct error ignored;
    TRY(store_copy(from, to, err));
    enum status status = open_to_see(source, to, entries, err);
    if (status != STATUS_OK)
        (void)!store_remove(to, &ignored);
    return status;
}

static void path_with(const char *path, const char *ending, char out[PATH_MAX])
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    (void)snprintf(out, PATH_MAX, "%.*s%s", (int)(size < PATH_MAX / 2 ? size : PATH_MAX / 2), path,
                   ending);
}

static enum status check_path(const char *path, struct error *err)
{
    if (path[0] && strlen(path) < PATH_MAX / 2)
        return STATUS_OK;
    return error_fail(err, EX_USAGE, "'%.40s...' is no path of a folder", path);
}

/* What is copied to `copy` is to stand at `place`, on the same disk. */
static enum status check_room(const char *from, const char *copy, const char *place,
                              struct error *err)
{
    return list_check_room("the files of a copy", place, store_copy_bytes(from, copy), "", err);
}

/* --- snapshot ------------------------------------------------------------------------------- */

static enum status keep_copy(struct list_store *source, const char *to, uint64_t *entries,
                             struct error *err)
{
    struct stat info;
    char part[PATH_MAX];
    path_with(to, ".part", part);
    if (lstat(part, &info) == 0)
        return error_fail(err, EX_CONFIG,
                          "'%s' is there: a snapshot is under way, or one was killed; then remove "
                          "it",
                          part);
    TRY(check_room(source->path, part, to, err));
    TRY(copy_and_see(source, source->path, part, entries, err));
    return store_put_in_place(part, to, err);
}

/* Renamed where that is possible: it is linked already. */
static enum status keep_checkpoint(struct list_store *source, const char *to, uint64_t *entries,
                                   struct error *err)
{
    TRY(open_to_see(source, source->path, entries, err));
    if (rename(source->path, to) == 0)
        return STATUS_OK;
    if (errno == EXDEV)
        return keep_copy(source, to, entries, err);
    return error_fail(err, EX_UNAVAILABLE, "'%s' cannot be put in place: %s", to, strerror(errno));
}

static enum status snapshot(struct list_store *source, const void *state,
                            const struct operands *operands, const struct config *config,
                            struct error *err)
{
    const char *to = operands->items[0];
    char place[PATH_MAX];
    char number[FIGURE_SIZE];
    struct stat info;
    uint64_t entries = 0;
    (void)state;
    TRY(check_path(to, err));
    path_with(to, "", place);
    if (lstat(place, &info) == 0)
        return error_fail(err, EX_CONFIG, "'%s' is there already: name a new folder", place);
    TRY(list_store_open(source, config, NULL, err));
    TRY(list_store_rest(source, err));
    TRY(source->client ? keep_checkpoint(source, place, &entries, err)
                       : keep_copy(source, place, &entries, err));
    printf("kept      %s: %s live entries\n", place, figure_whole(entries, number));
    return STATUS_OK;
}

/* --- restore -------------------------------------------------------------------------------- */

static enum status check_place(const struct list_store *source, const struct options *options,
                               struct error *err)
{
    struct stat info;
    if (source->client)
        return error_fail(err, EX_UNAVAILABLE,
                          "store '%s' is in use: stop the process that answers at '%s' first",
                          source->store, source->config->store_socket);
    TRY(store_check_place(source->store, err));
    if (lstat(source->store, &info) != 0 || options->replace)
        return STATUS_OK;
    return error_fail(err, EX_CONFIG,
                      "store '%s' is there: --replace sets it aside as STORE.replaced",
                      source->store);
}

static enum status restore(struct list_store *source, const void *state,
                           const struct operands *operands, const struct config *config,
                           struct error *err)
{
    const char *from = operands->items[0];
    char part[PATH_MAX];
    char number[FIGURE_SIZE];
    uint64_t entries = 0;
    TRY(check_path(from, err));
    TRY(check_path(config->store_path, err));
    TRY(list_store_open(source, config, NULL, err));
    TRY(check_place(source, state, err));
    list_folder_sweep(config->store_path);
    TRY(list_folder_make(config->store_path, &source->folder, err));
    if (!list_folder_checkpoint(config->store_path, list_folder_name(&source->folder), part))
        return error_fail(err, EX_CONFIG, "store '%s': too long a path", config->store_path);
    TRY(check_room(from, part, config->store_path, err));
    TRY(copy_and_see(source, from, part, &entries, err));
    TRY(store_put_in_place(part, config->store_path, err));
    printf("restored  %s: %s live entries\n", config->store_path, figure_whole(entries, number));
    return STATUS_OK;
}

/* --- the commands --------------------------------------------------------------------------- */

enum status command_list_snapshot(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    const struct list_command list = {&snapshot_command, &options, &options.config, snapshot};
    return list_command_run(&list, argc, argv, err);
}

enum status command_list_restore(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    const struct list_command list = {&restore_command, &options, &options.config, restore};
    return list_command_run(&list, argc, argv, err);
}
