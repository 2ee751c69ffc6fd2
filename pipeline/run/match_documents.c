#include "pipeline/run/match_documents.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "operators/support/container_reader.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/match_avro.h"

struct match_documents {
    uint8_t begin[CONTAINER_MAGIC_SIZE]; /* of a file: read to tell what it is */
    struct match_csv *csv;               /* owned; NULL: it is Avro */
    struct match_avro *avro;             /* owned; NULL: it is CSV */
};

/* Fewer than CONTAINER_MAGIC_SIZE at the end of the file only. */
static enum status read_begin(const struct match_documents_source *source,
                              struct match_documents *documents, size_t *size, struct error *err)
{
    *size = 0;
    while (source->file >= 0 && *size < sizeof documents->begin) {
        ssize_t got = read(source->file, documents->begin + *size, sizeof documents->begin - *size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_fail(err, EX_UNAVAILABLE, "%s: cannot be read: %s", source->name,
                              strerror(errno));
        if (got == 0)
            return STATUS_OK;
        *size += (size_t)got;
    }
    return STATUS_OK;
}

static bool is_named_avro(const char *name)
{
    size_t size = strlen(name);
    return size > 5 && strcmp(name + size - 5, ".avro") == 0;
}

static enum status open_either(const struct match_documents_source *source,
                               struct match_documents *documents, struct error *err)
{
    size_t size = 0;
    TRY(read_begin(source, documents, &size, err));
    struct bytes text = source->file < 0 ? source->text : bytes_of(documents->begin, size);
    if (source->file >= 0 && (container_is_magic(text) || is_named_avro(source->name)))
        return match_avro_open(
            &(struct container_source){.name = source->name, .file = source->file, .text = text},
            source->mapping, &documents->avro, err);
    if (source->mapping)
        return error_fail(err, EX_USAGE,
                          "match: %s: --preset and --config are for Avro files, and this is none",
                          source->name);
    return match_csv_open(
        &(struct csv_source){.name = source->name, .file = source->file, .text = text},
        MATCH_DOCUMENT, &documents->csv, err);
}

enum status match_documents_open(const struct match_documents_source *source,
                                 struct match_documents **out, struct error *err)
{
    struct match_documents *documents = memory_new(1, sizeof *documents);
    enum status status = open_either(source, documents, err);
    if (status != STATUS_OK) {
        match_documents_close(documents);
        return status;
    }
    *out = documents;
    return STATUS_OK;
}

void match_documents_close(struct match_documents *documents)
{
    if (!documents)
        return;
    match_csv_close(documents->csv);
    match_avro_close(documents->avro);
    memory_free(documents);
}

enum status match_documents_next(struct match_documents *documents, struct match_row *row,
                                 struct error *err)
{
    return documents->avro ? match_avro_next(documents->avro, row, err)
                           : match_csv_next(documents->csv, row, err);
}

uint64_t match_documents_bytes_read(const struct match_documents *documents)
{
    return documents->avro ? match_avro_bytes_read(documents->avro)
                           : match_csv_bytes_read(documents->csv);
}
