#include "pipeline/run/list_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/container_reader.h"
#include "operators/support/json.h"
#include "operators/support/unpack.h"
#include "pipeline/base/memory.h"

enum { PIECE_BYTES = 1024 * 1024 };

struct list_source {
    struct list_source_settings settings;
    struct list_file *files; /* as many as there are paths */
    uint32_t files_count;    /* begun */
    int file;                /* of the last; -1: none is open */
    struct unpack *unpack;
    struct container_reader *container;
    uint64_t next; /* line or record of the next piece */
    uint64_t pieces;
    uint8_t *rest; /* owned: what is read of CSV and not handed out */
    size_t rest_size;
    bool is_at_end; /* of the file */
    _Atomic uint64_t bytes_read;
    uint64_t bytes_before; /* of the files before */
    char *origin;          /* owned; NULL: of none */
    struct feed_offset *offsets;
    uint32_t offsets_count;
    uint32_t exports; /* files that name their feed */
    bool differs;     /* and do not name the same */
};

/* --- opening a file -------------------------------------------------------------------------- */

static uint64_t count_lines(const uint8_t *data, size_t size)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    return lines;
}

static enum status read_more(struct list_source *source, struct error *err)
{
    while (source->rest_size < PIECE_BYTES && !source->is_at_end) {
        size_t size;
        TRY(unpack_read(source->unpack, source->rest + source->rest_size,
                        PIECE_BYTES - source->rest_size, &size, err));
        source->rest_size += size;
        source->is_at_end = size == 0;
    }
    return STATUS_OK;
}

struct change_csv_settings list_source_csv(const struct list_source *source,
                                           const struct list_file *file)
{
    return (struct change_csv_settings){.name = file->name,
                                        .file = -1,
                                        .text = file->header,
                                        .rules = source->settings.rules,
                                        .contributor = source->settings.contributor,
                                        .effective_at_ms = source->settings.effective_at_ms};
}

static void drop(struct list_source *source, size_t size)
{
    source->rest_size -= size;
    memmove(source->rest, source->rest + size, source->rest_size);
}

/* Every thread reads the header for itself, so it is kept. */
static enum status begin_csv(struct list_source *source, struct list_file *file, struct error *err)
{
    TRY(read_more(source, err));
    struct change_csv *changes = NULL;
    file->header = bytes_of(source->rest, source->rest_size);
    struct change_csv_settings settings = list_source_csv(source, file);
    file->header = bytes_of(NULL, 0);
    TRY(change_csv_open(&settings, &changes, err));
    size_t size = (size_t)change_csv_bytes_read(changes);
    change_csv_close(changes);
    file->header = bytes_of(memory_copy_text((const char *)source->rest, size), size);
    source->next = 1 + count_lines(source->rest, size);
    drop(source, size);
    return STATUS_OK;
}

/* {"0": 17, "1": 4}: by partition the next offset. */
static bool read_offsets(struct list_source *source, struct bytes text)
{
    struct json *offsets = NULL;
    struct json_place place = {0};
    struct error ignored;
    bool is_read =
        json_parse((const char *)text.data, text.size, &offsets, &ignored) == STATUS_OK &&
        json_kind_of(offsets) == JSON_KIND_OBJECT;
    source->offsets_count = 0;
    while (is_read && json_next(offsets, &place)) {
        char *end = NULL;
        int64_t next = 0;
        long partition = strtol(place.name, &end, 10);
        is_read = end != place.name && *end == 0 && partition >= 0 && partition <= INT32_MAX &&
                  json_whole(place.value, &next) && next >= 0 &&
                  source->offsets_count < LIST_SOURCE_OFFSETS_MAX;
        if (is_read)
            source->offsets[source->offsets_count++] =
                (struct feed_offset){(int32_t)partition, next};
    }
    json_close(offsets);
    return is_read && source->offsets_count > 0;
}

/* One export stands for a feed as far as its offsets; two do not, nor one with changes beside it.
 */
static void note_export(struct list_source *source)
{
    struct bytes origin = container_reader_member(source->container, "checkit.origin");
    struct bytes offsets = container_reader_member(source->container, "checkit.offsets");
    if (origin.size == 0 || offsets.size == 0)
        return;
    source->exports++;
    memory_free(source->origin);
    source->origin = memory_copy_text((const char *)origin.data, origin.size);
    source->differs |= !read_offsets(source, offsets);
}

static enum status begin_container(struct list_source *source, struct list_file *file,
                                   struct error *err)
{
    struct container_source from = {file->name, source->file, unpack_begin(source->unpack)};
    TRY(container_reader_open(&from, &source->container, err));
    source->next = 1;
    note_export(source);
    struct bytes schema = container_reader_schema(source->container);
    if (projection_compile_change((const char *)schema.data, schema.size, &file->projection, err) ==
        STATUS_OK)
        return STATUS_OK;
    error_prefix(err, "%s", file->name);
    return STATUS_FAIL;
}

static enum status begin_file(struct list_source *source, struct error *err)
{
    const char *path = source->settings.paths[source->files_count];
    struct list_file *file = &source->files[source->files_count++];
    bool is_input = strcmp(path, "-") == 0;
    file->name = is_input ? "standard input" : path;
    source->file = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (source->file < 0)
        return error_fail(err, EX_UNAVAILABLE, "%s: cannot be opened: %s", path, strerror(errno));
    source->is_at_end = false;
    source->rest_size = 0;
    TRY(unpack_open(file->name, source->file, &source->unpack, err));
    return container_is_magic(unpack_begin(source->unpack)) ? begin_container(source, file, err)
                                                            : begin_csv(source, file, err);
}

static void end_file(struct list_source *source)
{
    unpack_close(source->unpack);
    container_reader_close(source->container);
    if (source->file > STDIN_FILENO)
        (void)close(source->file);
    source->bytes_before = atomic_load(&source->bytes_read);
    source->unpack = NULL;
    source->container = NULL;
    source->file = -1;
}

struct list_source *list_source_open(const struct list_source_settings *settings)
{
    struct list_source *source = memory_new(1, sizeof *source);
    source->settings = *settings;
    source->files = memory_new(settings->paths_count, sizeof *source->files);
    source->rest = memory_new(PIECE_BYTES, 1);
    source->offsets = memory_new(LIST_SOURCE_OFFSETS_MAX, sizeof *source->offsets);
    source->file = -1;
    return source;
}

void list_source_close(struct list_source *source)
{
    if (!source)
        return;
    end_file(source);
    for (uint32_t i = 0; i < source->files_count; i++) {
        memory_free((void *)(uintptr_t)source->files[i].header.data);
        projection_close(source->files[i].projection);
    }
    memory_free(source->files);
    memory_free(source->rest);
    memory_free(source->origin);
    memory_free(source->offsets);
    memory_free(source);
}

void list_piece_close(struct list_piece *piece)
{
    memory_free(piece->data);
    *piece = (struct list_piece){0};
}

/* --- pieces ---------------------------------------------------------------------------------- */

static void put(struct list_piece *piece, const uint8_t *data, size_t size)
{
    if (size > piece->capacity) {
        piece->data = memory_resize(piece->data, size, 1);
        piece->capacity = size;
    }
    if (size > 0)
        memcpy(piece->data, data, size);
    piece->size = size;
}

/* Up to behind the last row that is whole; all, when there is none or nothing follows. What is no
 * CSV the reader of the rows says. */
static size_t find_cut(const struct list_source *source)
{
    const uint8_t *rest = source->rest;
    uint64_t quotes = 0;
    if (source->is_at_end)
        return source->rest_size;
    for (size_t i = 0; i < source->rest_size; i++)
        quotes += rest[i] == '"';
    for (size_t i = source->rest_size; i > 0; i--) {
        if (rest[i - 1] == '\n' && quotes % 2 == 0)
            return i;
        quotes -= rest[i - 1] == '"';
    }
    return source->rest_size;
}

static enum status next_rows(struct list_source *source, struct list_piece *piece,
                             struct error *err)
{
    TRY(read_more(source, err));
    size_t size = find_cut(source);
    put(piece, source->rest, size);
    piece->first = source->next;
    source->next += count_lines(source->rest, size);
    drop(source, size);
    return STATUS_OK;
}

static enum status next_block(struct list_source *source, struct list_piece *piece,
                              struct error *err)
{
    struct container_block block;
    TRY(container_reader_next(source->container, &block, err));
    put(piece, block.data.data, block.data.size);
    piece->first = source->next;
    piece->records = block.records;
    source->next += block.records;
    return STATUS_OK;
}

enum status list_source_next(struct list_source *source, struct list_piece *piece, bool *is_there,
                             struct error *err)
{
    *is_there = false;
    for (;;) {
        if (source->file < 0 && source->files_count == source->settings.paths_count)
            return STATUS_OK;
        if (source->file < 0)
            TRY(begin_file(source, err));
        piece->file = &source->files[source->files_count - 1];
        TRY(source->container ? next_block(source, piece, err) : next_rows(source, piece, err));
        uint64_t read = source->container ? container_reader_bytes_read(source->container)
                                          : unpack_bytes_read(source->unpack);
        atomic_store(&source->bytes_read, source->bytes_before + read);
        if (piece->size > 0)
            break;
        end_file(source);
    }
    piece->number = source->pieces++;
    *is_there = true;
    return STATUS_OK;
}

uint64_t list_source_pieces(const struct list_source *source)
{
    return source->pieces;
}

uint64_t list_source_bytes_read(const struct list_source *source)
{
    return atomic_load(&source->bytes_read);
}

const char *list_source_origin(const struct list_source *source, bool *has_some)
{
    bool is_one = source->exports == 1 && source->settings.paths_count == 1 && !source->differs;
    *has_some = source->exports > 0;
    return is_one ? source->origin : "";
}

uint32_t list_source_offsets(const struct list_source *source, const struct feed_offset **out)
{
    bool has_some;
    *out = source->offsets;
    return *list_source_origin(source, &has_some) ? source->offsets_count : 0;
}

/* --- how much there is ------------------------------------------------------------------------ */

/* By what the first piece holds and how much of the file it took. */
static enum status estimate(struct list_source *source, struct list_piece *piece, uint64_t *entries,
                            uint64_t *bytes, struct error *err)
{
    struct stat info;
    bool is_there = false;
    TRY(list_source_next(source, piece, &is_there, err));
    if (!is_there || source->file < 0 || fstat(source->file, &info) != 0 || !S_ISREG(info.st_mode))
        return STATUS_OK;
    uint64_t taken = list_source_bytes_read(source);
    uint64_t records =
        piece->file->projection ? piece->records : count_lines(piece->data, piece->size);
    uint64_t size = (uint64_t)info.st_size;
    *bytes += size;
    *entries +=
        taken >= size ? records : (uint64_t)((double)size / (double)taken * (double)records);
    return STATUS_OK;
}

enum status list_source_estimate(const struct list_source_settings *settings, uint64_t *entries,
                                 uint64_t *bytes, struct error *err)
{
    enum status status = STATUS_OK;
    *entries = 0;
    *bytes = 0;
    for (uint32_t i = 0; i < settings->paths_count && status == STATUS_OK; i++) {
        struct list_source_settings one = *settings;
        struct list_piece piece = {0};
        if (strcmp(settings->paths[i], "-") == 0)
            continue;
        struct stat info;
        if (stat(settings->paths[i], &info) == 0 && !S_ISREG(info.st_mode))
            continue; /* a pipe can be read once */
        one.paths = &settings->paths[i];
        one.paths_count = 1;
        struct list_source *source = list_source_open(&one);
        status = estimate(source, &piece, entries, bytes, err);
        list_source_close(source);
        list_piece_close(&piece);
    }
    return status;
}
