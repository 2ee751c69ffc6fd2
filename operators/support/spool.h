/* spool.h - puts records aside and gives them back in their order, in bounded memory.
 *
 * What does not fit in memory goes to a file in $TMPDIR, else /var/tmp, that has no name, belongs
 * to this process alone, is sealed under a key nobody keeps, and is gone with the process. Few
 * records never reach the disk. What comes back is what was put in, or an error.
 *
 * One thread. Memory: two blocks of SPOOL_BLOCK_BYTES. Cost: about 1 ns a byte each way.
 * Errors: EX_UNAVAILABLE, such as a disk that is full.
 */
#ifndef CHECKIT_SPOOL_H
#define CHECKIT_SPOOL_H

#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"

enum { SPOOL_BLOCK_BYTES = 128 * 1024, SPOOL_RECORD_BYTES_MAX = SPOOL_BLOCK_BYTES - 4 };

struct spool;

struct spool *spool_open(void);        /* the caller's: spool_close */
void spool_close(struct spool *spool); /* may be NULL */

/* Adds one record, copied, of at most SPOOL_RECORD_BYTES_MAX; not once spool_rewind was called. */
enum status spool_add(struct spool *spool, struct bytes record, struct error *err) MUST_USE;

/* The next record read is the first. May be called again. */
enum status spool_rewind(struct spool *spool, struct error *err) MUST_USE;

/* data NULL: there are no more. Valid until the next call with this spool. */
enum status spool_next(struct spool *spool, struct bytes *record, struct error *err) MUST_USE;

#endif
