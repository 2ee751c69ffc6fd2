/* match_csv.h - entries and documents as CSV, as the worked cases of the rules have them (rules 6).
 *
 * The first row names the columns, in any order: number, and for documents and entries alike id,
 * issuer, type; number_to of a range, nationality of a document. Others are left alone. Where there
 * is a column kind, each row is an `entry` or a `doc`, and those of the other kind are passed over;
 * without it all are of the kind that is read. An empty field is absent.
 *
 * EX_DATAERR: what is no CSV, a header without id or number, a row of another kind or with another
 * number of fields. One thread a reader.
 */
#ifndef CHECKIT_MATCH_CSV_H
#define CHECKIT_MATCH_CSV_H

#include "operators/support/csv.h"

enum match_kind { MATCH_ENTRY, MATCH_DOCUMENT };

/* Borrowed until the next call. */
struct match_row {
    uint64_t line; /* where it begins, or the number of its event; 0: there are no more rows */
    struct bytes id;
    struct bytes number;
    struct bytes number_to;
    struct bytes issuer;
    struct bytes type;
    struct bytes nationality;
};

struct match_csv;

/* Reads the header. What source names is borrowed until match_csv_close. */
enum status match_csv_open(const struct csv_source *source, enum match_kind kind,
                           struct match_csv **out, struct error *err) MUST_USE;
void match_csv_close(struct match_csv *rows); /* may be NULL */

enum status match_csv_next(struct match_csv *rows, struct match_row *row,
                           struct error *err) MUST_USE;

uint64_t match_csv_bytes_read(const struct match_csv *rows);

#endif
