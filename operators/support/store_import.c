#include "operators/support/store_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/point.h"

enum {
    FOLDER_MODE = 0700,
    BYTES_AN_ENTRY = 300 /* 240 in the runs of all three sorts, given up as files are written */
};

struct store_import {
    struct store_import_settings settings;
    struct store *store;
    char *path; /* owned, as all below; without a slash at its end */
    char *importing;
    char *replaced;
    int folder;      /* PATH.importing, locked while it is built; -1 */
    int target_lock; /* RocksDB's of the store that is there; -1: there is none */
    bool is_made;    /* PATH.importing is ours to remove */
};

static char *join(const char *path, size_t size, const char *suffix)
{
    char *joined = memory_new(size + strlen(suffix) + 1, 1);
    memcpy(joined, path, size);
    memcpy(joined + size, suffix, strlen(suffix) + 1);
    return joined;
}

static struct store_import *new_import(const struct store_import_settings *settings)
{
    struct store_import *import = memory_new(1, sizeof *import);
    size_t size = strlen(settings->path);
    while (size > 1 && settings->path[size - 1] == '/') /* else it would stand inside the store */
        size--;
    import->settings = *settings;
    import->path = join(settings->path, size, "");
    import->importing = join(settings->path, size, ".importing");
    import->replaced = join(settings->path, size, ".replaced");
    import->folder = -1;
    import->target_lock = -1;
    return import;
}

static enum status failed(const char *path, const char *what, struct error *err)
{
    return error_fail(err, EX_UNAVAILABLE, "'%s' %s: %s", path, what, strerror(errno));
}

/* Renames in it are on disk. */
static enum status sync_folder_of(const struct store_import *import, struct error *err)
{
    const char *slash = strrchr(import->path, '/');
    size_t size = slash > import->path ? (size_t)(slash - import->path) : 1;
    char *parent = slash ? memory_copy_text(import->path, size) : memory_copy_text(".", 1);
    int folder = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = folder >= 0 && fsync(folder) == 0;
    enum status status = is_synced ? STATUS_OK : failed(parent, "cannot be synced", err);
    if (folder >= 0)
        (void)close(folder);
    memory_free(parent);
    return status;
}

/* --- the store that is there ---------------------------------------------------------------- */

static enum status check_target(struct store_import *import, struct error *err)
{
    struct stat info;
    TRY(store_check_place(import->path, err));
    if (lstat(import->path, &info) != 0)
        return errno == ENOENT ? STATUS_OK : failed(import->path, "cannot be looked at", err);
    if (S_ISDIR(info.st_mode) && rmdir(import->path) == 0)
        return STATUS_OK; /* an empty one is no store */
    if (!S_ISDIR(info.st_mode) || !store_folder_is_store(import->path))
        return error_fail(err, EX_CONFIG, "'%s' is there and is no store that can be replaced",
                          import->path);
    if (!import->settings.replaces)
        return error_fail(err, EX_CONFIG,
                          "store '%s' is there already: --replace puts the new one in its place",
                          import->path);
    return store_take_lock(import->path,
                           ": stop it, or import into another directory and change places then",
                           &import->target_lock, err);
}

/* --- the directory it is built in ------------------------------------------------------------ */

/* Whoever builds there holds the lock until it is renamed or removed. */
static enum status lock_importing(struct store_import *import, struct error *err)
{
    struct stat there;
    struct stat locked;
    if (mkdir(import->importing, FOLDER_MODE) != 0 && errno != EEXIST)
        return error_fail(err, EX_CONFIG, "'%s' cannot be created: %s", import->importing,
                          strerror(errno));
    import->folder = open(import->importing, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (import->folder < 0)
        return failed(import->importing, "cannot be opened", err);
    bool is_locked = flock(import->folder, LOCK_EX | LOCK_NB) == 0 &&
                     fstat(import->folder, &locked) == 0 && lstat(import->importing, &there) == 0 &&
                     there.st_ino == locked.st_ino;
    if (is_locked)
        return STATUS_OK;
    return error_fail(err, EX_UNAVAILABLE, "another import is under way in '%s'",
                      import->importing);
}

static enum status make_folder(struct store_import *import, struct error *err)
{
    TRY(lock_importing(import, err));
    TRY(store_empty_importing(import->importing, err));
    import->is_made = true;
    if (fchmod(import->folder, FOLDER_MODE) != 0)
        return failed(import->importing, "cannot be made ours alone", err);
    int mark = openat(import->folder, STORE_IMPORTED_MARK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (mark < 0 || fsync(mark) != 0 || close(mark) != 0 || fsync(import->folder) != 0)
        return failed(import->importing, "cannot be written to", err);
    POINT("import_made");
    return STATUS_OK;
}

static enum status open_import(struct store_import *import, struct error *err)
{
    const struct store_import_settings *settings = &import->settings;
    TRY(check_target(import, err));
    TRY(make_folder(import, err));
    TRY(store_open_importing(import->importing, settings->key, settings->canonical_hash,
                             &import->store, err));
    return store_ingest_begin_lanes(import->store, settings->lanes, settings->sort_bytes, err);
}

enum status store_import_open(const struct store_import_settings *settings,
                              struct store_import **out, struct error *err)
{
    struct store_import *import = new_import(settings);
    enum status status = open_import(import, err);
    if (status != STATUS_OK) {
        store_import_close(import);
        return status;
    }
    *out = import;
    return STATUS_OK;
}

struct store *store_import_store(struct store_import *import)
{
    return import->store;
}

void store_import_close(struct store_import *import)
{
    struct error ignored;
    if (!import)
        return;
    store_close(import->store);
    if (import->is_made && store_empty_importing(import->importing, &ignored) == STATUS_OK)
        (void)rmdir(import->importing);
    if (import->folder >= 0)
        (void)close(import->folder);
    if (import->target_lock >= 0)
        (void)close(import->target_lock);
    memory_free(import->path);
    memory_free(import->importing);
    memory_free(import->replaced);
    memory_free(import);
}

/* --- the end -------------------------------------------------------------------------------- */

/* The last thing written: without it the directory is no store. */
static enum status complete(struct store_import *import, const struct store_import_feed *feed,
                            struct error *err)
{
    struct store *store = import->store;
    if (feed->origin[0] != 0)
        TRY(store_set_origin(store, feed->origin, err));
    TRY(store_save_filter(store, err));
    if (feed->was_caught_up)
        TRY(store_set_caught_up(store, err));
    POINT("import_built");
    store_put_complete(store, feed->is_from_files ? "file" : feed->origin);
    TRY(store_db_write(store, err));
    TRY(store_sync(store, err));
    POINT("import_complete");
    store_close(store);
    import->store = NULL;
    if (!feed->is_from_files && unlinkat(import->folder, STORE_IMPORTED_MARK, 0) != 0)
        return failed(import->importing, "cannot be written to", err);
    return fsync(import->folder) == 0 ? STATUS_OK
                                      : failed(import->importing, "cannot be synced", err);
}

static enum status replace(struct store_import *import, struct error *err)
{
    bool is_in_place = false;
    TRY(store_remove_folder(import->replaced, err));
    POINT("import_before_rename");
    enum status status =
        store_change_places(import->importing, import->path, import->replaced, &is_in_place, err);
    import->is_made = !is_in_place; /* what stands there then is the store before */
    return status;
}

static enum status put(struct store_import *import, struct error *err)
{
    POINT("import_before_rename");
    if (renameat2(AT_FDCWD, import->importing, AT_FDCWD, import->path, RENAME_NOREPLACE) != 0)
        return failed(import->path, "cannot be put in its place", err);
    import->is_made = false;
    return STATUS_OK;
}

static enum status take_place(struct store_import *import, struct error *err)
{
    TRY(import->target_lock >= 0 ? replace(import, err) : put(import, err));
    return sync_folder_of(import, err);
}

enum status store_import_finish(struct store_import *import, const struct store_import_feed *feed,
                                store_ingest_tell *tell, void *tell_state,
                                struct store_ingested *out, bool *replaced, struct error *err)
{
    *replaced = import->target_lock >= 0;
    TRY(store_ingest_end(import->store, feed->offsets, feed->offsets_count, err));
    TRY(store_ingest_run(import->store, tell, tell_state, out, err));
    TRY(complete(import, feed, err));
    return take_place(import, err);
}

uint64_t store_import_bytes(uint64_t entries)
{
    return entries * BYTES_AN_ENTRY;
}
