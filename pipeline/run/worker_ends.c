/* --until-end: whether the partitions were read up to where they ended at the start. */
#include "pipeline/run/worker_internal.h"

enum { END_CHECK_MS = 20, GROUP_CHECK_MS = 1000 };

/* A position beyond the end for which nothing was read yet may be that of a topic that has been
 * created anew: then a gap comes, and the topic is read from its begin. */
static enum status is_in_log(struct worker *worker, const struct kafka_position *position,
                             bool *is_in, struct error *err)
{
    int64_t low = 0;
    int64_t high = 0;
    enum status status =
        kafka_watermarks(worker->consumer, position->topic, position->partition, &low, &high, err);
    *is_in = status == STATUS_OK && position->offset <= high;
    return status == STATUS_FAIL ? status : STATUS_OK;
}

/* Whether a slot stands at the end or beyond. */
static enum status has_reached(struct worker *worker, const struct ledger_slot *slot,
                               const struct worker_end *end, bool may_ask, bool *reached,
                               struct error *err)
{
    struct kafka_position position = {slot->input, slot->partition, slot->next_offset};
    *reached = slot->next_offset >= end->position.offset;
    if (!*reached || slot->moved || slot->next_offset == end->position.offset)
        return STATUS_OK;
    *reached = false;
    return may_ask ? is_in_log(worker, &position, reached, err) : STATUS_OK;
}

/* Ends of partitions held that were passed. *behind: how many held are not read up to theirs. */
static enum status note_ends(struct worker *worker, bool may_ask, uint32_t *behind,
                             struct error *err)
{
    *behind = 0;
    for (uint32_t i = 0; i < worker->ends_count; i++) {
        struct worker_end *end = &worker->ends[i];
        int32_t index = ledger_find(worker->ledger, end->position.topic, end->position.partition);
        if (index == LEDGER_SLOT_NONE || atomic_load(&end->is_reached))
            continue;
        const struct ledger_slot *slot = ledger_slot(worker->ledger, (uint32_t)index);
        bool reached = false;
        TRY(has_reached(worker, slot, end, may_ask, &reached, err));
        *behind += !reached;
        if (reached)
            atomic_store(&end->is_reached, true);
    }
    return STATUS_OK;
}

static enum status note_committed(struct worker *worker, const struct kafka_position *committed,
                                  struct worker_end *end, struct error *err)
{
    bool reached = committed->offset >= end->position.offset;
    if (reached && committed->offset > end->position.offset)
        TRY(is_in_log(worker, committed, &reached, err));
    if (reached)
        atomic_store(&end->is_reached, true);
    return STATUS_OK;
}

/* What others hold is at its end once they have committed that. */
static enum status note_ends_of_others(struct worker *worker, struct error *err)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < worker->ends_count && count < WORKER_PARTITIONS_MAX; i++) {
        const struct worker_end *end = &worker->ends[i];
        if (!atomic_load(&end->is_reached))
            worker->positions[count++] = end->position;
    }
    if (count == 0)
        return STATUS_OK;
    enum status status =
        kafka_committed(worker->consumer, worker->positions, count, WORKER_COMMITTED_MS, err);
    if (status != STATUS_OK)
        return status == STATUS_FAIL ? status : STATUS_OK; /* asked again in a second */
    uint32_t next = 0;                                     /* positions are in the order of ends */
    for (uint32_t i = 0; i < worker->ends_count && next < count; i++) {
        struct worker_end *end = &worker->ends[i];
        const struct kafka_position *committed = &worker->positions[next];
        if (committed->topic != end->position.topic ||
            committed->partition != end->position.partition)
            continue;
        next++;
        TRY(note_committed(worker, committed, end, err));
    }
    return STATUS_OK;
}

enum status worker_check_ends(struct worker *worker, struct error *err)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns - worker->ends_checked_ns < (uint64_t)END_CHECK_MS * NS_PER_MS)
        return STATUS_OK;
    worker->ends_checked_ns = now_ns;
    bool may_ask = now_ns - worker->group_asked_ns >= (uint64_t)GROUP_CHECK_MS * NS_PER_MS;
    if (may_ask)
        worker->group_asked_ns = now_ns;
    uint32_t behind = 0;
    TRY(worker_ask_positions(worker, err));
    TRY(note_ends(worker, may_ask, &behind, err));
    return may_ask && behind == 0 ? note_ends_of_others(worker, err) : STATUS_OK;
}

void worker_take_back_ends(struct worker *worker, const struct kafka_position *position)
{
    for (uint32_t i = 0; i < worker->ends_count; i++) {
        struct worker_end *end = &worker->ends[i];
        if (end->position.topic == position->topic &&
            end->position.partition == position->partition)
            atomic_store(&end->is_reached, false);
    }
}
