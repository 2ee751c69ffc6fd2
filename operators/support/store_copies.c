#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/file_writer.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/point.h"

enum { FOLDER_MODE = 0700, FILE_MODE = 0600, COPY_BYTES = 1024 * 1024 };

static const char replaced_suffix[] = ".replaced";

/* --- names ---------------------------------------------------------------------------------- */

static bool starts_with(const char *name, const char *start)
{
    return strncmp(name, start, strlen(start)) == 0;
}

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name);
    return size >= strlen(end) && strcmp(name + size - strlen(end), end) == 0;
}

/* RocksDB's, and what stands in the directory for a while only. */
static bool is_of_database(const char *name)
{
    static const char *const starts[] = {
        "CURRENT", "LOCK", "LOG", "IDENTITY", "MANIFEST", "OPTIONS-", STORE_SST_PREFIX, "DAMAGED"};
    static const char *const ends[] = {".sst", ".log", ".dbtmp", ".part", ".tmp"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (starts_with(name, starts[i]))
            return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i]))
            return true;
    return false;
}

/* What says nothing about the list. */
static bool is_left_behind(const char *name)
{
    return starts_with(name, "LOCK") || starts_with(name, "LOG") || ends_with(name, ".dbtmp");
}

/* So that it can be a link. */
static bool is_written_once(const char *name)
{
    return !is_of_database(name) || ends_with(name, ".sst");
}

static enum status fault(const char *doing, const char *path, struct error *err)
{
    return error_fail(err, EX_UNAVAILABLE, "'%s' cannot be %s: %s", path, doing, strerror(errno));
}

/* "store/" as "store": what is put behind it stands beside the directory. */
static void path_behind(const char *path, const char *ending, char out[PATH_MAX])
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    (void)snprintf(out, PATH_MAX, "%.*s%s", (int)size, path, ending);
}

/* --- files ---------------------------------------------------------------------------------- */

static enum status write_all(int to, const uint8_t *data, size_t size, const char *path,
                             struct error *err)
{
    while (size > 0) {
        ssize_t written = write(to, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fault("written", path, err);
        data += written;
        size -= (size_t)written;
    }
    return STATUS_OK;
}

static enum status copy_bytes(int from, int to, const char *path, struct error *err)
{
    enum status status = STATUS_OK;
    uint8_t *piece = memory_new(COPY_BYTES, 1);
    while (status == STATUS_OK) {
        ssize_t got = read(from, piece, COPY_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = fault("read", path, err);
        if (got <= 0)
            break;
        status = write_all(to, piece, (size_t)got, path, err);
    }
    memory_free(piece);
    if (status == STATUS_OK && fsync(to) != 0)
        status = fault("synced", path, err);
    return status;
}

/* What root copies for another user stays that user's. */
static void keep_owner(int from, int to)
{
    struct stat info;
    if (geteuid() == 0 && fstat(from, &info) == 0)
        (void)!fchown(to, info.st_uid, info.st_gid);
}

static enum status copy_file(int from_folder, int to_folder, const char *name, const char *path,
                             struct error *err)
{
    int from = openat(from_folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return fault("opened", path, err);
    int to = openat(to_folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    enum status status = to < 0 ? fault("created", path, err) : copy_bytes(from, to, path, err);
    if (to >= 0)
        keep_owner(from, to);
    if (to >= 0 && close(to) != 0 && status == STATUS_OK)
        status = fault("written", path, err);
    (void)close(from);
    return status;
}

/* May be the same file: it is never written again. */
static enum status take_file(int from_folder, int to_folder, const char *name, bool may_link,
                             const char *path, struct error *err)
{
    struct stat info;
    if (fstatat(from_folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? STATUS_OK : fault("looked at", path, err);
    if (!S_ISREG(info.st_mode) || (may_link && linkat(from_folder, name, to_folder, name, 0) == 0))
        return STATUS_OK;
    return copy_file(from_folder, to_folder, name, path, err);
}

/* with_database: all that makes a store; else what stands beside RocksDB's files alone. */
static enum status take_files(DIR *from, int to, bool with_database, const char *to_path,
                              struct error *err)
{
    enum status status = STATUS_OK;
    for (struct dirent *item = readdir(from); item && status == STATUS_OK; item = readdir(from)) {
        const char *name = item->d_name;
        if (name[0] == '.' || is_left_behind(name) || (is_of_database(name) && !with_database))
            continue;
        char path[PATH_MAX];
        (void)snprintf(path, sizeof path, "%s/%s", to_path, name);
        status = take_file(dirfd(from), to, name, is_written_once(name), path, err);
    }
    return status;
}

/* Both directories are there. */
static enum status take_folder(const char *from, const char *to, bool with_database,
                               struct error *err)
{
    DIR *source = opendir(from);
    if (!source)
        return fault("opened", from, err);
    int target = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum status status =
        target < 0 ? fault("opened", to, err) : take_files(source, target, with_database, to, err);
    if (target >= 0)
        keep_owner(dirfd(source), target);
    if (status == STATUS_OK && fsync(target) != 0)
        status = fault("synced", to, err);
    if (target >= 0)
        (void)close(target);
    (void)closedir(source);
    return status;
}

/* Found out by making a link: whether two directories are of one mount is not told. */
static bool takes_links(const char *from, const char *to)
{
    char current[PATH_MAX];
    (void)snprintf(current, sizeof current, "%s/CURRENT", from);
    if (link(current, to) != 0)
        return false;
    (void)unlink(to);
    return true;
}

uint64_t store_copy_bytes(const char *from, const char *to)
{
    uint64_t bytes = 0;
    bool may_link = takes_links(from, to);
    DIR *folder = opendir(from);
    for (struct dirent *item = folder ? readdir(folder) : NULL; item; item = readdir(folder)) {
        struct stat info;
        const char *name = item->d_name;
        if (is_left_behind(name) || (may_link && is_written_once(name)) ||
            fstatat(dirfd(folder), name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode))
            continue;
        bytes += (uint64_t)info.st_size;
    }
    if (folder)
        (void)closedir(folder);
    return bytes;
}

/* --- who has it open ------------------------------------------------------------------------ */

static enum status open_lock(const char *path, int flags, int *out, struct error *err)
{
    char lock[PATH_MAX];
    (void)snprintf(lock, sizeof lock, "%s/LOCK", path);
    *out = open(lock, flags | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    return *out >= 0 || errno == ENOENT || errno == EROFS ? STATUS_OK : fault("opened", lock, err);
}

enum status store_user(const char *path, int64_t *process, struct error *err)
{
    int file;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    *process = 0;
    TRY(open_lock(path, O_RDWR, &file, err));
    if (file < 0)
        return STATUS_OK;
    if (fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        *process = lock.l_pid > 0 ? lock.l_pid : -1;
    (void)close(file);
    return STATUS_OK;
}

/* Whoever comes then is told that the store is in use. */
enum status store_take_lock(const char *path, const char *advice, int *file, struct error *err)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    TRY(open_lock(path, O_RDWR | O_CREAT, file, err));
    if (*file < 0)
        return errno == EROFS ? STATUS_OK : fault("opened", path, err); /* nobody can write there */
    if (fcntl(*file, F_SETLK, &lock) == 0)
        return STATUS_OK;
    (void)close(*file);
    *file = -1;
    return error_fail(err, EX_UNAVAILABLE, "store '%s' is in use by another process%s", path,
                      advice);
}

/* --- checkpoints ---------------------------------------------------------------------------- */

/* RocksDB 7.8.3: flushed before, and with the write-ahead log, which joins what was written to
 * several families at once. */
static enum status flush(struct store *store, struct error *err)
{
    char *message = NULL;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, 1);
    for (int i = 0; i < FAMILY_COUNT && !message; i++)
        rocksdb_flush_cf(store->db, options, store->families[i], &message);
    rocksdb_flushoptions_destroy(options);
    return message ? store_db_error(store, "flush", message, err) : STATUS_OK;
}

enum status store_checkpoint(struct store *store, const char *path, struct error *err)
{
    enum { LOG_BYTES_MAX = 0 };
    char *message = NULL;
    TRY(flush(store, err));
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(store->db, &message);
    if (!message)
        rocksdb_checkpoint_create(checkpoint, path, LOG_BYTES_MAX, &message);
    rocksdb_checkpoint_object_destroy(checkpoint);
    if (message)
        return store_db_error(store, "checkpoint", message, err);
    /* Afterwards: what belongs to a later state than the checkpoint is known as such, what belongs
     * to an earlier one is not. */
    return take_folder(store->place, path, false, err);
}

/* --- directories ---------------------------------------------------------------------------- */

static enum status copy_locked(const char *from, const char *to, struct error *err)
{
    struct error ignored;
    if (mkdir(to, FOLDER_MODE) != 0)
        return fault("created", to, err);
    enum status status = take_folder(from, to, true, err);
    if (status != STATUS_OK)
        (void)!store_remove_folder(to, &ignored);
    return status;
}

enum status store_copy(const char *from, const char *to, struct error *err)
{
    int lock;
    TRY(store_look_into_folder(from, err));
    TRY(store_take_lock(from, "", &lock, err));
    enum status status = copy_locked(from, to, err);
    (void)close(lock);
    return status;
}

/* A link would be replaced by a directory on another file system than it leads to, and a mount
 * cannot be renamed. Linux before 5.8 does not tell mounts: there the exchange says so. */
enum status store_check_place(const char *path, struct error *err)
{
    struct statx info;
    char place[PATH_MAX];
    path_behind(path, "", place);
    if (statx(AT_FDCWD, place, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &info) != 0)
        return errno == ENOENT ? STATUS_OK : fault("looked at", place, err);
    if (S_ISLNK(info.stx_mode))
        return error_fail(err, EX_CONFIG,
                          "'%s' is a symbolic link, whose place no store can take: configure the "
                          "directory it leads to as the store",
                          place);
    if (!(info.stx_attributes & STATX_ATTR_MOUNT_ROOT))
        return STATUS_OK;
    return error_fail(err, EX_CONFIG,
                      "something is mounted on '%s', so that no other store can take its place: "
                      "configure a directory inside it as the store",
                      place);
}

/* Where the file system cannot exchange, there is for a moment no store under path. */
static enum status rename_both(const char *from, const char *path, const char *replaced,
                               bool *is_in_place, struct error *err)
{
    if (rename(path, replaced) != 0)
        return fault("set aside", path, err);
    *is_in_place = rename(from, path) == 0;
    if (*is_in_place)
        return STATUS_OK;
    enum status status = fault("put in place", from, err);
    (void)rename(replaced, path);
    return status;
}

/* Both names change at once, so there is a store at any moment; and for good, before the one that
 * was there gets its name. */
enum status store_change_places(const char *from, const char *path, const char *replaced,
                                bool *is_in_place, struct error *err)
{
    *is_in_place = renameat2(AT_FDCWD, from, AT_FDCWD, path, RENAME_EXCHANGE) == 0;
    if (!*is_in_place && errno != EINVAL && errno != ENOSYS)
        return fault("replaced", path, err);
    if (!*is_in_place)
        return rename_both(from, path, replaced, is_in_place, err);
    file_sync_folder_of(path);
    POINT("store_exchanged");
    return rename(from, replaced) == 0 ? STATUS_OK : fault("renamed", from, err);
}

/* Damaged or not: nothing else is ever set aside. */
static bool is_store(const char *path)
{
    char current[PATH_MAX];
    (void)snprintf(current, sizeof current, "%s/CURRENT", path);
    return access(current, F_OK) == 0;
}

enum status store_put_in_place(const char *from, const char *path, struct error *err)
{
    char replaced[PATH_MAX];
    char place[PATH_MAX];
    int lock;
    bool is_in_place;
    path_behind(path, replaced_suffix, replaced);
    path_behind(path, "", place);
    TRY(store_check_place(path, err));
    if (access(place, F_OK) != 0) {
        if (rename(from, place) != 0)
            return fault("put in place", place, err);
        file_sync_folder_of(place);
        return STATUS_OK;
    }
    if (!is_store(path))
        return error_fail(err, EX_CONFIG, "'%s' is there and is not a store: move it away", place);
    TRY(store_take_lock(place, "", &lock, err));
    enum status status = store_remove_folder(replaced, err);
    if (status == STATUS_OK)
        status = store_change_places(from, place, replaced, &is_in_place, err);
    (void)close(lock);
    file_sync_folder_of(place);
    return status;
}

enum status store_remove(const char *path, struct error *err)
{
    return store_remove_folder(path, err);
}
