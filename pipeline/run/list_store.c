#include "pipeline/run/list_store.h"

#include <ctype.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/base/memory.h"
#include "pipeline/base/unix_socket.h"
#include "pipeline/run/list_room.h"
#include "pipeline/run/signals.h"

enum {
    TIMEOUT_MS = 10 * 60 * 1000,
    URL_SIZE = 1024,
    CODE_OK = 200,
    CODE_NOT_FOUND = 404,
    FOLDERS_OPEN_MAX = 8,
    THREADS_MOST = STORE_THREADS_MAX
};

/* --- who has it ----------------------------------------------------------------------------- */

static enum status refuse_in_use(const struct list_store *source, int64_t process,
                                 struct error *err)
{
    char who[48] = "a process";
    if (process > 0)
        (void)snprintf(who, sizeof who, "process %" PRId64, process);
    return error_fail(err, EX_UNAVAILABLE,
                      "store '%s' is in use by %s, which does not answer at '%s': it may be "
                      "starting or stopping, try again",
                      source->store, who, source->config->store_socket);
}

/* Of another directory than the configured one only the lock tells. */
static enum status find_user(struct list_store *source, struct error *err)
{
    const char *socket = source->config->store_socket;
    bool is_configured = source->store == source->config->store_path;
    enum unix_socket_state state = is_configured ? unix_socket_probe(socket) : UNIX_SOCKET_SILENT;
    int64_t process = 0;
    if (state == UNIX_SOCKET_LIVE)
        return http_client_open_unix(socket, TIMEOUT_MS, &source->client, err);
    if (state == UNIX_SOCKET_DENIED)
        return error_fail(err, EX_UNAVAILABLE, "'%s' is another user's: ask as that user", socket);
    TRY(store_user(source->store, &process, err));
    return process == 0 ? STATUS_OK : refuse_in_use(source, process, err);
}

enum status list_store_open(struct list_store *source, const struct config *config,
                            const char *store, struct error *err)
{
    source->config = config;
    source->store = store ? store : config->store_path;
    TRY(store_key_open(config->store_key_path, &source->key, err));
    TRY(find_user(source, err));
    signals_block();
    return STATUS_OK;
}

/* --- asking --------------------------------------------------------------------------------- */

static enum status refuse_answer(const struct list_store *source, const struct json *answer,
                                 struct error *err)
{
    const char *why = json_text(json_member(answer, "error"));
    return error_fail(err, EX_UNAVAILABLE, "the process at '%s' answers: %s",
                      source->config->store_socket, why ? why : "nothing that is known");
}

enum status list_store_target(const char *question, const char *argument,
                              char out[LIST_TARGET_SIZE], struct error *err)
{
    enum { ESCAPED_SIZE = 4 }; /* %2F and the NUL */
    size_t used = (size_t)snprintf(out, LIST_TARGET_SIZE, "%s", question);
    const char *next = argument;
    for (; *next && used + ESCAPED_SIZE < LIST_TARGET_SIZE; next++) {
        if (isalnum((unsigned char)*next))
            out[used++] = *next;
        else
            used += (size_t)snprintf(out + used, ESCAPED_SIZE, "%%%02X",
                                     (unsigned)(unsigned char)*next);
    }
    out[used] = 0;
    return *next ? error_fail(err, EX_USAGE, "'%.40s...' is too long to be asked for", argument)
                 : STATUS_OK;
}

enum status list_store_ask(struct list_store *source, const char *target, bool is_post,
                           uint32_t *code, struct json **answer, struct error *err)
{
    char url[URL_SIZE];
    struct buffer body = {0};
    struct error fault;
    *answer = NULL;
    (void)snprintf(url, sizeof url, "http://checkit%s", target);
    enum status status = is_post ? http_client_post(source->client, url, code, &body, err)
                                 : http_client_get(source->client, url, code, &body, err);
    if (status == STATUS_OK &&
        json_parse(body.data ? body.data : "", body.size, answer, &fault) != STATUS_OK)
        status = refuse_answer(source, NULL, err);
    if (status == STATUS_OK && *code != CODE_OK && *code != CODE_NOT_FOUND)
        status = refuse_answer(source, *answer, err);
    buffer_close(&body);
    if (status != STATUS_OK) {
        json_close(*answer);
        *answer = NULL;
    }
    return status;
}

/* --- at rest -------------------------------------------------------------------------------- */

/* to: where the checkpoint is to stand. */
static enum status check_room(const struct list_store *source, char to[PATH_MAX], struct error *err)
{
    if (!list_folder_checkpoint(source->store, list_folder_name(&source->folder), to))
        return error_fail(err, EX_CONFIG, "store '%s': too long a path", source->store);
    return list_check_room("the files of a checkpoint", source->store,
                           store_copy_bytes(source->store, to), "", err);
}

static enum status take_checkpoint(struct list_store *source, struct error *err)
{
    char target[64];
    char to[PATH_MAX];
    struct json *answer = NULL;
    uint32_t code = 0;
    list_folder_sweep(source->store);
    TRY(list_folder_make(source->store, &source->folder, err));
    TRY(check_room(source, to, err));
    (void)snprintf(target, sizeof target, "/checkpoint?name=%s", list_folder_name(&source->folder));
    TRY(list_store_ask(source, target, true, &code, &answer, err));
    json_close(answer);
    if (code != CODE_OK)
        return refuse_answer(source, NULL, err);
    (void)snprintf(source->path, sizeof source->path, "%s", to);
    return STATUS_OK;
}

/* RocksDB wants a place for its log, also of a list on a disk that is read-only. */
static enum status make_logs(struct list_store *source, struct error *err)
{
    const char *base = getenv("TMPDIR");
    char path[PATH_MAX / 2];
    int size = snprintf(path, sizeof path, "%s/checkit-list-XXXXXX", base && *base ? base : "/tmp");
    if (size >= (int)sizeof path)
        return error_fail(err, EX_UNAVAILABLE, "TMPDIR is too long a path");
    if (!mkdtemp(path))
        return error_fail(err, EX_UNAVAILABLE, "'%s' cannot be made: %s", path, strerror(errno));
    source->logs = memory_copy_text(path, strlen(path));
    return STATUS_OK;
}

enum status list_store_rest(struct list_store *source, struct error *err)
{
    if (source->path[0])
        return STATUS_OK;
    if (source->client)
        return take_checkpoint(source, err);
    if (strlen(source->store) >= sizeof source->path)
        return error_fail(err, EX_CONFIG, "store '%s': too long a path", source->store);
    (void)snprintf(source->path, sizeof source->path, "%s", source->store);
    return STATUS_OK;
}

enum status list_store_logs(struct list_store *source, const char **logs, struct error *err)
{
    if (!source->folder.path[0] && !source->logs)
        TRY(make_logs(source, err));
    *logs = source->folder.path[0] ? source->folder.path : source->logs;
    return STATUS_OK;
}

enum status list_store_inspect(struct list_store *source, struct store **out, struct error *err)
{
    const char *logs;
    TRY(list_store_rest(source, err));
    TRY(list_store_logs(source, &logs, err));
    return store_inspect(source->path, logs, source->key, out, err);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

void list_store_close(struct list_store *source)
{
    list_folder_remove(&source->folder);
    if (source->logs)
        (void)nftw(source->logs, remove_one, FOLDERS_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
    memory_free(source->logs);
    http_client_close(source->client);
    store_key_close(source->key);
}

/* --- scans ---------------------------------------------------------------------------------- */

static bool go_on(void *state, uint64_t records)
{
    progress_tell(state, records);
    return !signals_wait(NULL, 0);
}

struct store_scan list_store_scan(struct progress *progress, FILE *out,
                                  const struct progress_task *task, uint64_t threads)
{
    progress_init(progress, out, isatty(STDERR_FILENO));
    progress_begin(progress, task);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads == 0)
        threads = processors > 0 ? (uint64_t)processors : 1;
    return (struct store_scan){.threads =
                                   (uint32_t)(threads < THREADS_MOST ? threads : THREADS_MOST),
                               .go_on = go_on,
                               .state = progress};
}

/* --- commands ------------------------------------------------------------------------------- */

enum status list_command_run(const struct list_command *command, int argc, char **argv,
                             struct error *err)
{
    struct operands operands;
    struct config *config = NULL;
    struct list_store source = {0};
    TRY(arguments_parse(command->command, argc, argv, command->options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    TRY(config_open(*command->config, &config, err));
    log_configure(config->log_level, config->log_json);
    enum status status = command->work(&source, command->options, &operands, config, err);
    list_store_close(&source);
    config_close(config);
    return status;
}
