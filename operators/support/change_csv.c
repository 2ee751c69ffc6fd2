#include "operators/support/change_csv.h"

#include <assert.h>
#include <inttypes.h>

#include "operators/support/canonical.h"
#include "operators/support/csv.h"
#include "operators/support/quote.h"
#include "operators/support/time_parse.h"
#include "pipeline/base/memory.h"
#include "pipeline/nearest.h"

enum column {
    COLUMN_ENTRY_ID,
    COLUMN_OP,
    COLUMN_REVISION,
    COLUMN_NUMBER,
    COLUMN_NUMBER_TO,
    COLUMN_ISSUER,
    COLUMN_TYPE,
    COLUMN_LOSS,
    COLUMN_FLAGS,
    COLUMN_CONTRIBUTOR,
    COLUMN_REPORTED_ON,
    COLUMN_LOST_ON,
    COLUMN_EXPIRY,
    COLUMN_REVIEW_ON,
    COLUMN_NATIONAL_REF,
    COLUMN_EFFECTIVE_AT,
    COLUMN_COUNT
};

static const char *const column_names[COLUMN_COUNT] = {
    [COLUMN_ENTRY_ID] = "entry_id",
    [COLUMN_OP] = "op",
    [COLUMN_REVISION] = "revision",
    [COLUMN_NUMBER] = "number",
    [COLUMN_NUMBER_TO] = "number_to",
    [COLUMN_ISSUER] = "issuer",
    [COLUMN_TYPE] = "type",
    [COLUMN_LOSS] = "loss",
    [COLUMN_FLAGS] = "flags",
    [COLUMN_CONTRIBUTOR] = "contributor",
    [COLUMN_REPORTED_ON] = "reported_on",
    [COLUMN_LOST_ON] = "lost_on",
    [COLUMN_EXPIRY] = "expiry",
    [COLUMN_REVIEW_ON] = "review_on",
    [COLUMN_NATIONAL_REF] = "national_ref",
    [COLUMN_EFFECTIVE_AT] = "effective_at",
};

enum { ABSENT = -1, DATE_SIZE = 10, DAY_MS = 86400000 };

struct change_csv {
    struct change_csv_settings settings;
    struct csv *csv;
    int32_t positions[COLUMN_COUNT]; /* of each column among the fields; ABSENT */
    uint32_t columns_count;          /* in the header */
    struct entry entry;              /* of the last row */
};

/* --- faults --- */

static const struct {
    const char *name;
    const char *words;
} faults[CHANGE_FAULT_COUNT] = {
    [REJECTION_ID_INVALID] = {NULL, "it is empty, longer than 64 bytes, or holds ';', '=', ':' or "
                                    "a control character"},
    [REJECTION_NUMBER_MISSING] = {NULL, "there is none"},
    [REJECTION_NUMBER_INVALID] = {NULL, "it is not 3 to 24 letters and digits"},
    [REJECTION_NUMBER_PLACEHOLDER] = {NULL, "it is a placeholder, no document's number"},
    [REJECTION_ISSUER_MISSING] = {NULL, "there is none"},
    [REJECTION_ISSUER_UNKNOWN] = {NULL, "it is no code of a country or organisation we know"},
    [REJECTION_ISSUER_SPECIMEN] = {NULL, "it stands for specimens"},
    [REJECTION_RANGE_LENGTH] = {NULL, "it is not as long as number"},
    [REJECTION_RANGE_SHAPE] = {NULL,
                               "its letters and digits do not stand where those of number do"},
    [REJECTION_RANGE_ORDER] = {NULL, "it comes before number"},
    [REJECTION_RANGE_TOO_WIDE] = {NULL, "the range holds more than 1,000,000 numbers"},
    [REJECTION_TEXT_TOO_LONG] = {NULL, "it is longer than 64 bytes"},
    [CHANGE_FIELDS_COUNT] = {"fields_count", "the row has not as many fields as the header"},
    [CHANGE_OP_UNKNOWN] = {"op_unknown", "it is neither UPSERT nor WITHDRAW"},
    [CHANGE_REVISION_INVALID] = {"revision_invalid", "it is no whole number from 0 on"},
    [CHANGE_LOSS_UNKNOWN] = {"loss_unknown",
                             "it is none of STOLEN, LOST, STOLEN_BLANK, REVOKED, INVALID"},
    [CHANGE_FLAG_UNKNOWN] = {"flag_unknown", "one is none of SILENT, DISPUTED, TEST"},
    [CHANGE_DATE_INVALID] = {"date_invalid", "it is no day such as 2026-01-31"},
    [CHANGE_TIME_INVALID] = {"time_invalid", "it is no time such as 2026-01-31T12:00:00Z"},
    [CHANGE_TEXT_INVALID] = {"text_invalid", "it is not UTF-8"},
    [CHANGE_CONTRIBUTOR_MISSING] = {"contributor_missing", "there is none"},
    [CHANGE_OUTRANKED] = {"revision_lower",
                          "an earlier row of the entry has a higher one, which stays"},
};

const char *change_fault_name(enum change_fault fault)
{
    assert(fault < CHANGE_FAULT_COUNT);
    return fault < CHANGE_FIELDS_COUNT ? rejection_name((enum rejection)fault) : faults[fault].name;
}

const char *change_fault_words(enum change_fault fault)
{
    assert(fault > CHANGE_FAULT_NO && fault < CHANGE_FAULT_COUNT);
    return faults[fault].words;
}

/* The first fault stays. */
static void set_fault(struct change_row *row, enum change_fault fault, enum column column)
{
    if (row->fault != CHANGE_FAULT_NO)
        return;
    row->fault = fault;
    row->column = column_names[column];
}

/* --- fields --- */

/* Absent, too, when it is empty. */
static struct bytes field_of(const struct change_csv *changes, const struct csv_row *fields,
                             enum column column)
{
    int32_t position = changes->positions[column];
    if (position == ABSENT || fields->fields[position].size == 0)
        return (struct bytes){NULL, 0};
    return fields->fields[position];
}

static struct bytes word_of(const struct change_csv *changes, const struct csv_row *fields,
                            enum column column)
{
    struct bytes field = field_of(changes, fields, column);
    struct bytes word = rule_data_trim(field);
    return word.size > 0 ? word : (struct bytes){NULL, 0};
}

struct value {
    struct bytes word;
    uint32_t value;
};

/* Whether the word is one of them; *out is its value. */
static bool find_value(struct bytes word, const struct value *values, size_t count, uint32_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (!rule_data_is_word(word, values[i].word))
            continue;
        *out = values[i].value;
        return true;
    }
    return false;
}

static bool read_op(struct bytes word, enum change_op *op)
{
    static const struct value ops[] = {{RULE_DATA_WORD("UPSERT"), CHANGE_UPSERT},
                                       {RULE_DATA_WORD("WITHDRAW"), CHANGE_WITHDRAW}};
    uint32_t found = CHANGE_UPSERT;
    if (word.data && !find_value(word, ops, sizeof ops / sizeof *ops, &found))
        return false;
    *op = (enum change_op)found;
    return true;
}

static bool read_loss(struct bytes word, enum loss *loss)
{
    static const struct value losses[] = {{RULE_DATA_WORD("STOLEN"), LOSS_STOLEN},
                                          {RULE_DATA_WORD("LOST"), LOSS_LOST},
                                          {RULE_DATA_WORD("REVOKED"), LOSS_REVOKED},
                                          {RULE_DATA_WORD("STOLEN_BLANK"), LOSS_STOLEN_BLANK},
                                          {RULE_DATA_WORD("INVALID"), LOSS_INVALID}};
    uint32_t found = LOSS_UNKNOWN;
    if (word.data && !find_value(word, losses, sizeof losses / sizeof *losses, &found))
        return false;
    *loss = (enum loss)found;
    return true;
}

static bool read_flags(struct bytes words, uint32_t *flags)
{
    static const struct value all[] = {{RULE_DATA_WORD("SILENT"), ENTRY_SILENT},
                                       {RULE_DATA_WORD("DISPUTED"), ENTRY_DISPUTED},
                                       {RULE_DATA_WORD("TEST"), ENTRY_TEST}};
    *flags = 0;
    while (words.data) {
        const uint8_t *bar = memchr(words.data, '|', words.size);
        size_t size = bar ? (size_t)(bar - words.data) : words.size;
        uint32_t flag;
        if (!find_value(rule_data_trim(bytes_of(words.data, size)), all, sizeof all / sizeof *all,
                        &flag))
            return false;
        *flags |= flag;
        words = bar ? bytes_of(bar + 1, words.size - size - 1) : (struct bytes){NULL, 0};
    }
    return true;
}

static bool read_revision(struct bytes word, int64_t *revision)
{
    *revision = 0;
    for (size_t i = 0; i < word.size; i++) {
        uint8_t digit = word.data[i];
        if (digit < '0' || digit > '9' || __builtin_mul_overflow(*revision, 10, revision) ||
            __builtin_add_overflow(*revision, digit - '0', revision))
            return false;
    }
    return true;
}

static bool read_day(struct bytes word, int32_t *day)
{
    *day = DATE_NONE;
    if (!word.data)
        return true;
    int64_t ms;
    if (word.size != DATE_SIZE || !time_parse(word, &ms))
        return false;
    *day = (int32_t)(ms / DAY_MS); /* exact: a day without a time */
    return true;
}

/* --- one row --- */

/* A text that goes into the record as it is. */
static struct bytes take_text(struct change_row *row, const struct change_csv *changes,
                              const struct csv_row *fields, enum column column)
{
    uint8_t copy[ENTRY_TEXT_SIZE_MAX];
    unsigned found = 0;
    struct bytes text = field_of(changes, fields, column);
    if (text.size > sizeof copy) {
        set_fault(row, (enum change_fault)REJECTION_TEXT_TOO_LONG, column);
        return text;
    }
    (void)quote_text(text, copy, sizeof copy, &found);
    if (found != 0)
        set_fault(row, CHANGE_TEXT_INVALID, column);
    return text;
}

static void take_day(struct change_row *row, const struct change_csv *changes,
                     const struct csv_row *fields, enum column column, int32_t *day)
{
    if (!read_day(word_of(changes, fields, column), day))
        set_fault(row, CHANGE_DATE_INVALID, column);
}

/* What every change has; whether the id is one, canonical_entry says. */
static void take_common(struct change_row *row, const struct change_csv *changes,
                        const struct csv_row *fields)
{
    struct change *change = &row->change;
    if (!read_revision(word_of(changes, fields, COLUMN_REVISION), &change->revision))
        set_fault(row, CHANGE_REVISION_INVALID, COLUMN_REVISION);
    change->contributor = take_text(row, changes, fields, COLUMN_CONTRIBUTOR);
    if (!change->contributor.data)
        change->contributor = changes->settings.contributor;
    if (!change->contributor.data)
        set_fault(row, CHANGE_CONTRIBUTOR_MISSING, COLUMN_CONTRIBUTOR);
    change->national_ref = take_text(row, changes, fields, COLUMN_NATIONAL_REF);
    change->effective_at_ms = changes->settings.effective_at_ms;
    struct bytes time = word_of(changes, fields, COLUMN_EFFECTIVE_AT);
    if (time.data && !time_parse(time, &change->effective_at_ms))
        set_fault(row, CHANGE_TIME_INVALID, COLUMN_EFFECTIVE_AT);
}

static void take_upsert(struct change_row *row, const struct change_csv *changes,
                        const struct csv_row *fields)
{
    struct change *change = &row->change;
    change->number = field_of(changes, fields, COLUMN_NUMBER);
    change->number_to = field_of(changes, fields, COLUMN_NUMBER_TO);
    change->issuer = field_of(changes, fields, COLUMN_ISSUER);
    change->type = take_text(row, changes, fields, COLUMN_TYPE);
    if (!read_loss(word_of(changes, fields, COLUMN_LOSS), &change->loss))
        set_fault(row, CHANGE_LOSS_UNKNOWN, COLUMN_LOSS);
    if (!read_flags(word_of(changes, fields, COLUMN_FLAGS), &change->flags))
        set_fault(row, CHANGE_FLAG_UNKNOWN, COLUMN_FLAGS);
    take_day(row, changes, fields, COLUMN_REPORTED_ON, &change->reported_on);
    take_day(row, changes, fields, COLUMN_LOST_ON, &change->lost_on);
    take_day(row, changes, fields, COLUMN_EXPIRY, &change->expiry);
    take_day(row, changes, fields, COLUMN_REVIEW_ON, &change->review_on);
}

/* Of a range both numbers are judged alike: which one is it? */
static enum column number_at_fault(const struct change *change)
{
    struct canonical form;
    canonical_number(change->number, change->number_to.size == 0, &form);
    return form.unscreenable == UNSCREENABLE_NO ? COLUMN_NUMBER_TO : COLUMN_NUMBER;
}

static enum column column_at_fault(enum rejection reason, const struct change *change)
{
    switch (reason) {
    case REJECTION_ID_INVALID:
        return COLUMN_ENTRY_ID;
    case REJECTION_NUMBER_MISSING:
    case REJECTION_NUMBER_INVALID:
    case REJECTION_NUMBER_PLACEHOLDER:
        return number_at_fault(change);
    case REJECTION_ISSUER_MISSING:
    case REJECTION_ISSUER_UNKNOWN:
    case REJECTION_ISSUER_SPECIMEN:
        return COLUMN_ISSUER;
    default:
        return COLUMN_NUMBER_TO;
    }
}

/* What rules 3 say comes before what else is at fault in the row; the texts of the rules' last test
 * were looked at before, each with its column. */
static void judge(struct change_row *row, struct change_csv *changes)
{
    enum rejection reason = canonical_entry(changes->settings.rules, &row->change, &changes->entry);
    if (reason == REJECTION_TEXT_TOO_LONG) {
        assert(row->fault != CHANGE_FAULT_NO);
    } else if (reason != REJECTION_NO) {
        row->fault = (enum change_fault)reason;
        row->column = column_names[column_at_fault(reason, &row->change)];
    }
}

static void read_row(struct change_csv *changes, const struct csv_row *fields,
                     struct change_row *row)
{
    *row = (struct change_row){.line = fields->line,
                               .change = {.reported_on = DATE_NONE,
                                          .lost_on = DATE_NONE,
                                          .expiry = DATE_NONE,
                                          .review_on = DATE_NONE}};
    if (fields->fields_count != changes->columns_count) {
        row->fault = CHANGE_FIELDS_COUNT;
        return;
    }
    row->change.entry_id = field_of(changes, fields, COLUMN_ENTRY_ID);
    if (!read_op(word_of(changes, fields, COLUMN_OP), &row->change.op)) {
        set_fault(row, CHANGE_OP_UNKNOWN, COLUMN_OP);
        return;
    }
    take_common(row, changes, fields);
    if (row->change.op == CHANGE_UPSERT)
        take_upsert(row, changes, fields);
    judge(row, changes);
    if (row->fault == CHANGE_FAULT_NO)
        (void)take_text(row, changes, fields, COLUMN_ENTRY_ID);
    if (row->fault == CHANGE_FAULT_NO)
        row->entry = &changes->entry;
}

enum status change_csv_next(struct change_csv *changes, struct change_row *row, struct error *err)
{
    struct csv_row fields;
    TRY(csv_next(changes->csv, &fields, err));
    if (fields.fields_count == 0)
        *row = (struct change_row){0};
    else
        read_row(changes, &fields, row);
    return STATUS_OK;
}

void change_csv_continue(struct change_csv *changes, struct bytes text, uint64_t line)
{
    csv_continue(changes->csv, text, line);
}

uint64_t change_csv_bytes_read(const struct change_csv *changes)
{
    return csv_bytes_read(changes->csv);
}

/* --- the header --- */

static enum status fault(const struct change_csv *changes, uint64_t line, struct error *err,
                         const char *why)
{
    return error_fail(err, EX_DATAERR, "%s:%" PRIu64 ": %s", changes->settings.name, line, why);
}

static int32_t find_column(struct bytes name)
{
    for (int32_t column = 0; column < COLUMN_COUNT; column++)
        if (bytes_equal_text(name, column_names[column]))
            return column;
    return ABSENT;
}

/* A first row without any of our columns is not quoted: it may be a row of documents. */
static enum status refuse_first_row(const struct change_csv *changes, const struct csv_row *fields,
                                    struct error *err)
{
    const struct bytes first = fields->fields[0];
    bool is_alone = fields->fields_count == 1;
    if (is_alone && (memchr(first.data, ';', first.size) || memchr(first.data, '\t', first.size)))
        return fault(changes, fields->line, err, "columns must be separated by commas");
    return fault(changes, fields->line, err,
                 "the first row names none of the columns: entry_id, op, revision, number, "
                 "number_to, issuer, type, loss, flags, contributor, reported_on, lost_on, expiry, "
                 "review_on, national_ref, effective_at");
}

/* A name has no digits, a document number has: such a text is not quoted, wherever it came from. */
static bool is_quotable(const char *name)
{
    return !strpbrk(name, "0123456789");
}

static enum status refuse_column(const struct change_csv *changes, const struct csv_row *fields,
                                 uint32_t position, struct error *err)
{
    char name[NEAREST_SIZE_MAX + 1];
    (void)quote_line(fields->fields[position], name, sizeof name);
    const char *near = nearest_name(name, column_names, COLUMN_COUNT);
    if (!is_quotable(name))
        return error_fail(err, EX_DATAERR, "%s:%" PRIu64 ": column %" PRIu32 " is unknown",
                          changes->settings.name, fields->line, position + 1);
    return error_fail(err, EX_DATAERR, "%s:%" PRIu64 ": unknown column '%s'%s%s%s",
                      changes->settings.name, fields->line, name, near ? ": is '" : "",
                      near ? near : "", near ? "' meant?" : "");
}

static enum status refuse_twice(const struct change_csv *changes, const struct csv_row *fields,
                                int32_t column, struct error *err)
{
    return error_fail(err, EX_DATAERR, "%s:%" PRIu64 ": column '%s' stands here twice",
                      changes->settings.name, fields->line, column_names[column]);
}

static enum status need(const struct change_csv *changes, const struct csv_row *fields,
                        enum column column, struct error *err)
{
    if (changes->positions[column] != ABSENT)
        return STATUS_OK;
    return error_fail(err, EX_DATAERR, "%s:%" PRIu64 ": column '%s' is missing",
                      changes->settings.name, fields->line, column_names[column]);
}

static enum status take_columns(struct change_csv *changes, const struct csv_row *fields,
                                struct error *err)
{
    uint32_t known = 0;
    for (uint32_t i = 0; i < fields->fields_count; i++)
        known += find_column(fields->fields[i]) != ABSENT;
    if (known == 0)
        return refuse_first_row(changes, fields, err);
    for (uint32_t i = 0; i < fields->fields_count; i++) {
        int32_t column = find_column(fields->fields[i]);
        if (column == ABSENT)
            return refuse_column(changes, fields, i, err);
        if (changes->positions[column] != ABSENT)
            return refuse_twice(changes, fields, column, err);
        changes->positions[column] = (int32_t)i;
    }
    changes->columns_count = fields->fields_count;
    return STATUS_OK;
}

static enum status read_header(struct change_csv *changes, struct error *err)
{
    struct csv_row fields;
    TRY(csv_next(changes->csv, &fields, err));
    if (fields.fields_count == 0)
        return fault(changes, fields.line, err,
                     "the header row, which names the columns, is missing");
    TRY(take_columns(changes, &fields, err));
    TRY(need(changes, &fields, COLUMN_ENTRY_ID, err));
    if (changes->positions[COLUMN_OP] == ABSENT) { /* every row is an UPSERT */
        TRY(need(changes, &fields, COLUMN_NUMBER, err));
        TRY(need(changes, &fields, COLUMN_ISSUER, err));
    }
    if (!changes->settings.contributor.data)
        TRY(need(changes, &fields, COLUMN_CONTRIBUTOR, err));
    return STATUS_OK;
}

enum status change_csv_open(const struct change_csv_settings *settings, struct change_csv **out,
                            struct error *err)
{
    struct change_csv *changes = memory_new(1, sizeof *changes);
    changes->settings = *settings;
    changes->csv = csv_open(&(struct csv_source){
        .name = settings->name, .file = settings->file, .text = settings->text});
    for (uint32_t column = 0; column < COLUMN_COUNT; column++)
        changes->positions[column] = ABSENT;
    enum status status = read_header(changes, err);
    if (status != STATUS_OK) {
        change_csv_close(changes);
        return status;
    }
    *out = changes;
    return STATUS_OK;
}

void change_csv_close(struct change_csv *changes)
{
    if (!changes)
        return;
    csv_close(changes->csv);
    memory_free(changes);
}
