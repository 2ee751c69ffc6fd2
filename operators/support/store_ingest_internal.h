/* store_ingest_internal.h - what the files of a first load share.
 *
 *   store_ingest.c       the interface, and what comes after what
 *   store_ingest_lane.c  changes on their way into sorters, one thread a lane
 *   store_ingest_part.c  what the sorters hold, merged into files, one thread a part
 *   store_ingest_run.c   the steps by several threads at once
 *
 * Three sorts of items, each from the first byte of its key on in the order of its family:
 *
 *   entries   id · 0 · order 7               the entry's value
 *   points    key of the family 24 · order 8 the value in the family
 *   numbers   the same                       the same
 *
 * order is where the change stands among all: of the changes of one id, which lie side by side, it
 * tells the later. No id holds a byte 0 (rules 3). All three are sorted at once, before it is known
 * which changes of an id stand; keys of those that do not are noted as lost while the entries are
 * merged, and left out when points and numbers are.
 */
#ifndef CHECKIT_STORE_INGEST_INTERNAL_H
#define CHECKIT_STORE_INGEST_INTERNAL_H

#include "operators/support/sorter.h"
#include "operators/support/store_internal.h"

/* The first two as enum due_kind has them. */
enum sort_kind { SORT_POINTS = DUE_POINT, SORT_NUMBERS = DUE_NUMBER, SORT_ENTRIES, SORT_COUNT };

enum {
    ORDER_SIZE = 8, /* behind an id its first byte is the 0 */
    SORT_KEY_SIZE = POINT_KEY_SIZE + ORDER_SIZE,
    LOST_KEY_SIZE = 1 + SORT_KEY_SIZE, /* enum due_kind before it */
    LOST_BYTES = 8 * 1024 * 1024,
    PART_KEYS = 256,
    STEP_ITEMS = 16 * 1024 /* some 20 ms */
};

/* Of one thread that gives changes. */
struct store_lane {
    struct key_prf *prf; /* owned, as all below */
    struct store_work work;
    struct sorter *sorters[SORT_COUNT];
    uint32_t sorted; /* how many of them */
    uint64_t items;  /* given to them in all */
};

/* The change of an id that stands so far, copied: the sorter has only its last item. */
struct standing {
    uint8_t id[ENTRY_ID_SIZE_MAX];
    size_t id_size; /* 0: none yet */
    uint8_t value[ENTRY_VALUE_SIZE_MAX];
    size_t value_size;
    uint64_t order;
    int64_t revision;
};

/* What lies between two keys of one sort. */
struct store_part {
    struct store *store; /* borrowed */
    enum sort_kind kind;
    uint32_t index;
    struct sorter_reader *reader; /* owned, as all below; NULL before its first step */
    struct store_sst *sst;

    /* Of entries. */
    struct store_sst *ranges_sst;
    struct sorter *lost; /* NULL: nothing was */
    struct key_prf *prf; /* for what is lost: NULL like it */
    struct store_shapes shapes;
    uint64_t live;
    uint64_t withdrawn;
    struct store_ingested done;
    struct standing standing;

    /* Of points and numbers. */
    struct sorter_reader *lost_reader;
    uint8_t lost_key[SORT_KEY_SIZE]; /* the next that is left out */
    bool has_lost_key;
    struct key keys[PART_KEYS]; /* on their way into the filter */
    uint32_t keys_count;
};

struct store_parts {
    struct store_part *items; /* owned; in the order of their keys */
    uint32_t count;
    struct sorter_cut *cuts; /* owned; one less */
};

enum ingest_phase { PHASE_TAKING, PHASE_MARK, PHASE_SORT, PHASE_ENTRIES, PHASE_KEYS, PHASE_FILES };

struct store_ingest {
    enum ingest_phase phase;
    struct store_lane *lanes;
    uint32_t lanes_count;
    uint64_t order; /* of the next change of store_ingest */
    struct store_parts parts[SORT_COUNT];
    uint32_t task; /* of the phase: which one store_ingest_step is at */
    struct filter *filter;
    pthread_mutex_t filter_lock;
    struct store_offsets offsets;
    struct store_ingested done;
    _Atomic uint64_t items_merged;
};

/* --- store_ingest_lane.c --------------------------------------------------------------------- */

/* folder: as in sorter_open. *lane is zeroed before; closed even when this fails. */
enum status store_lane_open(const struct store *store, const char *folder, size_t sort_bytes,
                            struct store_lane *lane, struct error *err) MUST_USE;
void store_lane_close(struct store_lane *lane);
enum status store_lane_add(const struct store *store, struct store_lane *lane, uint64_t order,
                           const struct entry *entries, uint32_t count, struct error *err) MUST_USE;

/* Ends the adding, one sorter at a call. */
enum status store_lane_sort(struct store_lane *lane, bool *done, struct error *err) MUST_USE;

/* --- store_ingest_part.c --------------------------------------------------------------------- */

/* Cuts what the lanes hold of the kind into parts of the same size, each of them for one thread. */
void store_parts_make(struct store *store, enum sort_kind kind);
void store_parts_close(struct store_parts *parts);

/* STEP_ITEMS more of the part. Parts of one kind in any order, and beside each other. */
enum status store_part_step(struct store_part *part, bool *done, struct error *err) MUST_USE;

/* --- store_ingest.c -------------------------------------------------------------------------- */

/* What the phase consists of: tasks that may be done beside each other, then what one thread does
 * to end it. */
uint32_t store_ingest_tasks(const struct store_ingest *ingest);
enum status store_ingest_task_step(struct store *store, uint32_t task, bool *done,
                                   struct error *err) MUST_USE;
enum status store_ingest_end_phase(struct store *store, struct error *err) MUST_USE;

/* After the last phase. */
void store_ingest_finish(struct store *store, struct store_ingested *out);

#endif
