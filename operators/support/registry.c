#include "operators/support/registry.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/limits.h"

enum {
    ABSENT_REMEMBERED_MAX = 1024, /* ids from garbage must not fill the memory */
    FILE_NAME_SIZE = 16,          /* 4294967295.avsc and a NUL */
    OUR_NAME_SIZE = 64,
};

static const uint64_t ms_ns = 1000000;
static const uint64_t absent_ns = 30000 * ms_ns;
static const uint64_t backoff_min_ns = 100 * ms_ns;
static const uint64_t backoff_max_ns = 5000 * ms_ns;

/* One id that was asked for. While pending, due_ns is the next try; while absent, the end of it. */
struct slot {
    uint32_t id;
    enum registry_answer answer;
    char *text; /* of a found schema; owned, never moves */
    size_t size;
    uint64_t due_ns;
    uint64_t backoff_ns;
};

struct registry {
    char *folder;
    pthread_t thread;
    pthread_mutex_t mutex; /* everything below */
    pthread_cond_t changed;
    struct slot *slots; /* ordered by id */
    uint32_t slots_count;
    uint32_t absent_count;
    bool closing;
};

/* What one look into the folder said. reason: of ABSENT when there is more to say than "no such
 * file", and of PENDING. */
struct fetched {
    enum registry_answer answer;
    char *text; /* of a found schema; owned by whoever has this */
    size_t size;
    const char *reason;
};

/* --- the folder ----------------------------------------------------------------------------- */

static struct fetched no_answer(int error)
{
    return (struct fetched){.answer = REGISTRY_PENDING, .reason = strerrordesc_np(error)};
}

/* Reads to the end; the file was seen to have this size. */
static struct fetched read_open_file(int file, size_t size)
{
    char *text = memory_new(size + 1, 1);
    size_t used = 0;
    while (used < size) {
        ssize_t got = read(file, text + used, size - used);
        if (got > 0) {
            used += (size_t)got;
            continue;
        }
        if (got < 0 && errno == EINTR)
            continue;
        memory_free(text);
        return got < 0 ? no_answer(errno)
                       : (struct fetched){.answer = REGISTRY_PENDING, .reason = "file shrinks"};
    }
    return (struct fetched){.answer = REGISTRY_FOUND, .text = text, .size = size};
}

/* An empty file is one that is being written: held like no answer, never a dead letter. */
static struct fetched read_file(int folder, const char *name)
{
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return errno == ENOENT ? (struct fetched){.answer = REGISTRY_ABSENT} : no_answer(errno);
    struct stat about;
    struct fetched fetched = {.answer = REGISTRY_PENDING, .reason = "not a file, or empty"};
    if (fstat(file, &about) != 0)
        fetched = no_answer(errno);
    else if (S_ISREG(about.st_mode) && about.st_size > SCHEMA_BYTES_MAX)
        fetched = (struct fetched){.answer = REGISTRY_ABSENT, .reason = "larger than 1 MB"};
    else if (S_ISREG(about.st_mode) && about.st_size > 0)
        fetched = read_open_file(file, (size_t)about.st_size);
    (void)close(file);
    return fetched;
}

/* The folder is opened every time: one that is gone is no answer, not "no such id". */
static struct fetched fetch(const char *folder, uint32_t id)
{
    char name[FILE_NAME_SIZE];
    (void)snprintf(name, sizeof name, "%" PRIu32 ".avsc", id);
    int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return no_answer(errno);
    struct fetched fetched = read_file(directory, name);
    (void)close(directory);
    return fetched;
}

/* --- the table: the caller holds the mutex -------------------------------------------------- */

/* Where the id is, or would be. */
static uint32_t place_of(const struct registry *registry, uint32_t id)
{
    uint32_t low = 0;
    uint32_t high = registry->slots_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (registry->slots[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct slot *find_slot(const struct registry *registry, uint32_t id)
{
    uint32_t place = place_of(registry, id);
    bool is_there = place < registry->slots_count && registry->slots[place].id == id;
    return is_there ? &registry->slots[place] : NULL;
}

static void add_slot(struct registry *registry, uint32_t id)
{
    uint32_t place = place_of(registry, id);
    registry->slots =
        memory_resize(registry->slots, registry->slots_count + 1, sizeof *registry->slots);
    struct slot *slot = &registry->slots[place];
    memmove(slot + 1, slot, (registry->slots_count - place) * sizeof *slot);
    *slot = (struct slot){.id = id, .answer = REGISTRY_PENDING};
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

static void keep(struct registry *registry, uint32_t id, const struct fetched *fetched)
{
    struct slot *slot = find_slot(registry, id);
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

static void report(const struct registry *registry, uint32_t id, const struct fetched *fetched)
{
    if (fetched->answer == REGISTRY_FOUND)
        LOG_INFO("registry", "schema found", LOG_INTEGER("id", id));
    else if (fetched->answer == REGISTRY_PENDING)
        LOG_WARN("registry", "no answer, records of this schema are held",
                 LOG_TEXT("folder", registry->folder), LOG_INTEGER("id", id),
                 LOG_TEXT("reason", fetched->reason));
    else
        LOG_WARN("registry", "no such schema", LOG_TEXT("folder", registry->folder),
                 LOG_INTEGER("id", id),
                 LOG_TEXT("reason", fetched->reason ? fetched->reason : "no such file"));
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
        uint32_t id = next->id;
        (void)pthread_mutex_unlock(&registry->mutex);
        struct fetched fetched = fetch(registry->folder, id);
        report(registry, id, &fetched);
        (void)pthread_mutex_lock(&registry->mutex);
        keep(registry, id, &fetched);
    }
    (void)pthread_mutex_unlock(&registry->mutex);
    return NULL;
}

/* --- a schema equal to ours ----------------------------------------------------------------- */

/* The id of a file name such as 12.avsc; 0 for any other name. */
static uint32_t id_of_name(const char *name)
{
    uint64_t id = 0;
    const char *at = name;
    for (; *at >= '0' && *at <= '9' && id <= UINT32_MAX; at++)
        id = id * 10 + (uint64_t)(*at - '0');
    bool is_id = name[0] != '0' && id <= UINT32_MAX && strcmp(at, ".avsc") == 0;
    return is_id ? (uint32_t)id : 0;
}

/* JSON without the white space between its tokens, in place; the new size. */
static size_t squeeze_json(char *text, size_t size)
{
    size_t used = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (!in_string && (c == ' ' || c == '\t' || c == '\n' || c == '\r'))
            continue;
        text[used++] = c;
        if (in_string && c == '\\' && i + 1 < size)
            text[used++] = text[++i];
        else if (c == '"')
            in_string = !in_string;
    }
    return used;
}

/* "Alert", for messages: the first name in a squeezed schema is its own. */
static void name_of(const char *squeezed, char out[OUR_NAME_SIZE])
{
    static const char before[] = "\"name\":\"";
    const char *name = strstr(squeezed, before);
    name = name ? name + strlen(before) : "?";
    (void)snprintf(out, OUR_NAME_SIZE, "%.*s", (int)strcspn(name, "\""), name);
}

/* Whether the file holds the wanted schema. Unreadable ones are said, and are not it. */
static bool file_holds(const struct registry *registry, uint32_t id, struct bytes wanted)
{
    struct fetched fetched = fetch(registry->folder, id);
    if (fetched.answer != REGISTRY_FOUND) {
        report(registry, id, &fetched);
        return false;
    }
    size_t size = squeeze_json(fetched.text, fetched.size);
    bool is_equal = bytes_equal(bytes_of(fetched.text, size), wanted);
    memory_free(fetched.text);
    return is_equal;
}

/* The lowest id of a file that holds it, so that all processes agree; 0: none does. */
static uint32_t find_equal(const struct registry *registry, DIR *directory, struct bytes wanted)
{
    uint32_t lowest = 0;
    for (const struct dirent *file = readdir(directory); file; file = readdir(directory)) {
        uint32_t id = id_of_name(file->d_name);
        if (id != 0 && (lowest == 0 || id < lowest) && file_holds(registry, id, wanted))
            lowest = id;
    }
    return lowest;
}

enum status registry_id_of(struct registry *registry, const char *our_schema, uint32_t *id,
                           struct error *err)
{
    DIR *directory = opendir(registry->folder);
    if (!directory)
        return error_fail(err, EX_CONFIG, "schemas folder '%s' cannot be read: %s",
                          registry->folder, strerrordesc_np(errno));
    char *wanted = memory_copy_text(our_schema, strlen(our_schema));
    size_t size = squeeze_json(wanted, strlen(wanted));
    wanted[size] = '\0';
    *id = find_equal(registry, directory, bytes_of(wanted, size));
    char name[OUR_NAME_SIZE];
    name_of(wanted, name);
    memory_free(wanted);
    (void)closedir(directory);
    if (*id != 0)
        return STATUS_OK;
    return error_fail(err, EX_CONFIG,
                      "no file ID.avsc in '%s' holds our schema %s: `checkit schemas DIR` writes "
                      "our schemas, copy that one into the folder under a free id",
                      registry->folder, name);
}

/* --- interface ------------------------------------------------------------------------------ */

enum registry_answer registry_find(struct registry *registry, uint32_t id, struct bytes *schema)
{
    *schema = (struct bytes){NULL, 0};
    if (id == 0)
        return REGISTRY_ABSENT; /* registries count from 1 */
    (void)pthread_mutex_lock(&registry->mutex);
    struct slot *slot = find_slot(registry, id);
    bool is_news = !slot;
    if (!slot) {
        add_slot(registry, id);
        slot = find_slot(registry, id);
    } else if (slot->answer == REGISTRY_ABSENT && clock_monotonic_ns() >= slot->due_ns) {
        *slot = (struct slot){.id = id, .answer = REGISTRY_PENDING};
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

enum status registry_open_folder(const char *folder, struct registry **out, struct error *err)
{
    DIR *directory = opendir(folder);
    if (!directory)
        return error_fail(err, EX_CONFIG, "schemas folder '%s' cannot be read: %s", folder,
                          strerrordesc_np(errno));
    (void)closedir(directory);
    struct registry *registry = memory_new(1, sizeof *registry);
    registry->folder = memory_copy_text(folder, strlen(folder));
    enum status status = start_thread(registry, err);
    if (status != STATUS_OK) {
        memory_free(registry->folder);
        memory_free(registry);
        return status;
    }
    *out = registry;
    return STATUS_OK;
}

void registry_close(struct registry *registry)
{
    if (!registry)
        return;
    (void)pthread_mutex_lock(&registry->mutex);
    registry->closing = true;
    (void)pthread_cond_signal(&registry->changed);
    (void)pthread_mutex_unlock(&registry->mutex);
    (void)pthread_join(registry->thread, NULL);
    for (uint32_t i = 0; i < registry->slots_count; i++)
        memory_free(registry->slots[i].text);
    memory_free(registry->slots);
    memory_free(registry->folder);
    (void)pthread_mutex_destroy(&registry->mutex);
    (void)pthread_cond_destroy(&registry->changed);
    memory_free(registry);
}
