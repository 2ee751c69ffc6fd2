#include "pipeline/run/match_run.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "operators/canonical.h"
#include "operators/match.h"
#include "pipeline/base/buffer.h"
#include "pipeline/base/memory.h"
#include "pipeline/counters.h"

enum {
    PIECE_DOCUMENTS = 4096,
    PIECE_BYTES = 1024 * 1024,
    PIECES_A_THREAD = 4,
    ID_QUOTED_SIZE = 2 * ENTRY_ID_SIZE_MAX
};

_Static_assert((int)PIECE_DOCUMENTS <= (int)BATCH_SUBJECTS_MAX, "a piece fits a batch");

enum piece_state { PIECE_FREE, PIECE_FILLED, PIECE_TAKEN, PIECE_DONE };

/* Documents on their way through, with their answers. Texts lie in text. */
struct piece {
    enum piece_state state; /* under the lock; the rest belongs to who has taken it */
    uint8_t *text;          /* owned */
    size_t text_capacity;
    size_t text_size;
    struct bytes ids[PIECE_DOCUMENTS];
    struct document documents[PIECE_DOCUMENTS];
    uint32_t count;
    struct buffer answers;
    struct match_counts counts;
};

struct found {
    char id[ENTRY_ID_SIZE_MAX];
    uint8_t id_size;
    uint8_t tier;
    uint8_t alert_class;
};

struct run {
    const struct match_run_settings *settings;
    struct piece **pieces; /* owned; a ring */
    uint32_t pieces_count;
    struct match_row row; /* the next one to go into a piece */
    bool is_row_waiting;  /* it found no room in the last piece */
    pthread_mutex_t lock;
    pthread_cond_t filled; /* or closing */
    pthread_cond_t done;   /* or a thread has failed */
    uint64_t next_taken;   /* number of the piece a thread takes next */
    bool is_closing;
    enum status status; /* the first failure of a thread */
    struct error err;
};

struct matcher {
    struct run *run;
    pthread_t thread;
    uint32_t index;
    struct counters counters;
    struct batch *batch;   /* owned, as all below */
    void *canonical_state; /* NULL: not opened */
    void *match_state;
    struct found *found; /* of subjects that are not answered yet, in their order */
    uint32_t *subjects;
    uint32_t found_count;
    uint32_t found_capacity;
};

/* --- answers -------------------------------------------------------------------------------- */

static void add_quoted(struct buffer *out, struct bytes text)
{
    buffer_add(out, "\"", 1);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"')
            buffer_add(out, "\"", 1);
        buffer_add(out, (const char *)&text.data[i], 1);
    }
    buffer_add(out, "\"", 1);
}

static bool needs_quotes(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == ',' || text.data[i] == '"' || text.data[i] == '\n' ||
            text.data[i] == '\r')
            return true;
    return false;
}

static void add_field(struct buffer *out, struct bytes text)
{
    if (needs_quotes(text))
        add_quoted(out, text);
    else
        buffer_add(out, (const char *)text.data, text.size);
}

static int compare_found(const void *left, const void *right)
{
    const struct found *a = left;
    const struct found *b = right;
    int order = memcmp(a->id, b->id, a->id_size < b->id_size ? a->id_size : b->id_size);
    return order ? order : (int)a->id_size - (int)b->id_size;
}

/* Ids may hold what needs quotes. */
static void add_hits(struct buffer *out, struct found *found, uint32_t count)
{
    struct buffer answer = {0};
    qsort(found, count, sizeof *found, compare_found);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add(&answer, ";", 1);
        buffer_add(&answer, found[i].id, found[i].id_size);
        buffer_print(&answer, "=%s:%s", tier_name((enum tier)found[i].tier),
                     found[i].alert_class == CLASS_PAGE ? "page" : "review");
    }
    add_field(out, bytes_of(answer.data, answer.size));
    buffer_close(&answer);
}

static void add_answer(struct matcher *matcher, struct piece *piece, uint32_t subject,
                       struct found *found, uint32_t count)
{
    const struct canonical *form = &matcher->batch->forms[subject];
    struct buffer *out = &piece->answers;
    if (!matcher->run->settings->answers_only) {
        add_field(out, piece->ids[subject]);
        buffer_add(out, ",", 1);
    }
    if (form->unscreenable != UNSCREENABLE_NO)
        buffer_print(out, "unscreenable:%s",
                     unscreenable_name((enum unscreenable)form->unscreenable));
    else if (form->flags & CANONICAL_SPECIMEN)
        buffer_add_text(out, "specimen");
    else if (count == 0)
        buffer_add(out, "none", 4);
    else
        add_hits(out, found, count);
    buffer_add(out, "\n", 1);
    piece->counts.documents++;
    piece->counts.unscreenable += form->unscreenable != UNSCREENABLE_NO;
    piece->counts.specimens += (form->flags & CANONICAL_SPECIMEN) != 0;
    piece->counts.with_hits += count > 0;
}

static void note_hits(struct matcher *matcher)
{
    struct batch *batch = matcher->batch;
    uint32_t needed = matcher->found_count + batch->hits_count;
    if (needed > matcher->found_capacity) {
        matcher->found_capacity = 2 * needed;
        matcher->found =
            memory_resize(matcher->found, matcher->found_capacity, sizeof *matcher->found);
        matcher->subjects =
            memory_resize(matcher->subjects, matcher->found_capacity, sizeof *matcher->subjects);
    }
    for (uint32_t i = 0; i < batch->hits_count; i++) {
        const struct hit *hit = &batch->hits[i];
        struct found *found = &matcher->found[matcher->found_count];
        memcpy(found->id, hit->entry.id, hit->entry.id_size);
        found->id_size = hit->entry.id_size;
        found->tier = hit->tier;
        found->alert_class = hit->alert_class;
        matcher->subjects[matcher->found_count++] = hit->subject;
    }
    batch->hits_sent = batch->hits_count;
}

/* Subjects [from, subjects_matched) have all their hits. */
static void answer_matched(struct matcher *matcher, struct piece *piece, uint32_t from)
{
    uint32_t at = 0;
    for (uint32_t subject = from; subject < matcher->batch->subjects_matched; subject++) {
        uint32_t first = at;
        while (at < matcher->found_count && matcher->subjects[at] == subject)
            at++;
        add_answer(matcher, piece, subject, matcher->found + first, at - first);
    }
    matcher->found_count -= at;
    if (matcher->found_count > 0) {
        memmove(matcher->found, matcher->found + at, matcher->found_count * sizeof *matcher->found);
        memmove(matcher->subjects, matcher->subjects + at,
                matcher->found_count * sizeof *matcher->subjects);
    }
}

/* --- the other threads ---------------------------------------------------------------------- */

static enum status match_piece(struct matcher *matcher, struct piece *piece, struct error *err)
{
    struct batch *batch = matcher->batch;
    batch_reset_window(batch);
    memcpy(batch->documents, piece->documents, piece->count * sizeof *batch->documents);
    batch->subjects_count = piece->count;
    TRY(canonical_step.process(matcher->canonical_state, batch, err));
    while (!batch_window_is_matched(batch)) {
        uint32_t from = batch->subjects_matched;
        TRY(match_step.process(matcher->match_state, batch, err));
        note_hits(matcher);
        answer_matched(matcher, piece, from);
    }
    return STATUS_OK;
}

/* NULL: there are no more. */
static struct piece *take_piece(struct run *run)
{
    (void)pthread_mutex_lock(&run->lock);
    struct piece *piece = run->pieces[run->next_taken % run->pieces_count];
    while (piece->state != PIECE_FILLED && !run->is_closing) {
        (void)pthread_cond_wait(&run->filled, &run->lock);
        piece = run->pieces[run->next_taken % run->pieces_count];
    }
    bool is_there = piece->state == PIECE_FILLED;
    if (is_there) {
        piece->state = PIECE_TAKEN;
        run->next_taken++;
    }
    (void)pthread_mutex_unlock(&run->lock);
    return is_there ? piece : NULL;
}

static void put_back(struct run *run, struct piece *piece, enum status status,
                     const struct error *err)
{
    (void)pthread_mutex_lock(&run->lock);
    piece->state = PIECE_DONE;
    if (status != STATUS_OK && run->status == STATUS_OK) {
        run->status = status;
        run->err = *err;
    }
    (void)pthread_cond_signal(&run->done);
    (void)pthread_mutex_unlock(&run->lock);
}

static void *match_pieces(void *state)
{
    struct matcher *matcher = state;
    for (struct piece *piece = take_piece(matcher->run); piece; piece = take_piece(matcher->run)) {
        struct error err = {0};
        enum status status = match_piece(matcher, piece, &err);
        put_back(matcher->run, piece, status, &err);
    }
    return NULL;
}

static enum status open_matcher(struct run *run, uint32_t index, struct matcher *matcher,
                                struct error *err)
{
    const struct match_run_settings *settings = run->settings;
    const struct environment environment = {.rules = settings->rules,
                                            .store = settings->list->store,
                                            .store_key = settings->list->key,
                                            .counters = &matcher->counters,
                                            .worker = index};
    matcher->run = run;
    matcher->index = index;
    matcher->batch = batch_open();
    TRY(canonical_step.open(&environment, &matcher->canonical_state, err));
    return match_step.open(&environment, &matcher->match_state, err);
}

static void close_matcher(struct matcher *matcher)
{
    if (matcher->match_state)
        match_step.close(matcher->match_state);
    if (matcher->canonical_state)
        canonical_step.close(matcher->canonical_state);
    batch_close(matcher->batch);
    memory_free(matcher->found);
    memory_free(matcher->subjects);
}

/* --- this thread ---------------------------------------------------------------------------- */

static struct bytes copy(struct piece *piece, struct bytes field)
{
    if (!field.data)
        return field;
    uint8_t *to = piece->text + piece->text_size;
    memcpy(to, field.data, field.size);
    piece->text_size += field.size;
    return bytes_of(to, field.size);
}

static void empty(struct piece *piece)
{
    piece->text_size = 0;
    piece->count = 0;
    piece->counts = (struct match_counts){0};
    buffer_reset(&piece->answers);
}

/* Whether the row goes into the piece: the first one always does, and may have it grow. */
static bool make_room(struct piece *piece, const struct match_row *row)
{
    size_t size =
        row->id.size + row->number.size + row->issuer.size + row->type.size + row->nationality.size;
    if (size <= piece->text_capacity - piece->text_size)
        return true;
    if (piece->count > 0)
        return false;
    piece->text = memory_resize(piece->text, size, 1);
    piece->text_capacity = size;
    return true;
}

static enum status fill(struct run *run, struct piece *piece, bool *at_end, struct error *err)
{
    const struct match_row *row = &run->row;
    empty(piece);
    while (piece->count < PIECE_DOCUMENTS) {
        if (!run->is_row_waiting)
            TRY(match_documents_next(run->settings->documents, &run->row, err));
        *at_end = row->line == 0;
        run->is_row_waiting = !*at_end && !make_room(piece, row);
        if (*at_end || run->is_row_waiting)
            return STATUS_OK;
        piece->ids[piece->count] = copy(piece, row->id);
        piece->documents[piece->count++] =
            (struct document){.number = copy(piece, row->number),
                              .issuer = copy(piece, row->issuer),
                              .type = copy(piece, row->type),
                              .nationality = copy(piece, row->nationality)};
    }
    return STATUS_OK;
}

static void give_out(struct run *run, struct piece *piece)
{
    (void)pthread_mutex_lock(&run->lock);
    piece->state = PIECE_FILLED;
    (void)pthread_cond_signal(&run->filled);
    (void)pthread_mutex_unlock(&run->lock);
}

/* Waits until the piece is free or done; the first failure of a thread is passed on. */
static enum status wait_for(struct run *run, struct piece *piece, struct error *err)
{
    (void)pthread_mutex_lock(&run->lock);
    while (piece->state == PIECE_FILLED || piece->state == PIECE_TAKEN)
        (void)pthread_cond_wait(&run->done, &run->lock);
    enum status status = run->status;
    if (status != STATUS_OK)
        *err = run->err;
    (void)pthread_mutex_unlock(&run->lock);
    return status;
}

static enum status write_piece(struct run *run, struct piece *piece, struct match_counts *counts,
                               struct error *err)
{
    TRY(wait_for(run, piece, err));
    if (piece->state == PIECE_FREE)
        return STATUS_OK;
    TRY(file_writer_put(run->settings->out, bytes_of(piece->answers.data, piece->answers.size),
                        err));
    counts->documents += piece->counts.documents;
    counts->with_hits += piece->counts.with_hits;
    counts->unscreenable += piece->counts.unscreenable;
    counts->specimens += piece->counts.specimens;
    piece->state = PIECE_FREE;
    return STATUS_OK;
}

static enum status read_and_write(struct run *run, struct match_counts *counts, struct error *err)
{
    uint64_t next = 0;
    bool at_end = false;
    assert(run->pieces_count > 0);
    if (!run->settings->answers_only)
        TRY(file_writer_put(run->settings->out, bytes_of_text("id,answer\n"), err));
    for (; !at_end; next++) {
        struct piece *piece = run->pieces[next % run->pieces_count];
        TRY(write_piece(run, piece, counts, err));
        TRY(fill(run, piece, &at_end, err));
        give_out(run, piece);
        progress_tell(run->settings->progress,
                      match_documents_bytes_read(run->settings->documents));
    }
    for (uint32_t i = 0; i < run->pieces_count; i++)
        TRY(write_piece(run, run->pieces[(next + i) % run->pieces_count], counts, err));
    return STATUS_OK;
}

static void close_threads(struct run *run, struct matcher *matchers, uint32_t started)
{
    (void)pthread_mutex_lock(&run->lock);
    run->is_closing = true;
    (void)pthread_cond_broadcast(&run->filled);
    (void)pthread_mutex_unlock(&run->lock);
    for (uint32_t i = 0; i < started; i++)
        (void)pthread_join(matchers[i].thread, NULL);
    for (uint32_t i = 0; i < run->settings->threads; i++)
        close_matcher(&matchers[i]);
    memory_free(matchers);
}

static enum status run_threads(struct run *run, struct match_counts *counts, struct error *err)
{
    uint32_t threads = run->settings->threads;
    struct matcher *matchers = memory_new(threads, sizeof *matchers);
    uint32_t started = 0;
    enum status status = STATUS_OK;
    for (; started < threads && status == STATUS_OK; started += status == STATUS_OK) {
        status = open_matcher(run, started, &matchers[started], err);
        if (status == STATUS_OK &&
            pthread_create(&matchers[started].thread, NULL, match_pieces, &matchers[started]) != 0)
            status = error_fail(err, EX_UNAVAILABLE, "no further thread can be started");
    }
    if (status == STATUS_OK)
        status = read_and_write(run, counts, err);
    close_threads(run, matchers, started);
    return status;
}

static struct piece *open_piece(void)
{
    struct piece *piece = memory_new(1, sizeof *piece);
    piece->text = memory_new(PIECE_BYTES, 1);
    piece->text_capacity = PIECE_BYTES;
    return piece;
}

static void close_piece(struct piece *piece)
{
    buffer_close(&piece->answers);
    memory_free(piece->text);
    memory_free(piece);
}

enum status match_run(const struct match_run_settings *settings, struct match_counts *counts,
                      struct error *err)
{
    const struct progress_task task = {
        .what = "matching", .unit = "MB", .unit_size = 1000000, .total = settings->bytes_total};
    struct run run = {.settings = settings, .pieces_count = PIECES_A_THREAD * settings->threads};
    assert(settings->threads > 0);
    *counts = (struct match_counts){0};
    (void)pthread_mutex_init(&run.lock, NULL);
    (void)pthread_cond_init(&run.filled, NULL);
    (void)pthread_cond_init(&run.done, NULL);
    run.pieces = memory_new(run.pieces_count, sizeof(struct piece *));
    for (uint32_t i = 0; i < run.pieces_count; i++)
        run.pieces[i] = open_piece();
    progress_begin(settings->progress, &task);
    enum status status = run_threads(&run, counts, err);
    progress_end(settings->progress);
    for (uint32_t i = 0; i < run.pieces_count; i++)
        close_piece(run.pieces[i]);
    memory_free((void *)run.pieces);
    (void)pthread_cond_destroy(&run.done);
    (void)pthread_cond_destroy(&run.filled);
    (void)pthread_mutex_destroy(&run.lock);
    return status;
}
