#include <stdlib.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"

/* A family is cut where its files begin, so each thread reads files of its own; points are even, as
 * fingerprints are, and cut by their first byte as well: one large file is then read by all. */

enum { EVEN_PIECES = 32, TELL_RECORDS = 1024, TELL_MS = 100, MS_PER_S = 1000, NS_PER_MS = 1000000 };

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

/* Where the family is cut: borrowed from files, or static. The caller's: memory_free. */
static struct bytes *find_cuts(enum family family, const rocksdb_livefiles_t *files,
                               uint32_t *count)
{
    static const uint8_t even[EVEN_PIECES] = {0,   8,   16,  24,  32,  40,  48,  56,  64,  72,  80,
                                              88,  96,  104, 112, 120, 128, 136, 144, 152, 160, 168,
                                              176, 184, 192, 200, 208, 216, 224, 232, 240, 248};
    int files_count = rocksdb_livefiles_count(files);
    struct bytes *cuts = memory_new((size_t)files_count + EVEN_PIECES, sizeof *cuts);
    *count = 0;
    for (int i = 0; i < files_count; i++) {
        const char *name = rocksdb_livefiles_column_family_name(files, i);
        if (strcmp(name, store_family_name(family)) != 0)
            continue;
        size_t size = 0;
        const char *key = rocksdb_livefiles_smallestkey(files, i, &size);
        cuts[(*count)++] = bytes_of(key, size);
    }
    for (uint32_t i = 1; family == FAMILY_POINTS && i < EVEN_PIECES; i++)
        cuts[(*count)++] = bytes_of(&even[i], 1);
    qsort(cuts, *count, sizeof *cuts, compare_cuts);
    return cuts;
}

static void cut(struct crew *crew, enum family family, const rocksdb_livefiles_t *files)
{
    uint32_t count;
    struct bytes *cuts = find_cuts(family, files, &count);
    crew->pieces =
        memory_resize(crew->pieces, crew->pieces_count + count + 1, sizeof *crew->pieces);
    struct piece *piece = &crew->pieces[crew->pieces_count++];
    *piece = (struct piece){.family = family};
    for (uint32_t i = 0; i < count; i++) {
        if (cuts[i].size == 0 || bytes_equal(cuts[i], piece->from))
            continue;
        piece->until = copy_of(cuts[i]);
        piece = &crew->pieces[crew->pieces_count++];
        *piece = (struct piece){.family = family, .from = copy_of(cuts[i])};
    }
    memory_free(cuts);
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
