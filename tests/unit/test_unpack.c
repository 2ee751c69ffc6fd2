#include "operators/support/unpack.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/temp_folder.h"

enum { SIZE_MAX_READ = 4096 };

/* printf 'entry_id\n' | gzip -n, and | zstd */
static const uint8_t gzip_bytes[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03,
                                     0x4b, 0xcd, 0x2b, 0x29, 0xaa, 0x8c, 0xcf, 0x4c, 0xe1, 0x02,
                                     0x00, 0x66, 0x10, 0xbf, 0xaa, 0x09, 0x00, 0x00, 0x00};
static const uint8_t zstd_bytes[] = {0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x49, 0x00,
                                     0x00, 0x65, 0x6e, 0x74, 0x72, 0x79, 0x5f, 0x69,
                                     0x64, 0x0a, 0x35, 0x8c, 0xa8, 0xca};

/* What is read of a file that holds `data`; size of out in *size. */
static enum status unpack_all(const void *data, size_t data_size, size_t step, char *out,
                              size_t *size, struct error *err)
{
    struct temp_folder folder = temp_folder_make();
    char path[TEMP_PATH_SIZE];
    struct unpack *unpack = NULL;
    size_t got = 1;
    temp_path(&folder, "file", path);
    FILE *file = fopen(path, "w+e");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(data, 1, data_size, file), data_size);
    rewind(file);
    *size = 0;
    enum status status = unpack_open("file", fileno(file), &unpack, err);
    while (status == STATUS_OK && got > 0) {
        status = unpack_read(unpack, (uint8_t *)out + *size, step, &got, err);
        *size += got;
        cr_assert_leq(*size, SIZE_MAX_READ - step);
    }
    if (status == STATUS_OK)
        cr_expect_eq(unpack_bytes_read(unpack), data_size);
    unpack_close(unpack);
    (void)fclose(file);
    temp_folder_remove(&folder);
    return status;
}

static void expect_text(const void *data, size_t data_size, const char *text)
{
    static const size_t steps[] = {1, 3, 1000};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        char out[SIZE_MAX_READ];
        size_t size;
        struct error err = {0};
        cr_assert_eq(unpack_all(data, data_size, steps[i], out, &size, &err), STATUS_OK, "%s",
                     err.text);
        cr_expect_eq(size, strlen(text));
        cr_expect_eq(memcmp(out, text, size), 0);
    }
}

Test(unpack, plain_file_is_read_as_it_is)
{
    expect_text("entry_id\n", 9, "entry_id\n");
    expect_text("", 0, "");
    expect_text("\x1f", 1, "\x1f");
}

static void expect_packed(const uint8_t *data, size_t size)
{
    uint8_t twice[SIZE_MAX_READ];
    memcpy(twice, data, size);
    memcpy(twice + size, data, size);
    expect_text(data, size, "entry_id\n");
    expect_text(twice, 2 * size, "entry_id\nentry_id\n");
    for (size_t cut = 4; cut < size; cut++) {
        char out[SIZE_MAX_READ];
        size_t got;
        struct error err = {0};
        cr_assert_eq(unpack_all(data, cut, 100, out, &got, &err), STATUS_FAIL, "cut at %zu", cut);
        cr_expect_eq(err.exit_code, EX_DATAERR);
        memcpy(twice, data, size);
        twice[cut] ^= 0xFF;
        (void)unpack_all(twice, size, 100, out, &got, &err); /* whatever it is, it ends */
    }
}

Test(unpack, gzip_is_unpacked_member_by_member_and_told_when_cut)
{
    expect_packed(gzip_bytes, sizeof gzip_bytes);
}

Test(unpack, zstd_is_unpacked_frame_by_frame_and_told_when_cut)
{
    expect_packed(zstd_bytes, sizeof zstd_bytes);
}
