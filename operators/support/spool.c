#include "operators/support/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operators/support/keys.h"
#include "pipeline/base/memory.h"

enum { SEALED_BYTES = SPOOL_BLOCK_BYTES + BLOCK_OVERHEAD, FILE_MODE = 0600 };

/* A record is its size, 4 bytes as the machine has them, and its bytes; no block cuts one, and a
 * block that is not full ends with a size of END. */
#define END UINT32_MAX

_Static_assert(SPOOL_BLOCK_BYTES - SPOOL_RECORD_BYTES_MAX == sizeof(uint32_t), "record");

struct spool {
    struct block_key *key;
    int file;            /* -1: all there is, is in the block */
    uint64_t blocks;     /* in the file */
    uint64_t next_block; /* to read */
    bool is_reading;
    uint32_t used_bytes; /* of the block: written, or read so far */
    uint8_t *block;      /* owned */
    uint8_t *sealed;     /* owned */
};

/* --- the file --- */

static enum status failed(struct error *err, const char *what)
{
    return error_fail(err, EX_UNAVAILABLE,
                      "a temporary file cannot be %s: %s (TMPDIR says in which folder)", what,
                      strerror(errno));
}

static enum status make_file(struct spool *spool, struct error *err)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || !*folder)
        folder = "/var/tmp";
    spool->file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, FILE_MODE);
    if (spool->file >= 0)
        return STATUS_OK;
    if (errno != EOPNOTSUPP && errno != EISDIR)
        return failed(err, "made");
    char path[PATH_MAX]; /* a file system that knows no files without a name */
    int size = snprintf(path, sizeof path, "%s/checkit-XXXXXX", folder);
    if (size < 0 || (size_t)size >= sizeof path)
        return error_fail(err, EX_UNAVAILABLE, "TMPDIR: the path is too long");
    spool->file = mkostemp(path, O_CLOEXEC);
    if (spool->file < 0)
        return failed(err, "made");
    (void)unlink(path);
    return STATUS_OK;
}

static void end_block(struct spool *spool)
{
    const uint32_t end = END;
    if (spool->used_bytes + sizeof end <= SPOOL_BLOCK_BYTES)
        memcpy(spool->block + spool->used_bytes, &end, sizeof end);
}

static enum status write_block(struct spool *spool, struct error *err)
{
    if (spool->file < 0)
        TRY(make_file(spool, err));
    end_block(spool);
    block_key_seal(spool->key, spool->blocks, bytes_of(spool->block, SPOOL_BLOCK_BYTES),
                   spool->sealed);
    for (size_t done = 0; done < SEALED_BYTES;) {
        ssize_t written = write(spool->file, spool->sealed + done, SEALED_BYTES - done);
        if (written < 0 && errno != EINTR)
            return failed(err, "written");
        done += written > 0 ? (size_t)written : 0;
    }
    spool->blocks++;
    spool->used_bytes = 0;
    return STATUS_OK;
}

static enum status read_block(struct spool *spool, struct error *err)
{
    off_t at = (off_t)spool->next_block * SEALED_BYTES;
    for (size_t done = 0; done < SEALED_BYTES;) {
        ssize_t got =
            pread(spool->file, spool->sealed + done, SEALED_BYTES - done, at + (off_t)done);
        if (got == 0)
            errno = EIO; /* the file is ours alone, and it was longer */
        if (got == 0 || (got < 0 && errno != EINTR))
            return failed(err, "read");
        done += got > 0 ? (size_t)got : 0;
    }
    if (!block_key_unseal(spool->key, spool->next_block, bytes_of(spool->sealed, SEALED_BYTES),
                          spool->block))
        return error_fail(err, EX_UNAVAILABLE,
                          "a temporary file does not hold what was written to it");
    spool->next_block++;
    spool->used_bytes = 0;
    return STATUS_OK;
}

/* --- records --- */

enum status spool_add(struct spool *spool, struct bytes record, struct error *err)
{
    assert(!spool->is_reading && record.size <= SPOOL_RECORD_BYTES_MAX);
    const uint32_t size = (uint32_t)record.size;
    if (spool->used_bytes + sizeof size + size > SPOOL_BLOCK_BYTES)
        TRY(write_block(spool, err));
    memcpy(spool->block + spool->used_bytes, &size, sizeof size);
    if (size > 0)
        memcpy(spool->block + spool->used_bytes + sizeof size, record.data, size);
    spool->used_bytes += (uint32_t)sizeof size + size;
    return STATUS_OK;
}

enum status spool_rewind(struct spool *spool, struct error *err)
{
    bool has_file = spool->file >= 0;
    if (!spool->is_reading && has_file)
        TRY(write_block(spool, err));
    if (!spool->is_reading)
        end_block(spool);
    spool->is_reading = true;
    spool->next_block = 0;
    spool->used_bytes = 0;
    return has_file ? read_block(spool, err) : STATUS_OK;
}

static bool is_block_read(const struct spool *spool, uint32_t *size)
{
    if (spool->used_bytes + sizeof *size > SPOOL_BLOCK_BYTES)
        return true;
    memcpy(size, spool->block + spool->used_bytes, sizeof *size);
    return *size == END;
}

enum status spool_next(struct spool *spool, struct bytes *record, struct error *err)
{
    assert(spool->is_reading);
    *record = (struct bytes){NULL, 0};
    uint32_t size = 0;
    if (is_block_read(spool, &size)) {
        if (spool->next_block == spool->blocks)
            return STATUS_OK;
        TRY(read_block(spool, err));
        bool is_empty = is_block_read(spool, &size);
        assert(!is_empty); /* a block is begun for a record */
    }
    *record = bytes_of(spool->block + spool->used_bytes + sizeof size, size);
    spool->used_bytes += (uint32_t)sizeof size + size;
    return STATUS_OK;
}

struct spool *spool_open(void)
{
    struct spool *spool = memory_new(1, sizeof *spool);
    spool->key = block_key_open();
    spool->file = -1;
    spool->block = memory_new(SPOOL_BLOCK_BYTES, 1);
    spool->sealed = memory_new(SEALED_BYTES, 1);
    return spool;
}

void spool_close(struct spool *spool)
{
    if (!spool)
        return;
    block_key_close(spool->key);
    if (spool->file >= 0)
        (void)close(spool->file);
    memory_free(spool->block);
    memory_free(spool->sealed);
    memory_free(spool);
}
