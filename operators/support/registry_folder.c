#include "operators/support/registry_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/schema_text.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/limits.h"

enum { FILE_NAME_SIZE = 16 }; /* 4294967295.avsc and a NUL */

/* --- one file -------------------------------------------------------------------------------- */

static struct registry_fetched no_answer(int error)
{
    return registry_fetched_not(REGISTRY_PENDING, "%s", strerrordesc_np(error));
}

/* Reads to the end; the file was seen to have this size. */
static struct registry_fetched read_open_file(int file, size_t size)
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
        return got < 0 ? no_answer(errno) : registry_fetched_not(REGISTRY_PENDING, "file shrinks");
    }
    return (struct registry_fetched){.answer = REGISTRY_FOUND, .text = text, .size = size};
}

/* An empty file is one that is being written: held like no answer, never a dead letter. */
static struct registry_fetched read_file(int folder, const char *name)
{
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return errno == ENOENT ? registry_fetched_not(REGISTRY_ABSENT, "no such file")
                               : no_answer(errno);
    struct stat about;
    struct registry_fetched fetched;
    if (fstat(file, &about) != 0)
        fetched = no_answer(errno);
    else if (!S_ISREG(about.st_mode) || about.st_size == 0)
        fetched = registry_fetched_not(REGISTRY_PENDING, "not a file, or empty");
    else if (about.st_size > SCHEMA_BYTES_MAX)
        fetched = registry_fetched_not(REGISTRY_ABSENT, "larger than 1 MB");
    else
        fetched = read_open_file(file, (size_t)about.st_size);
    (void)close(file);
    return fetched;
}

/* The folder is opened every time: one that is gone is no answer, not "no such id". */
static struct registry_fetched fetch(void *state, uint32_t id)
{
    const char *folder = state;
    char name[FILE_NAME_SIZE];
    (void)snprintf(name, sizeof name, "%" PRIu32 ".avsc", id);
    int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return no_answer(errno);
    struct registry_fetched fetched = read_file(directory, name);
    (void)close(directory);
    return fetched;
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

/* Whether the file holds the wanted schema. Unreadable ones are said, and are not it. */
static bool file_holds(const char *folder, uint32_t id, struct bytes wanted)
{
    struct registry_fetched fetched = fetch((void *)(uintptr_t)folder, id);
    if (fetched.answer != REGISTRY_FOUND) {
        LOG_WARN("registry", "schema cannot be read", LOG_TEXT("folder", folder),
                 LOG_INTEGER("id", id), LOG_TEXT("reason", fetched.reason));
        return false;
    }
    size_t size = squeeze_json(fetched.text, fetched.size);
    bool is_equal = bytes_equal(bytes_of(fetched.text, size), wanted);
    memory_free(fetched.text);
    return is_equal;
}

/* The lowest id of a file that holds it, so that all processes agree; 0: none does. */
static uint32_t find_equal(const char *folder, DIR *directory, struct bytes wanted)
{
    uint32_t lowest = 0;
    for (const struct dirent *file = readdir(directory); file; file = readdir(directory)) {
        uint32_t id = id_of_name(file->d_name);
        if (id != 0 && (lowest == 0 || id < lowest) && file_holds(folder, id, wanted))
            lowest = id;
    }
    return lowest;
}

static enum status id_of(void *state, const char *topic, const char *our_schema, uint32_t *id,
                         struct error *err)
{
    const char *folder = state;
    (void)topic; /* a folder knows no subjects */
    DIR *directory = opendir(folder);
    if (!directory)
        return error_fail(err, EX_CONFIG, "schemas folder '%s' cannot be read: %s", folder,
                          strerrordesc_np(errno));
    char *wanted = memory_copy_text(our_schema, strlen(our_schema));
    size_t size = squeeze_json(wanted, strlen(wanted));
    *id = find_equal(folder, directory, bytes_of(wanted, size));
    memory_free(wanted);
    (void)closedir(directory);
    if (*id != 0)
        return STATUS_OK;
    char name[REGISTRY_NAME_SIZE];
    registry_name_of(our_schema, name);
    return error_fail(err, EX_CONFIG,
                      "no file ID.avsc in '%s' holds our schema %s: `checkit schemas DIR` writes "
                      "our schemas, copy that one into the folder under a free id",
                      folder, name);
}

/* --- by fingerprint ------------------------------------------------------------------------- */

static bool has_fingerprint(const struct registry_fetched *fetched, uint64_t fingerprint)
{
    struct buffer canonical = {0};
    struct error ignored; /* no Avro schema: it has none, and whoever uses it by its id is told */
    bool is_equal =
        schema_text_canonical(bytes_of(fetched->text, fetched->size), &canonical, &ignored) ==
            STATUS_OK &&
        schema_text_fingerprint(bytes_of(canonical.data, canonical.size)) == fingerprint;
    buffer_close(&canonical);
    return is_equal;
}

/* Looks through all files; *found is the best so far. */
static void look_through(const char *folder, DIR *directory, uint64_t fingerprint,
                         struct registry_fetched *found)
{
    uint32_t lowest = 0;
    for (const struct dirent *file = readdir(directory); file; file = readdir(directory)) {
        uint32_t id = id_of_name(file->d_name);
        if (id == 0 || (lowest != 0 && id > lowest))
            continue;
        struct registry_fetched fetched = fetch((void *)(uintptr_t)folder, id);
        bool is_it = fetched.answer == REGISTRY_FOUND && has_fingerprint(&fetched, fingerprint);
        if (is_it || (fetched.answer == REGISTRY_PENDING && lowest == 0)) {
            memory_free(found->text);
            *found = fetched;
            lowest = is_it ? id : lowest;
            continue;
        }
        memory_free(fetched.text);
    }
}

struct registry_fetched registry_folder_fetch(const char *folder, uint64_t fingerprint)
{
    struct registry_fetched found =
        registry_fetched_not(REGISTRY_ABSENT, "no file has that fingerprint");
    DIR *directory = opendir(folder);
    if (!directory)
        return no_answer(errno);
    look_through(folder, directory, fingerprint, &found);
    (void)closedir(directory);
    return found;
}

/* --- interface ------------------------------------------------------------------------------ */

enum status registry_folder_open(const char *folder, struct registry_source *source,
                                 struct error *err)
{
    DIR *directory = opendir(folder);
    if (!directory)
        return error_fail(err, EX_CONFIG, "schemas folder '%s' cannot be read: %s", folder,
                          strerrordesc_np(errno));
    (void)closedir(directory);
    char *copy = memory_copy_text(folder, strlen(folder));
    *source = (struct registry_source){copy, copy, fetch, id_of, NULL, memory_free};
    return STATUS_OK;
}
