/* change_csv.h - reads changes of the list from CSV text (csv.h), and judges each (rules 3).
 *
 * The first row names the columns, in any order:
 *
 *   entry_id      required
 *   op            UPSERT (default) or WITHDRAW
 *   revision      digits; default 0
 *   number, issuer       required for UPSERT
 *   number_to     last number of a range
 *   type          default ANY
 *   loss          STOLEN, LOST, STOLEN_BLANK, REVOKED or INVALID; default: not said
 *   flags         of SILENT, DISPUTED, TEST, joined by '|'
 *   contributor   default: the caller's
 *   reported_on, lost_on, expiry, review_on      YYYY-MM-DD
 *   national_ref
 *   effective_at  date and time (time_parse.h); default: the caller's
 *
 * An empty field counts as absent. Words count in any case, blanks around words, dates and numbers
 * of revision do not count. Of a WITHDRAW only entry_id, revision, contributor, national_ref and
 * effective_at are read. What a row may hold that no record can (bytes that are not UTF-8) is a
 * fault of the row too.
 *
 * A fault of a row is told as a value, never as an error, and never with what stands in the row:
 * it could be a document number. Errors (EX_DATAERR): what is no CSV, and headers that are none.
 *
 * One thread a reader. Cost: about 0.5 µs a row, half of it canonical forms.
 */
#ifndef CHECKIT_CHANGE_CSV_H
#define CHECKIT_CHANGE_CSV_H

#include "operators/support/rule_data.h"
#include "pipeline/base/status.h"
#include "pipeline/entry.h"

/* Why a row is not taken. Below REJECTION_COUNT: the values of enum rejection. */
enum change_fault {
    CHANGE_FAULT_NO = REJECTION_NO,
    CHANGE_FIELDS_COUNT = REJECTION_COUNT, /* not as many as the header has */
    CHANGE_OP_UNKNOWN,
    CHANGE_REVISION_INVALID,
    CHANGE_LOSS_UNKNOWN,
    CHANGE_FLAG_UNKNOWN,
    CHANGE_DATE_INVALID,
    CHANGE_TIME_INVALID,
    CHANGE_TEXT_INVALID, /* not UTF-8 */
    CHANGE_CONTRIBUTOR_MISSING,
    CHANGE_OUTRANKED, /* by an earlier row: only the caller can know */
    CHANGE_FAULT_COUNT
};

/* "issuer_unknown", and in words, both static. Words follow "COLUMN: " where a column is at fault.
 */
const char *change_fault_name(enum change_fault fault);
const char *change_fault_words(enum change_fault fault);

/* Everything is borrowed until change_csv_close; the file is not closed by it. */
struct change_csv_settings {
    const char *name; /* of the file, in messages */
    int file;         /* a descriptor; -1: text instead */
    struct bytes text;
    const struct rule_data *rules;
    struct bytes contributor; /* UTF-8, at most ENTRY_TEXT_SIZE_MAX; data NULL: no default */
    int64_t effective_at_ms;
};

struct change_row {
    uint64_t line;        /* where it begins; 0: there are no more rows */
    struct change change; /* fit for change_encode; with a fault only entry_id means anything */
    enum change_fault fault;
    const char *column;        /* at fault, static; NULL: the row as a whole */
    const struct entry *entry; /* what canonical_entry makes of it; NULL with a fault */
};

struct change_csv;

/* Reads the header. *out is the caller's: change_csv_close. */
enum status change_csv_open(const struct change_csv_settings *settings, struct change_csv **out,
                            struct error *err) MUST_USE;
void change_csv_close(struct change_csv *changes); /* may be NULL */

/* Valid until the next call with this reader. */
enum status change_csv_next(struct change_csv *changes, struct change_row *row,
                            struct error *err) MUST_USE;

/* Goes on with another text of rows under the same header, whose first begins at that line. */
void change_csv_continue(struct change_csv *changes, struct bytes text, uint64_t line);

/* How many bytes of the source are behind the last row. */
uint64_t change_csv_bytes_read(const struct change_csv *changes);

#endif
