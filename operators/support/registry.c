#include "operators/support/registry_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/config.h"

enum {
    KEY_TEXT_SIZE = 24,
    ABSENT_REMEMBERED_MAX = 1024, /* ids from garbage must not fill the memory */
};

static const uint64_t ms_ns = 1000000;
static const uint64_t absent_ns = 30000 * ms_ns;
static const uint64_t backoff_min_ns = 100 * ms_ns;
static const uint64_t backoff_max_ns = 5000 * ms_ns;

/* What a schema is found by. */
struct key {
    bool is_fingerprint; /* of a file in the folder; else an id */
    uint64_t value;
};

/* One key that was asked for. While pending, due_ns is the next try; while absent, the end of it.
 */
struct slot {
    struct key key;
    enum registry_answer answer;
    char *text; /* of a found schema; owned, never moves */
    size_t size;
    uint64_t due_ns;
    uint64_t backoff_ns;
};

struct registry {
    struct registry_source source;
    const char *folder;    /* of fingerprints; NULL: there is none */
    atomic_bool cancelled; /* what is being fetched is no longer wanted */
    pthread_t thread;
    pthread_mutex_t mutex; /* everything below */
    pthread_cond_t changed;
    struct slot *slots; /* ordered by key */
    uint32_t slots_count;
    uint32_t absent_count;
    bool closing;
};

/* --- the table: the caller holds the mutex -------------------------------------------------- */

static bool is_before(struct key a, struct key b)
{
    return a.is_fingerprint == b.is_fingerprint ? a.value < b.value : b.is_fingerprint;
}

/* Where the key is, or would be. */
static uint32_t place_of(const struct registry *registry, struct key key)
{
    uint32_t low = 0;
    uint32_t high = registry->slots_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (is_before(registry->slots[middle].key, key))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct slot *find_slot(const struct registry *registry, struct key key)
{
    uint32_t place = place_of(registry, key);
    bool is_there = place < registry->slots_count && !is_before(key, registry->slots[place].key);
    return is_there ? &registry->slots[place] : NULL;
}

static void add_slot(struct registry *registry, struct key key)
{
    uint32_t place = place_of(registry, key);
    registry->slots =
        memory_resize(registry->slots, registry->slots_count + 1, sizeof *registry->slots);
    struct slot *slot = &registry->slots[place];
    memmove(slot + 1, slot, (registry->slots_count - place) * sizeof *slot);
    *slot = (struct slot){.key = key, .answer = REGISTRY_PENDING};
    registry->slots_count++;
}

/* Forgets the absent id that was asked for longest ago. */
static void forget_one_absent(struct registry *registry)
{
    struct slot *oldest = NULL;
    for (uint32_t i = 0; i < registry->slots_count; i++) {
        struct slot *slot = &registry->slots[i];
        if (slot->answer == REGISTRY_ABSENT && (!oldest || slot->due_ns < oldest->due_ns))
            oldest = slot;
    }
    assert(oldest);
    const struct slot *end = registry->slots + registry->slots_count;
    memmove(oldest, oldest + 1, (size_t)(end - (oldest + 1)) * sizeof *oldest);
    registry->slots_count--;
    registry->absent_count--;
}

/* The pending slot whose turn comes first, or NULL. */
static struct slot *next_pending(const struct registry *registry)
{
    struct slot *next = NULL;
    for (uint32_t i = 0; i < registry->slots_count; i++) {
        struct slot *slot = &registry->slots[i];
        if (slot->answer == REGISTRY_PENDING && (!next || slot->due_ns < next->due_ns))
            next = slot;
    }
    return next;
}

static void keep(struct registry *registry, struct key key, const struct registry_fetched *fetched)
{
    struct slot *slot = find_slot(registry, key);
    assert(slot && slot->answer == REGISTRY_PENDING); /* only absent ones are forgotten */
    uint64_t now_ns = clock_monotonic_ns();
    if (fetched->answer == REGISTRY_PENDING) {
        uint64_t backoff_ns = slot->backoff_ns ? slot->backoff_ns * 2 : backoff_min_ns;
        slot->backoff_ns = backoff_ns < backoff_max_ns ? backoff_ns : backoff_max_ns;
        slot->due_ns = now_ns + slot->backoff_ns;
        return;
    }
    slot->answer = fetched->answer;
    slot->text = fetched->text;
    slot->size = fetched->size;
    slot->due_ns = now_ns + absent_ns;
    if (fetched->answer == REGISTRY_ABSENT && ++registry->absent_count > ABSENT_REMEMBERED_MAX)
        forget_one_absent(registry);
}

/* --- the fetch thread ----------------------------------------------------------------------- */

static void report(const struct registry *registry, struct key key,
                   const struct registry_fetched *fetched)
{
    char text[KEY_TEXT_SIZE];
    const char *kind = key.is_fingerprint ? "fingerprint" : "id";
    const char *from = key.is_fingerprint ? registry->folder : registry->source.name;
    (void)snprintf(text, sizeof text, key.is_fingerprint ? "%016" PRIx64 : "%" PRIu64, key.value);
    if (fetched->answer == REGISTRY_FOUND)
        LOG_INFO("registry", "schema found", LOG_TEXT(kind, text));
    else if (fetched->answer == REGISTRY_PENDING)
        LOG_WARN("registry", "no answer, records of this schema are held", LOG_TEXT("source", from),
                 LOG_TEXT(kind, text), LOG_TEXT("reason", fetched->reason));
    else
        LOG_WARN("registry", "no such schema", LOG_TEXT("source", from), LOG_TEXT(kind, text),
                 LOG_TEXT("reason", fetched->reason));
}

static struct registry_fetched fetch(const struct registry *registry, struct key key)
{
    if (key.is_fingerprint)
        return registry_folder_fetch(registry->folder, key.value);
    return registry->source.fetch(registry->source.state, (uint32_t)key.value);
}

/* Waits until something changes, or until the given time; 0: no time. Spurious ends are fine. */
static void wait_for_change(struct registry *registry, uint64_t until_ns)
{
    if (until_ns == 0) {
        (void)pthread_cond_wait(&registry->changed, &registry->mutex);
        return;
    }
    const struct timespec until = {(time_t)(until_ns / 1000000000U),
                                   (long)(until_ns % 1000000000U)};
    (void)pthread_cond_timedwait(&registry->changed, &registry->mutex, &until);
}

static void *run_fetches(void *argument)
{
    struct registry *registry = argument;
    (void)pthread_mutex_lock(&registry->mutex);
    while (!registry->closing) {
        const struct slot *next = next_pending(registry);
        if (!next || next->due_ns > clock_monotonic_ns()) {
            wait_for_change(registry, next ? next->due_ns : 0);
            continue;
        }
        struct key key = next->key;
        (void)pthread_mutex_unlock(&registry->mutex);
        struct registry_fetched fetched = fetch(registry, key);
        if (!atomic_load(&registry->cancelled))
            report(registry, key, &fetched);
        (void)pthread_mutex_lock(&registry->mutex);
        keep(registry, key, &fetched);
    }
    (void)pthread_mutex_unlock(&registry->mutex);
    return NULL;
}

/* --- what the sources share ------------------------------------------------------------------ */

struct registry_fetched registry_fetched_not(enum registry_answer answer, const char *format, ...)
{
    struct registry_fetched fetched = {.answer = answer};
    va_list values;
    va_start(values, format);
    (void)vsnprintf(fetched.reason, sizeof fetched.reason, format, values);
    va_end(values);
    return fetched;
}

void registry_name_of(const char *schema, char out[REGISTRY_NAME_SIZE])
{
    static const char before[] = "\"name\"";
    const char *name = strstr(schema, before);
    name = name ? name + strlen(before) : "";
    name += strspn(name, " \t\r\n:\"");
    size_t size = strcspn(name, "\"");
    (void)snprintf(out, REGISTRY_NAME_SIZE, "%.*s", size ? (int)size : 1, size ? name : "?");
}

/* --- interface ------------------------------------------------------------------------------ */

static enum registry_answer find(struct registry *registry, struct key key, struct bytes *schema)
{
    (void)pthread_mutex_lock(&registry->mutex);
    struct slot *slot = find_slot(registry, key);
    bool is_news = !slot;
    if (!slot) {
        add_slot(registry, key);
        slot = find_slot(registry, key);
    } else if (slot->answer == REGISTRY_ABSENT && clock_monotonic_ns() >= slot->due_ns) {
        *slot = (struct slot){.key = key, .answer = REGISTRY_PENDING};
        registry->absent_count--;
        is_news = true;
    }
    enum registry_answer answer = slot->answer;
    *schema = bytes_of(slot->text, slot->size);
    if (is_news)
        (void)pthread_cond_signal(&registry->changed);
    (void)pthread_mutex_unlock(&registry->mutex);
    return answer;
}

static enum status start_thread(struct registry *registry, struct error *err)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* as clock_monotonic_ns */
    (void)pthread_cond_init(&registry->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&registry->mutex, NULL);
    int error = pthread_create(&registry->thread, NULL, run_fetches, registry);
    if (error == 0)
        return STATUS_OK;
    (void)pthread_mutex_destroy(&registry->mutex);
    (void)pthread_cond_destroy(&registry->changed);
    return error_fail(err, EX_UNAVAILABLE, "cannot start the schema thread: %s",
                      strerrordesc_np(error));
}

/* Over a source, which is the registry's from now on; registry is freed on failure. */
static enum status start(struct registry *registry, struct registry **out, struct error *err)
{
    enum status status = start_thread(registry, err);
    if (status == STATUS_OK) {
        *out = registry;
        return STATUS_OK;
    }
    registry->source.close(registry->source.state);
    memory_free(registry);
    return status;
}

enum registry_answer registry_find(struct registry *registry, uint32_t id, struct bytes *schema)
{
    *schema = (struct bytes){NULL, 0};
    if (id == 0)
        return REGISTRY_ABSENT; /* registries count from 1 */
    return find(registry, (struct key){false, id}, schema);
}

enum registry_answer registry_find_fingerprint(struct registry *registry, uint64_t fingerprint,
                                               struct bytes *schema)
{
    assert(registry->folder); /* the configuration asks for one */
    return find(registry, (struct key){true, fingerprint}, schema);
}

enum status registry_open_folder(const char *folder, struct registry **out, struct error *err)
{
    struct registry *registry = memory_new(1, sizeof *registry);
    if (registry_folder_open(folder, &registry->source, err) == STATUS_OK) {
        registry->folder = registry->source.name;
        return start(registry, out, err);
    }
    memory_free(registry);
    return STATUS_FAIL;
}

enum status registry_open(const struct config *config, struct registry **out, struct error *err)
{
    if (!config->schemas_registry)
        return registry_open_folder(config->schemas_folder, out, err);
    struct registry *registry = memory_new(1, sizeof *registry);
    registry->folder = config->schemas_folder;
    if (registry_http_open(config, &registry->cancelled, &registry->source, err) == STATUS_OK)
        return start(registry, out, err);
    memory_free(registry);
    return STATUS_FAIL;
}

enum status registry_id_of(struct registry *registry, const char *topic, const char *our_schema,
                           uint32_t *id, struct error *err)
{
    return registry->source.id_of(registry->source.state, topic, our_schema, id, err);
}

enum status registry_latest_id(struct registry *registry, const char *topic, uint32_t *id,
                               struct error *err)
{
    *id = 0;
    return registry->source.latest ? registry->source.latest(registry->source.state, topic, id, err)
                                   : STATUS_OK;
}

void registry_close(struct registry *registry)
{
    if (!registry)
        return;
    atomic_store(&registry->cancelled, true);
    (void)pthread_mutex_lock(&registry->mutex);
    registry->closing = true;
    (void)pthread_cond_signal(&registry->changed);
    (void)pthread_mutex_unlock(&registry->mutex);
    (void)pthread_join(registry->thread, NULL);
    for (uint32_t i = 0; i < registry->slots_count; i++)
        memory_free(registry->slots[i].text);
    memory_free(registry->slots);
    registry->source.close(registry->source.state);
    (void)pthread_mutex_destroy(&registry->mutex);
    (void)pthread_cond_destroy(&registry->changed);
    memory_free(registry);
}
