/* projection.h - reads the few fields we need out of an Avro datum, and skips the rest.
 *
 * A writer's schema is compiled once per id, with what is wanted of it, into a flat program of
 * operations. Running it borrows strings, bytes, fixed and enum symbols from the datum or from the
 * projection, allocates nothing, and checks every length, count and depth against the bytes that
 * are left. Only this module includes Avro C, which parses schemas after their size and nesting
 * were checked; data never reach it.
 *
 * Source: Avro 1.11 specification, "Binary Encoding" and "Complex Types". What fastavro reads is
 * read to the same values, where no block lies about its byte size and no more than
 * DATUM_NESTING_MAX containers and recursive records are open at once; of a map all values count,
 * also under a key that comes twice. What it refuses is refused, save bytes that are not UTF-8
 * (rules 2 decide), a logical type's value out of its range (a time is then absent) and the content
 * of skipped fields. Bytes after the datum are ignored, as it does.
 *
 * A projection is read-only after compiling: any thread may run it.
 */
#ifndef CHECKIT_PROJECTION_H
#define CHECKIT_PROJECTION_H

#include "pipeline/base/memory.h"
#include "pipeline/base/status.h"
#include "pipeline/document.h"
#include "pipeline/entry.h"
#include "pipeline/mapping.h"
#include "pipeline/record.h"

struct projection;

/* For records of an input topic. The schema must have every document path's number path, or it is
 * refused (EX_DATAERR, the path named); all other paths are optional, but one that ends at a type
 * that cannot be read as asked is refused too, be it in one branch of a union or one alternative.
 * *out is the caller's: projection_close. */
enum status projection_compile(const char *schema, size_t schema_size,
                               const struct mapping *mapping, struct projection **out,
                               struct error *err) MUST_USE;

/* For records of document-changes: the fields of schemas/DocumentChange.avsc, by their names. */
enum status projection_compile_change(const char *schema, size_t schema_size,
                                      struct projection **out, struct error *err) MUST_USE;

void projection_close(struct projection *projection);

/* The index-th of the optional paths that the schema lacks, as the mapping has it: what it should
 * give stays empty in every alert. NULL when there are fewer. Borrowed from the mapping. */
const char *projection_absent(const struct projection *projection, uint32_t index);

/* Documents of one datum, in the order they stand in it, the first `skip` left out. Stops when out
 * is full: *more is then true. Returns RECORD_OK, RECORD_DATUM_INVALID or
 * RECORD_TOO_MANY_DOCUMENTS; with the latter two nothing of the record counts. Texts written out
 * (integers) go to the arena; when it is full, that too ends the slice with *more. */
enum record_status projection_documents(const struct projection *projection, struct bytes datum,
                                        uint32_t skip, struct arena *arena, struct document *out,
                                        uint32_t capacity, uint32_t *count, bool *more);

/* How many bytes the datum takes that `bytes` begins with; others may follow, as in a block of a
 * container file. Reads it whole and makes no document of it. Returns what projection_documents
 * does of the first slice; *size is set with RECORD_OK. */
enum record_status projection_measure(const struct projection *projection, struct bytes bytes,
                                      size_t *size);

/* What an alert says of the event. The mapping's fixed values win. RECORD_OK or
 * RECORD_DATUM_INVALID: after projection_documents was content that means a fault in what only this
 * reads, such as a symbol that does not exist. */
enum record_status projection_context(const struct projection *projection, struct bytes datum,
                                      struct context *out);

enum record_status projection_change(const struct projection *projection, struct bytes datum,
                                     struct change *out);

/* The change that `bytes` begins with; others may follow, as in a block of a container file. *size
 * is how many bytes it takes. */
enum record_status projection_change_next(const struct projection *projection, struct bytes bytes,
                                          struct change *out, size_t *size);

/* --- a whole datum: for commands that show what a topic holds -------------------------------- */

struct datum_schema;

/* Checked as projection_compile checks it. *out is the caller's: datum_schema_close. */
enum status datum_schema_open(const char *schema, size_t schema_size, struct datum_schema **out,
                              struct error *err) MUST_USE;
void datum_schema_close(struct datum_schema *schema);

enum datum_kind {
    DATUM_RECORD, /* its fields follow, then DATUM_END */
    DATUM_ARRAY,  /* its items follow, then DATUM_END */
    DATUM_MAP,    /* its values follow, then DATUM_END */
    DATUM_END,
    DATUM_NULL,
    DATUM_BOOLEAN,
    DATUM_INTEGER,
    DATUM_TIME, /* a timestamp: integer is milliseconds since 1970-01-01 UTC */
    DATUM_DATE, /* integer is days since then */
    DATUM_REAL,
    DATUM_TEXT, /* also a symbol of an enum; from outside: maybe no UTF-8 */
    DATUM_BYTES /* also a fixed */
};

/* One value of a datum, valid for the call that tells it. Of a union it is the branch. */
struct datum_value {
    enum datum_kind kind;
    const char *path;  /* "event.topic", "flags[]", "edits[].from", "hits{}"; "" is the whole */
    struct bytes name; /* of a field, or a map's key; data NULL for everything else */
    struct bytes text; /* of DATUM_TEXT and DATUM_BYTES */
    int64_t integer;
    double real;
};

typedef void datum_visit(void *state, const struct datum_value *value);

/* Tells every value in the order they stand. RECORD_DATUM_INVALID: the bytes do not follow the
 * schema; what was told before counts for nothing. */
enum record_status datum_walk(const struct datum_schema *schema, struct bytes datum,
                              datum_visit *visit, void *state);

#endif
