/* revisions.h - finds the changes of a sequence that an earlier one of the same entry outranks.
 *
 * A sequence may name an entry again: the later change replaces the earlier one, unless its
 * revision is lower (rules 3). Screeners ignore a lower revision, but the compacted topic keeps the
 * last record of every entry, so it must not be sent: a store built later would know it alone.
 *
 * One thread. Memory: a bit for every change, and for a 64th of the ids up to 96 bytes each; 10 M
 * changes take 35 MB. On disk 32 bytes a change (spool.h). Nothing while all revisions are 0, and
 * no second look at anything while none is lower than one before.
 */
#ifndef CHECKIT_REVISIONS_H
#define CHECKIT_REVISIONS_H

#include <stdbool.h>

#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"

struct revisions;

struct revisions *revisions_open(void);            /* the caller's: revisions_close */
void revisions_close(struct revisions *revisions); /* may be NULL */

/* The next change of the sequence; revision is 0 or more. */
enum status revisions_add(struct revisions *revisions, struct bytes entry_id, int64_t revision,
                          struct error *err) MUST_USE;

/* Once, after the last was added: how many are outranked. */
enum status revisions_judge(struct revisions *revisions, uint64_t *count,
                            struct error *err) MUST_USE;

/* Whether the change added index-th, from 0, is one of them. */
bool revisions_is_outranked(const struct revisions *revisions, uint64_t index);

#endif
