#include <stdlib.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"

/* A family is cut where its files begin, so each thread reads files of its own, and inside of them
 * where the first byte that their keys do not share changes: one large file is then read by all. */

enum {
    CUTS_AT_FIRST = 32,
    CUT_SIZE_MAX = 64,
    TELL_RECORDS = 1024,
    TELL_MS = 100,
    MS_PER_S = 1000,
    NS_PER_MS = 1000000
};

/* Keys [from, until) of a family; size 0 of either: no bound. Both owned. */
struct piece {
    enum family family;
    struct bytes from;
    struct bytes until;
};

struct crew {
    struct store *store;
    const struct store_sweep *sweep;
    struct piece *pieces; /* owned */
    uint32_t pieces_count;
    _Atomic uint32_t next;
    _Atomic uint64_t records;
    atomic_bool stop;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t ended;
    uint32_t running;
    enum status status;
    struct error err;
};

struct sweeper {
    struct crew *crew;
    uint32_t index;
    pthread_t id;
};

/* --- pieces --------------------------------------------------------------------------------- */

static int compare(struct bytes a, struct bytes b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_cuts(const void *left, const void *right)
{
    return compare(*(const struct bytes *)left, *(const struct bytes *)right);
}

static struct bytes copy_of(struct bytes source)
{
    return bytes_of(memory_copy_text((const char *)source.data, source.size), source.size);
}

/* Where a family is cut, in order. All owned. */
struct cuts {
    struct bytes *items;
    uint32_t count;
    uint32_t capacity;
};

static void add_cut(struct cuts *cuts, struct bytes key)
{
    if (cuts->count == cuts->capacity) {
        cuts->capacity = cuts->capacity ? 2 * cuts->capacity : CUTS_AT_FIRST;
        cuts->items = memory_resize(cuts->items, cuts->capacity, sizeof *cuts->items);
    }
    cuts->items[cuts->count++] = copy_of(key);
}

/* Inside a file its keys are cut where the first byte that they do not share changes. */
static void cut_file(struct cuts *cuts, struct bytes smallest, struct bytes largest)
{
    uint8_t key[CUT_SIZE_MAX];
    size_t size = 0;
    while (size < smallest.size && size < largest.size && smallest.data[size] == largest.data[size])
        size++;
    add_cut(cuts, smallest);
    if (size == smallest.size || size == largest.size || size >= sizeof key)
        return;
    memcpy(key, smallest.data, size);
    for (unsigned byte = smallest.data[size] + 1U; byte <= largest.data[size]; byte++) {
        key[size] = (uint8_t)byte;
        add_cut(cuts, bytes_of(key, size + 1));
    }
}

static void find_cuts(enum family family, const rocksdb_livefiles_t *files, struct cuts *cuts)
{
    int files_count = rocksdb_livefiles_count(files);
    for (int i = 0; i < files_count; i++) {
        const char *name = rocksdb_livefiles_column_family_name(files, i);
        if (strcmp(name, store_family_name(family)) != 0)
            continue;
        size_t smallest_size = 0;
        size_t largest_size = 0;
        const char *smallest = rocksdb_livefiles_smallestkey(files, i, &smallest_size);
        const char *largest = rocksdb_livefiles_largestkey(files, i, &largest_size);
        cut_file(cuts, bytes_of(smallest, smallest_size), bytes_of(largest, largest_size));
    }
    if (cuts->count > 0)
        qsort(cuts->items, cuts->count, sizeof *cuts->items, compare_cuts);
}

static void free_cuts(struct cuts *cuts)
{
    for (uint32_t i = 0; i < cuts->count; i++)
        memory_free((void *)cuts->items[i].data);
    memory_free(cuts->items);
}

static void cut(struct crew *crew, enum family family, const rocksdb_livefiles_t *files)
{
    struct cuts cuts = {0};
    find_cuts(family, files, &cuts);
    crew->pieces =
        memory_resize(crew->pieces, crew->pieces_count + cuts.count + 1, sizeof *crew->pieces);
    struct piece *piece = &crew->pieces[crew->pieces_count++];
    *piece = (struct piece){.family = family};
    for (uint32_t i = 0; i < cuts.count; i++) {
        struct bytes key = cuts.items[i];
        if (key.size == 0 || bytes_equal(key, piece->from))
            continue;
        piece->until = copy_of(key);
        piece = &crew->pieces[crew->pieces_count++];
        *piece = (struct piece){.family = family, .from = copy_of(key)};
    }
    free_cuts(&cuts);
}

static void cut_all(struct crew *crew)
{
    const rocksdb_livefiles_t *files = rocksdb_livefiles(crew->store->db);
    for (uint32_t i = 0; i < crew->sweep->families_count; i++)
        cut(crew, crew->sweep->families[i], files);
    rocksdb_livefiles_destroy(files);
}

static void free_pieces(struct crew *crew)
{
    for (uint32_t i = 0; i < crew->pieces_count; i++) {
        memory_free((void *)crew->pieces[i].from.data);
        memory_free((void *)crew->pieces[i].until.data);
    }
    memory_free(crew->pieces);
}

/* --- threads -------------------------------------------------------------------------------- */

/* A block that its checksum does not fit ends its piece. */
static enum status end_piece(struct crew *crew, const struct piece *piece,
                             rocksdb_iterator_t *iterator, struct error *err)
{
    char *message = NULL;
    rocksdb_iter_get_error(iterator, &message);
    rocksdb_iter_destroy(iterator);
    if (!message)
        return STATUS_OK;
    if (!crew->sweep->on_damage || strncmp(message, "Corruption", strlen("Corruption")) != 0)
        return store_db_error(crew->store, "scan", message, err);
    crew->sweep->on_damage(crew->sweep->state, piece->family, message);
    rocksdb_free(message);
    return STATUS_OK;
}

static enum status read_piece(struct sweeper *sweeper, const struct piece *piece, struct error *err)
{
    struct crew *crew = sweeper->crew;
    enum status status = STATUS_OK;
    uint32_t records = 0;
    rocksdb_iterator_t *iterator = store_db_scan(crew->store, piece->family);
    if (piece->from.size)
        rocksdb_iter_seek(iterator, (const char *)piece->from.data, piece->from.size);
    for (; status == STATUS_OK && rocksdb_iter_valid(iterator); rocksdb_iter_next(iterator)) {
        struct bytes key = store_scan_key(iterator);
        if (piece->until.size && compare(key, piece->until) >= 0)
            break;
        status = crew->sweep->take(crew->sweep->state, sweeper->index, piece->family, key,
                                   store_scan_value(iterator), err);
        if (++records % TELL_RECORDS != 0)
            continue;
        (void)atomic_fetch_add(&crew->records, TELL_RECORDS);
        if (atomic_load(&crew->stop))
            break;
    }
    enum status ended = end_piece(crew, piece, iterator, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? ended : status;
}

static void *run(void *state)
{
    struct sweeper *sweeper = state;
    struct crew *crew = sweeper->crew;
    enum status status = STATUS_OK;
    struct error err = {0};
    while (status == STATUS_OK && !atomic_load(&crew->stop)) {
        uint32_t at = atomic_fetch_add(&crew->next, 1);
        if (at >= crew->pieces_count)
            break;
        status = read_piece(sweeper, &crew->pieces[at], &err);
    }
    (void)pthread_mutex_lock(&crew->lock);
    if (status != STATUS_OK && crew->status == STATUS_OK) {
        crew->status = status;
        crew->err = err;
        atomic_store(&crew->stop, true);
    }
    crew->running--;
    (void)pthread_cond_signal(&crew->ended);
    (void)pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/* Until all have ended; true: the caller wants them to. */
static bool wait_for_all(struct crew *crew, const struct store_scan *scan)
{
    bool is_stopped = false;
    (void)pthread_mutex_lock(&crew->lock);
    while (crew->running > 0) {
        int64_t until_ms = clock_wall_ms() + TELL_MS;
        const struct timespec until = {until_ms / MS_PER_S,
                                       (long)(until_ms % MS_PER_S) * NS_PER_MS};
        (void)pthread_cond_timedwait(&crew->ended, &crew->lock, &until);
        (void)pthread_mutex_unlock(&crew->lock);
        if (scan->go_on && !is_stopped && !scan->go_on(scan->state, atomic_load(&crew->records))) {
            is_stopped = true;
            atomic_store(&crew->stop, true);
        }
        (void)pthread_mutex_lock(&crew->lock);
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return is_stopped;
}

static enum status run_all(struct crew *crew, const struct store_scan *scan, struct error *err)
{
    struct sweeper sweepers[STORE_THREADS_MAX];
    uint32_t started = 0;
    int fault = 0;
    (void)pthread_mutex_lock(&crew->lock);
    for (; started < scan->threads && started < STORE_THREADS_MAX; started++) {
        sweepers[started] = (struct sweeper){.crew = crew, .index = started};
        fault = pthread_create(&sweepers[started].id, NULL, run, &sweepers[started]);
        if (fault)
            break;
        crew->running++;
    }
    (void)pthread_mutex_unlock(&crew->lock);
    bool is_stopped = wait_for_all(crew, scan);
    for (uint32_t i = 0; i < started; i++)
        (void)pthread_join(sweepers[i].id, NULL);
    if (started == 0)
        return error_fail(err, EX_OSERR, "no thread can be started: %s", strerror(fault));
    if (crew->status != STATUS_OK && err)
        *err = crew->err;
    if (crew->status != STATUS_OK)
        return crew->status;
    return is_stopped ? error_fail(err, EX_UNAVAILABLE, "stopped before the end") : STATUS_OK;
}

enum status store_sweep(struct store *store, const struct store_sweep *sweep,
                        const struct store_scan *scan, struct error *err)
{
    struct crew crew = {.store = store, .sweep = sweep};
    (void)pthread_mutex_init(&crew.lock, NULL);
    (void)pthread_cond_init(&crew.ended, NULL);
    cut_all(&crew);
    enum status status = run_all(&crew, scan, err);
    free_pieces(&crew);
    (void)pthread_cond_destroy(&crew.ended);
    (void)pthread_mutex_destroy(&crew.lock);
    return status;
}
