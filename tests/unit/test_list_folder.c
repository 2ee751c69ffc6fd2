/* Folders beside a store: who keeps them, and who removes what is left. */
#include "pipeline/run/list_folder.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/temp_folder.h"

static struct temp_folder folder;
static char store[TEMP_PATH_SIZE];
static struct error err;

static void set_up(void)
{
    folder = temp_folder_make();
    cr_assert_eq(mkdir(temp_path(&folder, "store", store), 0700), 0);
}

static void tear_down(void)
{
    temp_folder_remove(&folder);
}

TestSuite(list_folder, .init = set_up, .fini = tear_down);

static void fill(const struct list_folder *made)
{
    char path[PATH_MAX];
    cr_assert(list_folder_checkpoint(store, list_folder_name(made), path));
    cr_assert_eq(strncmp(path, made->path, strlen(made->path)), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    (void)strncat(path, "/CURRENT", sizeof path - strlen(path) - 1);
    FILE *file = fopen(path, "w");
    cr_assert(file && fclose(file) == 0);
}

Test(list_folder, it_is_its_owners_and_goes_with_all_in_it)
{
    struct list_folder made = {0};
    struct stat info;
    char path[PATH_MAX];
    cr_assert_eq(list_folder_make(store, &made, &err), STATUS_OK, "%s", err.text);
    (void)snprintf(path, sizeof path, "%s", made.path);
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0700);
    fill(&made);
    list_folder_remove(&made);
    cr_expect_neq(access(path, F_OK), 0);
    list_folder_remove(&made); /* once */
}

Test(list_folder, one_in_use_is_left_alone_and_one_of_a_dead_process_is_not)
{
    struct list_folder held = {0};
    cr_assert_eq(list_folder_make(store, &held, &err), STATUS_OK, "%s", err.text);
    fill(&held);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct list_folder left = {0};
        _exit(list_folder_make(store, &left, &err) == STATUS_OK ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    char other[TEMP_PATH_SIZE];
    cr_assert_eq(mkdir(temp_path(&folder, "other.reader-aaaaaa", other), 0700), 0);
    list_folder_sweep(store);
    cr_expect_eq(access(held.path, F_OK), 0);
    cr_expect_eq(access(other, F_OK), 0);
    cr_expect_eq(access(store, F_OK), 0);
    struct stat info;
    cr_assert_eq(stat(folder.path, &info), 0);
    cr_expect_eq(info.st_nlink, 5, "itself, store, held and other are left");
    list_folder_remove(&held);
}

Test(list_folder, name_that_leads_elsewhere_is_none)
{
    static const char *const wrong[] = {"",       "abcde",  "abcdefg", "../../",
                                        "abc/de", "abc.de", "ab\nde"};
    char path[PATH_MAX];
    cr_expect_not(list_folder_checkpoint(store, NULL, path));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_not(list_folder_checkpoint(store, wrong[i], path), "%s", wrong[i]);
    cr_expect(list_folder_checkpoint("/a/store//", "abcDE9", path));
    cr_expect_str_eq(path, "/a/store.reader-abcDE9/store");
}

Test(list_folder, place_where_none_can_be_made_is_told)
{
    struct list_folder made = {0};
    cr_expect_eq(list_folder_make("/proc/none/store", &made, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    cr_expect_eq(made.path[0], 0);
}
