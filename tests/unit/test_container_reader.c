/* Container files written here byte by byte, sound and not; what is damaged at random:
 * tests/fuzz/fuzz_container.c. */
#include <criterion/criterion.h>
#include <zlib.h>

#include "operators/support/container_reader.h"

enum { FILE_SIZE = 4096, SYNC_SIZE = 16 };

static const char sync_marker[SYNC_SIZE + 1] = "0123456789abcdef";

static struct file {
    uint8_t data[FILE_SIZE];
    size_t size;
} file;

static void put(const void *data, size_t size)
{
    cr_assert_leq(file.size + size, sizeof file.data);
    memcpy(file.data + file.size, data, size);
    file.size += size;
}

static void put_long(int64_t value)
{
    uint64_t bits = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
    for (; bits >= 0x80; bits >>= 7)
        put(&(uint8_t){(uint8_t)(bits | 0x80)}, 1);
    put(&(uint8_t){(uint8_t)bits}, 1);
}

static void put_text(const char *text)
{
    put_long((int64_t)strlen(text));
    put(text, strlen(text));
}

/* codec may be NULL. */
static void begin(const char *codec)
{
    file.size = 0;
    put("Obj\x01", 4);
    put_long(codec ? 2 : 1);
    put_text("avro.schema");
    put_text("\"bytes\"");
    if (codec) {
        put_text("avro.codec");
        put_text(codec);
    }
    put_long(0);
    put(sync_marker, SYNC_SIZE);
}

static void put_block(int64_t records, int64_t size, const void *data, size_t data_size)
{
    put_long(records);
    put_long(size);
    put(data, data_size);
    put(sync_marker, SYNC_SIZE);
}

static void put_deflated(int64_t records, const char *text, size_t behind)
{
    uint8_t out[256] = {0};
    z_stream stream = {.next_in = (uint8_t *)(uintptr_t)text,
                       .avail_in = (uInt)strlen(text),
                       .next_out = out,
                       .avail_out = sizeof out - 16};
    cr_assert_eq(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t size = stream.total_out + behind;
    cr_assert_eq(deflateEnd(&stream), Z_OK);
    put_block(records, (int64_t)size, out, size);
}

/* From memory of its very size. Records of all blocks, and how it ended. */
static enum status read_all(uint64_t *records, struct error *err)
{
    uint8_t *copy = malloc(file.size + 1);
    memcpy(copy, file.data, file.size);
    uint8_t *text = realloc(copy, file.size ? file.size : 1);
    const struct container_source source = {
        .name = "file.avro", .file = -1, .text = bytes_of(text, file.size)};
    struct container_reader *reader = NULL;
    struct container_block block = {.number = 1};
    *records = 0;
    enum status status = container_reader_open(&source, &reader, err);
    while (status == STATUS_OK && block.number > 0) {
        status = container_reader_next(reader, &block, err);
        *records += status == STATUS_OK ? block.records : 0;
    }
    container_reader_close(reader);
    free(text);
    return status;
}

static void expect_sound(uint64_t expected)
{
    struct error err = {0};
    uint64_t records;
    cr_expect_eq(read_all(&records, &err), STATUS_OK, "%s", err.text);
    cr_expect_eq(records, expected);
}

static void expect_refused(const char *why)
{
    struct error err = {0};
    uint64_t records;
    cr_expect_eq(read_all(&records, &err), STATUS_FAIL, "%s", why);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect_not_null(strstr(err.text, why), "%s, not: %s", err.text, why);
}

Test(container_reader, sound_files_of_both_codecs_read)
{
    begin(NULL);
    expect_sound(0);
    put_block(2, 3, "abc", 3);
    put_block(0, 0, "", 0);
    put_block(1, 1, "d", 1);
    expect_sound(3);
    begin("null");
    put_block(2, 3, "abc", 3);
    expect_sound(2);
    begin("deflate");
    put_deflated(2, "abcabcabc", 0);
    put_deflated(1, "d", 4); /* a checksum, as some writers leave it */
    expect_sound(3);
}

Test(container_reader, file_cut_short_anywhere_refused)
{
    static const char *const codecs[] = {"null", "deflate"};
    for (size_t i = 0; i < 2; i++) {
        begin(codecs[i]);
        size_t header = file.size;
        if (i == 0)
            put_block(2, 3, "abc", 3);
        else
            put_deflated(2, "abc", 0);
        for (size_t size = file.size - 1; size > 0; size--) {
            file.size = size;
            if (size == header)
                expect_sound(0);
            else
                expect_refused("the file ends inside it");
        }
    }
}

Test(container_reader, lying_blocks_refused)
{
    static const struct {
        int64_t records;
        int64_t size;
        const char *why;
    } lies[] = {
        {-1, 3, "below 0"},
        {1, -3, "below 0"},
        {INT64_MIN, INT64_MIN, "below 0"},
        {4, 3, "more records than bytes"},
        {INT64_MAX, 3, "more records than bytes"},
        {0, 3, "belong to no record"},
        {1, 2, "sync marker"},
        {1, 4, "the file ends inside it"},
        {1, CONTAINER_BLOCK_BYTES_MAX, "the file ends inside it"},
        {1, CONTAINER_BLOCK_BYTES_MAX + 1, "larger than a block may be"},
        {1, INT64_MAX, "larger than a block may be"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        begin("null");
        put_block(lies[i].records, lies[i].size, "abc", 3);
        expect_refused(lies[i].why);
    }
    begin("null");
    put_block(1, 3, "abc", 3);
    file.data[file.size - 1] ^= 1;
    expect_refused("sync marker");
}

Test(container_reader, damaged_deflate_refused)
{
    begin("deflate");
    put_deflated(1, "abc", 5);
    expect_refused("cannot be inflated");
    begin("deflate");
    put_block(1, 3, "\xFF\xFF\xFF", 3);
    expect_refused("cannot be inflated");
    begin("deflate");
    put_deflated(4, "abc", 0);
    expect_refused("more records than bytes");
}

Test(container_reader, headers_that_are_none_refused)
{
    begin("snappy");
    expect_refused("a codec that is not known");
    begin("null");
    file.data[3] = 2;
    expect_refused("no Avro container file");
    file.size = 0;
    put("Obj\x01\x00", 5);
    put(sync_marker, SYNC_SIZE);
    expect_refused("avro.schema is missing");
    static const int64_t lengths[] = {-1, CONTAINER_HEADER_BYTES_MAX + 1, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        file.size = 0;
        put("Obj\x01\x02", 5);
        put_long(lengths[i]);
        expect_refused("a length below 0");
    }
    file.size = 0;
    put("Obj\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 14);
    expect_refused("more than 64 bits");
    file.size = 0;
    put("Obj\x01", 4);
    put_long(INT64_MIN);
    put_long(0);
    expect_refused("more members than a header may have");
}

/* A deflated block of few bytes may not become one of many. */
Test(container_reader, inflated_size_is_bounded)
{
    enum { BOMB_SIZE = CONTAINER_BLOCK_BYTES_MAX + 2 };
    uint8_t *zeros = calloc(1, BOMB_SIZE);
    uint8_t *bomb = malloc(compressBound(BOMB_SIZE));
    z_stream stream = {.next_in = zeros,
                       .avail_in = BOMB_SIZE,
                       .next_out = bomb,
                       .avail_out = (uInt)compressBound(BOMB_SIZE)};
    cr_assert_eq(deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    begin("deflate");
    size_t header = file.size;
    uint8_t *text = malloc(header + stream.total_out + 64);
    put_long(1);
    put_long((int64_t)stream.total_out);
    memcpy(text, file.data, file.size);
    memcpy(text + file.size, bomb, stream.total_out);
    memcpy(text + file.size + stream.total_out, sync_marker, SYNC_SIZE);
    const struct container_source source = {
        "file.avro", -1, bytes_of(text, file.size + stream.total_out + SYNC_SIZE)};
    struct container_reader *reader = NULL;
    struct container_block block;
    struct error err = {0};
    cr_assert_eq(container_reader_open(&source, &reader, &err), STATUS_OK);
    cr_expect_eq(container_reader_next(reader, &block, &err), STATUS_FAIL);
    cr_expect_not_null(strstr(err.text, "once inflated"), "%s", err.text);
    container_reader_close(reader);
    cr_assert_eq(deflateEnd(&stream), Z_OK);
    free(text);
    free(bomb);
    free(zeros);
}
