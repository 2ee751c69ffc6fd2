#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "operators/support/sorter_internal.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"
#include "tests/unit/temp_folder.h"

enum { MEMORY_BYTES = 1 << 20, ITEMS = 20000 };

struct item {
    uint8_t key[SORTER_KEY_SIZE_MAX];
    size_t key_size;
    size_t value_size;
    uint32_t number; /* order of adding; the value is made from it */
};

static uint8_t value_bytes[SORTER_VALUE_SIZE_MAX];

static struct bytes value_of(const struct item *item)
{
    memset(value_bytes, (int)item->number, item->value_size);
    if (item->value_size >= sizeof item->number)
        memcpy(value_bytes, &item->number, sizeof item->number);
    return bytes_of(value_bytes, item->value_size);
}

/* Many keys alike, many that begin alike, zeros among the bytes, and now and then the largest. */
static void make_item(struct random *random, uint32_t number, struct item *out)
{
    bool is_large = number % 4000 == 17;
    out->number = number;
    out->key_size = is_large ? SORTER_KEY_SIZE_MAX : random_below(random, 14);
    out->value_size = is_large ? SORTER_VALUE_SIZE_MAX : random_below(random, 300);
    for (size_t i = 0; i < out->key_size; i++)
        out->key[i] = i < 6 ? 'k' : (uint8_t)random_below(random, 3);
}

static int compare(const void *left, const void *right)
{
    const struct item *a = left;
    const struct item *b = right;
    size_t common = a->key_size < b->key_size ? a->key_size : b->key_size;
    int order = memcmp(a->key, b->key, common);
    if (order == 0 && a->key_size != b->key_size)
        order = a->key_size < b->key_size ? -1 : 1;
    return order ? order : (a->number < b->number ? -1 : 1);
}

static void read_and_compare(struct sorter_reader *reader, const struct item *items, uint32_t count)
{
    struct error err = {0};
    struct bytes key;
    struct bytes value;
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(sorter_next(reader, &key, &value, &err), STATUS_OK, "%s", err.text);
        cr_assert(key.data && bytes_equal(key, bytes_of(items[i].key, items[i].key_size)));
        cr_assert(bytes_equal(value, value_of(&items[i])), "item %u", i);
    }
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(sorter_next(reader, &key, &value, &err), STATUS_OK);
        cr_assert_null(key.data);
    }
}

static void sort_and_compare(const char *folder, uint32_t count)
{
    struct sorter_reader *reader = NULL;
    struct item *items = memory_new(count, sizeof *items);
    struct sorter *sorter = NULL;
    struct error err = {0};
    struct random random;
    random_init(&random, count);
    cr_assert_eq(sorter_open(folder, MEMORY_BYTES, &sorter, &err), STATUS_OK, "%s", err.text);
    for (uint32_t i = 0; i < count; i++) {
        make_item(&random, i, &items[i]);
        cr_assert_eq(sorter_add(sorter, bytes_of(items[i].key, items[i].key_size),
                                value_of(&items[i]), &err),
                     STATUS_OK, "%s", err.text);
    }
    qsort(items, count, sizeof *items, compare);
    cr_assert_eq(sorter_sort(sorter, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(sorter_read(&sorter, 1, NULL, NULL, &reader, &err), STATUS_OK, "%s", err.text);
    read_and_compare(reader, items, count);
    sorter_reader_close(reader);
    sorter_close(sorter);
    memory_free(items);
}

Test(sorter, items_come_back_in_order_from_many_runs)
{
    struct temp_folder folder = temp_folder_make();
    sort_and_compare(folder.path, ITEMS);
    cr_expect_eq(rmdir(folder.path), 0, "no file is left in it");
}

Test(sorter, items_come_back_in_order_without_a_folder)
{
    static const uint32_t counts[] = {0, 1, 2, 1000, ITEMS};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        sort_and_compare(NULL, counts[i]);
}

/* Added to several sorters in turn, read in parts, the last part first. */
static void cut_and_compare(const char *folder, uint32_t count, uint32_t parts)
{
    enum { SORTERS = 3, PARTS_MAX = 16 };
    struct item *items = memory_new(count, sizeof *items);
    struct sorter *sorters[SORTERS];
    struct sorter_cut cuts[PARTS_MAX];
    struct error err = {0};
    struct random random;
    uint32_t to = count;
    random_init(&random, parts);
    for (uint32_t i = 0; i < SORTERS; i++)
        cr_assert_eq(sorter_open(folder, MEMORY_BYTES, &sorters[i], &err), STATUS_OK);
    for (uint32_t i = 0; i < count; i++) {
        struct item *item = &items[i];
        uint32_t sorter = i / (count / SORTERS + 1); /* so that the order of adding is theirs */
        *item = (struct item){.key_size = 10, .value_size = 180, .number = i};
        memcpy(item->key, "same", 4);
        for (size_t at = 4; at < item->key_size; at++)
            item->key[at] = (uint8_t)random_below(&random, 4);
        cr_assert_eq(
            sorter_add(sorters[sorter], bytes_of(item->key, item->key_size), value_of(item), &err),
            STATUS_OK, "%s", err.text);
    }
    qsort(items, count, sizeof *items, compare);
    for (uint32_t i = 0; i < SORTERS; i++)
        cr_assert_eq(sorter_sort(sorters[i], &err), STATUS_OK, "%s", err.text);
    uint32_t cuts_count = sorter_cut(sorters, SORTERS, 2, parts, cuts);
    cr_assert_leq(cuts_count, parts - 1);
    if (count == ITEMS)
        cr_assert_geq(cuts_count, parts - 1 < 6 ? parts - 1 : 6);
    for (uint32_t part = cuts_count + 1; part > 0; part--) {
        const struct sorter_cut *lower = part > 1 ? &cuts[part - 2] : NULL;
        const struct sorter_cut *upper = part <= cuts_count ? &cuts[part - 1] : NULL;
        struct sorter_reader *reader = NULL;
        uint32_t from = to;
        for (; from > 0 && lower && memcmp(items[from - 1].key, lower->key, lower->size) >= 0;)
            from--;
        from = lower ? from : 0;
        cr_assert(!lower || lower->size == 8, "the tail is left out");
        cr_assert_eq(sorter_read(sorters, SORTERS, lower, upper, &reader, &err), STATUS_OK);
        read_and_compare(reader, items + from, to - from);
        sorter_reader_close(reader);
        to = from;
    }
    for (uint32_t i = 0; i < SORTERS; i++)
        sorter_close(sorters[i]);
    memory_free(items);
}

Test(sorter, parts_of_several_sorters_together_are_all_there_is)
{
    static const uint32_t parts[] = {1, 2, 3, 7, 16};
    struct temp_folder folder = temp_folder_make();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        cut_and_compare(folder.path, ITEMS, parts[i]);
        cut_and_compare(NULL, ITEMS, parts[i]);
        cut_and_compare(NULL, 3, parts[i]);
        cut_and_compare(NULL, 0, parts[i]);
    }
    temp_folder_remove(&folder);
}

Test(sorter, what_was_read_is_given_up_on_disk)
{
    enum { COUNT = 60000 };
    struct temp_folder folder = temp_folder_make();
    struct sorter *sorter = NULL;
    struct sorter_reader *reader = NULL;
    struct error err = {0};
    struct stat before;
    struct stat after;
    struct bytes key;
    struct bytes value;
    cr_assert_eq(sorter_open(folder.path, 8 * MEMORY_BYTES, &sorter, &err), STATUS_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct item item = {.number = i, .key_size = 4, .value_size = 200};
        memcpy(item.key, &i, sizeof i);
        cr_assert_eq(sorter_add(sorter, bytes_of(item.key, 4), value_of(&item), &err), STATUS_OK);
    }
    cr_assert_eq(sorter_sort(sorter, &err), STATUS_OK);
    cr_assert_eq(sorter_read(&sorter, 1, NULL, NULL, &reader, &err), STATUS_OK);
    cr_assert_eq(fstat(sorter->file, &before), 0);
    do
        cr_assert_eq(sorter_next(reader, &key, &value, &err), STATUS_OK);
    while (key.data);
    cr_assert_eq(fstat(sorter->file, &after), 0);
    cr_expect_lt(after.st_blocks, before.st_blocks / 2);
    sorter_reader_close(reader);
    sorter_close(sorter);
    temp_folder_remove(&folder);
}

Test(sorter, sorter_that_was_not_read_is_closed)
{
    struct sorter *sorter = NULL;
    struct error err;
    cr_assert_eq(sorter_open(NULL, MEMORY_BYTES, &sorter, &err), STATUS_OK);
    cr_assert_eq(sorter_add(sorter, bytes_of("a", 1), bytes_of("b", 1), &err), STATUS_OK);
    sorter_close(sorter);
    cr_assert_eq(sorter_open(NULL, MEMORY_BYTES, &sorter, &err), STATUS_OK);
    cr_assert_eq(sorter_add(sorter, bytes_of("a", 1), bytes_of("b", 1), &err), STATUS_OK);
    cr_assert_eq(sorter_sort(sorter, &err), STATUS_OK);
    sorter_close(sorter);
    sorter_close(NULL);
}

Test(sorter, folder_that_is_not_there_is_an_error)
{
    struct sorter *sorter = NULL;
    struct error err;
    cr_assert_eq(sorter_open("/nonexistent/folder", MEMORY_BYTES, &sorter, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    cr_expect_not_null(strstr(err.text, "/nonexistent/folder"), "%s", err.text);
}

/* A disk that takes no more, as a full one. */
Test(sorter, disk_that_takes_no_more_is_an_error)
{
    struct temp_folder folder = temp_folder_make();
    struct sorter *sorter = NULL;
    struct error err = {0};
    struct rlimit limit = {MEMORY_BYTES / 2, MEMORY_BYTES / 2};
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(sorter_open(folder.path, MEMORY_BYTES, &sorter, &err), STATUS_OK, "%s", err.text);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < ITEMS && status == STATUS_OK; i++) {
        struct item item = {.number = i, .key_size = 4, .value_size = 200};
        memcpy(item.key, &i, sizeof i);
        status = sorter_add(sorter, bytes_of(item.key, 4), value_of(&item), &err);
    }
    cr_expect_eq(status, STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE, "%s", err.text);
    sorter_close(sorter);
    temp_folder_remove(&folder);
}
