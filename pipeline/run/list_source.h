/* list_source.h - list files in pieces that any thread may take apart: whole rows of a CSV file, or
 * the records of a block of an Avro container file.
 *
 * CSV may be gzip or zstd (unpack.h); a row ends at a line end with an even number of quotes before
 * it. Containers are told by their first bytes; their schema is one of DocumentChange. "-" is
 * standard input. The files are read one after the other.
 *
 * One caller at a time; who has a piece needs no lock. Memory: a piece is about 1 MB, of a
 * container as large as its block. Errors: EX_DATAERR for what is neither, EX_UNAVAILABLE.
 */
#ifndef CHECKIT_LIST_SOURCE_H
#define CHECKIT_LIST_SOURCE_H

#include "operators/support/change_csv.h"
#include "operators/support/projection.h"
#include "operators/support/store.h"

enum { LIST_SOURCE_OFFSETS_MAX = 1024 };

/* Everything is borrowed until list_source_close. */
struct list_source_settings {
    char *const *paths;
    uint32_t paths_count;
    const struct rule_data *rules;
    struct bytes contributor; /* as in change_csv.h */
    int64_t effective_at_ms;
};

/* One file. Valid until list_source_close. */
struct list_file {
    const char *name;
    struct bytes header;           /* of CSV: what stands before the first row; owned */
    struct projection *projection; /* of a container; NULL: it is CSV; owned */
};

/* The caller keeps it from call to call, zeroed at first; list_piece_close. */
struct list_piece {
    uint64_t number; /* from 0 on, over all files */
    const struct list_file *file;
    uint64_t first;   /* line, or record from 1, that it begins with */
    uint64_t records; /* of a container: how many there are */
    size_t size;
    uint8_t *data; /* owned */
    size_t capacity;
};

struct list_source;

struct list_source *list_source_open(const struct list_source_settings *settings);
void list_source_close(struct list_source *source); /* may be NULL */
void list_piece_close(struct list_piece *piece);

/* *is_there false: there are no more. */
enum status list_source_next(struct list_source *source, struct list_piece *piece, bool *is_there,
                             struct error *err) MUST_USE;

/* How many pieces were given. */
uint64_t list_source_pieces(const struct list_source *source);

/* Settings of a reader of the file's rows: its header, and what stands in the settings. */
struct change_csv_settings list_source_csv(const struct list_source *source,
                                           const struct list_file *file);

/* Bytes of the files that are behind; any thread. */
uint64_t list_source_bytes_read(const struct list_source *source);

/* Whether the files, once read, are one export of a feed: origin and offsets, borrowed. Otherwise
 * the origin is "". *has_some: at least one of them was an export. */
const char *list_source_origin(const struct list_source *source, bool *has_some);
uint32_t list_source_offsets(const struct list_source *source, const struct feed_offset **out);

/* How many entries the files hold, from their sizes and what each begins with, and their bytes;
 * standard input and pipes are not counted. */
enum status list_source_estimate(const struct list_source_settings *settings, uint64_t *entries,
                                 uint64_t *bytes, struct error *err) MUST_USE;

#endif
