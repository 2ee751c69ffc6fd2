#include "operators/support/unpack.h"

#include <errno.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "pipeline/base/memory.h"

enum {
    BUFFER_BYTES = 128 * 1024,
    GZIP_WINDOW = 15 + 16, /* with gzip's header alone, as zlib has it */
    ZSTD_WINDOW_LOG_MAX = 27
};

enum kind { KIND_PLAIN, KIND_GZIP, KIND_ZSTD };

struct unpack {
    const char *name;
    int file;
    enum kind kind;
    uint8_t *buffer; /* owned */
    const uint8_t *at;
    const uint8_t *end;
    uint64_t bytes_taken; /* into the buffer, so far */
    bool is_at_end;       /* of the file */
    bool is_inside;       /* a member or frame */
    bool is_inflating;    /* inflater is open */
    z_stream inflater;
    ZSTD_DStream *zstd; /* owned */
};

static enum status damaged(const struct unpack *unpack, const char *why, struct error *err)
{
    return error_fail(err, EX_DATAERR, "%s: %s: %s", unpack->name,
                      unpack->kind == KIND_GZIP ? "gzip" : "zstd", why);
}

/* Once the buffer is used up. */
static enum status fill(struct unpack *unpack, struct error *err)
{
    size_t filled = 0;
    while (filled < BUFFER_BYTES && !unpack->is_at_end) {
        ssize_t got = read(unpack->file, unpack->buffer + filled, BUFFER_BYTES - filled);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_fail(err, EX_UNAVAILABLE, "%s: cannot be read: %s", unpack->name,
                              strerror(errno));
        unpack->is_at_end = got == 0;
        filled += (size_t)got;
    }
    unpack->at = unpack->buffer;
    unpack->end = unpack->buffer + filled;
    unpack->bytes_taken += filled;
    return STATUS_OK;
}

static enum kind find_kind(struct bytes begin)
{
    if (begin.size >= 2 && memcmp(begin.data, "\x1F\x8B", 2) == 0)
        return KIND_GZIP;
    if (begin.size >= 4 && memcmp(begin.data, "\x28\xB5\x2F\xFD", 4) == 0)
        return KIND_ZSTD;
    return KIND_PLAIN;
}

static enum status open_library(struct unpack *unpack, struct error *err)
{
    if (unpack->kind == KIND_GZIP)
        unpack->is_inflating = inflateInit2(&unpack->inflater, GZIP_WINDOW) == Z_OK;
    if (unpack->kind == KIND_ZSTD)
        unpack->zstd = ZSTD_createDStream();
    if (unpack->zstd)
        (void)ZSTD_DCtx_setParameter(unpack->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    if (unpack->kind == KIND_PLAIN || unpack->is_inflating || unpack->zstd)
        return STATUS_OK;
    return error_fail(err, EX_UNAVAILABLE, "%s: no memory to unpack it", unpack->name);
}

enum status unpack_open(const char *name, int file, struct unpack **out, struct error *err)
{
    struct unpack *unpack = memory_new(1, sizeof *unpack);
    unpack->name = name;
    unpack->file = file;
    unpack->buffer = memory_new(BUFFER_BYTES, 1);
    enum status status = fill(unpack, err);
    if (status == STATUS_OK) {
        unpack->kind = find_kind(unpack_begin(unpack));
        status = open_library(unpack, err);
    }
    if (status != STATUS_OK) {
        unpack_close(unpack);
        return status;
    }
    *out = unpack;
    return STATUS_OK;
}

void unpack_close(struct unpack *unpack)
{
    if (!unpack)
        return;
    if (unpack->is_inflating)
        (void)inflateEnd(&unpack->inflater);
    (void)ZSTD_freeDStream(unpack->zstd);
    memory_free(unpack->buffer);
    memory_free(unpack);
}

struct bytes unpack_begin(const struct unpack *unpack)
{
    return bytes_of(unpack->at, (size_t)(unpack->end - unpack->at));
}

bool unpack_is_packed(const struct unpack *unpack)
{
    return unpack->kind != KIND_PLAIN;
}

static enum status read_plain(struct unpack *unpack, uint8_t *out, size_t capacity, size_t *size)
{
    size_t left = (size_t)(unpack->end - unpack->at);
    *size = left < capacity ? left : capacity;
    if (*size > 0)
        memcpy(out, unpack->at, *size);
    unpack->at += *size;
    return STATUS_OK;
}

static enum status read_gzip(struct unpack *unpack, uint8_t *out, size_t capacity, size_t *size,
                             struct error *err)
{
    z_stream *inflater = &unpack->inflater;
    inflater->next_in = (uint8_t *)(uintptr_t)unpack->at; /* it is only read */
    inflater->avail_in = (uInt)(unpack->end - unpack->at);
    inflater->next_out = out;
    inflater->avail_out = (uInt)capacity;
    unpack->is_inside = true;
    int result = inflate(inflater, Z_NO_FLUSH);
    unpack->at = unpack->end - inflater->avail_in;
    *size = capacity - inflater->avail_out;
    if (result == Z_STREAM_END) {
        unpack->is_inside = false;
        result = inflateReset(inflater);
    }
    return result == Z_OK || result == Z_BUF_ERROR ? STATUS_OK
                                                   : damaged(unpack, "it is damaged", err);
}

static enum status read_zstd(struct unpack *unpack, uint8_t *out, size_t capacity, size_t *size,
                             struct error *err)
{
    ZSTD_inBuffer from = {unpack->at, (size_t)(unpack->end - unpack->at), 0};
    ZSTD_outBuffer to = {.size = capacity};
    to.dst = out;
    size_t result = ZSTD_decompressStream(unpack->zstd, &to, &from);
    if (ZSTD_isError(result))
        return damaged(unpack, ZSTD_getErrorName(result), err);
    unpack->is_inside = result != 0;
    unpack->at += from.pos;
    *size = to.pos;
    return STATUS_OK;
}

enum status unpack_read(struct unpack *unpack, uint8_t *out, size_t capacity, size_t *size,
                        struct error *err)
{
    *size = 0;
    while (*size == 0) {
        if (unpack->at == unpack->end && !unpack->is_at_end)
            TRY(fill(unpack, err));
        bool is_over = unpack->at == unpack->end && unpack->is_at_end;
        if (is_over && !unpack->is_inside)
            return STATUS_OK;
        if (unpack->kind == KIND_PLAIN)
            return read_plain(unpack, out, capacity, size);
        TRY(unpack->kind == KIND_GZIP ? read_gzip(unpack, out, capacity, size, err)
                                      : read_zstd(unpack, out, capacity, size, err));
        if (is_over && *size == 0 && unpack->is_inside)
            return damaged(unpack, "the file ends inside it", err);
    }
    return STATUS_OK;
}

uint64_t unpack_bytes_read(const struct unpack *unpack)
{
    return unpack->bytes_taken - (uint64_t)(unpack->end - unpack->at);
}
