#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/file_writer.h"
#include "tests/unit/temp_folder.h"

enum { PIECE = 1000, PIECES = 700, LARGE = 300000 };

static char path[TEMP_PATH_SIZE];
static char part[TEMP_PATH_SIZE];
static struct temp_folder folder;
static struct error err;

static void set_up(void)
{
    folder = temp_folder_make();
    (void)temp_path(&folder, "file", path);
    (void)temp_path(&folder, "file.part", part);
}

static void tear_down(void)
{
    temp_folder_remove(&folder);
}

TestSuite(file_writer, .init = set_up, .fini = tear_down);

static struct file_writer *open_writer(void)
{
    struct file_writer *writer = NULL;
    cr_assert_eq(file_writer_open(path, &writer, &err), STATUS_OK, "%s", err.text);
    return writer;
}

static void put(struct file_writer *writer, const void *data, size_t size)
{
    cr_assert_eq(file_writer_put(writer, bytes_of(data, size), &err), STATUS_OK, "%s", err.text);
}

static bool exists(const char *name)
{
    return access(name, F_OK) == 0;
}

/* The caller's: free. */
static uint8_t *read_file(size_t *size)
{
    struct stat info;
    cr_assert_eq(stat(path, &info), 0);
    *size = (size_t)info.st_size;
    uint8_t *data = malloc(*size + 1);
    FILE *file = fopen(path, "rb");
    cr_assert_eq(fread(data, 1, *size, file), *size);
    (void)fclose(file);
    return data;
}

Test(file_writer, many_pieces_and_large_ones_arrive_in_order)
{
    struct file_writer *writer = open_writer();
    uint8_t *expected = malloc(PIECES * (size_t)PIECE + LARGE);
    size_t used = 0;
    for (uint32_t i = 0; i < PIECES; i++) {
        memset(expected + used, (int)(i % 251), PIECE);
        put(writer, expected + used, PIECE);
        used += PIECE;
    }
    memset(expected + used, 252, LARGE); /* more than is gathered */
    put(writer, expected + used, LARGE);
    put(writer, NULL, 0);
    used += LARGE;
    cr_assert_eq(file_writer_finish(writer, &err), STATUS_OK, "%s", err.text);
    file_writer_close(writer);

    size_t size;
    uint8_t *found = read_file(&size);
    cr_assert_eq(size, used);
    cr_assert_eq(memcmp(found, expected, size), 0);
    cr_assert(!exists(part));
    free(found);
    free(expected);
}

Test(file_writer, file_has_its_name_only_when_finished)
{
    struct file_writer *writer = open_writer();
    put(writer, "whole", 5);
    cr_assert(!exists(path));
    cr_assert(exists(part));
    cr_assert_eq(file_writer_finish(writer, &err), STATUS_OK);
    cr_assert(exists(path));
    file_writer_close(writer);
    cr_assert(exists(path));
}

Test(file_writer, unfinished_leaves_what_was_there_before)
{
    struct file_writer *writer = open_writer();
    put(writer, "old", 3);
    cr_assert_eq(file_writer_finish(writer, &err), STATUS_OK);
    file_writer_close(writer);

    writer = open_writer();
    put(writer, "new, not finished", 17);
    file_writer_close(writer);
    size_t size;
    uint8_t *found = read_file(&size);
    cr_assert_eq(size, 3);
    cr_assert_eq(memcmp(found, "old", 3), 0);
    cr_assert(!exists(part));
    free(found);
}

Test(file_writer, folder_that_is_missing_is_told)
{
    struct file_writer *writer = NULL;
    (void)temp_path(&folder, "none/file", path);
    cr_assert_eq(file_writer_open(path, &writer, &err), STATUS_FAIL);
    cr_assert_null(writer);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, path));
}

Test(file_writer, full_device_is_told_and_kept)
{
    struct file_writer *writer = NULL;
    cr_assert_eq(file_writer_open("/dev/full", &writer, &err), STATUS_OK, "%s", err.text);
    put(writer, "x", 1); /* gathered */
    cr_assert_eq(file_writer_finish(writer, &err), STATUS_FAIL);
    cr_assert_str_eq(err.text, "'/dev/full' cannot be written: No space left on device");
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    file_writer_close(writer);
    cr_assert(exists("/dev/full"));
}

Test(file_writer, name_taken_by_a_folder_is_told_and_nothing_is_left)
{
    cr_assert_eq(mkdir(path, 0755), 0);
    struct file_writer *writer = NULL;
    cr_assert_eq(file_writer_open(path, &writer, &err), STATUS_FAIL);
    cr_assert_not_null(strstr(err.text, "Is a directory"));
    cr_assert(!exists(part));
}

static mode_t mode_of(const char *name)
{
    struct stat info;
    cr_assert_eq(stat(name, &info), 0);
    return info.st_mode & 07777;
}

/* Whoever has the old ones open, or may open them, reads nothing of the new. */
Test(file_writer, private_file_is_its_owners_alone_whatever_was_there)
{
    struct file_writer *writer = NULL;
    cr_assert_eq(close(open(path, O_CREAT | O_WRONLY, 0644)), 0);
    int reader = open(part, O_CREAT | O_RDWR, 0666);
    cr_assert_geq(reader, 0);
    cr_assert_eq(file_writer_open_private(path, &writer, &err), STATUS_OK, "%s", err.text);
    cr_expect_eq(mode_of(part), 0600);
    put(writer, "secret", 6);
    cr_assert_eq(file_writer_finish(writer, &err), STATUS_OK, "%s", err.text);
    cr_expect_eq(mode_of(path), 0600);
    char byte;
    cr_expect_eq(read(reader, &byte, 1), 0);
    (void)close(reader);
    file_writer_close(writer);
}
