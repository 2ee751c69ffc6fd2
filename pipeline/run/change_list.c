#include "pipeline/run/change_list.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/change_encode.h"
#include "operators/support/revisions.h"
#include "operators/support/spool.h"
#include "pipeline/base/memory.h"

enum { ROWS_BETWEEN_LOOKS = 1024, PAYLOAD_BYTES_MAX = CHANGE_BYTES_MAX(CSV_ROW_BYTES_MAX) };

/* In front of the key and the payload in the spool, as the machine has it. */
struct spooled {
    uint64_t line;
    const char *file;
    uint8_t op; /* enum change_op */
    uint8_t key_size;
};

enum { RECORD_BYTES = sizeof(struct spooled) + ENTRY_ID_SIZE_MAX + PAYLOAD_BYTES_MAX };
_Static_assert((int)RECORD_BYTES <= (int)SPOOL_RECORD_BYTES_MAX, "spool");

struct change_list {
    struct change_list_settings settings;
    struct spool *spool;
    struct revisions *revisions;
    struct change_counts counts;
    uint64_t next_index; /* of the change to be given back */
    bool is_finished;
    uint8_t record[RECORD_BYTES];
};

/* --- reading --- */

static enum status put_aside(struct change_list *list, const char *file,
                             const struct change_row *row, struct error *err)
{
    const struct change *change = &row->change;
    struct spooled spooled = {.line = row->line,
                              .file = file,
                              .op = (uint8_t)change->op,
                              .key_size = (uint8_t)change->entry_id.size};
    uint8_t *at = list->record;
    memcpy(at, &spooled, sizeof spooled);
    at += sizeof spooled;
    memcpy(at, change->entry_id.data, change->entry_id.size);
    at += change->entry_id.size;
    struct bytes payload = change_encode(change, list->settings.schema_id, at, PAYLOAD_BYTES_MAX);
    assert(payload.data); /* a row is no longer than the room for it */
    at += payload.size;
    TRY(spool_add(list->spool, bytes_of(list->record, (size_t)(at - list->record)), err));
    return revisions_add(list->revisions, change->entry_id, change->revision, err);
}

static enum status take_row(struct change_list *list, const char *file,
                            const struct change_row *row, struct error *err)
{
    if (row->fault != CHANGE_FAULT_NO) {
        progress_end(list->settings.progress);
        rejections_add(list->settings.rejections, file, row);
        return STATUS_OK;
    }
    TRY(put_aside(list, file, row, err));
    if (row->change.op == CHANGE_WITHDRAW)
        list->counts.withdrawals++;
    else
        list->counts.upserts++;
    return STATUS_OK;
}

static enum status read_rows(struct change_list *list, struct change_csv *changes, const char *file,
                             struct error *err)
{
    struct change_row row;
    for (uint64_t rows = 1;; rows++) {
        TRY(change_csv_next(changes, &row, err));
        if (row.line == 0)
            return STATUS_OK;
        TRY(take_row(list, file, &row, err));
        if (rows % ROWS_BETWEEN_LOOKS == 0)
            progress_tell(list->settings.progress, change_csv_bytes_read(changes));
    }
}

/* file -1: text instead. */
static enum status read_source(struct change_list *list, const char *name, int file,
                               struct bytes text, struct error *err)
{
    const struct change_list_settings *settings = &list->settings;
    struct stat info = {0};
    bool has_size = fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0;
    struct progress_task task = {.what = name,
                                 .unit = "MB",
                                 .unit_size = 1000000,
                                 .total = has_size ? (uint64_t)info.st_size : 0};
    struct change_csv_settings csv = {.name = name,
                                      .file = file,
                                      .text = text,
                                      .rules = settings->rules,
                                      .contributor = settings->contributor,
                                      .effective_at_ms = settings->effective_at_ms};
    struct change_csv *changes = NULL;
    TRY(change_csv_open(&csv, &changes, err));
    progress_begin(settings->progress, &task);
    enum status status = read_rows(list, changes, name, err);
    progress_end(settings->progress);
    change_csv_close(changes);
    return status;
}

static enum status read_file(struct change_list *list, const char *name, int file,
                             struct error *err)
{
    return read_source(list, name, file, bytes_of(NULL, 0), err);
}

enum status change_list_read_text(struct change_list *list, const char *name, struct bytes text,
                                  struct error *err)
{
    assert(!list->is_finished);
    return read_source(list, name, -1, text, err);
}

enum status change_list_read(struct change_list *list, const char *path, struct error *err)
{
    assert(!list->is_finished);
    if (strcmp(path, "-") == 0)
        return read_file(list, "standard input", STDIN_FILENO, err);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_fail(err, EX_UNAVAILABLE, "%s: cannot be opened: %s", path, strerror(errno));
    enum status status = read_file(list, path, file, err);
    (void)close(file);
    return status;
}

/* --- giving back --- */

/* Every record that was put aside, with its index; key.data NULL: there are no more. */
static enum status next_spooled(struct change_list *list, struct change_record *record,
                                struct spooled *spooled, uint64_t *index, struct error *err)
{
    struct bytes bytes;
    *record = (struct change_record){0};
    TRY(spool_next(list->spool, &bytes, err));
    if (!bytes.data)
        return STATUS_OK;
    memcpy(spooled, bytes.data, sizeof *spooled);
    const uint8_t *key = bytes.data + sizeof *spooled;
    *record = (struct change_record){
        .key = bytes_of(key, spooled->key_size),
        .payload =
            bytes_of(key + spooled->key_size, bytes.size - sizeof *spooled - spooled->key_size),
        .op = (enum change_op)spooled->op};
    *index = list->next_index++;
    return STATUS_OK;
}

static enum status begin_again(struct change_list *list, struct error *err)
{
    list->next_index = 0;
    return spool_rewind(list->spool, err);
}

static void leave_out(struct change_list *list, const struct spooled *spooled,
                      const struct change_record *record)
{
    const struct change_row row = {.line = spooled->line,
                                   .change = {.entry_id = record->key},
                                   .fault = CHANGE_OUTRANKED,
                                   .column = "revision"};
    rejections_add(list->settings.rejections, spooled->file, &row);
    if (record->op == CHANGE_WITHDRAW)
        list->counts.withdrawals--;
    else
        list->counts.upserts--;
}

static enum status leave_out_outranked(struct change_list *list, struct error *err)
{
    struct change_record record;
    struct spooled spooled;
    uint64_t index = 0;
    TRY(begin_again(list, err));
    for (;;) {
        TRY(next_spooled(list, &record, &spooled, &index, err));
        if (!record.key.data)
            return STATUS_OK;
        if (revisions_is_outranked(list->revisions, index))
            leave_out(list, &spooled, &record);
    }
}

enum status change_list_finish(struct change_list *list, struct change_counts *valid,
                               struct error *err)
{
    uint64_t outranked = 0;
    list->is_finished = true;
    TRY(revisions_judge(list->revisions, &outranked, err));
    if (outranked > 0)
        TRY(leave_out_outranked(list, err));
    TRY(rejections_finish(list->settings.rejections, err));
    *valid = list->counts;
    return begin_again(list, err);
}

enum status change_list_next(struct change_list *list, struct change_record *record,
                             struct error *err)
{
    struct spooled spooled;
    uint64_t index = 0;
    assert(list->is_finished);
    do
        TRY(next_spooled(list, record, &spooled, &index, err));
    while (record->key.data && revisions_is_outranked(list->revisions, index));
    return STATUS_OK;
}

struct change_list *change_list_open(const struct change_list_settings *settings)
{
    struct change_list *list = memory_new(1, sizeof *list);
    list->settings = *settings;
    list->spool = spool_open();
    list->revisions = revisions_open();
    return list;
}

void change_list_close(struct change_list *list)
{
    if (!list)
        return;
    spool_close(list->spool);
    revisions_close(list->revisions);
    memory_free(list);
}
