#include <criterion/criterion.h>
#include <stdio.h>

#include "operators/support/change_csv.h"
#include "pipeline/base/memory.h"

enum { NOW_MS = 1234567, TEXT_BYTES = 2048 };

#define COLUMNS                                                                                    \
    "entry_id,op,revision,number,number_to,issuer,type,loss,flags,contributor,reported_on,"        \
    "lost_on,expiry,review_on,national_ref,effective_at\n"

/* --- fixture --- */

static struct rule_data *rules;

static void set_up(void)
{
    struct error err = {0};
    cr_assert_eq(rule_data_open(NULL, &rules, &err), STATUS_OK, "%s", err.text);
}

static void tear_down(void)
{
    rule_data_close(rules);
}

TestSuite(change_csv, .init = set_up, .fini = tear_down);

static struct change_csv_settings settings_of(const char *text)
{
    return (struct change_csv_settings){.name = "list.csv",
                                        .file = -1,
                                        .text = bytes_of_text(text),
                                        .rules = rules,
                                        .contributor = bytes_of_text("FRA-1"),
                                        .effective_at_ms = NOW_MS};
}

static struct change_csv *open_text(const char *text)
{
    struct change_csv_settings settings = settings_of(text);
    struct change_csv *changes = NULL;
    struct error err = {0};
    cr_assert_eq(change_csv_open(&settings, &changes, &err), STATUS_OK, "%s", err.text);
    return changes;
}

static struct change_row next(struct change_csv *changes)
{
    struct change_row row;
    struct error err = {0};
    cr_assert_eq(change_csv_next(changes, &row, &err), STATUS_OK, "%s", err.text);
    return row;
}

static void expect_end(struct change_csv *changes)
{
    cr_assert_eq(next(changes).line, 0);
    change_csv_close(changes);
}

/* header and row are one text each, without line end. */
static void expect_fault(const char *header, const char *fields, enum change_fault fault,
                         const char *column)
{
    char text[TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%s\n%s\n", header, fields);
    struct change_csv *changes = open_text(text);
    struct change_row row = next(changes);
    cr_assert_eq(row.line, 2);
    cr_assert_eq(row.fault, fault, "'%s': %s", fields,
                 row.fault ? change_fault_name(row.fault) : "no fault");
    cr_assert_eq(row.column == NULL, column == NULL, "'%s'", fields);
    cr_assert(!column || strcmp(row.column, column) == 0, "'%s': %s", fields, row.column);
    expect_end(changes);
}

static void expect_refused(const char *text, const char *error)
{
    struct change_csv_settings settings = settings_of(text);
    struct change_csv *changes = NULL;
    struct error err = {0};
    cr_assert_eq(change_csv_open(&settings, &changes, &err), STATUS_FAIL, "%s", text);
    cr_assert_eq(err.exit_code, EX_DATAERR);
    cr_assert_str_eq(err.text, error);
}

/* --- rows that are changes --- */

Test(change_csv, every_column_is_read)
{
    struct change_csv *changes =
        open_text(COLUMNS "E-1,UPSERT,12,AB 100,AB 199,FR,P,STOLEN_BLANK,SILENT|TEST,DEU-2,"
                          "1970-01-02,1969-12-31,9999-12-31,2024-02-29,r 7,1970-01-01T00:00:01Z\n");
    struct change_row row = next(changes);
    const struct change *change = &row.change;
    cr_assert_eq(row.line, 2);
    cr_assert_eq(row.fault, CHANGE_FAULT_NO);
    cr_assert_null(row.column);
    cr_assert(bytes_equal_text(change->entry_id, "E-1"));
    cr_assert_eq(change->op, CHANGE_UPSERT);
    cr_assert_eq(change->revision, 12);
    cr_assert(bytes_equal_text(change->number, "AB 100"));
    cr_assert(bytes_equal_text(change->number_to, "AB 199"));
    cr_assert(bytes_equal_text(change->issuer, "FR"));
    cr_assert(bytes_equal_text(change->type, "P"));
    cr_assert_eq(change->loss, LOSS_STOLEN_BLANK);
    cr_assert_eq(change->flags, ENTRY_SILENT | ENTRY_TEST);
    cr_assert(bytes_equal_text(change->contributor, "DEU-2"));
    cr_assert_eq(change->reported_on, 1);
    cr_assert_eq(change->lost_on, -1);
    cr_assert_eq(change->expiry, 2932896);
    cr_assert_eq(change->review_on, 19782);
    cr_assert(bytes_equal_text(change->national_ref, "r 7"));
    cr_assert_eq(change->effective_at_ms, 1000);
    expect_end(changes);
}

static void expect_bare(const struct change *change)
{
    cr_assert_null(change->number_to.data);
    cr_assert_null(change->type.data);
    cr_assert_null(change->national_ref.data);
    cr_assert(bytes_equal_text(change->contributor, "FRA-1"));
    cr_assert_eq(change->op, CHANGE_UPSERT);
    cr_assert_eq(change->revision, 0);
    cr_assert_eq(change->loss, LOSS_UNKNOWN);
    cr_assert_eq(change->flags, 0);
    cr_assert_eq(change->reported_on, DATE_NONE);
    cr_assert_eq(change->lost_on, DATE_NONE);
    cr_assert_eq(change->expiry, DATE_NONE);
    cr_assert_eq(change->review_on, DATE_NONE);
    cr_assert_eq(change->effective_at_ms, NOW_MS);
}

Test(change_csv, absent_columns_and_empty_fields_have_their_defaults)
{
    struct change_csv *changes = open_text("issuer,entry_id,number\r\nFRA,E-1,AB100\r\n");
    struct change_row row = next(changes);
    cr_assert_eq(row.fault, CHANGE_FAULT_NO);
    cr_assert(bytes_equal_text(row.change.number, "AB100"));
    expect_bare(&row.change);
    expect_end(changes);

    changes = open_text(COLUMNS "E-1,,,AB100,,FRA,,,,,,,,,,\n"
                                "E-2, , ,AB100,,FRA,, ,\t,, ,,,,,\n");
    for (int i = 0; i < 2; i++) {
        row = next(changes);
        cr_assert_eq(row.fault, CHANGE_FAULT_NO);
        expect_bare(&row.change);
    }
    expect_end(changes);
}

Test(change_csv, words_count_in_any_case_and_trimmed)
{
    struct change_csv *changes =
        open_text("entry_id,op,revision,number,issuer,loss,flags,reported_on\n"
                  "E-1, upsert , 7 ,AB100,FRA,revoked, silent | Disputed |TEST, 1970-01-01 \n");
    struct change_row row = next(changes);
    cr_assert_eq(row.fault, CHANGE_FAULT_NO);
    cr_assert_eq(row.change.revision, 7);
    cr_assert_eq(row.change.loss, LOSS_REVOKED);
    cr_assert_eq(row.change.flags, ENTRY_SILENT | ENTRY_DISPUTED | ENTRY_TEST);
    cr_assert_eq(row.change.reported_on, 0);
    expect_end(changes);
}

Test(change_csv, every_loss_is_known)
{
    for (int loss = LOSS_UNKNOWN + 1; loss < LOSS_COUNT; loss++) {
        char text[TEXT_BYTES];
        (void)snprintf(text, sizeof text, "entry_id,number,issuer,loss\nE-1,AB100,FRA,%s\n",
                       loss_name((enum loss)loss));
        struct change_csv *changes = open_text(text);
        struct change_row row = next(changes);
        cr_assert_eq(row.fault, CHANGE_FAULT_NO);
        cr_assert_eq(row.change.loss, (enum loss)loss);
        expect_end(changes);
    }
}

Test(change_csv, of_a_withdrawal_only_what_it_needs_is_read)
{
    struct change_csv *changes =
        open_text(COLUMNS "E-1,WITHDRAW,3,AB100,x,nowhere,P,no,no,,no,no,no,no,r 7,1970-01-01\n");
    struct change_row row = next(changes);
    cr_assert_eq(row.fault, CHANGE_FAULT_NO);
    cr_assert_eq(row.change.op, CHANGE_WITHDRAW);
    cr_assert_eq(row.change.revision, 3);
    cr_assert(bytes_equal_text(row.change.national_ref, "r 7"));
    cr_assert_eq(row.change.effective_at_ms, 0);
    cr_assert_null(row.change.number.data);
    cr_assert_null(row.change.number_to.data);
    cr_assert_null(row.change.issuer.data);
    cr_assert_null(row.change.type.data);
    cr_assert_eq(row.change.loss, LOSS_UNKNOWN);
    cr_assert_eq(row.change.flags, 0);
    cr_assert_eq(row.change.expiry, DATE_NONE);
    expect_end(changes);

    changes = open_text("entry_id,op\nE-1,withdraw\n");
    cr_assert_eq(next(changes).fault, CHANGE_FAULT_NO);
    expect_end(changes);
}

/* --- rows that are none --- */

Test(change_csv, what_the_rules_reject_is_told_with_its_column)
{
    static const char header[] = "entry_id,number,number_to,issuer";
    static const struct {
        const char *fields;
        enum rejection reason;
        const char *column;
    } rows[] = {
        {",AB100,,FRA", REJECTION_ID_INVALID, "entry_id"},
        {"a;b,AB100,,FRA", REJECTION_ID_INVALID, "entry_id"},
        {"E-1,,,FRA", REJECTION_NUMBER_MISSING, "number"},
        {"E-1,--,,FRA", REJECTION_NUMBER_MISSING, "number"},
        {"E-1,AB,,FRA", REJECTION_NUMBER_INVALID, "number"},
        {"E-1,AB\xFF"
         "100,,FRA",
         REJECTION_NUMBER_INVALID, "number"},
        {"E-1,AAAA,,FRA", REJECTION_NUMBER_PLACEHOLDER, "number"},
        {"E-1,AB,AB100,FRA", REJECTION_NUMBER_INVALID, "number"},
        {"E-1,AB100,AB,FRA", REJECTION_NUMBER_INVALID, "number_to"},
        {"E-1,AB100,-,FRA", REJECTION_NUMBER_MISSING, "number_to"},
        {"E-1,AB100,,", REJECTION_ISSUER_MISSING, "issuer"},
        {"E-1,AB100,,n/a", REJECTION_ISSUER_MISSING, "issuer"},
        {"E-1,AB100,,QQQ", REJECTION_ISSUER_UNKNOWN, "issuer"},
        {"E-1,AB100,,UTO", REJECTION_ISSUER_SPECIMEN, "issuer"},
        {"E-1,AB100,AB1000,FRA", REJECTION_RANGE_LENGTH, "number_to"},
        {"E-1,AB100,ABC99,FRA", REJECTION_RANGE_SHAPE, "number_to"},
        {"E-1,AB200,AB100,FRA", REJECTION_RANGE_ORDER, "number_to"},
        {"E-1,A0000000,A9999999,FRA", REJECTION_RANGE_TOO_WIDE, "number_to"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_fault(header, rows[i].fields, (enum change_fault)rows[i].reason, rows[i].column);
}

Test(change_csv, what_no_record_can_hold_is_told_with_its_column)
{
    static const char row[] = "E-1,AB100,FRA,";
    static const struct {
        const char *column;
        const char *field;
        enum change_fault fault;
    } faults[] = {
        {"op", "DELETE", CHANGE_OP_UNKNOWN},
        {"op", "UPSERT WITHDRAW", CHANGE_OP_UNKNOWN},
        {"revision", "-1", CHANGE_REVISION_INVALID},
        {"revision", "1.0", CHANGE_REVISION_INVALID},
        {"revision", "0x1", CHANGE_REVISION_INVALID},
        {"revision", "9223372036854775807", CHANGE_FAULT_NO},
        {"revision", "9223372036854775808", CHANGE_REVISION_INVALID},
        {"revision", "18446744073709551616", CHANGE_REVISION_INVALID},
        {"revision", "00000000000000000000000000", CHANGE_FAULT_NO},
        {"loss", "UNKNOWN", CHANGE_LOSS_UNKNOWN},
        {"loss", "STOLEN|LOST", CHANGE_LOSS_UNKNOWN},
        {"flags", "LOUD", CHANGE_FLAG_UNKNOWN},
        {"flags", "TEST|", CHANGE_FLAG_UNKNOWN},
        {"flags", "|", CHANGE_FLAG_UNKNOWN},
        {"flags", "TEST|TEST", CHANGE_FAULT_NO},
        {"flags", "\"TEST,SILENT\"", CHANGE_FLAG_UNKNOWN},
        {"reported_on", "2024-02-30", CHANGE_DATE_INVALID},
        {"lost_on", "31.01.2024", CHANGE_DATE_INVALID},
        {"expiry", "2024-01-31T00:00", CHANGE_DATE_INVALID},
        {"review_on", "10000-01-01", CHANGE_DATE_INVALID},
        {"effective_at", "now", CHANGE_TIME_INVALID},
        {"type", "\xFF", CHANGE_TEXT_INVALID},
        {"contributor", "a\xC3", CHANGE_TEXT_INVALID},
        {"national_ref", "\xED\xA0\x80", CHANGE_TEXT_INVALID},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char header[TEXT_BYTES];
        char fields[TEXT_BYTES];
        (void)snprintf(header, sizeof header, "entry_id,number,issuer,%s", faults[i].column);
        (void)snprintf(fields, sizeof fields, "%s%s", row, faults[i].field);
        expect_fault(header, fields, faults[i].fault, faults[i].fault ? faults[i].column : NULL);
    }
    expect_fault("entry_id,number,issuer", "E-\xFF,AB100,FRA", CHANGE_TEXT_INVALID, "entry_id");
    expect_fault("entry_id,number,issuer", "E-\xC3\xA9,AB100,FRA", CHANGE_FAULT_NO, NULL);
}

Test(change_csv, texts_up_to_their_limits)
{
    static const struct {
        const char *column;
        enum change_fault fault;
    } texts[] = {{"type", (enum change_fault)REJECTION_TEXT_TOO_LONG},
                 {"contributor", (enum change_fault)REJECTION_TEXT_TOO_LONG},
                 {"national_ref", (enum change_fault)REJECTION_TEXT_TOO_LONG},
                 {"entry_id", (enum change_fault)REJECTION_ID_INVALID}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (int size = 64; size <= 65; size++) {
            bool is_id = strcmp(texts[i].column, "entry_id") == 0;
            char text[66] = {0};
            memset(text, 'x', (size_t)size);
            char header[TEXT_BYTES];
            char fields[TEXT_BYTES];
            (void)snprintf(header, sizeof header, "%snumber,issuer,%s", is_id ? "" : "entry_id,",
                           texts[i].column);
            (void)snprintf(fields, sizeof fields, "%sAB100,FRA,%s", is_id ? "" : "E-1,", text);
            bool fits = size == 64;
            expect_fault(header, fields, fits ? CHANGE_FAULT_NO : texts[i].fault,
                         fits ? NULL : texts[i].column);
        }
    }
}

Test(change_csv, a_row_of_another_width_is_told)
{
    expect_fault("entry_id,number,issuer", "E-1,AB100", CHANGE_FIELDS_COUNT, NULL);
    expect_fault("entry_id,number,issuer", "E-1,AB100,FRA,", CHANGE_FIELDS_COUNT, NULL);
}

Test(change_csv, the_rules_go_first_and_then_the_first_fault)
{
    expect_fault("revision,entry_id,number,issuer,loss", "x,E-1,AB100,QQQ,x",
                 (enum change_fault)REJECTION_ISSUER_UNKNOWN, "issuer");
    expect_fault("revision,entry_id,number,issuer,loss", "x,E-1,AB100,FRA,x",
                 CHANGE_REVISION_INVALID, "revision");
    expect_fault("op,entry_id,revision", "WITHDRAW,,x", (enum change_fault)REJECTION_ID_INVALID,
                 "entry_id");
}

Test(change_csv, a_contributor_must_come_from_somewhere)
{
    struct change_csv_settings settings =
        settings_of("entry_id,op,contributor\nE-1,WITHDRAW,\nE-2,WITHDRAW,FRA-2\n");
    settings.contributor = (struct bytes){NULL, 0};
    struct change_csv *changes = NULL;
    struct error err = {0};
    cr_assert_eq(change_csv_open(&settings, &changes, &err), STATUS_OK);
    struct change_row row = next(changes);
    cr_assert_eq(row.fault, CHANGE_CONTRIBUTOR_MISSING);
    cr_assert_str_eq(row.column, "contributor");
    cr_assert(bytes_equal_text(row.change.entry_id, "E-1"));
    cr_assert_eq(next(changes).fault, CHANGE_FAULT_NO);
    expect_end(changes);

    settings.text = bytes_of_text("entry_id,op\nE-1,WITHDRAW\n");
    cr_assert_eq(change_csv_open(&settings, &changes, &err), STATUS_FAIL);
    cr_assert_str_eq(err.text, "list.csv:1: column 'contributor' is missing");
}

Test(change_csv, every_fault_has_a_name_of_its_own_and_words)
{
    for (int a = CHANGE_FAULT_NO + 1; a < CHANGE_FAULT_COUNT; a++) {
        cr_assert_not_null(change_fault_words((enum change_fault)a));
        for (int b = CHANGE_FAULT_NO; b < a; b++)
            cr_assert_str_neq(change_fault_name((enum change_fault)a),
                              change_fault_name((enum change_fault)b));
    }
}

/* --- headers --- */

Test(change_csv, unknown_columns_are_named_with_the_one_meant)
{
    expect_refused("entry_id,nubmer,issuer\n",
                   "list.csv:1: unknown column 'nubmer': is 'number' meant?");
    expect_refused("\n\nentry_id,Number,issuer\n",
                   "list.csv:3: unknown column 'Number': is 'number' meant?");
    expect_refused("entry_id,shoe_size\n", "list.csv:1: unknown column 'shoe_size'");
    expect_refused("entry_id,\n", "list.csv:1: unknown column ''");
    expect_refused("entry_id,a\x1B[Km\n", "list.csv:1: unknown column 'a?[Km'");
}

Test(change_csv, an_unknown_column_that_may_be_a_number_is_not_quoted)
{
    expect_refused("entry_id,issuer,KX4731902\n", "list.csv:1: column 3 is unknown");
    expect_refused("entry_id,number1,issuer\n", "list.csv:1: column 2 is unknown");
}

Test(change_csv, columns_stand_once_and_needed_ones_are_there)
{
    expect_refused("entry_id,op,entry_id\n", "list.csv:1: column 'entry_id' stands here twice");
    expect_refused("number,issuer\n", "list.csv:1: column 'entry_id' is missing");
    expect_refused("entry_id,issuer\n", "list.csv:1: column 'number' is missing");
    expect_refused("entry_id,number\n", "list.csv:1: column 'issuer' is missing");
    expect_refused("", "list.csv:1: the header row, which names the columns, is missing");
    expect_refused("entry_id;op\n", "list.csv:1: columns must be separated by commas");
    expect_refused("entry_id\top\n", "list.csv:1: columns must be separated by commas");
}

Test(change_csv, a_first_row_that_is_no_header_is_not_quoted)
{
    struct change_csv_settings settings = settings_of("XY7654321,FRA,E-1\n");
    struct change_csv *changes = NULL;
    struct error err = {0};
    cr_assert_eq(change_csv_open(&settings, &changes, &err), STATUS_FAIL);
    cr_assert_null(strstr(err.text, "XY7654321"));
    cr_assert_not_null(strstr(err.text, "list.csv:1: the first row names none of the columns"));
}

Test(change_csv, what_is_no_csv_ends_the_reading)
{
    struct change_csv *changes = open_text("entry_id,op\nE-1,WITHDRAW\nE-2,\"WITHDRAW\n");
    cr_assert_eq(next(changes).fault, CHANGE_FAULT_NO);
    cr_assert_eq(change_csv_bytes_read(changes), strlen("entry_id,op\nE-1,WITHDRAW\n"));
    struct change_row row;
    struct error err = {0};
    cr_assert_eq(change_csv_next(changes, &row, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_DATAERR);
    cr_assert_str_eq(err.text, "list.csv:3: a quote is opened in this row and never closed");
    change_csv_close(changes);
}
