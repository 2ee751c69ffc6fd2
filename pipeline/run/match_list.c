#include "pipeline/run/match_list.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/canonical.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/match_csv.h"
#include "pipeline/run/signals.h"

enum {
    LOAD_ENTRIES = 1024, /* at a time */
    FOLDERS_OPEN_MAX = 8,
    SNIFF_BYTES = 4096,
    WATCH_MS = 50,
    REMOVALS_MAX = 100,
    MB = 1000000
};

/* --- the folder ----------------------------------------------------------------------------- */

static void path_in(const struct match_list *list, const char *name, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s/%s", list->folder, name);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static void remove_folder(const struct match_list *list)
{
    /* Again, when another thread has made a file meanwhile. */
    for (int i = 0; i < REMOVALS_MAX && access(list->folder, F_OK) == 0; i++)
        (void)nftw(list->folder, remove_one, FOLDERS_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
}

/* The other threads may wait for input, which no signal ends. */
static void *watch(void *state)
{
    struct match_list *list = state;
    while (!atomic_load(&list->is_closing)) {
        if (!signals_wait(NULL, WATCH_MS))
            continue;
        remove_folder(list);
        signals_end();
    }
    return NULL;
}

static enum status make_folder(struct match_list *list, struct error *err)
{
    const char *base = getenv("TMPDIR");
    char path[PATH_MAX / 2];
    int size =
        snprintf(path, sizeof path, "%s/checkit-match-XXXXXX", base && *base ? base : "/tmp");
    if (size >= (int)sizeof path)
        return error_fail(err, EX_UNAVAILABLE, "TMPDIR is too long a path");
    if (!mkdtemp(path))
        return error_fail(err, EX_UNAVAILABLE, "'%s' cannot be made: %s", path, strerror(errno));
    list->folder = memory_copy_text(path, strlen(path));
    list->is_watched = pthread_create(&list->watcher, NULL, watch, list) == 0;
    return list->is_watched ? STATUS_OK
                            : error_fail(err, EX_UNAVAILABLE, "no further thread can be started");
}

/* --- entries of a file ---------------------------------------------------------------------- */

/* Entries on their way into the store. */
struct loading {
    const struct match_list_settings *settings;
    struct match_list *list;
    const char *name;
    struct entry entries[LOAD_ENTRIES];
    uint32_t count;
};

static enum status flush(struct loading *loading, uint64_t bytes_read, struct error *err)
{
    TRY(store_ingest(loading->list->store, loading->entries, loading->count, err));
    loading->count = 0;
    progress_tell(loading->settings->progress, bytes_read);
    return STATUS_OK;
}

static enum status take_change(struct loading *loading, const struct change *change,
                               uint64_t bytes_read, struct error *err)
{
    const struct rule_data *rules = loading->settings->rules;
    if (canonical_entry(rules, change, &loading->entries[loading->count]) != REJECTION_NO) {
        loading->list->rejected++;
        return STATUS_OK;
    }
    loading->count++;
    return loading->count < LOAD_ENTRIES ? STATUS_OK : flush(loading, bytes_read, err);
}

static enum status take_rows(struct loading *loading, int file, struct error *err)
{
    struct match_csv *rows = NULL;
    struct match_row row;
    const struct csv_source source = {.name = loading->name, .file = file};
    TRY(match_csv_open(&source, MATCH_ENTRY, &rows, err));
    enum status status = match_csv_next(rows, &row, err);
    while (status == STATUS_OK && row.line > 0) {
        const struct change change = {.entry_id = row.id,
                                      .op = CHANGE_UPSERT,
                                      .number = row.number,
                                      .number_to = row.number_to,
                                      .issuer = row.issuer,
                                      .type = row.type};
        status = take_change(loading, &change, match_csv_bytes_read(rows), err);
        if (status == STATUS_OK)
            status = match_csv_next(rows, &row, err);
    }
    match_csv_close(rows);
    return status;
}

static enum status take_list_rows(struct loading *loading, int file, struct error *err)
{
    const struct change_csv_settings settings = {.name = loading->name,
                                                 .file = file,
                                                 .rules = loading->settings->rules,
                                                 .contributor = bytes_of_text("match")};
    struct change_csv *changes = NULL;
    struct change_row row;
    TRY(change_csv_open(&settings, &changes, err));
    enum status status = change_csv_next(changes, &row, err);
    while (status == STATUS_OK && row.line > 0) {
        if (row.fault != CHANGE_FAULT_NO)
            loading->list->rejected++;
        else
            status = take_change(loading, &row.change, change_csv_bytes_read(changes), err);
        if (status == STATUS_OK)
            status = change_csv_next(changes, &row, err);
    }
    change_csv_close(changes);
    return status;
}

/* Whether the first row names a column entry_id; a pipe cannot be looked into and does not. */
static bool is_list_file(int file)
{
    char text[SNIFF_BYTES];
    ssize_t size = pread(file, text, sizeof text, 0);
    if (size <= 0)
        return false;
    const char *end = memchr(text, '\n', (size_t)size);
    return memmem(text, end ? (size_t)(end - text) : (size_t)size, "entry_id", 8) != NULL;
}

static enum status end_load(struct match_list *list, struct error *err)
{
    struct store_ingested ingested;
    bool is_done = false;
    TRY(store_ingest_end(list->store, NULL, 0, err));
    while (!is_done)
        TRY(store_ingest_step(list->store, &is_done, &ingested, err));
    return STATUS_OK;
}

static enum status load_file(struct loading *loading, int file, struct error *err)
{
    struct progress *progress = loading->settings->progress;
    struct stat info = {0};
    bool has_size = fstat(file, &info) == 0 && S_ISREG(info.st_mode);
    const struct progress_task task = {.what = "reading entries",
                                       .unit = "MB",
                                       .unit_size = MB,
                                       .total = has_size ? (uint64_t)info.st_size : 0};
    TRY(store_ingest_begin(loading->list->store, err));
    progress_begin(progress, &task);
    enum status status =
        is_list_file(file) ? take_list_rows(loading, file, err) : take_rows(loading, file, err);
    progress_end(progress);
    TRY(status);
    TRY(flush(loading, 0, err));
    return end_load(loading->list, err);
}

static enum status load(const struct match_list_settings *settings, struct match_list *list,
                        struct error *err)
{
    bool is_input = strcmp(settings->entries, "-") == 0;
    int file = is_input ? STDIN_FILENO : open(settings->entries, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_fail(err, EX_UNAVAILABLE, "%s: cannot be opened: %s", settings->entries,
                          strerror(errno));
    struct loading *loading = memory_new(1, sizeof *loading);
    loading->settings = settings;
    loading->list = list;
    loading->name = is_input ? "standard input" : settings->entries;
    enum status status = load_file(loading, file, err);
    memory_free(loading);
    if (!is_input)
        (void)close(file);
    return status;
}

/* --- interface ------------------------------------------------------------------------------ */

static enum status make_list(const struct match_list_settings *settings, struct match_list *list,
                             struct error *err)
{
    char path[PATH_MAX];
    path_in(list, "key", path);
    TRY(keys_create(path, KEY_STORE, err));
    TRY(store_key_open(path, &list->key, err));
    path_in(list, "store", path);
    TRY(store_open(path, list->key, rule_data_canonical_hash(settings->rules), settings->readers,
                   &list->store, err));
    return load(settings, list, err);
}

enum status match_list_open(const struct match_list_settings *settings, struct match_list *list,
                            struct error *err)
{
    TRY(make_folder(list, err));
    if (settings->entries) {
        TRY(make_list(settings, list, err));
    } else {
        TRY(store_key_open(settings->store_key, &list->key, err));
        TRY(store_open_read_only(settings->store, list->folder, list->key,
                                 rule_data_canonical_hash(settings->rules), settings->readers,
                                 &list->store, err));
    }
    list->entries = store_figures(list->store).entries_live;
    return STATUS_OK;
}

void match_list_close(struct match_list *list)
{
    store_close(list->store);
    store_key_close(list->key);
    atomic_store(&list->is_closing, true);
    if (list->is_watched)
        (void)pthread_join(list->watcher, NULL);
    if (list->folder)
        remove_folder(list);
    memory_free(list->folder);
}
