#include "operators/support/csv.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "pipeline/base/memory.h"

enum {
    /* A row at the limit and its line end fit, so one that does not is too long. */
    BUFFER_BYTES = 4 * CSV_ROW_BYTES_MAX,
    LINE_END_SIZE_MAX = 2,
    MARK_SIZE = 3,
};

struct csv {
    struct csv_source source;
    uint8_t *buffer; /* owned */
    uint8_t *at;     /* the row to read; what is before was handed out */
    uint8_t *next;   /* the field to read */
    uint8_t *end;    /* of what is in the buffer */
    bool has_begun;
    bool is_at_end;           /* nothing is left but what is in the buffer */
    uint64_t bytes_taken;     /* into the buffer, so far */
    uint64_t line;            /* of *at */
    uint64_t lines_in_quotes; /* of the row: line ends that are part of a field */
    struct bytes fields[CSV_FIELDS_MAX];
    uint32_t fields_count;
    uint16_t doubled[CSV_FIELDS_MAX]; /* indexes of fields that hold doubled quotes */
    uint32_t doubled_count;
};

/* --- the source --- */

static enum status fault(const struct csv *csv, struct error *err, const char *why)
{
    return error_fail(err, EX_DATAERR, "%s:%llu: %s", csv->source.name,
                      (unsigned long long)csv->line, why);
}

static enum status take(struct csv *csv, uint8_t *out, size_t capacity, size_t *size,
                        struct error *err)
{
    struct csv_source *source = &csv->source;
    if (source->file < 0 || source->text.size > 0) {
        *size = source->text.size < capacity ? source->text.size : capacity;
        if (*size > 0)
            memcpy(out, source->text.data, *size);
        source->text = bytes_of(source->text.data + *size, source->text.size - *size);
        return STATUS_OK;
    }
    ssize_t got;
    do
        got = read(source->file, out, capacity);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_fail(err, EX_UNAVAILABLE, "%s: cannot be read: %s", source->name,
                          strerror(errno));
    *size = (size_t)got;
    return STATUS_OK;
}

/* Moves what is left to the front and takes more behind it. */
static enum status fill(struct csv *csv, struct error *err)
{
    size_t left = (size_t)(csv->end - csv->at);
    memmove(csv->buffer, csv->at, left);
    csv->at = csv->buffer;
    csv->end = csv->buffer + left;
    assert(left < BUFFER_BYTES);
    size_t size = 0;
    TRY(take(csv, csv->end, BUFFER_BYTES - left, &size, err));
    csv->end += size;
    csv->bytes_taken += size;
    csv->is_at_end = size == 0;
    return STATUS_OK;
}

static enum status begin(struct csv *csv, struct error *err)
{
    csv->has_begun = true;
    while (csv->end - csv->at < MARK_SIZE && !csv->is_at_end)
        TRY(fill(csv, err));
    size_t size = (size_t)(csv->end - csv->at);
    if (size >= 2 && (memcmp(csv->at, "\xFF\xFE", 2) == 0 || memcmp(csv->at, "\xFE\xFF", 2) == 0))
        return fault(csv, err, "this is UTF-16: write it as UTF-8");
    if (size >= MARK_SIZE && memcmp(csv->at, "\xEF\xBB\xBF", MARK_SIZE) == 0)
        csv->at += MARK_SIZE;
    return STATUS_OK;
}

/* --- one row: nothing is written to the buffer, as it may have to be scanned again --- */

enum scan {
    SCAN_FIELD, /* a comma follows */
    SCAN_ROW,   /* the row ends here */
    SCAN_MORE,  /* the buffer ends here, and the source does not */
    SCAN_FAULT, /* err is set */
};

/* at: the comma or line end behind the field, or the end of the source. */
static enum scan end_field(struct csv *csv, uint8_t *from, uint8_t *to, uint8_t *at)
{
    csv->fields[csv->fields_count++] = bytes_of(from, (size_t)(to - from));
    csv->next = at < csv->end ? at + 1 : at;
    return at < csv->end && *at == ',' ? SCAN_FIELD : SCAN_ROW;
}

static enum scan scan_plain(struct csv *csv, struct error *err)
{
    static const bool is_special[UINT8_MAX + 1] = {[','] = true, ['\n'] = true, ['"'] = true};
    uint8_t *from = csv->next;
    uint8_t *at = from;
    while (at < csv->end && !is_special[*at])
        at++;
    if (at == csv->end && !csv->is_at_end)
        return SCAN_MORE;
    if (at < csv->end && *at == '"') {
        (void)fault(csv, err, "a quote stands inside a field that does not begin with one");
        return SCAN_FAULT;
    }
    bool is_last = at == csv->end || *at == '\n';
    uint8_t *to = is_last && at > from && at[-1] == '\r' ? at - 1 : at;
    return end_field(csv, from, to, at);
}

static uint64_t count_lines(const uint8_t *at, const uint8_t *end)
{
    uint64_t lines = 0;
    while ((at = memchr(at, '\n', (size_t)(end - at)))) {
        lines++;
        at++;
    }
    return lines;
}

/* The quote that closes the field whose text begins at from; NULL: it is not in the buffer. */
static uint8_t *find_closing_quote(struct csv *csv, uint8_t *from)
{
    bool has_doubled = false;
    uint8_t *quote = from;
    for (;; quote += 2) {
        quote = memchr(quote, '"', (size_t)(csv->end - quote));
        if (!quote || (quote + 1 == csv->end && !csv->is_at_end))
            return NULL; /* at the buffer's end: the next byte may double it */
        if (quote + 1 == csv->end || quote[1] != '"')
            break;
        has_doubled = true;
    }
    if (has_doubled)
        csv->doubled[csv->doubled_count++] = (uint16_t)csv->fields_count;
    csv->lines_in_quotes += count_lines(from, quote);
    return quote;
}

static enum scan scan_quoted(struct csv *csv, struct error *err)
{
    uint8_t *from = csv->next + 1;
    uint8_t *to = find_closing_quote(csv, from);
    if (!to && !csv->is_at_end)
        return SCAN_MORE;
    if (!to) {
        (void)fault(csv, err, "a quote is opened in this row and never closed");
        return SCAN_FAULT;
    }
    uint8_t *at = to + 1;
    if (at < csv->end && *at == '\r')
        at++;
    if (at == csv->end && !csv->is_at_end)
        return SCAN_MORE;
    bool is_behind_return = at > to + 1;
    if (at < csv->end && *at != '\n' && (*at != ',' || is_behind_return)) {
        (void)fault(csv, err, "text stands behind a closing quote");
        return SCAN_FAULT;
    }
    return end_field(csv, from, to, at);
}

static enum scan scan_row(struct csv *csv, struct error *err)
{
    csv->next = csv->at;
    csv->fields_count = 0;
    csv->doubled_count = 0;
    csv->lines_in_quotes = 0;
    for (;;) {
        if (csv->fields_count == CSV_FIELDS_MAX) {
            (void)error_fail(err, EX_DATAERR, "%s:%llu: the row has more than %d fields",
                             csv->source.name, (unsigned long long)csv->line, CSV_FIELDS_MAX);
            return SCAN_FAULT;
        }
        bool is_quoted = csv->next < csv->end && *csv->next == '"';
        enum scan scan = is_quoted ? scan_quoted(csv, err) : scan_plain(csv, err);
        if (scan != SCAN_FIELD)
            return scan;
    }
}

/* --- rows --- */

/* The end of a line that says nothing, at csv->at; NULL: it says something, or may once there is
 * more of it (*more). */
static uint8_t *find_skipped(const struct csv *csv, bool *more)
{
    uint8_t *at = csv->at;
    if (csv->source.comment && at < csv->end && *at == (uint8_t)csv->source.comment)
        at = memchr(at, '\n', (size_t)(csv->end - at));
    else
        while (at < csv->end && (*at == ' ' || *at == '\t' || *at == '\r'))
            at++;
    if (at && at < csv->end)
        return *at == '\n' ? at + 1 : NULL;
    *more = !csv->is_at_end;
    return csv->is_at_end ? csv->end : NULL;
}

static enum status check_size(const struct csv *csv, size_t size, struct error *err)
{
    if (size <= CSV_ROW_BYTES_MAX)
        return STATUS_OK;
    return error_fail(err, EX_DATAERR,
                      "%s:%llu: the row is longer than %d bytes: is a quote not closed?",
                      csv->source.name, (unsigned long long)csv->line, CSV_ROW_BYTES_MAX);
}

/* Two quotes become one, in place. */
static void undouble(struct bytes *field)
{
    uint8_t *from = (uint8_t *)(uintptr_t)field->data; /* inside the reader's own buffer */
    uint8_t *to = from;
    for (const uint8_t *at = from, *end = from + field->size; at < end; at++) {
        *to++ = *at;
        if (*at == '"')
            at++;
    }
    field->size = (size_t)(to - from);
}

static enum status hand_out(struct csv *csv, struct csv_row *row, struct error *err)
{
    const uint8_t *to = csv->next;
    if (to > csv->at && to[-1] == '\n')
        to--;
    if (to > csv->at && to[-1] == '\r')
        to--;
    TRY(check_size(csv, (size_t)(to - csv->at), err));
    for (uint32_t i = 0; i < csv->doubled_count; i++)
        undouble(&csv->fields[csv->doubled[i]]);
    *row = (struct csv_row){csv->fields, csv->fields_count, csv->line};
    csv->line += 1 + csv->lines_in_quotes;
    csv->at = csv->next;
    return STATUS_OK;
}

enum status csv_next(struct csv *csv, struct csv_row *row, struct error *err)
{
    *row = (struct csv_row){.line = csv->line};
    if (!csv->has_begun)
        TRY(begin(csv, err));
    for (;;) {
        bool more = false;
        if (csv->at == csv->end && csv->is_at_end)
            return STATUS_OK;
        uint8_t *behind = find_skipped(csv, &more);
        if (behind) {
            csv->at = behind;
            csv->line++;
            continue;
        }
        enum scan scan = more ? SCAN_MORE : scan_row(csv, err);
        if (scan == SCAN_ROW)
            return hand_out(csv, row, err);
        if (scan == SCAN_FAULT)
            return STATUS_FAIL;
        if (csv->end - csv->at > CSV_ROW_BYTES_MAX + LINE_END_SIZE_MAX)
            return check_size(csv, (size_t)(csv->end - csv->at), err);
        TRY(fill(csv, err));
    }
}

void csv_continue(struct csv *csv, struct bytes text, uint64_t line)
{
    csv->source.file = -1;
    csv->source.text = text;
    csv->at = csv->buffer;
    csv->end = csv->buffer;
    csv->has_begun = true;
    csv->is_at_end = false;
    csv->line = line;
}

uint64_t csv_bytes_read(const struct csv *csv)
{
    return csv->bytes_taken - (uint64_t)(csv->end - csv->at);
}

struct csv *csv_open(const struct csv_source *source)
{
    struct csv *csv = memory_new(1, sizeof *csv);
    csv->source = *source;
    csv->buffer = memory_new(BUFFER_BYTES, 1);
    csv->at = csv->buffer;
    csv->end = csv->buffer;
    csv->line = 1;
    return csv;
}

void csv_close(struct csv *csv)
{
    if (!csv)
        return;
    memory_free(csv->buffer);
    memory_free(csv);
}

/* --- writing --- */

static bool needs_quotes(struct bytes field)
{
    for (size_t i = 0; i < field.size; i++) {
        uint8_t byte = field.data[i];
        if (byte == ',' || byte == '"' || byte <= ' ' || byte == '#')
            return true;
    }
    return false;
}

void csv_write_field(FILE *out, struct bytes field)
{
    if (!needs_quotes(field)) {
        (void)fwrite(field.data, 1, field.size, out);
        return;
    }
    (void)putc('"', out);
    for (size_t i = 0; i < field.size; i++) {
        if (field.data[i] == '"')
            (void)putc('"', out);
        (void)putc(field.data[i], out);
    }
    (void)putc('"', out);
}
