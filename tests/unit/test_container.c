/* The file, byte by byte as the specification says; tests/rules/check_generated.py reads what the
 * program writes with fastavro. */
#include <criterion/criterion.h>

#include "operators/support/container.h"
#include "tests/unit/temp_folder.h"

enum { FILE_SIZE = 1024 * 1024, BLOCK_SIZE = 64 * 1024, SYNC_SIZE = 16 };

static const char schema[] = "\"bytes\"";

/* A cursor over the file's bytes. */
struct reader {
    uint8_t data[FILE_SIZE];
    size_t size;
    size_t at;
};

static struct temp_folder folder;
static char path[TEMP_PATH_SIZE];
static struct file_writer *writer;
static struct container *container;
static struct reader reader;
static struct error err;

static void set_up(void)
{
    folder = temp_folder_make();
    (void)temp_path(&folder, "file.avro", path);
    cr_assert_eq(file_writer_open(path, &writer, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(container_open(writer, bytes_of_text(schema), 7, &container, &err), STATUS_OK);
}

static void tear_down(void)
{
    container_close(container);
    file_writer_close(writer);
    temp_folder_remove(&folder);
}

TestSuite(container, .init = set_up, .fini = tear_down);

static void put(const void *data, size_t size)
{
    cr_assert_eq(container_put(container, bytes_of(data, size), &err), STATUS_OK, "%s", err.text);
}

static void finish(void)
{
    cr_assert_eq(container_finish(container, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(file_writer_finish(writer, &err), STATUS_OK, "%s", err.text);
    FILE *file = fopen(path, "rb");
    reader.at = 0;
    reader.size = fread(reader.data, 1, sizeof reader.data, file);
    cr_assert_lt(reader.size, sizeof reader.data);
    (void)fclose(file);
}

static uint64_t read_long(void)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        cr_assert_lt(reader.at, reader.size);
        uint8_t byte = reader.data[reader.at++];
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            break;
    }
    cr_assert_eq(value % 2, 0, "negative");
    return value / 2;
}

static void expect(const void *data, size_t size)
{
    cr_assert_leq(reader.at + size, reader.size);
    cr_assert_eq(memcmp(reader.data + reader.at, data, size), 0, "at byte %zu", reader.at);
    reader.at += size;
}

static void expect_text(const char *text)
{
    cr_assert_eq(read_long(), strlen(text));
    expect(text, strlen(text));
}

/* Leaves the sync marker in *sync. */
static void expect_header(uint8_t sync[SYNC_SIZE])
{
    expect("Obj\x01", 4);
    cr_assert_eq(read_long(), 2);
    expect_text("avro.schema");
    expect_text(schema);
    expect_text("avro.codec");
    expect_text("null");
    cr_assert_eq(read_long(), 0);
    memcpy(sync, reader.data + reader.at, SYNC_SIZE);
    reader.at += SYNC_SIZE;
}

Test(container, without_records_is_a_header)
{
    uint8_t sync[SYNC_SIZE];
    finish();
    expect_header(sync);
    cr_assert_eq(reader.at, reader.size);
}

Test(container, few_records_are_one_block)
{
    uint8_t sync[SYNC_SIZE];
    put("\x02\x41", 2);
    put("\x04\x42\x43", 3);
    put(NULL, 0);
    finish();
    expect_header(sync);
    cr_assert_eq(read_long(), 3);
    cr_assert_eq(read_long(), 5);
    expect("\x02\x41\x04\x42\x43", 5);
    expect(sync, SYNC_SIZE);
    cr_assert_eq(reader.at, reader.size);
}

/* Each count of records in blocks that are full but for less than one of them. */
static void expect_blocks(size_t record, uint32_t count)
{
    uint8_t sync[SYNC_SIZE];
    uint32_t found = 0;
    expect_header(sync);
    while (reader.at < reader.size) {
        uint64_t records = read_long();
        uint64_t size = read_long();
        cr_assert_eq(size, records * record);
        if (found + records < count)
            cr_assert_gt(size + record, BLOCK_SIZE);
        found += (uint32_t)records;
        reader.at += size;
        expect(sync, SYNC_SIZE);
    }
    cr_assert_eq(found, count);
}

Test(container, full_block_begins_the_next)
{
    static uint8_t record[BLOCK_SIZE / 4];
    for (uint32_t i = 0; i < 9; i++)
        put(record, sizeof record);
    finish();
    expect_blocks(sizeof record, 9);
}

Test(container, record_as_large_as_a_block_and_larger_stand_alone)
{
    static uint8_t record[BLOCK_SIZE + 1];
    uint8_t sync[SYNC_SIZE];
    put("a", 1);
    put(record, BLOCK_SIZE);
    put(record, BLOCK_SIZE + 1);
    put("b", 1);
    finish();
    expect_header(sync);
    static const size_t sizes[] = {1, BLOCK_SIZE, BLOCK_SIZE + 1, 1};
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_eq(read_long(), 1);
        cr_assert_eq(read_long(), sizes[i]);
        reader.at += sizes[i];
        expect(sync, SYNC_SIZE);
    }
    cr_assert_eq(reader.at, reader.size);
}

Test(container, notes_stand_in_the_header_beside_schema_and_codec)
{
    static const char *const wanted[] = {"avro.schema", "\"bytes\"", "avro.codec", "null",
                                         "checkit.a",   "first",     "checkit.b",  ""};
    const struct container_note notes[] = {{"checkit.a", bytes_of_text("first")},
                                           {"checkit.b", bytes_of_text("")}};
    container_close(container);
    file_writer_close(writer);
    cr_assert_eq(file_writer_open(path, &writer, &err), STATUS_OK);
    cr_assert_eq(container_open_noted(writer, bytes_of_text(schema), notes, 2, 7, &container, &err),
                 STATUS_OK);
    finish();
    reader.at = 4;
    cr_assert_eq(read_long(), 4);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        uint64_t size = read_long();
        cr_assert_eq(size, strlen(wanted[i]));
        cr_expect_eq(memcmp(reader.data + reader.at, wanted[i], size), 0);
        reader.at += size;
    }
    cr_expect_eq(read_long(), 0);
}
