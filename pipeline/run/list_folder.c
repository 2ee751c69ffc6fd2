#include "pipeline/run/list_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/log.h"

enum { FOLDERS_OPEN_MAX = 8, TRIES_MAX = 10 };

static const char infix[] = ".reader-";
static const char checkpoint_name[] = "store";
static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static size_t store_size(const char *store)
{
    size_t size = strlen(store);
    while (size > 1 && store[size - 1] == '/')
        size--;
    return size;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

static void remove_all(const char *path)
{
    (void)nftw(path, remove_one, FOLDERS_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
}

/* Locked, and still the folder of that name: who sweeps may have been faster. */
static bool lock(const char *path, int *out)
{
    struct stat held;
    struct stat named;
    *out = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*out < 0)
        return false;
    if (flock(*out, LOCK_EX | LOCK_NB) == 0 && fstat(*out, &held) == 0 &&
        lstat(path, &named) == 0 && held.st_ino == named.st_ino && held.st_dev == named.st_dev)
        return true;
    (void)close(*out);
    return false;
}

/* A command of root's leaves room for a process of another user. */
static void give_to_owner(const char *store, int folder)
{
    struct stat info;
    if (geteuid() == 0 && stat(store, &info) == 0)
        (void)!fchown(folder, info.st_uid, info.st_gid);
}

enum status list_folder_make(const char *store, struct list_folder *out, struct error *err)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        int size = snprintf(out->path, sizeof out->path, "%.*s%sXXXXXX", (int)store_size(store),
                            store, infix);
        if (size >= (int)sizeof out->path || !mkdtemp(out->path)) {
            out->path[0] = 0;
            return error_fail(err, EX_UNAVAILABLE, "no folder can be made beside '%s': %s", store,
                              strerror(errno));
        }
        if (!lock(out->path, &out->lock))
            continue;
        give_to_owner(store, out->lock);
        return STATUS_OK;
    }
    out->path[0] = 0;
    return error_fail(err, EX_UNAVAILABLE, "folders beside '%s' are removed at once", store);
}

const char *list_folder_name(const struct list_folder *folder)
{
    return folder->path + strlen(folder->path) - (LIST_NAME_SIZE - 1);
}

bool list_folder_checkpoint(const char *store, const char *name, char out[PATH_MAX])
{
    if (!name || strlen(name) != LIST_NAME_SIZE - 1 || strspn(name, letters) != strlen(name))
        return false;
    int size = snprintf(out, PATH_MAX, "%.*s%s%s/%s", (int)store_size(store), store, infix, name,
                        checkpoint_name);
    return size < PATH_MAX;
}

void list_folder_remove(struct list_folder *folder)
{
    if (!folder->path[0])
        return;
    remove_all(folder->path);
    (void)close(folder->lock);
    folder->path[0] = 0;
}

static void sweep_one(const char *path)
{
    int held;
    if (!lock(path, &held))
        return;
    remove_all(path);
    (void)close(held);
    LOG_INFO("list", "what a command had left is removed", LOG_TEXT("path", path));
}

void list_folder_sweep(const char *store)
{
    char parent[PATH_MAX];
    int size = snprintf(parent, sizeof parent, "%.*s", (int)store_size(store), store);
    char *slash = size < (int)sizeof parent ? strrchr(parent, '/') : NULL;
    if (!slash)
        return;
    char begin[NAME_MAX + 1];
    (void)snprintf(begin, sizeof begin, "%.200s%s", slash + 1, infix);
    slash[slash == parent] = 0;
    DIR *folder = opendir(parent);
    for (struct dirent *item = folder ? readdir(folder) : NULL; item; item = readdir(folder)) {
        char path[PATH_MAX];
        if (strncmp(item->d_name, begin, strlen(begin)) != 0)
            continue;
        if (snprintf(path, sizeof path, "%s/%s", parent, item->d_name) < (int)sizeof path)
            sweep_one(path);
    }
    if (folder)
        (void)closedir(folder);
}
