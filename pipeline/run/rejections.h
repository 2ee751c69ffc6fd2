/* rejections.h - tells which rows of list files are not taken, and why; counts them by reason.
 *
 * To a file: CSV, `file,line,entry_id,reason,what`, all of them. Else to standard error, as
 * "FILE:LINE: ENTRY_ID: COLUMN: what", the first 100. Never what stands in the row but its entry's
 * id, in which control characters are '?' and what is beyond 64 bytes is left out; of an id that is
 * none, nothing.
 */
#ifndef CHECKIT_REJECTIONS_H
#define CHECKIT_REJECTIONS_H

#include "operators/support/change_csv.h"

enum { REJECTIONS_LINES_MAX = 100 };

struct rejections;

/* path NULL: standard error. *out is the caller's: rejections_close. EX_UNAVAILABLE when the file
 * cannot be made. */
enum status rejections_open(const char *path, struct rejections **out, struct error *err) MUST_USE;
void rejections_close(struct rejections *rejections); /* may be NULL */

/* One more row, of the file of this name. */
void rejections_add(struct rejections *rejections, const char *file, const struct change_row *row);

/* How many rows were told with this fault. */
uint64_t rejections_count(const struct rejections *rejections, enum change_fault fault);

/* After the last: says how many lines were left out, and whether all was written. */
enum status rejections_finish(struct rejections *rejections, struct error *err) MUST_USE;

/* "issuer_unknown 2, number_missing 1" in out, without the rows that are outranked. */
void rejections_summary(const struct rejections *rejections, char *out, size_t out_size);

#endif
