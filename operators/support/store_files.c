#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/store_import.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"

enum { FOLDER_MODE = 0700, ROOM_BYTES = 1024 * 1024 };
static const char damaged_mark[] = "DAMAGED";
static const char room_file[] = STORE_SST_PREFIX "room";

static bool starts_with(const char *name, const char *start)
{
    return strncmp(name, start, strlen(start)) == 0;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* What RocksDB and check_room leave when they are stopped before the first file is complete. */
static bool is_beginning(const char *name)
{
    static const char *const starts[] = {"LOCK",     "LOG", "IDENTITY", "MANIFEST-",
                                         "OPTIONS-", "0",   room_file,  STORE_IMPORTED_MARK};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (starts_with(name, starts[i]))
            return true;
    return false;
}

/* What was found in a directory. */
struct folder_look {
    bool has_current; /* RocksDB has finished creating it */
    bool is_marked;
    char *foreign; /* a name that is not RocksDB's, or NULL; owned */
};

static enum status look_into(const char *path, struct folder_look *look, struct error *err)
{
    DIR *folder = opendir(path);
    if (!folder)
        return error_fail(err, EX_CONFIG, "store '%s' cannot be opened: %s", path, strerror(errno));
    for (struct dirent *item = readdir(folder); item; item = readdir(folder)) {
        const char *name = item->d_name;
        if (strcmp(name, "CURRENT") == 0)
            look->has_current = true;
        else if (strcmp(name, damaged_mark) == 0)
            look->is_marked = true;
        else if (!look->foreign && !is_dots(name) && !is_beginning(name))
            look->foreign = memory_copy_text(name, strlen(name));
    }
    (void)closedir(folder);
    return STATUS_OK;
}

/* RocksDB writes its own log when it opens, and Debian's build ends the process when that fails: a
 * full disk is found before. */
static enum status check_room(const char *path, struct error *err)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int file = openat(folder, room_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    uint8_t *zeros = memory_new(ROOM_BYTES, 1);
    ssize_t written = write(file, zeros, ROOM_BYTES);
    int reason = written < 0 ? errno : ENOSPC;
    memory_free(zeros);
    (void)unlinkat(folder, room_file, 0);
    (void)close(file);
    (void)close(folder);
    if (written == ROOM_BYTES)
        return STATUS_OK;
    return error_fail(err, EX_UNAVAILABLE, "store '%s' cannot be written to: %s", path,
                      strerror(reason));
}

static enum status look_for_store(const char *path, bool may_be_new, bool *is_new,
                                  struct error *err)
{
    struct folder_look look = {0};
    TRY(look_into(path, &look, err));
    enum status status = STATUS_OK;
    if (look.is_marked)
        status = error_fail(err, EX_DATAERR,
                            "store '%s' was found damaged when it was last in use; it has to be "
                            "built again",
                            path);
    else if (!look.has_current && !may_be_new)
        status = error_fail(err, EX_CONFIG, "'%s' is not a store", path);
    else if (!look.has_current && look.foreign)
        status = error_fail(err, EX_CONFIG,
                            "'%s' is not a store and holds other files ('%s'): name an empty or "
                            "a new directory",
                            path, look.foreign);
    memory_free(look.foreign);
    *is_new = !look.has_current;
    return status;
}

enum status store_prepare_folder(const char *path, bool *is_new, struct error *err)
{
    if (mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST)
        return error_fail(err, EX_CONFIG, "store '%s' cannot be created: %s", path,
                          strerror(errno));
    TRY(look_for_store(path, true, is_new, err));
    return check_room(path, err);
}

enum status store_look_into_folder(const char *path, struct error *err)
{
    bool is_new;
    return look_for_store(path, false, &is_new, err);
}

/* Of all files in it. */
struct folder_sum {
    int64_t newest_ms; /* wall clock */
    uint64_t bytes;
};

static struct folder_sum sum_files(const char *path)
{
    struct folder_sum sum = {0};
    DIR *folder = opendir(path);
    for (struct dirent *item = folder ? readdir(folder) : NULL; item; item = readdir(folder)) {
        struct stat info;
        if (fstatat(dirfd(folder), item->d_name, &info, 0) != 0 || !S_ISREG(info.st_mode))
            continue;
        int64_t written_ms = (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000;
        sum.newest_ms = written_ms > sum.newest_ms ? written_ms : sum.newest_ms;
        sum.bytes += (uint64_t)info.st_size;
    }
    if (folder)
        (void)closedir(folder);
    return sum;
}

int64_t store_files_written_ms(const char *path)
{
    return sum_files(path).newest_ms;
}

uint64_t store_files_bytes(const char *path)
{
    return sum_files(path).bytes;
}

void store_remove_sst_files(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return;
    for (struct dirent *item = readdir(folder); item; item = readdir(folder))
        if (starts_with(item->d_name, STORE_SST_PREFIX))
            (void)unlinkat(dirfd(folder), item->d_name, 0);
    (void)closedir(folder);
}

void store_mark_damaged(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return;
    int file = openat(folder, damaged_mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0)
        (void)close(file);
    (void)fsync(folder);
    (void)close(folder);
}

/* --- quarantine ----------------------------------------------------------------------------- */

/* What tells that a directory is ours goes last, so that one that is half empty is too. */
static bool is_last(const char *name)
{
    return strcmp(name, "CURRENT") == 0 || strcmp(name, STORE_IMPORTED_MARK) == 0;
}

/* A store has no directories in it, so nothing is ever followed downwards. */
static enum status remove_files(const char *path, bool last, struct error *err)
{
    DIR *folder = opendir(path);
    if (!folder)
        return error_fail(err, EX_UNAVAILABLE, "'%s' cannot be opened: %s", path, strerror(errno));
    enum status status = STATUS_OK;
    for (struct dirent *item = readdir(folder); item && status == STATUS_OK;
         item = readdir(folder)) {
        if (!is_dots(item->d_name) && (last || !is_last(item->d_name)) &&
            unlinkat(dirfd(folder), item->d_name, 0) != 0)
            status = error_fail(err, EX_UNAVAILABLE,
                                "'%s/%s' cannot be removed (%s): remove '%s' by hand", path,
                                item->d_name, strerror(errno), path);
    }
    (void)closedir(folder);
    return status;
}

static enum status empty_folder(const char *path, struct error *err)
{
    TRY(remove_files(path, false, err));
    return remove_files(path, true, err);
}

static bool has_file(const char *path, const char *name)
{
    struct stat info;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool has = folder >= 0 && fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (folder >= 0)
        (void)close(folder);
    return has;
}

bool store_is_from_files(const char *path)
{
    return has_file(path, STORE_IMPORTED_MARK);
}

bool store_folder_is_store(const char *path)
{
    return has_file(path, "CURRENT") || store_is_from_files(path);
}

enum status store_empty_importing(const char *path, struct error *err)
{
    struct folder_look look = {0};
    TRY(look_into(path, &look, err));
    bool is_ours = store_folder_is_store(path) || !look.foreign;
    enum status status =
        is_ours ? empty_folder(path, err)
                : error_fail(err, EX_CONFIG,
                             "'%s' is where the new store is built and holds other files ('%s'): "
                             "move it away",
                             path, look.foreign);
    memory_free(look.foreign);
    return status;
}

enum status store_remove_folder(const char *path, struct error *err)
{
    struct stat info;
    if (lstat(path, &info) != 0 && errno == ENOENT)
        return STATUS_OK;
    if (!S_ISDIR(info.st_mode))
        return error_fail(err, EX_CONFIG, "'%s' is not a directory: move it away", path);
    TRY(empty_folder(path, err));
    if (rmdir(path) != 0)
        return error_fail(err, EX_UNAVAILABLE, "'%s' cannot be removed: %s", path, strerror(errno));
    return STATUS_OK;
}

static enum status rename_folder(const char *path, const char *to, struct error *err)
{
    if (rename(path, to) == 0)
        return STATUS_OK;
    if (errno == EBUSY)
        return error_fail(err, EX_CONFIG,
                          "store '%s' cannot be set aside since something is mounted on it: "
                          "configure a directory inside it as the store",
                          path);
    return error_fail(err, EX_UNAVAILABLE, "store '%s' cannot be set aside as '%s': %s", path, to,
                      strerror(errno));
}

enum status store_quarantine(const char *path, struct error *err)
{
    static const char suffix[] = ".quarantine";
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') /* "store/" would put the copy inside the store */
        size--;
    char *from = memory_copy_text(path, size);
    char *to = memory_new(size + sizeof suffix, 1);
    memcpy(to, path, size);
    memcpy(to + size, suffix, sizeof suffix);
    enum status status = store_remove_folder(to, err);
    if (status == STATUS_OK)
        status = rename_folder(from, to, err);
    memory_free(from);
    memory_free(to);
    return status;
}
