/* unpack.h - a file or a stream as it is, or out of gzip or zstd, by what its first bytes are.
 *
 * Several gzip members or zstd frames one behind another are one text. What is damaged, or ends
 * inside a member, is EX_DATAERR; EX_UNAVAILABLE: it cannot be read. One thread a reader. Memory:
 * 256 KB, and what the library takes: 40 KB of gzip, at most 128 MB of zstd by the frame's window.
 */
#ifndef CHECKIT_UNPACK_H
#define CHECKIT_UNPACK_H

#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"

struct unpack;

/* name: what messages call it. Both are borrowed until close; the file is not closed by it. *out is
 * the caller's: unpack_close. */
enum status unpack_open(const char *name, int file, struct unpack **out,
                        struct error *err) MUST_USE;
void unpack_close(struct unpack *unpack); /* may be NULL */

/* What the file begins with, as it stands there: some 128 KB, or all. Before unpack_read. */
struct bytes unpack_begin(const struct unpack *unpack);
bool unpack_is_packed(const struct unpack *unpack);

/* *size 0: it is at its end; capacity is not 0. */
enum status unpack_read(struct unpack *unpack, uint8_t *out, size_t capacity, size_t *size,
                        struct error *err) MUST_USE;

/* How many bytes of the file were taken. */
uint64_t unpack_bytes_read(const struct unpack *unpack);

#endif
