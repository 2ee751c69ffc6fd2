#include "pipeline/run/match_csv.h"

#include <inttypes.h>

#include "pipeline/base/memory.h"

enum column {
    COLUMN_KIND,
    COLUMN_ID,
    COLUMN_NUMBER,
    COLUMN_NUMBER_TO,
    COLUMN_ISSUER,
    COLUMN_TYPE,
    COLUMN_NATIONALITY,
    COLUMN_COUNT
};

static const char *const column_names[COLUMN_COUNT] = {[COLUMN_KIND] = "kind",
                                                       [COLUMN_ID] = "id",
                                                       [COLUMN_NUMBER] = "number",
                                                       [COLUMN_NUMBER_TO] = "number_to",
                                                       [COLUMN_ISSUER] = "issuer",
                                                       [COLUMN_TYPE] = "type",
                                                       [COLUMN_NATIONALITY] = "nationality"};

enum { ABSENT = -1 };

struct match_csv {
    const char *name;
    struct csv *csv;
    enum match_kind kind;
    int32_t positions[COLUMN_COUNT]; /* of each column among the fields; ABSENT */
    uint32_t columns_count;
};

static enum status read_header(struct match_csv *rows, struct error *err)
{
    struct csv_row header;
    TRY(csv_next(rows->csv, &header, err));
    rows->columns_count = header.fields_count;
    for (int column = 0; column < COLUMN_COUNT; column++) {
        rows->positions[column] = ABSENT;
        for (uint32_t i = 0; i < header.fields_count; i++) {
            if (!bytes_equal_text(header.fields[i], column_names[column]))
                continue;
            if (rows->positions[column] != ABSENT)
                return error_fail(err, EX_DATAERR, "%s: the column %s stands there twice",
                                  rows->name, column_names[column]);
            rows->positions[column] = (int32_t)i;
        }
    }
    if (rows->positions[COLUMN_ID] == ABSENT || rows->positions[COLUMN_NUMBER] == ABSENT)
        return error_fail(err, EX_DATAERR,
                          "%s: the first row must name the columns, among them id and number",
                          rows->name);
    return STATUS_OK;
}

enum status match_csv_open(const struct csv_source *source, enum match_kind kind,
                           struct match_csv **out, struct error *err)
{
    struct match_csv *rows = memory_new(1, sizeof *rows);
    rows->name = source->name;
    rows->kind = kind;
    rows->csv = csv_open(source);
    enum status status = read_header(rows, err);
    if (status != STATUS_OK) {
        match_csv_close(rows);
        return status;
    }
    *out = rows;
    return STATUS_OK;
}

void match_csv_close(struct match_csv *rows)
{
    if (!rows)
        return;
    csv_close(rows->csv);
    memory_free(rows);
}

static struct bytes field(const struct match_csv *rows, const struct csv_row *row,
                          enum column column)
{
    int32_t position = rows->positions[column];
    bool is_absent = position == ABSENT || row->fields[position].size == 0;
    return is_absent ? (struct bytes){NULL, 0} : row->fields[position];
}

/* *wanted: whether the row is of the kind that is read. */
static enum status look_at_kind(const struct match_csv *rows, const struct csv_row *row,
                                bool *wanted, struct error *err)
{
    struct bytes kind = field(rows, row, COLUMN_KIND);
    bool is_entry = bytes_equal_text(kind, "entry");
    *wanted = true;
    if (rows->positions[COLUMN_KIND] == ABSENT)
        return STATUS_OK;
    if (!is_entry && !bytes_equal_text(kind, "doc"))
        return error_fail(err, EX_DATAERR, "%s:%" PRIu64 ": kind is neither entry nor doc",
                          rows->name, row->line);
    *wanted = is_entry == (rows->kind == MATCH_ENTRY);
    return STATUS_OK;
}

enum status match_csv_next(struct match_csv *rows, struct match_row *row, struct error *err)
{
    struct csv_row csv;
    bool wanted = false;
    while (!wanted) {
        TRY(csv_next(rows->csv, &csv, err));
        if (csv.fields_count == 0) {
            *row = (struct match_row){0};
            return STATUS_OK;
        }
        if (csv.fields_count != rows->columns_count)
            return error_fail(err, EX_DATAERR,
                              "%s:%" PRIu64 ": %" PRIu32 " fields, the first row has %" PRIu32,
                              rows->name, csv.line, csv.fields_count, rows->columns_count);
        TRY(look_at_kind(rows, &csv, &wanted, err));
    }
    *row = (struct match_row){.line = csv.line,
                              .id = field(rows, &csv, COLUMN_ID),
                              .number = field(rows, &csv, COLUMN_NUMBER),
                              .number_to = field(rows, &csv, COLUMN_NUMBER_TO),
                              .issuer = field(rows, &csv, COLUMN_ISSUER),
                              .type = field(rows, &csv, COLUMN_TYPE),
                              .nationality = field(rows, &csv, COLUMN_NATIONALITY)};
    return STATUS_OK;
}

uint64_t match_csv_bytes_read(const struct match_csv *rows)
{
    return csv_bytes_read(rows->csv);
}
