#include <assert.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/point.h"
#include "pipeline/base/process.h"

/* A filter is made, and a file of it written, by a thread of its own while the writer goes on.
 * Every key the writer adds meanwhile stands in a fresh record behind fresh_next, and is read from
 * there: first by the thread, the last ones by the writer when it puts the filter into use. So the
 * two never write into one filter, and no change comes between. */
struct store_rebuild {
    const struct store *store;
    struct store_filter_head head;
    struct filter *filter; /* owned when is_new; else the one in use, of which a file is written */
    bool is_new;
    uint64_t replayed;    /* the next fresh record the new filter has to learn */
    uint64_t keys_before; /* in fresh records when it began */
    pthread_t thread;
    bool has_thread;
    atomic_bool stop;
    atomic_bool is_done; /* all below is the writer's from then on */
    enum status status;
    struct error err;
    bool has_file;
    struct error file_err;
};

/* --- the thread's ---------------------------------------------------------------------------- */

static enum status read_keys(struct store_rebuild *rebuild, struct error *err)
{
    uint64_t count;
    TRY(store_scan_points(rebuild->store, rebuild->filter, &rebuild->stop, &count, err));
    for (uint32_t i = 0; i < rebuild->head.shapes_count && !atomic_load(&rebuild->stop); i++)
        TRY(store_scan_shape(rebuild->store, rebuild->head.shapes[i], rebuild->filter, &count,
                             err));
    TRY(store_replay_fresh(rebuild->store, rebuild->filter, &rebuild->replayed, NULL, &count, err));
    rebuild->head.count = filter_count(rebuild->filter);
    return STATUS_OK;
}

static void *run(void *state)
{
    struct store_rebuild *rebuild = state;
    if (rebuild->is_new)
        rebuild->status = read_keys(rebuild, &rebuild->err);
    if (rebuild->status == STATUS_OK && !rebuild->store->in_memory && !atomic_load(&rebuild->stop))
        rebuild->has_file = store_write_filter(rebuild->store, &rebuild->head, rebuild->filter,
                                               &rebuild->file_err) == STATUS_OK;
    POINT("filter_made");
    atomic_store(&rebuild->is_done, true);
    return NULL;
}

static void *run_behind(void *state)
{
    process_put_behind();
    return run(state);
}

/* --- the writer's ---------------------------------------------------------------------------- */

/* The shapes whose numbers the filter will hold: a new one those it has to, a file those the filter
 * in use does. */
static void list_shapes(struct store *store, struct store_rebuild *rebuild)
{
    struct store_shapes *shapes = &store->shapes;
    struct store_filter_head *head = &rebuild->head;
    head->shapes = memory_new(shapes->used, sizeof *head->shapes);
    for (uint32_t i = 0; i < shapes->slots_count; i++) {
        struct store_shape *shape = &shapes->slots[i];
        if (shape->shape == 0 || !shape->is_filtered)
            continue;
        shape->is_in_next = rebuild->is_new && store_shape_is_near(shape);
        if (!rebuild->is_new || shape->is_in_next)
            head->shapes[head->shapes_count++] = shape->shape;
    }
}

static void start(struct store_rebuild *rebuild, bool at_once)
{
    rebuild->has_thread =
        !at_once && pthread_create(&rebuild->thread, NULL, run_behind, rebuild) == 0;
    if (!rebuild->has_thread)
        (void)run(rebuild);
}

/* What is on disk of the fresh records must outlast the file: a power cut that took some of them
 * back would give their numbers to other keys. */
static enum status begin(struct store *store, struct filter *filter, bool is_new, struct error *err)
{
    struct store_rebuild *rebuild = memory_new(1, sizeof *rebuild);
    *rebuild = (struct store_rebuild){
        .store = store,
        .filter = filter,
        .is_new = is_new,
        .replayed = store->fresh.next,
        .keys_before = store->fresh.keys,
        .head = {.fresh_next = store->fresh.next,
                 .capacity = filter_capacity(filter),
                 .count = filter_count(filter)},
    };
    assert(!store->rebuild);
    store->rebuild = rebuild;
    TRY(store_sync(store, err));
    list_shapes(store, rebuild);
    POINT("filter_begun");
    start(rebuild, store->rebuild_at_once);
    return STATUS_OK;
}

enum status store_begin_rebuild(struct store *store, uint64_t capacity, struct error *err)
{
    return begin(store, filter_open(capacity), true, err);
}

static enum status begin_file(struct store *store, struct error *err)
{
    return begin(store, atomic_load_explicit(&store->filter, memory_order_relaxed), false, err);
}

static void free_rebuild(struct store *store)
{
    struct store_rebuild *rebuild = store->rebuild;
    store->rebuild = NULL;
    if (rebuild->is_new)
        filter_close(rebuild->filter);
    memory_free(rebuild->head.shapes);
    memory_free(rebuild);
}

/* Shapes whose gate has come near meanwhile are read now; of the others that the filter in use
 * holds still but were not worth reading, too: they are few. */
static enum status read_other_shapes(struct store *store, struct filter *filter, struct error *err)
{
    struct store_shapes *shapes = &store->shapes;
    for (uint32_t i = 0; i < shapes->slots_count; i++) {
        struct store_shape *shape = &shapes->slots[i];
        uint64_t count;
        if (shape->shape && shape->is_filtered && !shape->is_in_next)
            TRY(store_scan_shape(store, shape->shape, filter, &count, err));
        shape->is_in_next = false;
    }
    return STATUS_OK;
}

static enum status use_filter(struct store *store, struct error *err)
{
    struct store_rebuild *rebuild = store->rebuild;
    uint64_t keys;
    TRY(store_replay_fresh(store, rebuild->filter, &rebuild->replayed, NULL, &keys, err));
    TRY(read_other_shapes(store, rebuild->filter, err));
    store_swap_filter(store, rebuild->filter);
    LOG_INFO("store", "filter replaced", LOG_INTEGER("keys", filter_count(rebuild->filter)),
             LOG_INTEGER("capacity", filter_capacity(rebuild->filter)));
    rebuild->filter = NULL;
    store->rebuilds++;
    return STATUS_OK;
}

/* A file that cannot be written is no fault of the list: the next start takes longer. */
static enum status use_file(struct store *store, struct error *err)
{
    struct store_rebuild *rebuild = store->rebuild;
    uint64_t base = rebuild->head.fresh_next;
    if (!rebuild->has_file) {
        LOG_WARN("store", "the filter's file was not written, and will be tried again",
                 LOG_TEXT("reason", rebuild->file_err.text));
        store->fresh.keys_save = 2 * store->fresh.keys;
        return STATUS_OK;
    }
    store_put_fresh_base(store, base);
    TRY(store_db_write(store, err));
    POINT("filter_forgotten");
    store_note_fresh_base(store, base);
    store->fresh.keys -= rebuild->keys_before;
    store->fresh.keys_save = store_fresh_limit(store);
    return STATUS_OK;
}

static enum status finish(struct store *store, struct error *err)
{
    struct store_rebuild *rebuild = store->rebuild;
    if (rebuild->has_thread)
        (void)pthread_join(rebuild->thread, NULL);
    rebuild->has_thread = false;
    enum status status = rebuild->status;
    if (status != STATUS_OK)
        *err = rebuild->err;
    if (status == STATUS_OK && rebuild->is_new)
        status = use_filter(store, err);
    if (status == STATUS_OK && !store->in_memory)
        status = use_file(store, err);
    free_rebuild(store);
    store_publish(store, NULL);
    return status;
}

static bool is_worn(const struct store *store)
{
    const struct filter *filter = atomic_load_explicit(&store->filter, memory_order_relaxed);
    uint64_t capacity = filter_capacity(filter);
    return filter_count(filter) > capacity || store->stale_keys > capacity / 2;
}

enum status store_tend_filter(struct store *store, struct error *err)
{
    if (store->rebuild)
        return atomic_load(&store->rebuild->is_done) ? finish(store, err) : STATUS_OK;
    if (is_worn(store))
        return store_begin_rebuild(store, store_filter_size(store, store_count_keys(store)), err);
    if (!store->in_memory && store->fresh.keys > store->fresh.keys_save)
        return begin_file(store, err);
    return STATUS_OK;
}

enum status store_end_rebuild(struct store *store, struct error *err)
{
    return store->rebuild ? finish(store, err) : STATUS_OK;
}

enum status store_save_filter(struct store *store, struct error *err)
{
    TRY(store_begin_change(store, err));
    enum status status = store_end_rebuild(store, err);
    if (status == STATUS_OK && !store->in_memory)
        status = begin_file(store, err);
    if (status == STATUS_OK)
        status = store_end_rebuild(store, err);
    return store_end_change(store, status);
}

void store_stop_rebuild(struct store *store)
{
    struct store_rebuild *rebuild = store->rebuild;
    if (!rebuild)
        return;
    atomic_store(&rebuild->stop, true);
    if (rebuild->has_thread)
        (void)pthread_join(rebuild->thread, NULL);
    free_rebuild(store);
}
