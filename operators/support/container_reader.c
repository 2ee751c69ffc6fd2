#include "operators/support/container_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "pipeline/base/memory.h"

enum {
    BUFFER_BYTES = 64 * 1024,
    SYNC_SIZE = 16,
    VARINT_SIZE_MAX = 10,
    MEMBERS_MAX = 8,    /* of ours, in the header */
    NAME_SIZE_MAX = 64, /* of what is wanted of the header; longer ones are passed over */
    RAW_DEFLATE = -15,  /* window bits without a header of zlib's, as Avro has it */
    CHECKSUM_SIZE = 4   /* of zlib's, of which writers in Python leave three bytes behind */
};

/* Bytes that are kept for the next time. */
struct room {
    uint8_t *data; /* owned */
    size_t capacity;
};

/* A member of the header that is ours. */
struct member {
    char name[NAME_SIZE_MAX + 1];
    uint8_t *value; /* owned */
    size_t size;
};

struct container_reader {
    struct container_source source;
    uint8_t buffer[BUFFER_BYTES];
    const uint8_t *at;
    const uint8_t *end;
    uint64_t bytes_taken; /* into the buffer, so far */
    uint64_t block;       /* number of the one being read; 0: the header */
    size_t header_bytes;
    struct room schema;
    size_t schema_size;
    struct member members[MEMBERS_MAX];
    uint32_t members_count;
    bool is_deflated;
    ZSTD_DStream *zstd; /* owned; NULL: another codec */
    bool is_inflating;  /* inflater is open */
    z_stream inflater;
    uint8_t sync[SYNC_SIZE];
    struct room stored;
    struct room inflated;
};

/* --- the source ---------------------------------------------------------------------------------
 */

static enum status fault(const struct container_reader *reader, struct error *err, const char *why)
{
    if (reader->block == 0)
        return error_fail(err, EX_DATAERR, "%s: header: %s", reader->source.name, why);
    return error_fail(err, EX_DATAERR, "%s: block %" PRIu64 ": %s", reader->source.name,
                      reader->block, why);
}

/* Takes what comes next; the buffer stays empty at the end of the source. */
static enum status fill(struct container_reader *reader, struct error *err)
{
    struct container_source *source = &reader->source;
    size_t size = source->text.size < BUFFER_BYTES ? source->text.size : BUFFER_BYTES;
    if (size > 0) {
        memcpy(reader->buffer, source->text.data, size);
        source->text = bytes_of(source->text.data + size, source->text.size - size);
    } else if (source->file >= 0) {
        ssize_t got;
        do
            got = read(source->file, reader->buffer, BUFFER_BYTES);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return error_fail(err, EX_UNAVAILABLE, "%s: cannot be read: %s", source->name,
                              strerror(errno));
        size = (size_t)got;
    }
    reader->at = reader->buffer;
    reader->end = reader->buffer + size;
    reader->bytes_taken += size;
    return STATUS_OK;
}

/* out NULL: they are passed over. */
static enum status take(struct container_reader *reader, uint8_t *out, size_t size,
                        struct error *err)
{
    while (size > 0) {
        if (reader->at == reader->end)
            TRY(fill(reader, err));
        size_t left = (size_t)(reader->end - reader->at);
        if (left == 0)
            return fault(reader, err, "the file ends inside it");
        size_t part = size < left ? size : left;
        if (out) {
            memcpy(out, reader->at, part);
            out += part;
        }
        reader->at += part;
        size -= part;
    }
    return STATUS_OK;
}

static enum status take_long(struct container_reader *reader, int64_t *value, struct error *err)
{
    uint64_t bits = 0;
    uint8_t byte = 0x80;
    for (unsigned i = 0; i < VARINT_SIZE_MAX && byte >= 0x80; i++) {
        TRY(take(reader, &byte, 1, err));
        if (i == VARINT_SIZE_MAX - 1 && byte > 1)
            return fault(reader, err, "a number of more than 64 bits");
        bits |= (uint64_t)(byte & 0x7F) << (7 * i);
    }
    *value = (int64_t)(bits >> 1 ^ -(bits & 1));
    return STATUS_OK;
}

static uint8_t *make_room(struct room *room, size_t size)
{
    if (size > room->capacity) {
        room->data = memory_resize(room->data, size, 1);
        room->capacity = size;
    }
    return room->data;
}

/* --- the header ---------------------------------------------------------------------------------
 */

/* The size of a name or value of the header. */
static enum status take_size(struct container_reader *reader, size_t *size, struct error *err)
{
    int64_t value = 0;
    TRY(take_long(reader, &value, err));
    if (value < 0 || (uint64_t)value > CONTAINER_HEADER_BYTES_MAX - reader->header_bytes)
        return fault(reader, err, "a length below 0, or beyond what a header may take");
    *size = (size_t)value;
    reader->header_bytes += *size;
    return STATUS_OK;
}

static enum status take_schema(struct container_reader *reader, size_t size, struct error *err)
{
    if (reader->schema.data)
        return fault(reader, err, "avro.schema stands there twice");
    if (size == 0 || size > SCHEMA_BYTES_MAX)
        return fault(reader, err, "avro.schema is empty, or longer than a schema may be");
    reader->schema_size = size;
    return take(reader, make_room(&reader->schema, size), size, err);
}

static const char codec_unknown[] = "a codec that is not known: null, deflate and zstandard are";

static enum status take_codec(struct container_reader *reader, size_t size, struct error *err)
{
    uint8_t name[NAME_SIZE_MAX];
    if (size > sizeof name)
        return fault(reader, err, codec_unknown);
    TRY(take(reader, name, size, err));
    struct bytes codec = bytes_of(name, size);
    reader->is_deflated = bytes_equal_text(codec, "deflate");
    if (bytes_equal_text(codec, "zstandard") && !reader->zstd) {
        reader->zstd = ZSTD_createDStream();
        return reader->zstd ? STATUS_OK : fault(reader, err, "no memory to unpack it");
    }
    if (!reader->is_deflated && !bytes_equal_text(codec, "null"))
        return fault(reader, err, codec_unknown);
    return STATUS_OK;
}

static enum status take_ours(struct container_reader *reader, struct bytes name, size_t size,
                             struct error *err)
{
    if (reader->members_count == MEMBERS_MAX)
        return take(reader, NULL, size, err);
    struct member *member = &reader->members[reader->members_count++];
    memcpy(member->name, name.data, name.size);
    member->value = memory_new(size + 1, 1);
    member->size = size;
    return take(reader, member->value, size, err);
}

static enum status take_member(struct container_reader *reader, struct error *err)
{
    static const char ours[] = "checkit.";
    uint8_t name[NAME_SIZE_MAX];
    size_t size = 0;
    size_t value_size = 0;
    TRY(take_size(reader, &size, err));
    bool is_short = size <= sizeof name;
    TRY(take(reader, is_short ? name : NULL, size, err));
    TRY(take_size(reader, &value_size, err));
    struct bytes known = bytes_of(name, is_short ? size : 0);
    if (bytes_equal_text(known, "avro.schema"))
        return take_schema(reader, value_size, err);
    if (bytes_equal_text(known, "avro.codec"))
        return take_codec(reader, value_size, err);
    if (known.size >= sizeof ours - 1 && memcmp(known.data, ours, sizeof ours - 1) == 0)
        return take_ours(reader, known, value_size, err);
    return take(reader, NULL, value_size, err);
}

/* How many members follow; 0: there are no more. */
static enum status take_count(struct container_reader *reader, uint64_t *count, struct error *err)
{
    int64_t value = 0;
    int64_t size = 0;
    TRY(take_long(reader, &value, err));
    if (value < 0) /* then its size in bytes, which nobody here needs */
        TRY(take_long(reader, &size, err));
    *count = value < 0 ? -(uint64_t)value : (uint64_t)value;
    if (*count > CONTAINER_HEADER_BYTES_MAX)
        return fault(reader, err, "more members than a header may have");
    return STATUS_OK;
}

static enum status take_header(struct container_reader *reader, struct error *err)
{
    uint8_t magic[CONTAINER_MAGIC_SIZE];
    uint64_t count = 0;
    TRY(take(reader, magic, sizeof magic, err));
    if (!container_is_magic(bytes_of(magic, sizeof magic)))
        return fault(reader, err, "this is no Avro container file");
    TRY(take_count(reader, &count, err));
    while (count > 0) {
        for (; count > 0; count--)
            TRY(take_member(reader, err));
        TRY(take_count(reader, &count, err));
    }
    if (!reader->schema.data)
        return fault(reader, err, "avro.schema is missing");
    return take(reader, reader->sync, SYNC_SIZE, err);
}

bool container_is_magic(struct bytes begin)
{
    return begin.size >= CONTAINER_MAGIC_SIZE &&
           memcmp(begin.data, "Obj\x01", CONTAINER_MAGIC_SIZE) == 0;
}

static enum status open_inflater(struct container_reader *reader, struct error *err)
{
    if (!reader->is_deflated)
        return STATUS_OK;
    reader->is_inflating = inflateInit2(&reader->inflater, RAW_DEFLATE) == Z_OK;
    return reader->is_inflating ? STATUS_OK
                                : error_fail(err, EX_UNAVAILABLE, "%s: no memory to inflate it",
                                             reader->source.name);
}

enum status container_reader_open(const struct container_source *source,
                                  struct container_reader **out, struct error *err)
{
    struct container_reader *reader = memory_new(1, sizeof *reader);
    reader->source = *source;
    reader->at = reader->buffer;
    reader->end = reader->buffer;
    enum status status = take_header(reader, err);
    if (status == STATUS_OK)
        status = open_inflater(reader, err);
    if (status != STATUS_OK) {
        container_reader_close(reader);
        return status;
    }
    *out = reader;
    return STATUS_OK;
}

void container_reader_close(struct container_reader *reader)
{
    if (!reader)
        return;
    if (reader->is_inflating)
        (void)inflateEnd(&reader->inflater);
    (void)ZSTD_freeDStream(reader->zstd);
    for (uint32_t i = 0; i < reader->members_count; i++)
        memory_free(reader->members[i].value);
    memory_free(reader->schema.data);
    memory_free(reader->stored.data);
    memory_free(reader->inflated.data);
    memory_free(reader);
}

struct bytes container_reader_schema(const struct container_reader *reader)
{
    return bytes_of(reader->schema.data, reader->schema_size);
}

struct bytes container_reader_member(const struct container_reader *reader, const char *name)
{
    for (uint32_t i = 0; i < reader->members_count; i++)
        if (strcmp(reader->members[i].name, name) == 0)
            return bytes_of(reader->members[i].value, reader->members[i].size);
    return bytes_of(NULL, 0);
}

/* --- blocks -------------------------------------------------------------------------------------
 */

/* The room doubles until all fits, or the limit is reached. */
static enum status inflate_block(struct container_reader *reader, struct bytes *data,
                                 struct error *err)
{
    z_stream *inflater = &reader->inflater;
    size_t capacity = reader->inflated.capacity > 0 ? reader->inflated.capacity : BUFFER_BYTES;
    size_t size = 0;
    int result = inflateReset(inflater);
    inflater->next_in = (uint8_t *)(uintptr_t)data->data; /* it is only read */
    inflater->avail_in = (uInt)data->size;
    while (result == Z_OK) {
        inflater->next_out = make_room(&reader->inflated, capacity) + size;
        inflater->avail_out = (uInt)(capacity - size);
        result = inflate(inflater, Z_NO_FLUSH);
        size = capacity - inflater->avail_out;
        if (result != Z_OK || inflater->avail_out > 0)
            break;
        if (capacity > CONTAINER_BLOCK_BYTES_MAX)
            return fault(reader, err, "it is larger than a block may be, once inflated");
        capacity =
            2 * capacity < CONTAINER_BLOCK_BYTES_MAX ? 2 * capacity : CONTAINER_BLOCK_BYTES_MAX + 1;
    }
    if (result != Z_STREAM_END || inflater->avail_in > CHECKSUM_SIZE)
        return fault(reader, err, "it cannot be inflated");
    if (size > CONTAINER_BLOCK_BYTES_MAX)
        return fault(reader, err, "it is larger than a block may be, once inflated");
    *data = bytes_of(reader->inflated.data, size);
    return STATUS_OK;
}

/* The same for zstandard; a block may be several frames. */
static enum status unpack_block(struct container_reader *reader, struct bytes *data,
                                struct error *err)
{
    ZSTD_inBuffer from = {data->data, data->size, 0};
    ZSTD_outBuffer to = {NULL, 0, 0};
    size_t result;
    (void)ZSTD_initDStream(reader->zstd);
    do {
        if (to.pos == to.size) {
            size_t capacity = to.size > 0 ? 2 * to.size : BUFFER_BYTES;
            if (to.size > CONTAINER_BLOCK_BYTES_MAX)
                return fault(reader, err, "it is larger than a block may be, once unpacked");
            to.dst = make_room(&reader->inflated, capacity);
            to.size = capacity;
        }
        size_t before = from.pos + to.pos;
        result = ZSTD_decompressStream(reader->zstd, &to, &from);
        if (ZSTD_isError(result) || (from.pos + to.pos == before && result != 0))
            return fault(reader, err, "it cannot be unpacked");
    } while (result != 0 || from.pos < from.size);
    if (to.pos > CONTAINER_BLOCK_BYTES_MAX)
        return fault(reader, err, "it is larger than a block may be, once unpacked");
    *data = bytes_of(to.dst, to.pos);
    return STATUS_OK;
}

/* Counts and sizes are believed only once they are checked. */
static enum status take_block(struct container_reader *reader, struct container_block *block,
                              struct error *err)
{
    int64_t records = 0;
    int64_t size = 0;
    uint8_t sync[SYNC_SIZE];
    TRY(take_long(reader, &records, err));
    TRY(take_long(reader, &size, err));
    if (records < 0 || size < 0)
        return fault(reader, err, "a count or size below 0");
    if (size > CONTAINER_BLOCK_BYTES_MAX)
        return fault(reader, err, "it is larger than a block may be");
    uint8_t *stored = make_room(&reader->stored, (size_t)size);
    TRY(take(reader, stored, (size_t)size, err));
    TRY(take(reader, sync, SYNC_SIZE, err));
    if (memcmp(sync, reader->sync, SYNC_SIZE) != 0)
        return fault(reader, err, "its sync marker is not the file's");
    struct bytes data = bytes_of(stored, (size_t)size);
    if (reader->is_deflated)
        TRY(inflate_block(reader, &data, err));
    if (reader->zstd)
        TRY(unpack_block(reader, &data, err));
    if ((uint64_t)records > data.size)
        return fault(reader, err, "more records than bytes");
    if (records == 0 && data.size > 0)
        return fault(reader, err, "bytes that belong to no record");
    *block = (struct container_block){reader->block, (uint64_t)records, data};
    return STATUS_OK;
}

enum status container_reader_next(struct container_reader *reader, struct container_block *block,
                                  struct error *err)
{
    *block = (struct container_block){0};
    while (block->records == 0) {
        if (reader->at == reader->end)
            TRY(fill(reader, err));
        if (reader->at == reader->end) {
            *block = (struct container_block){0};
            return STATUS_OK;
        }
        reader->block++;
        TRY(take_block(reader, block, err));
    }
    return STATUS_OK;
}

uint64_t container_reader_bytes_read(const struct container_reader *reader)
{
    return reader->bytes_taken - (uint64_t)(reader->end - reader->at);
}
