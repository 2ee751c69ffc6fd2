#include "operators/match.h"

#include "operators/support/canonical.h"
#include "operators/support/keys.h"
#include "operators/support/rules.h"
#include "operators/support/store.h"
#include "pipeline/base/memory.h"
#include "pipeline/counters.h"

enum {
    FOUND_MAX = 16,  /* entries read at a time */
    EXTRAS_MAX = 256 /* probes besides the one under the issuer, made at a time */
};

/* Where entries of a subject may stand, in the order they are read: the points of each look-up and
 * its ranges. */
enum place {
    PLACE_ISSUER = 2 * LOOKUP_ISSUER,
    PLACE_NUMBER = 2 * LOOKUP_NUMBER,
    PLACE_COUNT = 2 * LOOKUP_COUNT
};

static enum lookup lookup_of(uint32_t place)
{
    return (enum lookup)(place / 2);
}

static bool is_of_ranges(uint32_t place)
{
    return place % 2;
}

/* Keys to be probed for, of any subjects. */
struct extras {
    struct canonical forms[EXTRAS_MAX];
    struct key keys[EXTRAS_MAX];
    uint8_t passes[EXTRAS_MAX];
    uint8_t places[EXTRAS_MAX];
    uint32_t subjects[EXTRAS_MAX]; /* counted from the first of the round */
    uint32_t count;
};

/* Subjects, counted from the first of the round. */
struct rare {
    uint32_t subjects[BATCH_SUBJECTS_MAX];
    uint32_t count;
};

struct match {
    struct environment environment;
    struct key_prf *prf;
    uint32_t place;             /* where the look-up of the subject at subjects_matched stopped */
    struct store_cursor cursor; /* within that place */
    uint32_t hits_first;        /* of the subject, in this round */
    uint32_t hits_of_place;     /* the first of the place */
    bool is_resumed;            /* it filled a round alone, and goes on in this one */
    uint8_t lookups[BATCH_SUBJECTS_MAX]; /* rules_lookups */
    struct rare stripped;                /* subjects that may need LOOKUP_STRIPPED */
    struct rare abroad;                  /* subjects that need LOOKUP_NATIONALITY */
    struct rare open;                    /* subjects whose gate may be open: LOOKUP_NUMBER */
    uint8_t keyed[BATCH_SUBJECTS_MAX];   /* whether the filter passed the key under the issuer */
    uint8_t passes[BATCH_SUBJECTS_MAX];  /* bit p: there may be entries in place p */
    struct extras extras;
    struct entry found[FOUND_MAX];
};

static enum status match_open(const struct environment *environment, void **state,
                              struct error *err)
{
    struct match *match = memory_new(1, sizeof *match);
    match->environment = *environment;
    *state = match;
    enum status status = key_prf_open(environment->store_key, &match->prf, err);
    if (status != STATUS_OK)
        memory_free(match);
    return status;
}

static void match_close(void *state)
{
    struct match *match = state;
    key_prf_close(match->prf);
    memory_free(match);
}

/* --- where to look --- */

static void probe_extras(struct match *match)
{
    struct extras *extras = &match->extras;
    key_prf_documents(match->prf, extras->forms, extras->count, extras->keys);
    store_probe(match->environment.store, extras->keys, extras->count, extras->passes);
    for (uint32_t i = 0; i < extras->count; i++)
        match->passes[extras->subjects[i]] |= (uint8_t)(extras->passes[i] << extras->places[i]);
    counters_add(&match->environment.counters->filter_probes, extras->count);
    extras->count = 0;
}

static void add_extra(struct match *match, const struct canonical *form, enum lookup lookup,
                      uint32_t subject)
{
    struct extras *extras = &match->extras;
    if (extras->count == EXTRAS_MAX)
        probe_extras(match);
    rules_lookup_form(form, lookup, &extras->forms[extras->count]);
    extras->places[extras->count] = (uint8_t)(2 * lookup);
    extras->subjects[extras->count++] = subject;
}

static bool is_gate_open(const struct match *match, const struct canonical *form)
{
    struct gate gate;
    return store_gate(match->environment.store, canonical_form_shape(form), &gate) &&
           gate_is_open(&gate);
}

static void look_in_ranges(struct match *match, const struct canonical *form, uint32_t subject)
{
    const struct environment *environment = &match->environment;
    for (uint32_t lookup = LOOKUP_ISSUER; lookup < LOOKUP_NUMBER; lookup++) {
        struct canonical sought;
        if (!(match->lookups[subject] >> lookup & 1))
            continue;
        rules_lookup_form(form, (enum lookup)lookup, &sought);
        if (store_in_range(environment->store, environment->worker, &sought))
            match->passes[subject] |= (uint8_t)(1U << (2 * lookup + 1));
    }
}

/* Fills lookups, and notes which subjects may need which look-up besides the one under the issuer.
 * Who does cannot be foretold, so there is no branch on it: every subject is written down, and
 * stays where it does. */
static void note_rare(struct match *match, const struct canonical *forms, uint32_t count)
{
    const struct environment *environment = &match->environment;
    const struct templates *templates = rule_data_templates(environment->rules);
    const struct open_shapes *open_shapes = store_open_shapes(environment->store);
    uint32_t stripped = 0;
    uint32_t abroad = 0;
    uint32_t open = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t lookups = rules_lookups_at_most(templates, &forms[i]);
        uint32_t is_open = open_shapes_has(open_shapes, canonical_form_shape(&forms[i]));
        match->lookups[i] = (uint8_t)lookups;
        match->stripped.subjects[stripped] = i;
        match->abroad.subjects[abroad] = i;
        match->open.subjects[open] = i;
        stripped += lookups >> LOOKUP_STRIPPED & 1;
        abroad += lookups >> LOOKUP_NATIONALITY & 1;
        open += lookups >> LOOKUP_NUMBER & is_open;
    }
    match->stripped.count = stripped;
    match->abroad.count = abroad;
    match->open.count = open;
}

/* Asks for what few subjects have: one kind after the other, so that it can be foretold what is to
 * be done. The filter has every number of a shape whose gate is open, so the gate comes first. */
static void probe_rare(struct match *match, const struct canonical *forms)
{
    const struct templates *templates = rule_data_templates(match->environment.rules);
    for (uint32_t i = 0; i < match->stripped.count; i++) {
        uint32_t subject = match->stripped.subjects[i];
        match->lookups[subject] = (uint8_t)rules_lookups(templates, &forms[subject]);
        if (match->lookups[subject] >> LOOKUP_STRIPPED & 1)
            add_extra(match, &forms[subject], LOOKUP_STRIPPED, subject);
    }
    for (uint32_t i = 0; i < match->abroad.count; i++)
        add_extra(match, &forms[match->abroad.subjects[i]], LOOKUP_NATIONALITY,
                  match->abroad.subjects[i]);
    for (uint32_t i = 0; i < match->open.count; i++) {
        uint32_t subject = match->open.subjects[i];
        if (is_gate_open(match, &forms[subject]))
            add_extra(match, &forms[subject], LOOKUP_NUMBER, subject);
    }
}

/* After the gates were read: store_ranges_changed tells of any of them. */
static void probe_ranges(struct match *match, const struct canonical *forms, uint32_t count)
{
    const struct environment *environment = &match->environment;
    bool has_ranges = store_has_ranges(environment->store, environment->worker);
    bool changed = store_ranges_changed(environment->store, environment->worker);
    if (!has_ranges && !changed)
        return;
    for (uint32_t i = 0; i < count; i++) {
        if (has_ranges)
            look_in_ranges(match, &forms[i], i);
        if (changed && match->lookups[i])
            add_extra(match, &forms[i], LOOKUP_NUMBER, i);
    }
}

/* Fills passes for the subjects from `from` on; whether there is anything in them. An ordinary one
 * is done with one probe, the last: a gate that was closed by then closed before it, so an entry
 * that is the issuer's since, and no longer found by its number alone, has its key in the filter.
 */
static bool probe(struct match *match, const struct batch *batch, uint32_t from)
{
    const struct environment *environment = &match->environment;
    uint32_t count = batch->subjects_count - from;
    uint8_t any = 0;
    memset(match->passes, 0, count);
    note_rare(match, &batch->forms[from], count);
    probe_rare(match, &batch->forms[from]);
    probe_ranges(match, &batch->forms[from], count);
    probe_extras(match);
    store_probe(environment->store, &batch->keys[from], count, match->keyed);
    for (uint32_t i = 0; i < count; i++) {
        match->passes[i] |= match->keyed[i] & match->lookups[i]; /* both in bit 0 */
        any |= match->passes[i];
    }
    counters_add(&environment->counters->filter_probes, count);
    return any != 0;
}

/* --- what is there --- */

static bool is_hit_already(const struct match *match, const struct batch *batch,
                           const struct entry *entry)
{
    for (uint32_t i = match->hits_first; i < match->hits_of_place; i++)
        if (bytes_equal(entry_id(&batch->hits[i].entry), entry_id(entry)))
            return true;
    return false;
}

/* By the line that applies, whichever look-up that belongs to: the entry may have moved since the
 * places were chosen, and is then found where it was, perhaps nowhere else. One that stands in two
 * of them anyway is found by its number alone last, and is among the hits by then; those of an
 * earlier round are gone, so it is left to its own look-up. */
static bool is_hit(const struct match *match, const struct canonical *form,
                   const struct entry *entry, const struct gate *gate, struct hit *hit)
{
    const struct environment *environment = &match->environment;
    bool is_left = match->is_resumed && match->place == PLACE_NUMBER;
    for (uint32_t lookup = is_left ? LOOKUP_NUMBER : 0; lookup < LOOKUP_COUNT; lookup++)
        if (rules_judge(environment->rules, form, (enum lookup)lookup, entry, gate, hit))
            return true;
    return false;
}

/* The gate is read last: what it says is what holds when the hit is found. One that is closed may
 * have closed since the entry was read, and the entry have moved to its document's issuer in time:
 * then it is read again. */
static enum status judge(struct match *match, struct batch *batch, uint32_t subject,
                         const struct entry *entry, struct error *err)
{
    struct store *store = match->environment.store;
    const struct canonical *form = &batch->forms[subject];
    struct hit *hit = &batch->hits[batch->hits_count];
    uint32_t shape = canonical_form_shape(form);
    struct gate gate;
    struct entry again;
    bool found = true;
    if (!store_gate(store, shape, &gate))
        gate = rules_gate(shape, 0);
    bool hits = is_hit(match, form, entry, &gate, hit);
    if (!hits && !gate_is_open(&gate)) {
        TRY(store_get(store, entry_id(entry), &again, &found, err));
        hits = found && is_hit(match, form, &again, &gate, hit);
    }
    if (!hits || is_hit_already(match, batch, entry))
        return STATUS_OK;
    hit->subject = subject;
    batch->hits_count++;
    return STATUS_OK;
}

static enum status find(struct match *match, const struct batch *batch, uint32_t subject,
                        uint32_t capacity, uint32_t *count, struct error *err)
{
    const struct environment *environment = &match->environment;
    if (match->place == PLACE_ISSUER)
        return store_find(environment->store, environment->worker, &batch->keys[subject],
                          &match->cursor, match->found, capacity, count, err);
    struct canonical sought;
    struct key key;
    rules_lookup_form(&batch->forms[subject], lookup_of(match->place), &sought);
    if (is_of_ranges(match->place))
        return store_find_ranges(environment->store, environment->worker, &sought, &match->cursor,
                                 match->found, capacity, count, err);
    key_prf_documents(match->prf, &sought, 1, &key);
    if (match->place == PLACE_NUMBER)
        return store_find_number(environment->store, environment->worker,
                                 canonical_form_shape(&sought), &key, &match->cursor, match->found,
                                 capacity, count, err);
    return store_find(environment->store, environment->worker, &key, &match->cursor, match->found,
                      capacity, count, err);
}

/* Judges the entries of one place from the cursor on; *done false: the hits are full. */
static enum status look_up_place(struct match *match, struct batch *batch, uint32_t subject,
                                 bool *done, struct error *err)
{
    struct counters *counters = match->environment.counters;
    bool is_first = !match->cursor.started && !is_of_ranges(match->place);
    uint32_t count = 0;
    uint32_t capacity = 0;
    match->hits_of_place = batch->hits_count;
    do {
        uint32_t room = BATCH_HITS_MAX - batch->hits_count;
        capacity = room < FOUND_MAX ? room : FOUND_MAX;
        *done = capacity > 0;
        if (!*done)
            return STATUS_OK;
        TRY(find(match, batch, subject, capacity, &count, err));
        for (uint32_t i = 0; i < count; i++)
            TRY(judge(match, batch, subject, &match->found[i], err));
        if (is_first) {
            counters_add(&counters->filter_passes, 1);
            counters_add(&counters->filter_false, count == 0);
        }
        is_first = false;
    } while (count == capacity);
    match->cursor = (struct store_cursor){0};
    return STATUS_OK;
}

/* Where the hits are full, the places were chosen for this visit alone: so a subject that did not
 * begin the round begins the next, from its first place. One that fills a round goes on. */
static void stop(struct match *match, struct batch *batch)
{
    match->is_resumed = match->hits_first == 0;
    if (match->is_resumed)
        return;
    batch->hits_count = match->hits_first;
    match->place = PLACE_ISSUER;
    match->cursor = (struct store_cursor){0};
}

/* Goes on where it stopped; *done false: the hits are full. */
static enum status look_up(struct match *match, struct batch *batch, uint32_t subject,
                           uint32_t passes, bool *done, struct error *err)
{
    match->hits_first = batch->hits_count;
    for (; match->place < PLACE_COUNT; match->place++) {
        if (!(passes >> match->place & 1)) {
            match->cursor = (struct store_cursor){0};
            continue;
        }
        TRY(look_up_place(match, batch, subject, done, err));
        if (!*done) {
            stop(match, batch);
            return STATUS_OK;
        }
    }
    match->place = PLACE_ISSUER;
    match->is_resumed = false;
    return STATUS_OK;
}

static void count_hits(const struct match *match, const struct batch *batch)
{
    struct counters *counters = match->environment.counters;
    for (uint32_t i = 0; i < batch->hits_count; i++)
        counters_add(&counters->hits[batch->hits[i].tier][batch->hits[i].alert_class], 1);
}

/* From subjects_matched on, as far as the hits have room. */
static enum status match_subjects(struct match *match, struct batch *batch, struct error *err)
{
    uint32_t from = batch->subjects_matched;
    if (!probe(match, batch, from) && !match->is_resumed) {
        batch->subjects_matched = batch->subjects_count;
        return STATUS_OK;
    }
    for (uint32_t i = from; i < batch->subjects_count; i++) {
        if (match->passes[i - from] || match->is_resumed) {
            bool done = true;
            TRY(look_up(match, batch, i, match->passes[i - from], &done, err));
            if (!done)
                break;
        }
        batch->subjects_matched = i + 1;
    }
    count_hits(match, batch);
    return STATUS_OK;
}

static enum status match_process(void *state, struct batch *batch, struct error *err)
{
    struct match *match = state;
    if (batch->hits_sent < batch->hits_count || batch_window_is_matched(batch))
        return STATUS_OK;
    batch->hits_count = 0;
    batch->hits_encoded = 0;
    batch->hits_sent = 0;
    arena_reset(&batch->alerts_arena);
    if (batch->subjects_keyed < batch->subjects_count) {
        uint32_t from = batch->subjects_keyed;
        key_prf_documents(match->prf, &batch->forms[from], batch->subjects_count - from,
                          &batch->keys[from]);
        batch->subjects_keyed = batch->subjects_count;
    }

    store_enter(match->environment.store, match->environment.worker);
    enum status status = match_subjects(match, batch, err);
    store_leave(match->environment.store, match->environment.worker);
    return status;
}

const struct operator_step match_step = {"match", match_open, match_process, match_close};
