/* checkit list import: list files to a store of their own, without Kafka. */
#include "pipeline/run/list_import.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "operators/support/canonical.h"
#include "operators/support/store_import.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/config.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/figures.h"
#include "pipeline/run/list_room.h"
#include "pipeline/run/list_source.h"
#include "pipeline/run/progress.h"
#include "pipeline/run/rejections.h"
#include "pipeline/run/signals.h"

enum {
    FILES_MAX = 4096,
    THREADS_MAX = 64,
    CALL_ENTRIES = 1024,
    ORDER_BITS = 28, /* of a change in its piece; a piece has fewer bytes */
    MB = 1024 * 1024,
    SORT_BYTES_MIN = 1024 * 1024,
    SORT_BYTES_MAX = 1024 * 1024 * 1024,
    WAIT_MS = 200,
    SUMMARY_SIZE = 512
};

_Static_assert((int)CONTAINER_BLOCK_BYTES_MAX < 1 << ORDER_BITS, "an order for each record");

struct options {
    const char *config;
    const char *store;
    const char *store_key;
    const char *rules;
    const char *contributor;
    const char *rejections;
    bool skip_rejected;
    bool replace;
    bool force;
    bool quiet;
    uint64_t threads;
    uint64_t memory_mb;
};

#define TEXT_ARGUMENT(member, ...)                                                                 \
    {                                                                                              \
        .kind = ARGUMENT_TEXT, .offset = offsetof(struct options, member), __VA_ARGS__             \
    }
#define SWITCH_ARGUMENT(member, ...)                                                               \
    {                                                                                              \
        .kind = ARGUMENT_SWITCH, .offset = offsetof(struct options, member), __VA_ARGS__           \
    }

static const struct argument arguments[] = {
    TEXT_ARGUMENT(config, .name = "config", .letter = 'c', .value = "FILE",
                  .help = "the configuration, which names store, key and rule data"),
    TEXT_ARGUMENT(store, .name = "store", .value = "DIR", .help = "or the store to make"),
    TEXT_ARGUMENT(store_key, .name = "store-key", .value = "FILE", .help = "and its key"),
    TEXT_ARGUMENT(rules, .name = "rules", .value = "DIR",
                  .help = "with --store: rule data that replaces what is built in"),
    TEXT_ARGUMENT(contributor, .name = "contributor", .value = "NAME",
                  .help = "who answers for entries of which the CSV does not say it"),
    SWITCH_ARGUMENT(skip_rejected, .name = "skip-rejected",
                    .help = "take what is valid; without it one rejection stops all"),
    TEXT_ARGUMENT(rejections, .name = "rejections", .value = "FILE",
                  .help = "write rejections to FILE, as CSV, instead of standard error"),
    SWITCH_ARGUMENT(replace, .name = "replace",
                    .help = "take the place of a store, which is kept as DIR.replaced"),
    SWITCH_ARGUMENT(force, .name = "force", .help = "begin though the disk looks too small"),
    {.name = "threads",
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = 1,
     .max = THREADS_MAX,
     .offset = offsetof(struct options, threads),
     .help = "threads that work; without it one a processor"},
    {.name = "memory-mb",
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = LIST_SORT_MB_MIN,
     .max = LIST_SORT_MB_MAX,
     .preset = "1024",
     .offset = offsetof(struct options, memory_mb),
     .help = "memory for sorting"},
    SWITCH_ARGUMENT(quiet, .name = "quiet", .letter = 'q', .help = "no progress on standard error"),
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DATAERR, "rows are rejected, or a file is none: there is no new store"},
    {EX_UNAVAILABLE, "a file cannot be read or written, the disk is too small, or the store is\n"
                     "      in use"},
    {EX_CONFIG, "there is a store already, or a fault in the configuration or the key"},
    {0}};

static const struct arguments_command command = {
    .name = "list import",
    .summary =
        "Builds the store of a list from files, without Kafka: CSV as `checkit feed` takes it,\n"
        "as it is or in gzip or zstd, or Avro container files of our DocumentChange; `-` is\n"
        "standard input. The new store is built as DIR.importing and renamed when all of it is\n"
        "on disk. `screen` then reads the feed from its beginning, and the higher revision of an\n"
        "entry counts; after an export, from where that was made.",
    .arguments = arguments,
    .operands = "FILE...",
    .operands_min = 1,
    .operands_max = FILES_MAX,
    .examples = "checkit list import -c checkit.yaml list.csv.zst\n"
                "checkit list import -c checkit.yaml --replace list.csv corrections.csv\n"
                "checkit list import --store store --store-key store.key export.avro",
    .exits = exits};

/* One run of the command. What threads share is behind the lock. */
struct job {
    const struct options *options;
    const struct operands *files;
    struct config *config; /* NULL: paths are given */
    const char *store_path;
    struct rule_data *rules;
    struct store_key *key;
    struct list_source_settings source_settings;
    struct list_source *source;
    struct rejections *rejections;
    struct store_import *import;
    struct progress progress;
    uint32_t threads;
    uint64_t bytes_total;

    pthread_mutex_t lock;
    pthread_cond_t turned;
    uint64_t turn; /* the piece whose rejections are told next */
    uint64_t valid;
    uint64_t rejected;
    atomic_bool is_refused; /* from now on rows are only judged */
    atomic_bool is_stopped;
    atomic_uint ended; /* threads */
};

struct rejected {
    uint64_t line;
    enum change_fault fault;
    const char *column;
    uint8_t id_size;
    uint8_t id[ENTRY_ID_SIZE_MAX + 1]; /* one more tells that there is more */
};

/* A thread. */
struct hand {
    struct job *job;
    pthread_t thread;
    bool is_started;
    uint32_t lane;
    enum status status;
    struct error err;
    struct list_piece piece;
    const struct list_file *file; /* that changes reads */
    struct change_csv *changes;
    struct entry entries[CALL_ENTRIES];
    uint32_t entries_count;
    uint64_t order; /* of entries[0] */
    uint64_t valid;
    struct rejected *rejected; /* of the piece; owned */
    uint32_t rejected_count;
    uint32_t rejected_capacity;
};

/* --- one piece ------------------------------------------------------------------------------- */

static enum status flush(struct hand *hand)
{
    uint32_t count = hand->entries_count;
    uint64_t order = hand->order;
    hand->entries_count = 0;
    hand->order += count;
    if (count == 0 || atomic_load(&hand->job->is_refused))
        return STATUS_OK;
    return store_ingest_lane(store_import_store(hand->job->import), hand->lane, order,
                             hand->entries, count, &hand->err);
}

static enum status take_entry(struct hand *hand, const struct entry *entry)
{
    hand->entries[hand->entries_count++] = *entry;
    hand->valid++;
    return hand->entries_count < CALL_ENTRIES ? STATUS_OK : flush(hand);
}

static void reject(struct hand *hand, const struct change_row *row)
{
    if (hand->rejected_count == hand->rejected_capacity) {
        hand->rejected_capacity = hand->rejected_capacity ? 2 * hand->rejected_capacity : 64;
        hand->rejected =
            memory_resize(hand->rejected, hand->rejected_capacity, sizeof *hand->rejected);
    }
    struct rejected *rejected = &hand->rejected[hand->rejected_count++];
    struct bytes id = row->change.entry_id;
    size_t size = id.size < sizeof rejected->id ? id.size : sizeof rejected->id;
    *rejected = (struct rejected){row->line, row->fault, row->column, (uint8_t)size, {0}};
    if (size > 0)
        memcpy(rejected->id, id.data, size);
    if (!hand->job->options->skip_rejected)
        atomic_store(&hand->job->is_refused, true);
}

static enum status open_changes(struct hand *hand)
{
    const struct list_file *file = hand->piece.file;
    if (hand->changes && hand->file == file)
        return STATUS_OK;
    struct change_csv_settings settings = list_source_csv(hand->job->source, file);
    change_csv_close(hand->changes);
    hand->changes = NULL;
    hand->file = file;
    return change_csv_open(&settings, &hand->changes, &hand->err);
}

static enum status take_rows(struct hand *hand)
{
    const struct list_piece *piece = &hand->piece;
    TRY(open_changes(hand));
    change_csv_continue(hand->changes, bytes_of(piece->data, piece->size), piece->first);
    for (;;) {
        struct change_row row;
        TRY(change_csv_next(hand->changes, &row, &hand->err));
        if (row.line == 0)
            return STATUS_OK;
        if (row.entry)
            TRY(take_entry(hand, row.entry));
        else
            reject(hand, &row);
    }
}

static enum status take_records(struct hand *hand)
{
    const struct list_piece *piece = &hand->piece;
    struct bytes rest = bytes_of(piece->data, piece->size);
    for (uint64_t i = 0; i < piece->records; i++) {
        struct change_row row = {.line = piece->first + i};
        struct entry entry;
        size_t size = 0;
        if (projection_change_next(piece->file->projection, rest, &row.change, &size) != RECORD_OK)
            return error_fail(&hand->err, EX_DATAERR, "%s: record %" PRIu64 " cannot be read",
                              piece->file->name, row.line);
        rest = bytes_of(rest.data + size, rest.size - size);
        row.fault = (enum change_fault)canonical_entry(hand->job->rules, &row.change, &entry);
        if (row.fault == CHANGE_FAULT_NO)
            TRY(take_entry(hand, &entry));
        else
            reject(hand, &row);
    }
    return rest.size == 0 ? STATUS_OK
                          : error_fail(&hand->err, EX_DATAERR,
                                       "%s: more bytes than records before record %" PRIu64,
                                       piece->file->name, piece->first + piece->records);
}

/* In the order of the pieces, whoever is first with his. Of faults that end everything, too, the
 * first in the files is told. */
static void tell(struct hand *hand)
{
    struct job *job = hand->job;
    (void)pthread_mutex_lock(&job->lock);
    while (job->turn != hand->piece.number)
        (void)pthread_cond_wait(&job->turned, &job->lock);
    bool is_told = !atomic_load(&job->is_stopped);
    for (uint32_t i = 0; i < hand->rejected_count && is_told; i++) {
        const struct rejected *rejected = &hand->rejected[i];
        const struct change_row row = {
            .line = rejected->line,
            .change = {.entry_id = bytes_of(rejected->id, rejected->id_size)},
            .fault = rejected->fault,
            .column = rejected->column};
        rejections_add(job->rejections, hand->piece.file->name, &row);
    }
    job->valid += hand->valid;
    job->rejected += hand->rejected_count;
    if (!is_told) /* one before has failed: that is told */
        hand->status = STATUS_OK;
    if (hand->status != STATUS_OK)
        atomic_store(&job->is_stopped, true);
    job->turn++;
    (void)pthread_cond_broadcast(&job->turned);
    (void)pthread_mutex_unlock(&job->lock);
    hand->valid = 0;
    hand->rejected_count = 0;
}

static enum status take_piece(struct hand *hand)
{
    hand->order = hand->piece.number << ORDER_BITS;
    hand->entries_count = 0;
    TRY(hand->piece.file->projection ? take_records(hand) : take_rows(hand));
    return flush(hand);
}

/* Numbered as it is taken, so that a file that cannot be read has its turn too. */
static enum status next_piece(struct hand *hand, bool *is_there)
{
    struct job *job = hand->job;
    *is_there = false;
    (void)pthread_mutex_lock(&job->lock);
    enum status status = STATUS_OK;
    if (!atomic_load(&job->is_stopped))
        status = list_source_next(job->source, &hand->piece, is_there, &hand->err);
    if (status != STATUS_OK) { /* what stands before it is told first */
        uint64_t number = list_source_pieces(job->source);
        while (job->turn < number && !atomic_load(&job->is_stopped))
            (void)pthread_cond_wait(&job->turned, &job->lock);
        if (atomic_exchange(&job->is_stopped, true))
            status = STATUS_OK; /* and one of those has failed */
    }
    (void)pthread_mutex_unlock(&job->lock);
    return status;
}

static void *work(void *state)
{
    struct hand *hand = state;
    bool is_there = true;
    while (hand->status == STATUS_OK) {
        hand->status = next_piece(hand, &is_there);
        if (!is_there)
            break;
        hand->status = take_piece(hand);
        tell(hand);
    }
    atomic_fetch_add(&hand->job->ended, 1);
    return NULL;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void watch_reading(struct job *job, uint32_t started)
{
    const struct progress_task task = {
        .what = "reading", .unit = "MB", .unit_size = 1000000, .total = job->bytes_total};
    progress_begin(&job->progress, &task);
    while (atomic_load(&job->ended) < started) {
        if (signals_wait(NULL, WAIT_MS))
            signals_end(); /* others may wait for input; the next import removes what is left */
        progress_tell(&job->progress, list_source_bytes_read(job->source));
    }
    progress_end(&job->progress);
}

static enum status read_files(struct job *job, struct error *err)
{
    struct hand *hands = memory_new(job->threads, sizeof *hands);
    enum status status = STATUS_OK;
    uint32_t started = 0;
    for (uint32_t i = 0; i < job->threads; i++) {
        hands[i].job = job;
        hands[i].lane = i;
        hands[i].is_started = pthread_create(&hands[i].thread, NULL, work, &hands[i]) == 0;
        started += hands[i].is_started;
    }
    if (started == 0)
        status = error_fail(err, EX_OSERR, "no further thread can be started");
    watch_reading(job, started);
    for (uint32_t i = 0; i < job->threads; i++) {
        if (hands[i].is_started)
            (void)pthread_join(hands[i].thread, NULL);
        if (hands[i].status != STATUS_OK) {
            status = hands[i].status;
            *err = hands[i].err;
        }
        change_csv_close(hands[i].changes);
        list_piece_close(&hands[i].piece);
        memory_free(hands[i].rejected);
    }
    memory_free(hands);
    TRY(status);
    return rejections_finish(job->rejections, err);
}

static enum status judge(const struct job *job, struct error *err)
{
    char reasons[SUMMARY_SIZE];
    if (job->rejected == 0 || job->options->skip_rejected)
        return STATUS_OK;
    rejections_summary(job->rejections, reasons, sizeof reasons);
    return error_fail(err, EX_DATAERR,
                      "list import: no store was made, rejected %" PRIu64 " of %" PRIu64
                      " rows (%s); --skip-rejected takes the others",
                      job->rejected, job->rejected + job->valid, reasons);
}

/* --- before ----------------------------------------------------------------------------------- */

static enum status check_room(struct job *job, struct error *err)
{
    char what[SUMMARY_SIZE];
    char number[FIGURE_SIZE];
    uint64_t entries;
    TRY(list_source_estimate(&job->source_settings, &entries, &job->bytes_total, err));
    (void)snprintf(what, sizeof what, "list import: about %s entries",
                   figure_whole(entries, number));
    return job->options->force ? STATUS_OK
                               : list_check_room(what, job->store_path, store_import_bytes(entries),
                                                 "; --force tries it", err);
}

size_t list_sort_bytes(uint64_t memory_mb, uint32_t lanes)
{
    uint64_t bytes = memory_mb * MB / lanes / 2; /* twice in a lane */
    bytes = bytes < SORT_BYTES_MIN ? SORT_BYTES_MIN : bytes;
    return bytes > SORT_BYTES_MAX ? SORT_BYTES_MAX : (size_t)bytes;
}

static enum status open_import(struct job *job, struct error *err)
{
    const struct store_import_settings settings = {
        .path = job->store_path,
        .key = job->key,
        .canonical_hash = rule_data_canonical_hash(job->rules),
        .lanes = job->threads,
        .sort_bytes = list_sort_bytes(job->options->memory_mb, job->threads),
        .replaces = job->options->replace};
    return store_import_open(&settings, &job->import, err);
}

static enum status open_parts(struct job *job, struct error *err)
{
    const struct options *options = job->options;
    const char *rules = options->rules;
    const char *key = options->store_key;
    job->store_path = options->store;
    if (options->config) {
        TRY(config_open(options->config, &job->config, err));
        rules = job->config->rules_folder;
        key = job->config->store_key_path;
        job->store_path = job->config->store_path;
    }
    TRY(rule_data_open(rules, &job->rules, err));
    TRY(store_key_open(key, &job->key, err));
    TRY(rejections_open(options->rejections, &job->rejections, err));
    job->source_settings =
        (struct list_source_settings){.paths = job->files->items,
                                      .paths_count = job->files->count,
                                      .rules = job->rules,
                                      .contributor = bytes_of_text(options->contributor),
                                      .effective_at_ms = clock_wall_ms()};
    TRY(check_room(job, err));
    job->source = list_source_open(&job->source_settings);
    return open_import(job, err);
}

/* --- the end ---------------------------------------------------------------------------------- */

static bool tell_building(void *state, uint64_t done, uint64_t total)
{
    struct job *job = state;
    job->progress.task.total = total;
    progress_tell(&job->progress, done);
    return !signals_wait(NULL, 0);
}

static enum status build(struct job *job, struct store_ingested *ingested, bool *replaced,
                         struct error *err)
{
    bool has_some;
    struct store_import_feed feed = {.origin = list_source_origin(job->source, &has_some)};
    feed.offsets_count = list_source_offsets(job->source, &feed.offsets);
    feed.is_from_files = !*feed.origin;
    if (has_some && !*feed.origin)
        (void)fprintf(stderr, "checkit: list import: the export's place in the feed is not taken: "
                              "it counts for one export alone; the feed is read from its "
                              "beginning\n");
    const struct progress_task task = {.what = "building", .unit = "items", .unit_size = 1};
    progress_begin(&job->progress, &task);
    enum status status =
        store_import_finish(job->import, &feed, tell_building, job, ingested, replaced, err);
    progress_end(&job->progress);
    return status;
}

static enum status run(struct job *job, struct error *err)
{
    uint64_t began_ns = clock_monotonic_ns();
    char numbers[2][FIGURE_SIZE];
    struct store_ingested ingested = {0, 0};
    bool replaced = false;
    TRY(open_parts(job, err));
    TRY(read_files(job, err));
    TRY(judge(job, err));
    TRY(build(job, &ingested, &replaced, err));
    double seconds = (double)(clock_monotonic_ns() - began_ns) / 1e9;
    uint64_t changes = ingested.applied + ingested.older;
    printf("imported %s changes into %s in %.1f s, %s a second; rejected %" PRIu64,
           figure_whole(changes, numbers[0]), job->store_path, seconds,
           figure_whole((uint64_t)((double)changes / seconds), numbers[1]), job->rejected);
    if (ingested.older > 0)
        printf(", left out %" PRIu64 " of a lower revision", ingested.older);
    printf(replaced ? "\nthe store before is kept as %s.replaced\n" : "\n", job->store_path);
    return STATUS_OK;
}

static enum status check_options(const struct options *options, struct error *err)
{
    bool has_paths = options->store && options->store_key;
    if (options->config ? options->store || options->store_key || options->rules : !has_paths)
        return error_fail(err, EX_USAGE,
                          "list import: give either -c FILE, or --store DIR and --store-key FILE");
    if (options->contributor &&
        (!*options->contributor || strlen(options->contributor) > ENTRY_TEXT_SIZE_MAX))
        return error_fail(err, EX_USAGE, "list import: --contributor must be 1 to %d bytes",
                          (int)ENTRY_TEXT_SIZE_MAX);
    return STATUS_OK;
}

static uint32_t thread_count(const struct options *options)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (options->threads > 0)
        return (uint32_t)options->threads;
    return processors < 1 ? 1 : processors < THREADS_MAX ? (uint32_t)processors : THREADS_MAX;
}

enum status list_import(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    TRY(arguments_parse(&command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    TRY(check_options(&options, err));
    log_configure(LOG_LEVEL_WARN, false);
    struct job job = {.options = &options,
                      .files = &operands,
                      .threads = thread_count(&options),
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .turned = PTHREAD_COND_INITIALIZER};
    progress_init(&job.progress, options.quiet ? NULL : stderr, isatty(STDERR_FILENO));
    signals_block();
    enum status status = run(&job, err);
    store_import_close(job.import);
    list_source_close(job.source);
    rejections_close(job.rejections);
    store_key_close(job.key);
    rule_data_close(job.rules);
    config_close(job.config);
    return status;
}
