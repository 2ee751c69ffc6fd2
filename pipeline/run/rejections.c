#include "pipeline/run/rejections.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "operators/support/csv.h"
#include "operators/support/quote.h"
#include "pipeline/base/memory.h"

enum { ID_TEXT_BYTES = ENTRY_ID_SIZE_MAX + 1, WHAT_SIZE = 256 };

struct rejections {
    const char *path; /* borrowed; NULL: standard error */
    FILE *file;       /* owned; NULL: standard error */
    uint64_t counts[CHANGE_FAULT_COUNT];
    uint64_t count;
};

enum status rejections_open(const char *path, struct rejections **out, struct error *err)
{
    FILE *file = NULL;
    if (path) {
        file = fopen(path, "we");
        if (!file)
            return error_fail(err, EX_UNAVAILABLE, "%s: cannot be written: %s", path,
                              strerror(errno));
        (void)fputs("file,line,entry_id,reason,what\n", file);
    }
    struct rejections *rejections = memory_new(1, sizeof *rejections);
    rejections->path = path;
    rejections->file = file;
    *out = rejections;
    return STATUS_OK;
}

void rejections_close(struct rejections *rejections)
{
    if (!rejections)
        return;
    if (rejections->file)
        (void)fclose(rejections->file);
    memory_free(rejections);
}

static void write_row(const struct rejections *rejections, const char *file, uint64_t line,
                      const char *id, const char *reason, const char *what)
{
    FILE *out = rejections->file;
    csv_write_field(out, bytes_of_text(file));
    (void)fprintf(out, ",%" PRIu64 ",", line);
    csv_write_field(out, bytes_of_text(id));
    (void)fprintf(out, ",%s,", reason);
    csv_write_field(out, bytes_of_text(what));
    (void)putc('\n', out);
}

void rejections_add(struct rejections *rejections, const char *file, const struct change_row *row)
{
    char id[ID_TEXT_BYTES];
    char what[WHAT_SIZE];
    rejections->counts[row->fault]++;
    rejections->count++;
    if (!rejections->file && rejections->count > REJECTIONS_LINES_MAX)
        return;
    /* What is no id may be anything, a number too: the line says which row it is. */
    bool is_id = row->fault != (enum change_fault)REJECTION_ID_INVALID;
    (void)quote_line(is_id ? row->change.entry_id : bytes_of_text(NULL), id, sizeof id);
    (void)snprintf(what, sizeof what, "%s%s%s", row->column ? row->column : "",
                   row->column ? ": " : "", change_fault_words(row->fault));
    if (rejections->file)
        write_row(rejections, file, row->line, id, change_fault_name(row->fault), what);
    else
        (void)fprintf(stderr, "%s:%" PRIu64 ": %s%s%s\n", file, row->line, id, *id ? ": " : "",
                      what);
}

uint64_t rejections_count(const struct rejections *rejections, enum change_fault fault)
{
    return rejections->counts[fault];
}

enum status rejections_finish(struct rejections *rejections, struct error *err)
{
    if (!rejections->file) {
        if (rejections->count > REJECTIONS_LINES_MAX)
            (void)fprintf(stderr, "... and %" PRIu64 " more: --rejections FILE lists all\n",
                          rejections->count - REJECTIONS_LINES_MAX);
        return STATUS_OK;
    }
    if (fflush(rejections->file) != 0 || ferror(rejections->file))
        return error_fail(err, EX_UNAVAILABLE, "%s: cannot be written: %s", rejections->path,
                          strerror(errno));
    return STATUS_OK;
}

void rejections_summary(const struct rejections *rejections, char *out, size_t out_size)
{
    size_t used = 0;
    out[0] = 0;
    for (int fault = CHANGE_FAULT_NO + 1; fault < CHANGE_OUTRANKED && used < out_size; fault++)
        if (rejections->counts[fault] > 0)
            used += (size_t)snprintf(out + used, out_size - used, "%s%s %" PRIu64, used ? ", " : "",
                                     change_fault_name((enum change_fault)fault),
                                     rejections->counts[fault]);
}
