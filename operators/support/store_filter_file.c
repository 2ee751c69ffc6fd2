#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/file_writer.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/point.h"

/* The file: magic 8 · name of the store 16 · fresh_next 8 · capacity 8 · count 8 · count of shapes
 * 4 · shapes of 4 · the filter's blocks · checksum 16 over all of it, head first, then in pieces.
 * Numbers are little-endian, and so are the words of the blocks where it is written. */

enum {
    MAGIC_SIZE = 8,
    HEAD_SIZE = MAGIC_SIZE + ID_SIZE + 8 + 8 + 8 + 4,
    PIECE_BYTES = 1024 * 1024,
    SHAPES_MAX = 1024 * 1024
};
static const char magic[MAGIC_SIZE] = {'c', 'h', 'e', 'c', 'k', 'i', 't', '1'};
static const char file_name[] = "filter";

static char *path_of(const struct store *store)
{
    size_t size = strlen(store->place) + 1 + sizeof file_name;
    char *path = memory_new(size, 1);
    (void)snprintf(path, size, "%s/%s", store->place, file_name);
    return path;
}

static size_t head_size(uint32_t shapes_count)
{
    return HEAD_SIZE + (size_t)shapes_count * SHAPE_KEY_SIZE;
}

/* --- writing -------------------------------------------------------------------------------- */

static void encode_head(const struct store *store, const struct store_filter_head *head,
                        uint8_t *out)
{
    memcpy(out, magic, MAGIC_SIZE);
    memcpy(out + MAGIC_SIZE, store->name.bytes, ID_SIZE);
    uint8_t *next = out + MAGIC_SIZE + ID_SIZE;
    write_little(next, head->fresh_next, 8);
    write_little(next + 8, head->capacity, 8);
    write_little(next + 16, head->count, 8);
    write_little(next + 24, head->shapes_count, 4);
    for (uint32_t i = 0; i < head->shapes_count; i++)
        write_little(out + HEAD_SIZE + (size_t)i * SHAPE_KEY_SIZE, head->shapes[i], SHAPE_KEY_SIZE);
}

static enum status put(const struct store *store, struct file_writer *writer, struct bytes piece,
                       struct id *checksum, struct error *err)
{
    *checksum = store_key_checksum(store->key, *checksum, piece);
    return file_writer_put(writer, piece, err);
}

static enum status put_head(const struct store *store, const struct store_filter_head *head,
                            struct file_writer *writer, struct id *checksum, struct error *err)
{
    size_t size = head_size(head->shapes_count);
    uint8_t *bytes = memory_new(size, 1);
    encode_head(store, head, bytes);
    enum status status = put(store, writer, bytes_of(bytes, size), checksum, err);
    memory_free(bytes);
    return status;
}

static enum status put_blocks(const struct store *store, const struct filter *filter,
                              struct file_writer *writer, struct id *checksum, struct error *err)
{
    enum status status = STATUS_OK;
    uint8_t *piece = memory_new(PIECE_BYTES, 1);
    uint64_t all = filter_bytes(filter);
    for (uint64_t at = 0; at < all && status == STATUS_OK; at += PIECE_BYTES) {
        size_t size = all - at < PIECE_BYTES ? (size_t)(all - at) : PIECE_BYTES;
        filter_copy_out(filter, at, piece, size);
        status = put(store, writer, bytes_of(piece, size), checksum, err);
    }
    memory_free(piece);
    return status;
}

static enum status put_all(const struct store *store, const struct store_filter_head *head,
                           const struct filter *filter, struct file_writer *writer,
                           struct error *err)
{
    struct id checksum = {{0}};
    TRY(put_head(store, head, writer, &checksum, err));
    TRY(put_blocks(store, filter, writer, &checksum, err));
    TRY(file_writer_put(writer, bytes_of(checksum.bytes, ID_SIZE), err));
    POINT("filter_before_name");
    return file_writer_finish_synced(writer, err);
}

enum status store_write_filter(const struct store *store, const struct store_filter_head *head,
                               const struct filter *filter, struct error *err)
{
    struct file_writer *writer = NULL;
    char *path = path_of(store);
    enum status status = file_writer_open(path, &writer, err);
    memory_free(path);
    if (status != STATUS_OK)
        return status;
    status = put_all(store, head, filter, writer, err);
    file_writer_close(writer);
    return status;
}

/* --- reading -------------------------------------------------------------------------------- */

struct source {
    const struct store *store;
    int file;
    uint64_t left; /* bytes of it not read yet */
    struct id checksum;
};

static bool read_all(struct source *source, uint8_t *out, size_t size)
{
    if (size > source->left)
        return false;
    source->left -= size;
    while (size > 0) {
        ssize_t got = read(source->file, out, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        out += got;
        size -= (size_t)got;
    }
    return true;
}

static bool read_piece(struct source *source, uint8_t *out, size_t size)
{
    if (!read_all(source, out, size))
        return false;
    source->checksum =
        store_key_checksum(source->store->key, source->checksum, bytes_of(out, size));
    return true;
}

/* NULL, or why it does not fit the store. */
static const char *decode_head(const struct store *store, struct bytes bytes,
                               struct store_filter_head *head)
{
    struct value_reader reader = value_reader_of(bytes);
    if (memcmp(value_read_bytes(&reader, MAGIC_SIZE).data, magic, MAGIC_SIZE) != 0)
        return "it is of another format";
    if (memcmp(value_read_bytes(&reader, ID_SIZE).data, store->name.bytes, ID_SIZE) != 0)
        return "it is another store's";
    head->fresh_next = value_read(&reader, 8);
    head->capacity = value_read(&reader, 8);
    head->count = value_read(&reader, 8);
    head->shapes_count = (uint32_t)value_read(&reader, 4);
    if (head->fresh_next < store->fresh.base)
        return "it is older than the store";
    return head->fresh_next > store->fresh.next ? "it is newer than the store" : NULL;
}

/* Head and shapes are one piece. */
static const char *read_head(struct source *source, struct store_filter_head *head)
{
    uint8_t fixed[HEAD_SIZE];
    if (!read_all(source, fixed, HEAD_SIZE))
        return "it is cut short";
    const char *wrong = decode_head(source->store, bytes_of(fixed, HEAD_SIZE), head);
    if (wrong)
        return wrong;
    if (head->shapes_count > SHAPES_MAX)
        return "it has too many shapes";
    size_t size = head_size(head->shapes_count);
    uint8_t *bytes = memory_new(size, 1);
    memcpy(bytes, fixed, HEAD_SIZE);
    bool read = read_all(source, bytes + HEAD_SIZE, size - HEAD_SIZE);
    source->checksum =
        store_key_checksum(source->store->key, source->checksum, bytes_of(bytes, size));
    struct value_reader reader = value_reader_of(bytes_of(bytes + HEAD_SIZE, size - HEAD_SIZE));
    head->shapes = memory_new(head->shapes_count, sizeof *head->shapes);
    for (uint32_t i = 0; i < head->shapes_count; i++)
        head->shapes[i] = (uint32_t)value_read(&reader, SHAPE_KEY_SIZE);
    memory_free(bytes);
    return read ? NULL : "it is cut short";
}

static const char *read_blocks(struct source *source, const struct store_filter_head *head,
                               struct filter **out)
{
    if (head->capacity > source->left) /* a key has two bytes */
        return "it is cut short";
    struct filter *filter = filter_open(head->capacity);
    *out = filter;
    if (filter_bytes(filter) + ID_SIZE != source->left)
        return "it has another size than its head says";
    uint8_t *memory = filter_memory(filter, head->count);
    for (uint64_t at = 0; at < filter_bytes(filter); at += PIECE_BYTES) {
        uint64_t left = filter_bytes(filter) - at;
        if (!read_piece(source, memory + at, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES))
            return "it cannot be read";
    }
    struct id written;
    if (!read_all(source, written.bytes, ID_SIZE))
        return "it cannot be read";
    bool equal = memcmp(written.bytes, source->checksum.bytes, ID_SIZE) == 0;
    return equal ? NULL : "its checksum is wrong";
}

static const char *read_file(struct source *source, struct store_filter_head *head,
                             struct filter **filter)
{
    struct stat info;
    if (fstat(source->file, &info) != 0 || !S_ISREG(info.st_mode))
        return "it is no file";
    source->left = (uint64_t)info.st_size;
    const char *wrong = read_head(source, head);
    return wrong ? wrong : read_blocks(source, head, filter);
}

void store_read_filter(const struct store *store, struct store_filter_head *head,
                       struct filter **filter)
{
    *head = (struct store_filter_head){0};
    *filter = NULL;
    char *path = path_of(store);
    struct source source = {.store = store,
                            .file = store->in_memory ? -1 : open(path, O_RDONLY | O_CLOEXEC)};
    memory_free(path);
    if (source.file < 0)
        return;
    const char *wrong = read_file(&source, head, filter);
    (void)close(source.file);
    if (!wrong)
        return;
    LOG_WARN("store", "the filter's file is not used: the keys are read instead",
             LOG_TEXT("path", store->path), LOG_TEXT("reason", wrong));
    filter_close(*filter);
    *filter = NULL;
    memory_free(head->shapes);
    *head = (struct store_filter_head){0};
}
