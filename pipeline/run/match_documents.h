/* match_documents.h - the documents `checkit match` is to answer: rows of a CSV (match_csv.h) or of
 * events in an Avro container file (match_avro.h), told apart by how the file begins, or by its
 * name's end, .avro. Memory and errors are theirs. One thread a reader.
 */
#ifndef CHECKIT_MATCH_DOCUMENTS_H
#define CHECKIT_MATCH_DOCUMENTS_H

#include "pipeline/mapping.h"
#include "pipeline/run/match_csv.h"

/* All is borrowed until close; the file is not closed by it. */
struct match_documents_source {
    const char *name;              /* what messages call it */
    int file;                      /* a descriptor; -1: CSV in text */
    struct bytes text;             /* with file -1 */
    const struct mapping *mapping; /* NULL: the one that fits the name of an Avro file's schema;
                                      any other with a CSV is EX_USAGE */
};

struct match_documents;

/* *out is the caller's: match_documents_close. */
enum status match_documents_open(const struct match_documents_source *source,
                                 struct match_documents **out, struct error *err) MUST_USE;
void match_documents_close(struct match_documents *documents); /* may be NULL */

enum status match_documents_next(struct match_documents *documents, struct match_row *row,
                                 struct error *err) MUST_USE;

/* How many bytes of the source are behind what was handed out. */
uint64_t match_documents_bytes_read(const struct match_documents *documents);

#endif
