#include "pipeline/run/admin.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/canonical.h"
#include "operators/support/http.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/unix_socket.h"
#include "pipeline/run/entry_view.h"
#include "pipeline/run/list_folder.h"

enum {
    CODE_OK = 200,
    CODE_WRONG = 400,
    CODE_NOT_FOUND = 404,
    CODE_NOT_NOW = 409,
    CODE_FAULT = 500,
    CODE_NO_STORE = 503,
    DEADLINE_MS = 10 * 60 * 1000 /* a checkpoint to another file system is a copy */
};

struct admin {
    const struct config *config;
    const struct rule_data *rules;
    struct rotation *rotation;
    struct http *http;
    pthread_mutex_t lock; /* held while the store is used */
    struct store *store;
};

/* --- answers -------------------------------------------------------------------------------- */

static uint32_t write_json(struct json *json, uint32_t code, struct buffer *body)
{
    json_write(json, body);
    buffer_add_text(body, "\n");
    json_close(json);
    return code;
}

static uint32_t fault(uint32_t code, const char *text, struct buffer *body)
{
    struct json *json = json_new_object();
    json_put_text(json, "error", text);
    return write_json(json, code, body);
}

/* With the store held. */
typedef uint32_t answer_with_store(const struct admin *admin, const char *argument,
                                   struct buffer *body);

static uint32_t answer(struct admin *admin, const char *argument, struct buffer *body,
                       answer_with_store *with_store)
{
    (void)pthread_mutex_lock(&admin->lock);
    uint32_t code = admin->store
                        ? with_store(admin, argument, body)
                        : fault(CODE_NO_STORE, "the list is being opened: try again", body);
    (void)pthread_mutex_unlock(&admin->lock);
    return code;
}

static uint32_t write_entry(const struct admin *admin, const char *id, struct buffer *body)
{
    struct entry entry;
    struct error err = {0};
    bool found = false;
    struct gate gate;
    uint32_t reader = admin->config->workers;
    if (!id)
        return fault(CODE_WRONG, "id is missing", body);
    if (store_get(admin->store, bytes_of_text(id), &entry, &found, &err) != STATUS_OK)
        return fault(CODE_FAULT, err.text, body);
    if (!found)
        return fault(CODE_NOT_FOUND, "there never was such an entry", body);
    store_enter(admin->store, reader);
    bool has_gate =
        entry.is_live && store_gate(admin->store, canonical_shape(entry.number, entry.size), &gate);
    store_leave(admin->store, reader);
    return write_json(entry_view(admin->rules, &entry, has_gate ? &gate : NULL), CODE_OK, body);
}

static uint32_t write_memory(const struct admin *admin, const char *argument, struct buffer *body)
{
    (void)argument;
    struct store_memory memory = store_memory(admin->store);
    struct json *json = json_new_object();
    json_put_whole(json, "filter_bytes", (int64_t)memory.filter_bytes);
    json_put_whole(json, "tables_bytes", (int64_t)memory.tables_bytes);
    json_put_whole(json, "memtables_bytes", (int64_t)memory.memtables_bytes);
    json_put_whole(json, "cache_bytes", (int64_t)memory.cache_bytes);
    return write_json(json, CODE_OK, body);
}

static uint32_t make_checkpoint(const struct admin *admin, const char *name, struct buffer *body)
{
    char path[PATH_MAX];
    struct error err = {0};
    if (!list_folder_checkpoint(admin->config->store_path, name, path))
        return fault(CODE_WRONG, "name is missing, or none", body);
    if (store_checkpoint(admin->store, path, &err) != STATUS_OK)
        return fault(CODE_FAULT, err.text, body);
    LOG_INFO("admin", "a checkpoint was made for a command", LOG_TEXT("path", path));
    struct json *json = json_new_object();
    json_put_text(json, "path", path);
    return write_json(json, CODE_OK, body);
}

static uint32_t answer_rotation(void *state, const char *argument, struct buffer *body)
{
    struct admin *admin = state;
    char why[ERROR_TEXT_SIZE];
    struct json *json = json_new_object();
    (void)argument;
    enum rotation_state now = rotation_now(admin->rotation, why);
    json_put_text(json, "state", rotation_state_name(now));
    if (now == ROTATION_FAILED)
        json_put_text(json, "error", why);
    return write_json(json, CODE_OK, body);
}

static uint32_t answer_rotate(void *state, const char *key_path, struct buffer *body)
{
    struct admin *admin = state;
    if (!key_path || key_path[0] != '/' || strlen(key_path) >= PATH_MAX)
        return fault(CODE_WRONG, "key is missing, or no absolute path", body);
    if (!rotation_ask(admin->rotation, key_path))
        return fault(CODE_NOT_NOW, "a rotation is under way, or nothing is screened now", body);
    return answer_rotation(state, NULL, body);
}

static uint32_t answer_entry(void *state, const char *id, struct buffer *body)
{
    return answer(state, id, body, write_entry);
}

static uint32_t answer_memory(void *state, const char *argument, struct buffer *body)
{
    return answer(state, argument, body, write_memory);
}

static uint32_t answer_checkpoint(void *state, const char *name, struct buffer *body)
{
    return answer(state, name, body, make_checkpoint);
}

static const struct http_path paths[] = {{.path = "/entry",
                                          .content_type = "application/json",
                                          .answer_asked = answer_entry,
                                          .argument = "id"},
                                         {.path = "/memory",
                                          .content_type = "application/json",
                                          .answer_asked = answer_memory,
                                          .argument = ""},
                                         {.path = "/checkpoint",
                                          .content_type = "application/json",
                                          .answer_asked = answer_checkpoint,
                                          .argument = "name",
                                          .is_post = true},
                                         {.path = "/rotate",
                                          .content_type = "application/json",
                                          .answer_asked = answer_rotate,
                                          .argument = "key",
                                          .is_post = true},
                                         {.path = "/rotation",
                                          .content_type = "application/json",
                                          .answer_asked = answer_rotation,
                                          .argument = ""},
                                         {0}};

/* --- interface ------------------------------------------------------------------------------ */

/* Nobody has asked for a path that long: screening does not fail for it. */
static bool is_too_long_by_itself(const struct config *config)
{
    size_t size = strlen(config->store_path);
    return !unix_socket_fits(config->store_socket) &&
           strncmp(config->store_socket, config->store_path, size) == 0;
}

enum status admin_open(const struct config *config, const struct rule_data *rules,
                       struct rotation *rotation, struct admin **out, struct error *err)
{
    *out = NULL;
    if (!config->store_socket)
        return STATUS_OK;
    list_folder_sweep(config->store_path);
    if (is_too_long_by_itself(config)) {
        LOG_WARN("admin", "store.path is too long for a socket beside it: configure store.socket",
                 LOG_TEXT("socket", config->store_socket));
        return STATUS_OK;
    }
    struct admin *admin = memory_new(1, sizeof *admin);
    admin->config = config;
    admin->rules = rules;
    admin->rotation = rotation;
    (void)pthread_mutex_init(&admin->lock, NULL);
    const struct http_settings settings = {
        .socket = config->store_socket, .paths = paths, .state = admin, .deadline_ms = DEADLINE_MS};
    enum status status = http_open(&settings, &admin->http, err);
    if (status == STATUS_OK)
        *out = admin;
    else
        admin_close(admin);
    return status;
}

void admin_show_store(struct admin *admin, struct store *store)
{
    if (!admin)
        return;
    (void)pthread_mutex_lock(&admin->lock);
    admin->store = store;
    (void)pthread_mutex_unlock(&admin->lock);
}

void admin_close(struct admin *admin)
{
    if (!admin)
        return;
    http_close(admin->http);
    (void)pthread_mutex_destroy(&admin->lock);
    memory_free(admin);
}
