#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

#include "operators/support/keys.h"
#include "operators/support/spool.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"
#include "tests/unit/temp_folder.h"

static struct temp_folder folder;

static void set_up(void)
{
    folder = temp_folder_make();
    cr_assert_eq(setenv("TMPDIR", folder.path, 1), 0);
}

static void tear_down(void)
{
    temp_folder_remove(&folder);
}

TestSuite(spool, .init = set_up, .fini = tear_down);

static void add(struct spool *spool, struct bytes record)
{
    struct error err = {0};
    cr_assert_eq(spool_add(spool, record, &err), STATUS_OK, "%s", err.text);
}

static void rewind_it(struct spool *spool)
{
    struct error err = {0};
    cr_assert_eq(spool_rewind(spool, &err), STATUS_OK, "%s", err.text);
}

static struct bytes next(struct spool *spool)
{
    struct bytes record;
    struct error err = {0};
    cr_assert_eq(spool_next(spool, &record, &err), STATUS_OK, "%s", err.text);
    return record;
}

static void expect_text(struct spool *spool, const char *text)
{
    cr_assert(bytes_equal_text(next(spool), text));
}

static void expect_end(struct spool *spool)
{
    cr_assert_null(next(spool).data);
    cr_assert_null(next(spool).data);
}

Test(spool, nothing_put_in_nothing_comes_out)
{
    struct spool *spool = spool_open();
    rewind_it(spool);
    expect_end(spool);
    spool_close(spool);
}

Test(spool, few_records_come_back_without_a_file)
{
    cr_assert_eq(setenv("TMPDIR", "/nonexistent", 1), 0);
    struct spool *spool = spool_open();
    add(spool, bytes_of_text("one"));
    add(spool, bytes_of_text(""));
    add(spool, bytes_of_text("three"));
    for (int i = 0; i < 2; i++) {
        rewind_it(spool);
        expect_text(spool, "one");
        expect_text(spool, "");
        expect_text(spool, "three");
        expect_end(spool);
    }
    rewind_it(spool);
    expect_text(spool, "one");
    spool_close(spool);
}

/* Sizes at and around what a block holds, and random ones. */
static size_t size_of(struct random *random)
{
    static const size_t edges[] = {0,
                                   1,
                                   SPOOL_RECORD_BYTES_MAX,
                                   SPOOL_RECORD_BYTES_MAX - 1,
                                   SPOOL_RECORD_BYTES_MAX / 2,
                                   SPOOL_RECORD_BYTES_MAX / 2 - 2,
                                   SPOOL_RECORD_BYTES_MAX / 2 - 4};
    uint64_t pick = random_below(random, 4 * (sizeof edges / sizeof *edges));
    return pick < sizeof edges / sizeof *edges ? edges[pick] : random_below(random, 5000);
}

Test(spool, many_records_come_back_in_their_order)
{
    enum { RECORDS = 1000 };
    uint8_t *content = memory_new(SPOOL_RECORD_BYTES_MAX, 1);
    struct spool *spool = spool_open();
    struct random random;
    random_init(&random, 1);
    for (int i = 0; i < RECORDS; i++) {
        size_t size = size_of(&random);
        memset(content, i, size);
        add(spool, bytes_of(content, size));
    }
    for (int pass = 0; pass < 2; pass++) {
        rewind_it(spool);
        random_init(&random, 1);
        for (int i = 0; i < RECORDS; i++) {
            size_t size = size_of(&random);
            memset(content, i, size);
            struct bytes record = next(spool);
            cr_assert_not_null(record.data);
            cr_assert(bytes_equal(record, bytes_of(content, size)), "%d", i);
        }
        expect_end(spool);
    }
    spool_close(spool);
    memory_free(content);
}

static struct spool *fill(void)
{
    static const uint8_t content[SPOOL_BLOCK_BYTES / 2];
    struct spool *spool = spool_open();
    for (int i = 0; i < 4; i++)
        add(spool, bytes_of(content, sizeof content));
    return spool;
}

/* The temporary file of this process, through /proc: it has no name of its own. */
static int open_temporary(void)
{
    DIR *files = opendir("/proc/self/fd");
    cr_assert_not_null(files);
    int found = -1;
    for (struct dirent *entry; (entry = readdir(files));) {
        char path[TEMP_PATH_SIZE];
        char target[TEMP_PATH_SIZE] = {0};
        (void)snprintf(path, sizeof path, "/proc/self/fd/%.16s", entry->d_name);
        if (readlink(path, target, sizeof target - 1) > 0 &&
            strncmp(target, folder.path, strlen(folder.path)) == 0)
            found = (int)strtol(entry->d_name, NULL, 10);
    }
    cr_assert_eq(closedir(files), 0);
    return found;
}

Test(spool, file_is_in_tmpdir_without_a_name_and_unreadable)
{
    static const char text[] = "AB1234567";
    struct spool *spool = spool_open();
    for (int i = 0; i < 2 * SPOOL_BLOCK_BYTES / (int)sizeof text; i++)
        add(spool, bytes_of_text(text));
    cr_assert_neq(rmdir(folder.path), -1, "the folder is not empty");
    int file = open_temporary();
    cr_assert_geq(file, 0);
    uint8_t *content = memory_new(SPOOL_BLOCK_BYTES, 1);
    cr_assert_eq(pread(file, content, SPOOL_BLOCK_BYTES, 0), SPOOL_BLOCK_BYTES);
    cr_assert_null(memmem(content, SPOOL_BLOCK_BYTES, text, strlen(text)));
    memory_free(content);
    spool_close(spool);
}

Test(spool, file_that_was_changed_is_refused)
{
    struct spool *spool = fill();
    int file = open_temporary();
    cr_assert_eq(pwrite(file, "x", 1, SPOOL_BLOCK_BYTES + 100), 1);
    struct error err = {0};
    struct bytes record;
    rewind_it(spool);
    enum status status = STATUS_OK;
    for (int i = 0; i < 4 && status == STATUS_OK; i++)
        status = spool_next(spool, &record, &err);
    cr_assert_eq(status, STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_str_eq(err.text, "a temporary file does not hold what was written to it");
    spool_close(spool);
}

Test(spool, blocks_that_changed_places_are_refused)
{
    struct spool *spool = fill();
    int file = open_temporary();
    uint8_t *sealed = memory_new(SPOOL_BLOCK_BYTES + BLOCK_OVERHEAD, 1);
    const ssize_t size = SPOOL_BLOCK_BYTES + BLOCK_OVERHEAD;
    cr_assert_eq(pread(file, sealed, size, size), size);
    cr_assert_eq(pwrite(file, sealed, size, 0), size);
    struct error err = {0};
    cr_assert_eq(spool_rewind(spool, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    memory_free(sealed);
    spool_close(spool);
}

Test(spool, file_that_was_cut_is_told)
{
    struct spool *spool = fill();
    rewind_it(spool);
    cr_assert_eq(ftruncate(open_temporary(), 1), 0);
    struct error err = {0};
    cr_assert_eq(spool_rewind(spool, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "cannot be read"));
    spool_close(spool);
}

Test(spool, folder_that_is_missing_is_told)
{
    cr_assert_eq(setenv("TMPDIR", "/nonexistent", 1), 0);
    static const uint8_t content[SPOOL_BLOCK_BYTES / 2];
    struct spool *spool = spool_open();
    struct error err = {0};
    enum status status = STATUS_OK;
    for (int i = 0; i < 3 && status == STATUS_OK; i++)
        status = spool_add(spool, bytes_of(content, sizeof content), &err);
    cr_assert_eq(status, STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_str_eq(err.text, "a temporary file cannot be made: No such file or directory "
                               "(TMPDIR says in which folder)");
    spool_close(spool);
}

Test(spool, disk_that_takes_no_more_is_told)
{
    static const uint8_t content[SPOOL_BLOCK_BYTES / 2];
    cr_assert_neq(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){SPOOL_BLOCK_BYTES, SPOOL_BLOCK_BYTES}),
                 0);
    struct spool *spool = spool_open();
    struct error err = {0};
    enum status status = STATUS_OK;
    for (int i = 0; i < 3 && status == STATUS_OK; i++)
        status = spool_add(spool, bytes_of(content, sizeof content), &err);
    cr_assert_eq(status, STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_str_eq(err.text, "a temporary file cannot be written: File too large "
                               "(TMPDIR says in which folder)");
    spool_close(spool);
}

Test(block_key, only_the_same_key_and_number_unseal)
{
    struct block_key *key = block_key_open();
    struct block_key *other = block_key_open();
    uint8_t sealed[5 + BLOCK_OVERHEAD];
    uint8_t plain[5];
    block_key_seal(key, 1, bytes_of_text("words"), sealed);
    cr_assert(block_key_unseal(key, 1, bytes_of(sealed, sizeof sealed), plain));
    cr_assert_arr_eq(plain, "words", 5);
    cr_assert_not(block_key_unseal(key, 2, bytes_of(sealed, sizeof sealed), plain));
    cr_assert_not(
        block_key_unseal(key, 1 | UINT64_C(1) << 40, bytes_of(sealed, sizeof sealed), plain));
    cr_assert_not(block_key_unseal(other, 1, bytes_of(sealed, sizeof sealed), plain));
    cr_assert_not(block_key_unseal(key, 1, bytes_of(sealed, BLOCK_OVERHEAD - 1), plain));
    sealed[0] ^= 1;
    cr_assert_not(block_key_unseal(key, 1, bytes_of(sealed, sizeof sealed), plain));
    block_key_close(key);
    block_key_close(other);
}
