/* Going over to the list under another key, while it is screened with. */
#include <string.h>

#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/point.h"
#include "pipeline/run/screener_internal.h"

static enum status open_next(struct next_list *next, struct error *err)
{
    struct screener *screener = next->feed.screener;
    const struct config *config = screener->config;
    struct store *store = NULL;
    char path[PATH_MAX];
    if (!rotation_path(config->store_path, path))
        return error_fail(err, EX_CONFIG, "store.path is too long");
    TRY(store_check_place(config->store_path, err));
    TRY(store_key_open(screener->rotation.key_path, &next->key, err));
    TRY(store_open_movable(path, config->store_path, next->key,
                           rule_data_canonical_hash(screener->rules), config->workers + 1, &store,
                           err));
    next->store = store;
    next->feed.store = store;
    next->taken = (struct worker_store){store, next->key};
    if (strcmp(store_origin(store), store_origin(screener->store)) == 0)
        return STATUS_OK;
    return error_fail(err, EX_CONFIG, "'%s' is of another feed than the list in use", path);
}

static void *run_next(void *state)
{
    struct next_list *next = state;
    enum status status = open_next(next, &next->feed.err);
    if (status != STATUS_OK) {
        atomic_store(&next->feed.status, (int)status);
        return NULL;
    }
    return screener_run_feed(&next->feed);
}

/* Nobody uses it any more, or did yet. */
void screener_close_list(struct next_list *next)
{
    if (!next)
        return;
    screener_stop_feed(&next->feed);
    store_close(next->store);
    store_key_close(next->key);
    memory_free(next);
}

static void fail_rotation(struct screener *screener, const struct error *why)
{
    LOG_ERROR("rotation", "the list stays under its key", LOG_TEXT("reason", why->text));
    rotation_fail(&screener->rotation, why);
    screener_close_list(screener->next);
    screener->next = NULL;
}

static void begin_rotation(struct screener *screener)
{
    struct error err = {0};
    struct next_list *next = memory_new(1, sizeof *next);
    screener->next = next;
    next->feed.screener = screener;
    next->feed.list = &next->list;
    if (screener_start_feed_thread(&next->feed, run_next, next, &err) != STATUS_OK) {
        fail_rotation(screener, &err);
        return;
    }
    LOG_INFO("rotation", "the list under another key is opened and followed",
             LOG_TEXT("key", screener->rotation.key_path));
    rotation_put(&screener->rotation, ROTATION_FOLLOWING);
}

/* From here on workers use it: what ends its feed ends the process. */
static void begin_switch(struct screener *screener, const struct next_list *next)
{
    if (atomic_load(&next->list.at_end_ms) == 0)
        return;
    atomic_store(&screener->next_store, &next->taken);
    rotation_put(&screener->rotation, ROTATION_SWITCHING);
}

static bool all_have_switched(const struct screener *screener, const struct store *store)
{
    for (uint32_t i = 0; i < screener->config->workers; i++) {
        const struct worker *worker = atomic_load(&screener->workers[i].worker);
        if (!worker || worker_store_now(worker) != store)
            return false;
    }
    return true;
}

/* The list before, which nobody reads any more. */
static void close_list_before(struct screener *screener)
{
    atomic_store(&screener->feed->is_main, false);
    screener_stop_feed(screener->feed);
    if (screener->taken) {
        screener_close_list(screener->taken);
        return;
    }
    store_close(screener->store);
    store_key_close(screener->store_key);
}

/* From now on its feed tells how old the list is. */
static void take_next(struct screener *screener, struct next_list *next)
{
    screener_show_store(screener, next->store);
    close_list_before(screener);
    screener->next = NULL;
    screener->taken = next;
    screener->store = next->store;
    screener->store_key = next->key;
    screener->feed = &next->feed;
    atomic_store(&next->feed.is_main, true);
}

static void end_switch(struct screener *screener, struct next_list *next)
{
    char path[PATH_MAX];
    struct error err = {0};
    if (!all_have_switched(screener, next->store))
        return;
    take_next(screener, next);
    (void)rotation_path(screener->config->store_path, path); /* it was opened there */
    POINT("rotation_switched");
    if (store_put_in_place(path, screener->config->store_path, &err) != STATUS_OK) {
        LOG_ERROR("rotation", "the directories have not changed places",
                  LOG_TEXT("reason", err.text));
        rotation_fail(&screener->rotation, &err);
        return;
    }
    LOG_INFO("rotation", "done: configure store.key before the next start",
             LOG_TEXT("key", screener->rotation.key_path));
    rotation_put(&screener->rotation, ROTATION_DONE);
}

/* One turn; a failure ends the process. */
enum status screener_rotate(struct screener *screener, struct error *err)
{
    enum rotation_state state = rotation_now(&screener->rotation, NULL);
    struct next_list *next = screener->next;
    if (state == ROTATION_ASKED)
        begin_rotation(screener);
    if (!next)
        return STATUS_OK;
    bool has_failed = atomic_load(&next->feed.status) != STATUS_OK;
    if (has_failed && state == ROTATION_SWITCHING)
        return screener_take_feed_failure(&next->feed, err);
    if (has_failed)
        fail_rotation(screener, &next->feed.err);
    else if (state == ROTATION_FOLLOWING)
        begin_switch(screener, next);
    else if (state == ROTATION_SWITCHING)
        end_switch(screener, next);
    return STATUS_OK;
}
