/* container_reader.h - reads an Avro object container file block by block: a file or a stream, of
 * anyone's.
 *
 * Codecs null, deflate and zstandard. A block is at most CONTAINER_BLOCK_BYTES_MAX, as it stands
 * and unpacked, the header at most CONTAINER_HEADER_BYTES_MAX; every length and count is checked
 * before memory is taken for it. What is no such file is EX_DATAERR, "NAME: block N: why"; a file
 * that ends inside a block is one. The blocks before a fault have been handed out by then.
 * EX_UNAVAILABLE: it cannot be read.
 *
 * One thread a reader. Memory: 64 KB and the largest block, twice when it is compressed.
 * Source: Avro 1.11 specification, "Object Container Files".
 */
#ifndef CHECKIT_CONTAINER_READER_H
#define CHECKIT_CONTAINER_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"
#include "pipeline/limits.h"

enum { CONTAINER_MAGIC_SIZE = 4 };

struct container_reader;

/* Where the bytes come from. All is borrowed until close; the file is not closed by it. */
struct container_source {
    const char *name;  /* what messages call it */
    int file;          /* a descriptor; -1: there is text only */
    struct bytes text; /* stands before what the file holds */
};

/* Records stand one behind another in data, valid until the next call. */
struct container_block {
    uint64_t number; /* from 1; 0: there are no more */
    uint64_t records;
    struct bytes data;
};

/* Whether a file that begins so is meant to be one. */
bool container_is_magic(struct bytes begin);

/* Reads the header. *out is the caller's: container_reader_close. */
enum status container_reader_open(const struct container_source *source,
                                  struct container_reader **out, struct error *err) MUST_USE;
void container_reader_close(struct container_reader *reader); /* may be NULL */

/* The writer's schema, JSON; until close. */
struct bytes container_reader_schema(const struct container_reader *reader);

/* What the header says under a name that begins with "checkit."; data NULL: nothing. Until close.
 */
struct bytes container_reader_member(const struct container_reader *reader, const char *name);

/* Blocks without records are passed over. A record takes a byte at least, or the block is refused.
 */
enum status container_reader_next(struct container_reader *reader, struct container_block *block,
                                  struct error *err) MUST_USE;

/* How many bytes of the source are behind the last block. */
uint64_t container_reader_bytes_read(const struct container_reader *reader);

#endif
