#include <criterion/criterion.h>
#include <stdio.h>

#include "operators/support/projection.h"
#include "operators/support/wire.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/change_list.h"
#include "tests/unit/temp_folder.h"

enum { SCHEMA_ID = 5, NOW_MS = 1234567, TEXT_BYTES = 4096 };

/* --- fixture --- */

static struct temp_folder folder;
static struct rule_data *rules;
static struct projection *projection;
static struct rejections *rejections;
static struct progress progress;
static char path[TEMP_PATH_SIZE];
static char other_path[TEMP_PATH_SIZE];
static char rejections_path[TEMP_PATH_SIZE];

static void set_up(void)
{
    struct error err = {0};
    struct bytes schema = assets_find("schemas/DocumentChange.avsc");
    folder = temp_folder_make();
    (void)temp_path(&folder, "list.csv", path);
    (void)temp_path(&folder, "other.csv", other_path);
    (void)temp_path(&folder, "rejections.csv", rejections_path);
    cr_assert_eq(rule_data_open(NULL, &rules, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(
        projection_compile_change((const char *)schema.data, schema.size, &projection, &err),
        STATUS_OK, "%s", err.text);
    cr_assert_eq(rejections_open(rejections_path, &rejections, &err), STATUS_OK, "%s", err.text);
    progress_init(&progress, stderr, false);
}

static void tear_down(void)
{
    rejections_close(rejections);
    projection_close(projection);
    rule_data_close(rules);
    temp_folder_remove(&folder);
}

TestSuite(change_list, .init = set_up, .fini = tear_down);

static void write_to(const char *to, const char *text)
{
    FILE *file = fopen(to, "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

static struct change_list *open_list(void)
{
    return change_list_open(&(struct change_list_settings){.rules = rules,
                                                           .contributor = bytes_of_text("FRA-1"),
                                                           .effective_at_ms = NOW_MS,
                                                           .schema_id = SCHEMA_ID,
                                                           .rejections = rejections,
                                                           .progress = &progress});
}

static void read_it(struct change_list *list, const char *from)
{
    struct error err = {0};
    cr_assert_eq(change_list_read(list, from, &err), STATUS_OK, "%s", err.text);
}

static struct change_counts finish(struct change_list *list)
{
    struct change_counts counts;
    struct error err = {0};
    cr_assert_eq(change_list_finish(list, &counts, &err), STATUS_OK, "%s", err.text);
    return counts;
}

/* The next change has this id and number (NULL: none). */
static void expect_change(struct change_list *list, const char *id, const char *number)
{
    struct change_record record;
    struct change change;
    struct bytes datum;
    uint32_t schema_id;
    struct error err = {0};
    cr_assert_eq(change_list_next(list, &record, &err), STATUS_OK, "%s", err.text);
    cr_assert_not_null(record.key.data, "%s", id);
    cr_assert(bytes_equal_text(record.key, id), "%s", id);
    cr_assert(wire_split(record.payload, &schema_id, &datum));
    cr_assert_eq(schema_id, SCHEMA_ID);
    cr_assert_eq(projection_change(projection, datum, &change), RECORD_OK);
    cr_assert(bytes_equal_text(change.entry_id, id));
    cr_assert_eq(change.op, record.op);
    cr_assert(bytes_equal_text(change.number, number), "%s", id);
}

static void expect_end(struct change_list *list)
{
    struct change_record record;
    struct error err = {0};
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(change_list_next(list, &record, &err), STATUS_OK, "%s", err.text);
        cr_assert_null(record.key.data);
    }
    change_list_close(list);
}

static void expect_rejections(const char *text)
{
    char found[TEXT_BYTES] = {0};
    FILE *file = fopen(rejections_path, "r");
    cr_assert_not_null(file);
    size_t size = fread(found, 1, sizeof found - 1, file);
    cr_assert_lt(size, sizeof found - 1);
    cr_assert_eq(fclose(file), 0);
    cr_assert_str_eq(found, text);
}

#define REJECTIONS_HEADER "file,line,entry_id,reason,what\n"

/* --- tests --- */

Test(change_list, valid_rows_come_back_in_order_and_rejected_ones_are_told)
{
    char text[TEXT_BYTES];
    write_to(path, "entry_id,op,number,issuer,contributor\n"
                   "E-1,,AB100,FRA,\n"
                   "E-2,,AB200,QQQ,\n"
                   "\"E\n3\",,AB300,FRA,\n"
                   "E-4,WITHDRAW,,,\n"
                   "E-5,\n");
    struct change_list *list = open_list();
    read_it(list, path);
    struct change_counts counts = finish(list);
    cr_assert_eq(counts.upserts, 1);
    cr_assert_eq(counts.withdrawals, 1);
    expect_change(list, "E-1", "AB100");
    expect_change(list, "E-4", NULL);
    expect_end(list);
    (void)snprintf(text, sizeof text,
                   REJECTIONS_HEADER
                   "%s,3,E-2,issuer_unknown,\"issuer: it is no code of a country or organisation "
                   "we know\"\n"
                   "%s,4,,id_invalid,\"entry_id: it is empty, longer than 64 bytes, or holds "
                   "';', '=', ':' or a control character\"\n"
                   "%s,7,,fields_count,\"the row has not as many fields as the header\"\n",
                   path, path, path);
    expect_rejections(text);
    cr_assert_eq(rejections_count(rejections, (enum change_fault)REJECTION_ISSUER_UNKNOWN), 1);
    rejections_summary(rejections, text, sizeof text);
    cr_assert_str_eq(text, "id_invalid 1, issuer_unknown 1, fields_count 1");
}

Test(change_list, what_was_judged_is_given_back_whatever_becomes_of_the_file)
{
    write_to(path, "entry_id,number,issuer\nE-1,AB100,FRA\n");
    struct change_list *list = open_list();
    read_it(list, path);
    write_to(path, "entry_id,number,issuer\nE-2,AB200,FRA\nE-3,?,?\n");
    cr_assert_eq(finish(list).upserts, 1);
    cr_assert_eq(unlink(path), 0);
    expect_change(list, "E-1", "AB100");
    expect_end(list);
    expect_rejections(REJECTIONS_HEADER);
}

Test(change_list, several_files_count_as_one_and_an_outranked_row_is_left_out)
{
    char text[TEXT_BYTES];
    write_to(path, "entry_id,number,issuer,revision\nE-1,AB100,FRA,2\nE-2,AB200,FRA,1\n");
    write_to(other_path, "op,entry_id,revision,number,issuer\n"
                         ",E-2,1,AB201,FRA\n"
                         "WITHDRAW,E-1,1,,\n"
                         ",E-1,3,?,FRA\n"
                         ",E-1,2,AB101,FRA\n");
    struct change_list *list = open_list();
    read_it(list, path);
    read_it(list, other_path);
    struct change_counts counts = finish(list);
    cr_assert_eq(counts.upserts, 4);
    cr_assert_eq(counts.withdrawals, 0);
    expect_change(list, "E-1", "AB100");
    expect_change(list, "E-2", "AB200");
    expect_change(list, "E-2", "AB201");
    expect_change(list, "E-1", "AB101"); /* the row before is rejected, so it outranks nothing */
    expect_end(list);
    (void)snprintf(text, sizeof text,
                   REJECTIONS_HEADER
                   "%s,4,E-1,number_missing,\"number: there is none\"\n"
                   "%s,3,E-1,revision_lower,\"revision: an earlier row of the entry has a higher "
                   "one, which stays\"\n",
                   other_path, other_path);
    expect_rejections(text);
    rejections_summary(rejections, text, sizeof text);
    cr_assert_str_eq(text, "number_missing 1");
}

Test(change_list, the_longest_row_has_room)
{
    char *text = memory_new(CSV_ROW_BYTES_MAX + 100, 1);
    (void)snprintf(text, 100, "entry_id,number,issuer\nE-1,AB100");
    size_t size = strlen(text);
    size_t row_size = strlen("E-1,AB100") + strlen(",FRA");
    memset(text + size, '-', CSV_ROW_BYTES_MAX - row_size);
    (void)snprintf(text + size + CSV_ROW_BYTES_MAX - row_size, 8, ",FRA\n");
    write_to(path, text);
    struct change_list *list = open_list();
    read_it(list, path);
    cr_assert_eq(finish(list).upserts, 1);
    text[size + CSV_ROW_BYTES_MAX - row_size] = 0;
    expect_change(list, "E-1", strstr(text, "AB100"));
    expect_end(list);
    memory_free(text);
}

Test(change_list, files_without_rows_give_nothing)
{
    write_to(path, "entry_id,op\n");
    struct change_list *list = open_list();
    read_it(list, path);
    struct change_counts counts = finish(list);
    cr_assert_eq(counts.upserts + counts.withdrawals, 0);
    expect_end(list);
}

Test(change_list, files_that_cannot_be_read_are_told)
{
    struct error err = {0};
    struct change_list *list = open_list();
    cr_assert_eq(change_list_read(list, path, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "list.csv: cannot be opened: No such file or directory"));
    cr_assert_eq(change_list_read(list, folder.path, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "cannot be read: Is a directory"));
    change_list_close(list);
}

Test(change_list, rejections_that_cannot_be_written_are_told)
{
    struct error err = {0};
    struct rejections *full = NULL;
    cr_assert_eq(rejections_open("/dev/full", &full, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(rejections_finish(full, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_str_eq(err.text, "/dev/full: cannot be written: No space left on device");
    rejections_close(full);
    cr_assert_eq(rejections_open("/nonexistent/x", &full, &err), STATUS_FAIL);
    cr_assert_str_eq(err.text, "/nonexistent/x: cannot be written: No such file or directory");
}
