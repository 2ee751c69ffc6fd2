/* change_list.h - the changes of list files: read whole, every row judged, then given back in order
 * as records of document-changes.
 *
 * Files are read once, to their end, into a spool (spool.h): so a pipe is as good as a file, and
 * what is given back is what was judged, whatever becomes of the file meanwhile. Rows that are
 * rejected are told (rejections.h) and left out; so are those an earlier row of the same entry
 * outranks, which is no rejection (revisions.h). Several files count as one.
 *
 * One thread. Memory: 35 MB at most for 10 M rows. Cost: about 1 µs a row.
 */
#ifndef CHECKIT_CHANGE_LIST_H
#define CHECKIT_CHANGE_LIST_H

#include "pipeline/run/progress.h"
#include "pipeline/run/rejections.h"

struct change_list;

/* Everything is borrowed until change_list_close. */
struct change_list_settings {
    const struct rule_data *rules;
    struct bytes contributor; /* as in change_csv.h */
    int64_t effective_at_ms;  /* the same */
    uint32_t schema_id;       /* of schemas/DocumentChange.avsc */
    struct rejections *rejections;
    struct progress *progress;
};

struct change_counts {
    uint64_t upserts;
    uint64_t withdrawals;
};

/* A record of document-changes. Borrowed until the next call. */
struct change_record {
    struct bytes key;     /* data NULL: there are no more */
    struct bytes payload; /* with its wire prefix */
    enum change_op op;
};

struct change_list *change_list_open(const struct change_list_settings *settings);
void change_list_close(struct change_list *list); /* may be NULL */

/* Reads one more file; "-" is standard input. path is borrowed. */
enum status change_list_read(struct change_list *list, const char *path,
                             struct error *err) MUST_USE;

/* The same from text; name stands for the path. */
enum status change_list_read_text(struct change_list *list, const char *name, struct bytes text,
                                  struct error *err) MUST_USE;

/* Once, after the last file: judges what only the whole can tell. *valid: what will be given back.
 */
enum status change_list_finish(struct change_list *list, struct change_counts *valid,
                               struct error *err) MUST_USE;

enum status change_list_next(struct change_list *list, struct change_record *record,
                             struct error *err) MUST_USE;

#endif
