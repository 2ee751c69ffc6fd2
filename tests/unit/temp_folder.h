/* temp_folder.h - a folder of its own for one test, removed when the test ends well. */
#ifndef CHECKIT_TESTS_TEMP_FOLDER_H
#define CHECKIT_TESTS_TEMP_FOLDER_H

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEMP_PATH_SIZE = 256 };

struct temp_folder {
    char path[TEMP_PATH_SIZE];
};

static inline struct temp_folder temp_folder_make(void)
{
    struct temp_folder folder;
    const char *base = getenv("TMPDIR");
    (void)snprintf(folder.path, sizeof folder.path, "%s/checkit-test-XXXXXX",
                   base && *base ? base : "/tmp");
    cr_assert_not_null(mkdtemp(folder.path));
    return folder;
}

static inline int temp_folder_remove_one(const char *path, const struct stat *info, int kind,
                                         struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

static inline void temp_folder_remove(const struct temp_folder *folder)
{
    (void)nftw(folder->path, temp_folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* folder/name, in a buffer of the caller's. */
static inline const char *temp_path(const struct temp_folder *folder, const char *name,
                                    char out[TEMP_PATH_SIZE])
{
    int size = snprintf(out, TEMP_PATH_SIZE, "%s/%s", folder->path, name);
    cr_assert(size > 0 && size < TEMP_PATH_SIZE);
    return out;
}

#endif
