#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "operators/support/csv.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"

enum { TEXT_SIZE = 4 * CSV_ROW_BYTES_MAX };

static struct csv *open_bytes(struct bytes text)
{
    return csv_open(&(struct csv_source){.name = "list.csv", .file = -1, .text = text});
}

static struct csv *open_text(const char *text)
{
    return open_bytes(bytes_of_text(text));
}

static struct csv_row next(struct csv *csv)
{
    struct csv_row row;
    struct error err = {0};
    cr_assert_eq(csv_next(csv, &row, &err), STATUS_OK, "%s", err.text);
    return row;
}

/* The row on this line has these fields, separated by '|'. */
static void expect_row(struct csv *csv, uint64_t line, const char *fields)
{
    struct csv_row row = next(csv);
    cr_assert_eq(row.line, line, "line %d", (int)row.line);
    for (uint32_t i = 0; i < row.fields_count; i++) {
        size_t size = strcspn(fields, "|");
        cr_assert(bytes_equal(row.fields[i], bytes_of(fields, size)), "line %d, field %d: '%.*s'",
                  (int)line, (int)i, (int)row.fields[i].size, (const char *)row.fields[i].data);
        fields += size;
        cr_assert_eq(*fields == '|', i + 1 < row.fields_count, "line %d: fields", (int)line);
        fields += *fields == '|';
    }
    cr_assert_gt(row.fields_count, 0);
}

static void expect_end(struct csv *csv)
{
    for (int i = 0; i < 2; i++) {
        struct csv_row row = next(csv);
        cr_assert_eq(row.fields_count, 0);
    }
    csv_close(csv);
}

static void expect_fault(struct csv *csv, const char *text)
{
    struct csv_row row;
    struct error err = {0};
    cr_assert_eq(csv_next(csv, &row, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_DATAERR);
    cr_assert_str_eq(err.text, text);
    csv_close(csv);
}

/* --- rows and fields --- */

Test(csv, fields_stand_between_commas_and_are_not_trimmed)
{
    struct csv *csv = open_text("a,b,c\n,,\n x ,\ty\n1\n");
    expect_row(csv, 1, "a|b|c");
    expect_row(csv, 2, "||");
    expect_row(csv, 3, " x |\ty");
    expect_row(csv, 4, "1");
    expect_end(csv);
}

Test(csv, rows_end_with_lf_crlf_or_the_text)
{
    struct csv *csv = open_text("a,b\r\nc,d\n\"e\",\"f\"\r\ng,\"h\"");
    expect_row(csv, 1, "a|b");
    expect_row(csv, 2, "c|d");
    expect_row(csv, 3, "e|f");
    expect_row(csv, 4, "g|h");
    expect_end(csv);
    static const char *const ends[] = {"a,", "a,\n", "a,\r", "a,\"\"", "a,\"\"\r"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        csv = open_text(ends[i]);
        expect_row(csv, 1, "a|");
        expect_end(csv);
    }
}

Test(csv, a_return_that_ends_no_row_belongs_to_its_field)
{
    struct csv *csv = open_text("a\rb,c\r,d\n");
    expect_row(csv, 1, "a\rb|c\r|d");
    expect_end(csv);
}

Test(csv, quotes_hold_commas_line_ends_and_quotes)
{
    struct csv *csv = open_text("\"a,b\",\"c\r\nd\n\",\"\"\"e\"\"\",\"\"\nf,\"\"\"\"\n");
    expect_row(csv, 1, "a,b|c\r\nd\n|\"e\"|");
    expect_row(csv, 4, "f|\"");
    expect_end(csv);
}

Test(csv, empty_text_has_no_rows)
{
    static const char *const empty[] = {"", "\n", "\r\n\r\n", " \t\n\n  ", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        expect_end(open_text(empty[i]));
}

Test(csv, blank_lines_are_skipped_and_counted)
{
    struct csv *csv = open_text("\n \t\r\na\n\n\nb\n \n");
    expect_row(csv, 3, "a");
    expect_row(csv, 6, "b");
    expect_end(csv);
}

Test(csv, comments_are_skipped_only_when_asked)
{
    const char *text = "# one, \"two\na,#b\n#";
    struct csv_source source = {
        .name = "list.csv", .file = -1, .text = bytes_of_text(text), .comment = '#'};
    struct csv *csv = csv_open(&source);
    expect_row(csv, 2, "a|#b");
    expect_end(csv);
    expect_fault(open_text(text),
                 "list.csv:1: a quote stands inside a field that does not begin with one");
}

Test(csv, byte_order_mark_is_skipped_at_the_start_only)
{
    struct csv *csv = open_text("\xEF\xBB\xBF\"a\"\n\xEF\xBB\xBF"
                                "b\n");
    expect_row(csv, 1, "a");
    expect_row(csv, 2,
               "\xEF\xBB\xBF"
               "b");
    expect_end(csv);
}

Test(csv, nul_bytes_are_handed_out)
{
    struct csv *csv = open_bytes(bytes_of("a\0b,\0\n", 6));
    struct csv_row row = next(csv);
    cr_assert_eq(row.fields_count, 2);
    cr_assert(bytes_equal(row.fields[0], bytes_of("a\0b", 3)));
    cr_assert(bytes_equal(row.fields[1], bytes_of("\0", 1)));
    expect_end(csv);
}

Test(csv, bytes_read_end_behind_the_last_row)
{
    struct csv *csv = open_text("ab\ncde\n");
    cr_assert_eq(csv_bytes_read(csv), 0);
    (void)next(csv);
    cr_assert_eq(csv_bytes_read(csv), 3);
    (void)next(csv);
    cr_assert_eq(csv_bytes_read(csv), 7);
    expect_end(csv);
}

/* --- what is no CSV --- */

Test(csv, faults_name_the_line_the_row_begins_on)
{
    struct csv *csv = open_text("a\nb\"c\n");
    expect_row(csv, 1, "a");
    expect_fault(csv, "list.csv:2: a quote stands inside a field that does not begin with one");
    expect_fault(open_text("a, \"b\"\n"),
                 "list.csv:1: a quote stands inside a field that does not begin with one");
    static const char *const behind[] = {"\"a\"b\n", "\"a\" ,b\n", "\"a\"\r,b\n", "\"a\"\rb"};
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++)
        expect_fault(open_text(behind[i]), "list.csv:1: text stands behind a closing quote");
    csv = open_text("\"a\n\"\nb,\"c\n\n\"\"");
    expect_row(csv, 1, "a\n");
    expect_fault(csv, "list.csv:3: a quote is opened in this row and never closed");
}

Test(csv, utf_16_is_told)
{
    expect_fault(open_bytes(bytes_of("\xFF\xFE"
                                     "a\0",
                                     4)),
                 "list.csv:1: this is UTF-16: write it as UTF-8");
    expect_fault(open_bytes(bytes_of("\xFE\xFF\0a", 4)),
                 "list.csv:1: this is UTF-16: write it as UTF-8");
}

Test(csv, file_that_cannot_be_read_is_told)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    struct csv *csv = csv_open(&(struct csv_source){.name = "list.csv", .file = ends[1]});
    struct csv_row row;
    struct error err = {0};
    cr_assert_eq(csv_next(csv, &row, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_str_eq(err.text, "list.csv: cannot be read: Bad file descriptor");
    csv_close(csv);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* --- limits --- */

Test(csv, fields_up_to_the_limit)
{
    char text[CSV_FIELDS_MAX + 2] = {0};
    memset(text, ',', CSV_FIELDS_MAX - 1);
    struct csv *csv = open_text(text);
    cr_assert_eq(next(csv).fields_count, CSV_FIELDS_MAX);
    expect_end(csv);
    text[CSV_FIELDS_MAX - 1] = ',';
    expect_fault(open_text(text), "list.csv:1: the row has more than 256 fields");
}

/* A row of so many bytes, line end not counted, and one behind it. */
static struct csv *open_long_row(uint8_t *text, size_t size, bool quoted, const char *line_end)
{
    memset(text, 'x', size);
    if (quoted) {
        text[0] = text[size - 1] = '"';
        text[size / 2] = '\n';
    }
    size_t end_size = strlen(line_end);
    memcpy(text + size, line_end, end_size);
    memcpy(text + size + end_size, "y\n", 2);
    return open_bytes(bytes_of(text, size + end_size + 2));
}

Test(csv, rows_up_to_the_limit)
{
    static const char *const line_ends[] = {"\n", "\r\n"};
    uint8_t *text = memory_new(TEXT_SIZE, 1);
    for (int i = 0; i < 4; i++) {
        bool quoted = i & 1;
        const char *line_end = line_ends[i / 2];
        struct csv *csv = open_long_row(text, CSV_ROW_BYTES_MAX, quoted, line_end);
        cr_assert_eq(next(csv).fields[0].size, CSV_ROW_BYTES_MAX - (quoted ? 2 : 0));
        expect_row(csv, quoted ? 3 : 2, "y");
        expect_end(csv);
        expect_fault(open_long_row(text, CSV_ROW_BYTES_MAX + 1, quoted, line_end),
                     "list.csv:1: the row is longer than 65536 bytes: is a quote not closed?");
    }
    memory_free(text);
}

Test(csv, a_row_without_end_is_given_up_in_bounded_memory)
{
    uint8_t *text = memory_new(64, TEXT_SIZE);
    memset(text, 'x', 64 * (size_t)TEXT_SIZE);
    text[0] = '"';
    struct bytes whole = bytes_of(text, 64 * (size_t)TEXT_SIZE);
    expect_fault(open_bytes(whole),
                 "list.csv:1: the row is longer than 65536 bytes: is a quote not closed?");
    text[0] = 'x';
    expect_fault(open_bytes(whole),
                 "list.csv:1: the row is longer than 65536 bytes: is a quote not closed?");
    memory_free(text);
}

/* --- whatever is written is read, however the bytes arrive --- */

struct made {
    uint8_t text[TEXT_SIZE];
    size_t size;
    struct bytes fields[TEXT_SIZE];
    uint32_t fields_count;
    uint32_t row_fields; /* of every row */
    uint8_t plain[TEXT_SIZE];
    size_t plain_size;
};

static void put(struct made *made, const char *text)
{
    size_t size = strlen(text);
    memcpy(made->text + made->size, text, size);
    made->size += size;
}

static void make_field(struct made *made, struct random *random)
{
    static const char *const pieces[] = {"a", "b", " ", ",", "\n", "\r\n", "\"", "\xC3\xA9", "#"};
    uint8_t *start = made->plain + made->plain_size;
    bool has_special = random_below(random, 3) == 0;
    put(made, has_special ? "\"" : "");
    for (uint64_t left = random_below(random, 6); left > 0; left--) {
        const char *piece = pieces[random_below(random, has_special ? 9 : 2)];
        put(made, piece);
        put(made, *piece == '"' ? "\"" : "");
        memcpy(made->plain + made->plain_size, piece, strlen(piece));
        made->plain_size += strlen(piece);
    }
    put(made, has_special ? "\"" : "");
    made->fields[made->fields_count++] =
        bytes_of(start, (size_t)(made->plain + made->plain_size - start));
}

static void make(struct made *made, struct random *random, uint32_t rows)
{
    *made = (struct made){.row_fields = 2 + (uint32_t)random_below(random, 4)};
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t i = 0; i < made->row_fields; i++) {
            put(made, i ? "," : "");
            make_field(made, random);
        }
        put(made, random_below(random, 2) ? "\n" : "\r\n");
    }
}

static void expect_made(const struct made *made, struct csv *csv)
{
    for (uint32_t at = 0; at < made->fields_count; at += made->row_fields) {
        struct csv_row row = next(csv);
        cr_assert_eq(row.fields_count, made->row_fields);
        for (uint32_t i = 0; i < row.fields_count; i++)
            cr_assert(bytes_equal(row.fields[i], made->fields[at + i]));
    }
    expect_end(csv);
}

Test(csv, random_rows_are_read_as_they_were_meant)
{
    struct made *made = memory_new(1, sizeof *made);
    struct random random;
    random_init(&random, 1);
    for (int i = 0; i < 200; i++) {
        make(made, &random, 100);
        expect_made(made, open_bytes(bytes_of(made->text, made->size)));
    }
    memory_free(made);
}

/* Writes the text in packets of 1 to 4 bytes: each is what one read gets. */
static void write_packets(int file, const struct made *made, struct random *random)
{
    for (size_t sent = 0; sent < made->size;) {
        size_t size = 1 + random_below(random, 4);
        size = size < made->size - sent ? size : made->size - sent;
        if (write(file, made->text + sent, size) != (ssize_t)size)
            _exit(EX_IOERR);
        sent += size;
    }
    _exit(EX_OK);
}

Test(csv, text_stands_before_what_the_file_holds)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "b,c\nd\n", 6), 6);
    cr_assert_eq(close(ends[1]), 0);
    struct csv *csv = csv_open(
        &(struct csv_source){.name = "list.csv", .file = ends[0], .text = bytes_of_text("x\na")});
    expect_row(csv, 1, "x");
    expect_row(csv, 2, "ab|c");
    expect_row(csv, 3, "d");
    expect_end(csv);
    cr_assert_eq(close(ends[0]), 0);
}

Test(csv, random_rows_in_pieces_are_read_alike)
{
    struct made *made = memory_new(1, sizeof *made);
    struct random random;
    random_init(&random, 2);
    for (int round = 0; round < 20; round++) {
        make(made, &random, 30);
        int ends[2];
        cr_assert_eq(pipe2(ends, O_DIRECT), 0);
        pid_t writer = fork();
        cr_assert_geq(writer, 0);
        if (writer == 0)
            write_packets(ends[1], made, &random);
        cr_assert_eq(close(ends[1]), 0);
        expect_made(made, csv_open(&(struct csv_source){.name = "pipe", .file = ends[0]}));
        cr_assert_eq(close(ends[0]), 0);
        int result;
        cr_assert_eq(waitpid(writer, &result, 0), writer);
        cr_assert_eq(result, 0);
    }
    memory_free(made);
}

/* --- writing --- */

Test(csv, what_is_written_is_read_again)
{
    static const char *const fields[] = {"plain",  "",    "a,b", "\"q\"",
                                         "x\r\ny", " z ", "#n",  "\xC3\xA9"};
    enum { FIELDS = sizeof fields / sizeof *fields };
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; i < FIELDS; i++) {
        (void)fputs(i ? "," : "", out);
        csv_write_field(out, bytes_of_text(fields[i]));
    }
    cr_assert_eq(fclose(out), 0);
    cr_assert_str_eq(text, "plain,,\"a,b\",\"\"\"q\"\"\",\"x\r\ny\",\" z \",\"#n\",\xC3\xA9");
    struct csv *csv = open_text(text);
    expect_row(csv, 1, "plain||a,b|\"q\"|x\r\ny| z |#n|\xC3\xA9");
    expect_end(csv);
    free(text);
}
