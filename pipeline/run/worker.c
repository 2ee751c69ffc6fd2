#include "pipeline/run/worker.h"

#include <inttypes.h>
#include <stdio.h>

#include "operators/support/dead_letters.h"
#include "operators/support/receipt.h"
#include "operators/support/store.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/point.h"
#include "pipeline/ledger.h"
#include "pipeline/list_state.h"
#include "pipeline/run/line.h"
#include "pipeline/tag.h"

enum {
    REVOKE_DEADLINE_MS = 10000, /* a group waits for us: well below max.poll.interval.ms */
    SETTLE_FLUSH_MS = 100,      /* at a time: a failure among the reports ends it */
    COMMIT_PAUSE_MS = 50,       /* between two attempts */
    BLOCKED_POLL_MS = 5,
    BLOCKED_RECORDS = 16,
    POLL_EVERY_MS = 30000, /* also in the middle of a batch of giants: below max.poll.interval.ms */
    END_CHECK_MS = 20,
    FEED_PARTITIONS_MAX = 1024,
    RECEIPT_BYTES_MAX = 64 * 1024,
    GROUP_CHECK_MS = 1000,
    NS_PER_MS = 1000000,
};

struct worker {
    struct environment environment;
    const struct config *config;
    struct kafka_consumer *consumer;
    struct kafka_producer *producer;
    struct ledger *ledger;
    struct dead_letters *dead_letters;
    struct batch *batch;
    struct line line;
    struct counters counters;
    uint32_t receipt_schema_id;

    uint64_t interval_began_ns;
    bool closing;           /* the interval is being closed: receipts from receipts_next on */
    uint32_t receipts_next; /* slot index */
    struct feed_offset list_offsets[FEED_PARTITIONS_MAX]; /* as the interval began */
    uint32_t list_offsets_count;
    uint8_t receipt[RECEIPT_BYTES_MAX];

    bool blocked; /* nothing can be screened now: everything is paused */
    bool stopped; /* no commit any more */
    uint64_t polled_ns;

    /* A callback cannot return a failure: it leaves it here for the step that caused the call. */
    enum status callback_status;
    struct error callback_error;

    const struct worker_store *const _Atomic *next_store; /* NULL: there never is one */
    _Atomic(const struct store *) store_now;
    _Atomic uint32_t partitions;
    struct worker_end *ends;
    uint32_t ends_count;
    uint64_t ends_checked_ns;
    uint64_t group_asked_ns;
    _Atomic uint64_t first_record_ns;
    _Atomic uint64_t last_record_ns;
    _Atomic int pause; /* enum worker_pause */
    _Atomic uint64_t paused_ns;
    struct lag *lag;

    struct kafka_position positions[WORKER_PARTITIONS_MAX]; /* scratch */
    struct ledger_position settled[WORKER_PARTITIONS_MAX];  /* scratch */
};

/* --- intervals, receipts, commits --- */

static void begin_interval(struct worker *worker)
{
    worker->closing = false;
    worker->interval_began_ns = clock_monotonic_ns();
    worker->list_offsets_count =
        store_offsets(worker->environment.store, worker->list_offsets, FEED_PARTITIONS_MAX);
    if (worker->list_offsets_count > FEED_PARTITIONS_MAX)
        worker->list_offsets_count = FEED_PARTITIONS_MAX;
}

/* Takes what the consumer skipped, such as transaction markers, into the positions. Only when
 * nothing read is still to be screened, and never from inside a poll. */
static enum status ask_positions(struct worker *worker, struct error *err)
{
    if (!batch_is_drained(worker->batch))
        return STATUS_OK;
    uint32_t count = 0;
    for (uint32_t i = 0; i < ledger_slots(worker->ledger); i++) {
        const struct ledger_slot *slot = ledger_slot(worker->ledger, i);
        if (slot && !slot->held && !slot->sought)
            worker->positions[count++] =
                (struct kafka_position){slot->input, slot->partition, KAFKA_OFFSET_NONE};
    }
    TRY(kafka_position(worker->consumer, worker->positions, count, err));
    for (uint32_t i = 0; i < count; i++) {
        const struct kafka_position *position = &worker->positions[i];
        int32_t index = ledger_find(worker->ledger, position->topic, position->partition);
        struct ledger_slot *slot = ledger_slot(worker->ledger, (uint32_t)index);
        if (position->offset > slot->next_offset)
            slot->next_offset = position->offset;
    }
    return STATUS_OK;
}

static enum status send_receipt(struct worker *worker, struct ledger_slot *slot, struct error *err)
{
    struct receipt receipt = {
        .cluster = worker->environment.cluster_id,
        .topic = worker->config->inputs[slot->input].topic,
        .partition = slot->partition,
        .from_offset = slot->from_offset,
        .to_offset = slot->next_offset,
        .began_at_ms = ledger_interval_began_ms(worker->ledger),
        .ended_at_ms = clock_wall_ms(),
        .records = slot->tally.records,
        .documents = slot->tally.documents,
        .dead_letters = slot->tally.dead_letters,
        .list_offsets = worker->list_offsets,
        .list_offsets_count = worker->list_offsets_count,
    };
    memcpy(receipt.unscreenable, slot->tally.unscreenable, sizeof receipt.unscreenable);
    memcpy(receipt.hits, slot->tally.hits, sizeof receipt.hits);
    struct bytes payload = receipt_encode(&receipt, worker->receipt_schema_id, worker->receipt,
                                          sizeof worker->receipt);
    if (!payload.data)
        return error_fail(err, EX_SOFTWARE, "receipt of %s/%d is larger than %d bytes",
                          receipt.topic, (int)slot->partition, (int)RECEIPT_BYTES_MAX);

    char key[320];
    (void)snprintf(key, sizeof key, "%s/%" PRId32, receipt.topic, slot->partition);
    struct kafka_message message = {
        .topic = worker->config->receipts_topic,
        .key = bytes_of_text(key),
        .payload = payload,
        .partition = -1,
        .opaque = tag_pack((struct tag){TAG_RECEIPT, ledger_interval(worker->ledger), 0}),
    };
    TRY(kafka_produce(worker->producer, &message, err));
    ledger_sent(worker->ledger);
    ledger_note_receipt(slot);
    return STATUS_OK;
}

/* Sends a receipt for every partition that moved, then closes. STATUS_RETRY: the output is blocked,
 * and the next call goes on where this one stopped; what a stop screens in between has the next
 * interval's receipt. *closed false with STATUS_OK: the ledger is full, the interval goes on. */
static enum status close_interval(struct worker *worker, bool *closed, struct error *err)
{
    *closed = false;
    if (!worker->closing) {
        if (ledger_is_full(worker->ledger))
            return STATUS_OK;
        worker->closing = true;
        worker->receipts_next = 0;
    }
    for (; worker->receipts_next < ledger_slots(worker->ledger); worker->receipts_next++) {
        struct ledger_slot *slot = ledger_slot(worker->ledger, worker->receipts_next);
        if (slot && slot->next_offset != slot->from_offset)
            TRY(send_receipt(worker, slot, err));
    }
    ledger_close_interval(worker->ledger, clock_wall_ms());
    begin_interval(worker);
    *closed = true;
    POINT("worker_after_receipts");
    return STATUS_OK;
}

/* Positions up to which everything sent has been reported delivered, those not taken before. */
static uint32_t take_settled(struct worker *worker)
{
    uint32_t count = ledger_take_settled(worker->ledger, worker->settled, WORKER_PARTITIONS_MAX);
    for (uint32_t i = 0; i < count; i++)
        worker->positions[i] = (struct kafka_position){
            worker->settled[i].input, worker->settled[i].partition, worker->settled[i].offset};
    return count;
}

/* Of the positions taken. timeout_ms 0: in the background. */
static enum status commit(struct worker *worker, uint32_t count, uint32_t timeout_ms,
                          struct error *err)
{
    if (count == 0)
        return STATUS_OK;
    POINT("worker_before_commit");
    TRY(kafka_commit(worker->consumer, worker->positions, count, timeout_ms, err));
    counters_add(&worker->counters.commits, 1);
    return STATUS_OK;
}

/* While screening goes on: what is refused or fails is committed with a later interval. */
static enum status commit_in_background(struct worker *worker, struct error *err)
{
    if (kafka_take_commit_failure(worker->consumer))
        ledger_commit_again(worker->ledger);
    enum status status = commit(worker, take_settled(worker), 0, err);
    if (status == STATUS_OK || status == STATUS_FAIL)
        return status;
    ledger_commit_again(worker->ledger);
    LOG_WARN("worker", "commit refused: a later one covers it", LOG_TEXT("reason", err->text));
    return STATUS_OK;
}

static uint64_t interval_ns(const struct worker *worker)
{
    return (uint64_t)config_number(&worker->config->commit_interval_ms) * NS_PER_MS;
}

/* --- called back by Kafka --- */

static void keep_failure(struct worker *worker, enum status status, const struct error *err)
{
    if (status == STATUS_OK || worker->callback_status != STATUS_OK)
        return;
    worker->callback_status = status;
    worker->callback_error = *err;
}

static enum status take_failure(struct worker *worker, struct error *err)
{
    if (worker->callback_status != STATUS_OK && err)
        *err = worker->callback_error;
    return worker->callback_status;
}

static void on_report(void *state, enum kafka_delivery delivery, uint64_t opaque,
                      const char *reason)
{
    struct worker *worker = state;
    struct tag tag = tag_unpack(opaque);
    struct error err = {0};
    if (tag.kind == TAG_DEAD_LETTER) {
        enum status status = dead_letters_report(worker->dead_letters, tag, delivery, reason, &err);
        keep_failure(worker, status, &err);
        return;
    }
    if (delivery != KAFKA_DELIVERED) {
        enum status status = error_fail(&err, EX_UNAVAILABLE, "%s not delivered: %s",
                                        tag.kind == TAG_ALERT ? "alert" : "receipt", reason);
        keep_failure(worker, status, &err);
        return;
    }
    ledger_delivered(worker->ledger, tag.interval);
    int64_t latency_ms = clock_wall_ms() - (int64_t)tag.value;
    if (tag.kind == TAG_ALERT && tag.value > 0)
        histogram_add(&worker->counters.event_to_alert_ms,
                      latency_ms > 0 ? (uint64_t)latency_ms : 0);
}

static void on_assigned(void *state, const struct kafka_position *positions, uint32_t count)
{
    struct worker *worker = state;
    struct error err = {0};
    counters_add(&worker->counters.rebalances, 1);
    for (uint32_t i = 0; i < count; i++) {
        if (!ledger_take(worker->ledger, positions[i].topic, positions[i].partition,
                         positions[i].offset)) {
            enum status status =
                error_fail(&err, EX_CONFIG,
                           "a worker can be assigned %d partitions at most: start more workers",
                           (int)WORKER_PARTITIONS_MAX);
            keep_failure(worker, status, &err);
            return;
        }
        atomic_fetch_add(&worker->partitions, 1);
        LOG_INFO("worker", "partition assigned", LOG_INTEGER("worker", worker->environment.worker),
                 LOG_TEXT("topic", worker->config->inputs[positions[i].topic].topic),
                 LOG_INTEGER("partition", positions[i].partition),
                 LOG_INTEGER("offset", positions[i].offset));
    }
    if (worker->blocked)
        keep_failure(worker, kafka_pause(worker->consumer, positions, count, &err), &err);
}

static uint32_t ms_until(uint64_t deadline_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    return now_ns < deadline_ns ? (uint32_t)((deadline_ns - now_ns) / NS_PER_MS) : 0;
}

/* The last interval closed and everything sent reported delivered, or given up at the deadline. One
 * that was being closed already does not cover what was screened since: another follows. */
static enum status deliver(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    uint32_t to_close = worker->closing ? 2 : 1;
    for (;;) {
        bool closed = false;
        enum status status = to_close > 0 ? close_interval(worker, &closed, err) : STATUS_OK;
        to_close -= closed;
        if (status == STATUS_FAIL || (to_close == 0 && ledger_in_flight(worker->ledger) == 0))
            return status;
        uint32_t left_ms = ms_until(deadline_ns);
        if (left_ms == 0)
            return error_set(err, STATUS_RETRY, EX_UNAVAILABLE, "%" PRIu64 " messages undelivered",
                             ledger_in_flight(worker->ledger));
        status = kafka_flush(worker->producer,
                             left_ms < SETTLE_FLUSH_MS ? left_ms : SETTLE_FLUSH_MS, err);
        if (status == STATUS_FAIL)
            return status;
        TRY(take_failure(worker, err));
        status = dead_letters_resend(worker->dead_letters, err);
        if (status == STATUS_FAIL)
            return status;
        if (to_close > 0) /* of a full ledger's, the oldest may be settled by now */
            TRY(commit_in_background(worker, err));
    }
}

/* Everything sent so far delivered and committed, or given up at the deadline. STATUS_ABORT: the
 * partitions are another's already, who screens again. */
static enum status settle(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    TRY(deliver(worker, deadline_ns, err));
    if (kafka_take_commit_failure(worker->consumer) || kafka_commits_waiting(worker->consumer) > 0)
        ledger_commit_again(worker->ledger);
    uint32_t count = take_settled(worker);
    for (;;) {
        uint32_t left_ms = ms_until(deadline_ns);
        enum status status = commit(worker, count, left_ms ? left_ms : 1, err);
        if (status != STATUS_OK)
            ledger_commit_again(worker->ledger); /* for those that are kept */
        if (status != STATUS_RETRY || left_ms == 0)
            return status;
        clock_sleep_ms(left_ms < COMMIT_PAUSE_MS ? left_ms : COMMIT_PAUSE_MS);
    }
}

/* Also one found HELD and not paused yet: its partition may come back before it is. */
static void forget_records(struct worker *worker, const struct kafka_position *position)
{
    for (uint32_t i = 0; i < worker->batch->records_count; i++) {
        struct record *record = &worker->batch->records[i];
        bool is_open = i >= worker->batch->records_done || record->status == RECORD_HELD;
        if (is_open && record->origin.input == position->topic &&
            record->origin.partition == position->partition)
            record->status = RECORD_FORGOTTEN;
    }
}

static void take_back_ends(struct worker *worker, const struct kafka_position *position)
{
    for (uint32_t i = 0; i < worker->ends_count; i++) {
        struct worker_end *end = &worker->ends[i];
        if (end->position.topic == position->topic &&
            end->position.partition == position->partition)
            atomic_store(&end->is_reached, false);
    }
}

/* False: what was screened of them may be screened again by their next owner. */
static bool hand_over(struct worker *worker)
{
    struct error err = {0};
    uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)REVOKE_DEADLINE_MS * NS_PER_MS;
    enum status status = settle(worker, deadline_ns, &err);
    if (status == STATUS_FAIL)
        keep_failure(worker, status, &err);
    else if (status != STATUS_OK)
        LOG_WARN("worker", "partitions were revoked before everything was committed",
                 LOG_INTEGER("in_flight", ledger_in_flight(worker->ledger)),
                 LOG_TEXT("reason", err.text));
    return status == STATUS_OK;
}

/* The batch was worked off before the poll that leads here, save when nothing can be screened now
 * or it takes very long: then what is left of these partitions is forgotten, and their next owner
 * screens it. */
static void on_revoked(void *state, const struct kafka_position *positions, uint32_t count,
                       bool lost)
{
    struct worker *worker = state;
    counters_add(&worker->counters.rebalances, 1);
    bool is_committed = !lost && !worker->stopped && hand_over(worker);
    for (uint32_t i = 0; i < count; i++) {
        forget_records(worker, &positions[i]);
        if (ledger_find(worker->ledger, positions[i].topic, positions[i].partition) !=
            LEDGER_SLOT_NONE)
            atomic_fetch_sub(&worker->partitions, 1);
        ledger_drop(worker->ledger, positions[i].topic, positions[i].partition);
        if (!is_committed)
            take_back_ends(worker, &positions[i]);
    }
    LOG_INFO("worker", lost ? "partitions lost" : "partitions revoked",
             LOG_INTEGER("worker", worker->environment.worker), LOG_INTEGER("count", count));
}

/* --- when nothing can be screened now --- */

/* Held partitions are paused, and will be resumed, by source. */
static enum status pause_or_resume(struct worker *worker, bool pause, struct error *err)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ledger_slots(worker->ledger); i++) {
        const struct ledger_slot *slot = ledger_slot(worker->ledger, i);
        if (slot && !slot->held)
            worker->positions[count++] =
                (struct kafka_position){slot->input, slot->partition, KAFKA_OFFSET_NONE};
    }
    if (count == 0)
        return STATUS_OK;
    enum status status = pause ? kafka_pause(worker->consumer, worker->positions, count, err)
                               : kafka_resume(worker->consumer, worker->positions, count, err);
    return status == STATUS_OK ? STATUS_OK : STATUS_FAIL; /* half done, it would not be read */
}

static bool is_of_partition(const struct record *record, const struct record *other)
{
    return record->origin.input == other->origin.input &&
           record->origin.partition == other->origin.partition;
}

/* Records that came in spite of the pause, as a gap does: all are read again later. */
static enum status put_back(struct worker *worker, struct record *records, uint32_t count,
                            struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < count; i++) {
        const struct origin *origin = &records[i].origin;
        int32_t index = ledger_find(worker->ledger, origin->input, origin->partition);
        bool is_first = true;
        for (uint32_t before = 0; before < i; before++)
            is_first = is_first && !is_of_partition(&records[before], &records[i]);
        struct kafka_position position = {origin->input, origin->partition, origin->offset};
        if (status == STATUS_OK && index != LEDGER_SLOT_NONE && is_first) {
            ledger_slot(worker->ledger, (uint32_t)index)->sought = true;
            status = kafka_seek(worker->consumer, &position, 1, err);
        }
    }
    for (uint32_t i = 0; i < count; i++)
        kafka_release(&records[i]);
    return status == STATUS_OK ? STATUS_OK : STATUS_FAIL; /* else they would not be read again */
}

/* when_stale: hold (design 5). */
static bool must_hold(const struct worker *worker)
{
    return config_switch(&worker->config->feed_hold_when_stale) &&
           atomic_load(&worker->environment.list->stale);
}

/* Whether the group must hear of us although the batch is not done. */
static bool is_poll_due(const struct worker *worker)
{
    return !batch_is_drained(worker->batch) &&
           clock_monotonic_ns() - worker->polled_ns > (uint64_t)POLL_EVERY_MS * NS_PER_MS;
}

/* Keeps the group membership alive while no records are taken. Partitions that come now are paused
 * by on_assigned. */
static enum status wait_blocked(struct worker *worker, const char *why, struct error *err)
{
    if (!worker->blocked) {
        LOG_WARN("worker", why, LOG_INTEGER("worker", worker->environment.worker));
        TRY(pause_or_resume(worker, true, err));
        worker->blocked = true;
    }
    struct record records[BLOCKED_RECORDS];
    uint32_t count = 0;
    TRY(kafka_poll(worker->consumer, records, BLOCKED_RECORDS, BLOCKED_POLL_MS, &count, err));
    worker->polled_ns = clock_monotonic_ns();
    return put_back(worker, records, count, err);
}

static enum status resume_reading(struct worker *worker, struct error *err)
{
    worker->blocked = false;
    LOG_INFO("worker", "reading goes on", LOG_INTEGER("worker", worker->environment.worker));
    return pause_or_resume(worker, false, err);
}

/* --- the round --- */

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
    enum status status = kafka_committed(worker->consumer, worker->positions, count, err);
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

/* --until-end: looks whether it is reached, also while more records keep coming. */
static enum status check_ends(struct worker *worker, struct error *err)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns - worker->ends_checked_ns < (uint64_t)END_CHECK_MS * NS_PER_MS)
        return STATUS_OK;
    worker->ends_checked_ns = now_ns;
    bool may_ask = now_ns - worker->group_asked_ns >= (uint64_t)GROUP_CHECK_MS * NS_PER_MS;
    if (may_ask)
        worker->group_asked_ns = now_ns;
    uint32_t behind = 0;
    TRY(ask_positions(worker, err));
    TRY(note_ends(worker, may_ask, &behind, err));
    return may_ask && behind == 0 ? note_ends_of_others(worker, err) : STATUS_OK;
}

/* Reports, dead letters to be sent again, commits and the end of the interval. STATUS_RETRY: the
 * output is blocked. */
static enum status housekeeping(struct worker *worker, struct error *err)
{
    TRY(kafka_producer_poll(worker->producer, 0, err));
    TRY(take_failure(worker, err));
    TRY(dead_letters_resend(worker->dead_letters, err));
    TRY(commit_in_background(worker, err));
    bool closed;
    if (worker->closing)
        return close_interval(worker, &closed, err);
    if (clock_monotonic_ns() - worker->interval_began_ns < interval_ns(worker))
        return STATUS_OK;
    TRY(ask_positions(worker, err));
    return close_interval(worker, &closed, err);
}

/* The line, once. */
static enum status screen(struct worker *worker, struct error *err)
{
    if (worker->blocked)
        return line_drain(&worker->line, worker->batch, err);
    bool polls = batch_is_drained(worker->batch);
    TRY(line_round(&worker->line, worker->batch, err));
    uint64_t now_ns = clock_monotonic_ns();
    if (polls)
        worker->polled_ns = now_ns;
    if (worker->batch->records_count == 0)
        return STATUS_OK;
    if (atomic_load(&worker->first_record_ns) == 0)
        atomic_store(&worker->first_record_ns, now_ns);
    atomic_store(&worker->last_record_ns, now_ns);
    return STATUS_OK;
}

/* What those who watch are shown. */
static void tell(struct worker *worker)
{
    enum worker_pause pause = !worker->blocked    ? WORKER_READS
                              : must_hold(worker) ? WORKER_LIST_STALE
                                                  : WORKER_OUTPUT_BLOCKED;
    if (atomic_load(&worker->pause) != (int)pause) {
        atomic_store(&worker->paused_ns, clock_monotonic_ns());
        atomic_store(&worker->pause, (int)pause);
    }
    if (!lag_begin(worker->lag))
        return;
    for (uint32_t i = 0; i < ledger_slots(worker->ledger); i++) {
        const struct ledger_slot *slot = ledger_slot(worker->ledger, i);
        if (slot)
            lag_add(worker->lag, &(struct lag_partition){slot->input, slot->held, slot->partition,
                                                         slot->next_offset, KAFKA_OFFSET_NONE});
    }
    lag_publish(worker->lag, worker->consumer);
}

/* Whether all that is applied to one store is to the other: an entry found in the one is in the
 * other too, and offsets in receipts never go back. */
static bool has_all_of(const struct store *next, const struct store *store)
{
    struct feed_offset have[FEED_PARTITIONS_MAX];
    struct feed_offset want[FEED_PARTITIONS_MAX];
    uint32_t want_count = store_offsets(store, want, FEED_PARTITIONS_MAX);
    uint32_t have_count = store_offsets(next, have, FEED_PARTITIONS_MAX);
    uint32_t at = 0;
    if (want_count > FEED_PARTITIONS_MAX || have_count > FEED_PARTITIONS_MAX)
        return false;
    for (uint32_t i = 0; i < want_count; i++) {
        while (at < have_count && have[at].partition < want[i].partition)
            at++;
        if (at == have_count || have[at].partition != want[i].partition ||
            have[at].next_offset < want[i].next_offset)
            return false;
    }
    return true;
}

static enum status take_next_store(struct worker *worker, struct error *err)
{
    struct environment *environment = &worker->environment;
    const struct worker_store *next = worker->next_store ? atomic_load(worker->next_store) : NULL;
    if (!next || next->store == environment->store || !batch_is_drained(worker->batch) ||
        !has_all_of(next->store, environment->store))
        return STATUS_OK;
    environment->store = next->store;
    environment->store_key = next->key;
    TRY(line_take_store(&worker->line, environment, err));
    atomic_store(&worker->store_now, next->store);
    POINT("worker_store_taken");
    return STATUS_OK;
}

enum status worker_step(struct worker *worker, struct error *err)
{
    tell(worker);
    const char *why = "output is blocked: reading is paused";
    TRY(take_next_store(worker, err));
    enum status status = housekeeping(worker, err);
    if (status == STATUS_OK && must_hold(worker)) {
        why = "the list is stale: reading is paused";
        status = STATUS_RETRY;
    } else if (status == STATUS_OK && is_poll_due(worker)) {
        why = "a batch takes long: nothing more is read before it is done";
        status = STATUS_RETRY;
    }
    if (status == STATUS_OK)
        status = screen(worker, err);
    if (status == STATUS_RETRY)
        status = wait_blocked(worker, why, err);
    else if (status == STATUS_OK && worker->blocked)
        status = resume_reading(worker, err);
    if (status != STATUS_OK)
        return status;
    TRY(take_failure(worker, err));
    return worker->ends ? check_ends(worker, err) : STATUS_OK;
}

/* Works off what was read; STATUS_RETRY when there is no time for that. */
static enum status drain(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    while (!batch_is_drained(worker->batch)) {
        if (ms_until(deadline_ns) == 0)
            return error_set(err, STATUS_RETRY, EX_UNAVAILABLE, "a batch not done");
        enum status status = line_drain(&worker->line, worker->batch, err);
        if (status == STATUS_FAIL)
            return status;
        uint32_t wait_ms = status == STATUS_RETRY ? BLOCKED_POLL_MS : 0;
        TRY(kafka_producer_poll(worker->producer, wait_ms, err));
        TRY(take_failure(worker, err));
        if (dead_letters_resend(worker->dead_letters, err) == STATUS_FAIL)
            return STATUS_FAIL;
    }
    return ask_positions(worker, err);
}

/* Works off what was read, and commits it once it is delivered. */
static enum status finish(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    enum status status = take_failure(worker, err);
    if (status == STATUS_OK && !must_hold(worker))
        status = drain(worker, deadline_ns, err);
    if (status == STATUS_OK)
        status = settle(worker, deadline_ns, err);
    if (status == STATUS_OK || status == STATUS_FAIL)
        return status;
    if (status == STATUS_ABORT) {
        LOG_WARN("worker", "not committed: the partitions are another's, who screens again",
                 LOG_TEXT("reason", err->text));
        return STATUS_OK;
    }
    error_prefix(err, "stopped without a commit, what was not is screened again at the next start");
    return STATUS_FAIL;
}

enum status worker_stop(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    worker->stopped = true;
    return finish(worker, deadline_ns, err);
}

const struct store *worker_store_now(const struct worker *worker)
{
    return atomic_load(&worker->store_now);
}

uint32_t worker_partitions(const struct worker *worker)
{
    return atomic_load(&worker->partitions);
}

uint64_t worker_first_record_ns(const struct worker *worker)
{
    return atomic_load(&worker->first_record_ns);
}

uint64_t worker_last_record_ns(const struct worker *worker)
{
    return atomic_load(&worker->last_record_ns);
}

const struct counters *worker_counters(const struct worker *worker)
{
    return &worker->counters;
}

enum worker_pause worker_paused(const struct worker *worker, uint64_t *since_ns)
{
    *since_ns = atomic_load(&worker->paused_ns);
    return (enum worker_pause)atomic_load(&worker->pause);
}

uint32_t worker_lag(const struct worker *worker, struct lag_partition *out, uint32_t capacity)
{
    return lag_read(worker->lag, out, capacity);
}

bool worker_consumer_statistics(const struct worker *worker, struct kafka_statistics *out)
{
    return kafka_consumer_statistics(worker->consumer, out);
}

bool worker_producer_statistics(const struct worker *worker, struct kafka_statistics *out)
{
    return kafka_producer_statistics(worker->producer, out);
}

/* --- open and close --- */

static enum status open_parts(struct worker *worker, uint32_t index, const _Atomic bool *stop,
                              struct error *err)
{
    char client[64];
    (void)snprintf(client, sizeof client, "worker-%" PRIu32, index);
    struct kafka_reports reports = {worker, on_report};
    TRY(kafka_producer_open(worker->config, client, &reports, &worker->producer, err));
    worker->dead_letters = dead_letters_open(worker->config, worker->producer, worker->ledger);
    struct kafka_rebalance rebalance = {worker, on_assigned, on_revoked, stop};
    TRY(kafka_consumer_open(worker->config, index, &rebalance, &worker->consumer, err));

    worker->environment.consumer = worker->consumer;
    worker->environment.producer = worker->producer;
    worker->environment.dead_letters = worker->dead_letters;
    worker->environment.ledger = worker->ledger;
    worker->environment.counters = &worker->counters;
    worker->environment.worker = index;
    return line_open(&worker->line, &worker->environment, err);
}

enum status worker_open(const struct worker_settings *settings, uint32_t index, struct worker **out,
                        struct error *err)
{
    struct worker *worker = memory_new(1, sizeof *worker);
    worker->environment = settings->shared;
    worker->config = settings->shared.config;
    worker->receipt_schema_id = settings->receipt_schema_id;
    worker->next_store = settings->next_store;
    atomic_store(&worker->store_now, settings->shared.store);
    worker->ends = settings->ends;
    worker->ends_count = settings->ends_count;
    worker->batch = batch_open();
    worker->ledger = ledger_open();
    worker->polled_ns = clock_monotonic_ns();
    worker->lag = lag_open(WORKER_PARTITIONS_MAX);
    begin_interval(worker);
    enum status status = open_parts(worker, index, settings->stop, err);
    if (status != STATUS_OK) {
        worker_close(worker);
        return status;
    }
    *out = worker;
    return STATUS_OK;
}

/* Messages go back before the consumer. */
void worker_leave(struct worker *worker)
{
    worker->stopped = true;
    for (uint32_t i = 0; i < worker->batch->records_count; i++)
        kafka_release(&worker->batch->records[i]);
    worker->batch->records_count = 0;
    worker->batch->records_done = 0;
    kafka_consumer_close(worker->consumer);
    line_close(&worker->line);
    kafka_producer_close(worker->producer);
    worker->consumer = NULL;
    worker->producer = NULL;
}

void worker_close(struct worker *worker)
{
    if (!worker)
        return;
    worker_leave(worker);
    dead_letters_close(worker->dead_letters);
    batch_close(worker->batch);
    ledger_close(worker->ledger);
    lag_close(worker->lag);
    memory_free(worker);
}
