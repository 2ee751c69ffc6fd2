/* The two kinds of delivery, side by side. At least once: what is sent goes out at once, and
 * positions are committed in the background when all up to them was reported delivered. Exactly
 * once: both go out together, in transactions; what fails is aborted, and screened again.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "pipeline/base/log.h"
#include "pipeline/base/point.h"
#include "pipeline/run/worker_internal.h"
#include "pipeline/tag.h"

enum {
    SETTLE_FLUSH_MS = 100, /* at a time: a failure among the reports ends it */
    COMMIT_PAUSE_MS = 50,  /* between two attempts */

    TRANSACTION_MESSAGES_MAX = 10000,
    TRANSACTION_COMMIT_MS = 10000, /* the group waits meanwhile: well below max.poll.interval.ms */
    TRANSACTION_ABORT_MS = 1000,   /* at a time: the group is polled between two attempts */
    PREDECESSOR_MS = 60000,        /* to end what it left, on top of how long it may stand */
};

/* --- reports -------------------------------------------------------------------------------- */

static void on_report(void *state, enum kafka_delivery delivery, uint64_t opaque,
                      const char *reason)
{
    struct worker *worker = state;
    struct tag tag = tag_unpack(opaque);
    struct error err = {0};
    if (delivery == KAFKA_GIVEN_UP) {
        worker_void(worker, reason);
        return;
    }
    if (worker->stage >= STAGE_ABORTING && delivery != KAFKA_TOO_LARGE)
        return; /* void with its transaction; what was too large is remembered */
    if (tag.kind == TAG_DEAD_LETTER) {
        enum status status = dead_letters_report(worker->dead_letters, tag, delivery, reason, &err);
        worker_keep_failure(worker, status, &err);
        return;
    }
    if (delivery != KAFKA_DELIVERED) {
        enum status status = error_fail(&err, EX_UNAVAILABLE, "%s not delivered: %s",
                                        tag.kind == TAG_ALERT ? "alert" : "receipt", reason);
        worker_keep_failure(worker, status, &err);
        return;
    }
    ledger_delivered(worker->ledger, tag.interval);
    int64_t latency_ms = clock_wall_ms() - (int64_t)tag.value;
    if (tag.kind == TAG_ALERT && tag.value > 0)
        histogram_add(&worker->counters.event_to_alert_ms,
                      latency_ms > 0 ? (uint64_t)latency_ms : 0);
}

/* --- at least once -------------------------------------------------------------------------- */

static uint64_t interval_ns(const struct worker *worker)
{
    return (uint64_t)config_number(&worker->config->commit_interval_ms) * NS_PER_MS;
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
static enum status commit_positions(struct worker *worker, uint32_t count, uint32_t timeout_ms,
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
    enum status status = commit_positions(worker, take_settled(worker), 0, err);
    if (status == STATUS_OK || status == STATUS_FAIL)
        return status;
    ledger_commit_again(worker->ledger);
    LOG_WARN("worker", "commit refused: a later one covers it", LOG_TEXT("reason", err->text));
    return STATUS_OK;
}

/* The last interval closed and everything sent reported delivered, or given up at the deadline. One
 * that was being closed already does not cover what was screened since: another follows. */
static enum status deliver(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    uint32_t to_close = worker->closing ? 2 : 1;
    for (;;) {
        bool closed = false;
        enum status status = to_close > 0 ? worker_close_interval(worker, &closed, err) : STATUS_OK;
        to_close -= closed;
        if (status == STATUS_FAIL || (to_close == 0 && ledger_in_flight(worker->ledger) == 0))
            return status;
        uint32_t left_ms = worker_ms_until(deadline_ns);
        if (left_ms == 0)
            return error_set(err, STATUS_RETRY, EX_UNAVAILABLE, "%" PRIu64 " messages undelivered",
                             ledger_in_flight(worker->ledger));
        status = kafka_flush(worker->producer,
                             left_ms < SETTLE_FLUSH_MS ? left_ms : SETTLE_FLUSH_MS, err);
        if (status == STATUS_FAIL)
            return status;
        TRY(worker_take_failure(worker, err));
        status = dead_letters_resend(worker->dead_letters, err);
        if (status == STATUS_FAIL)
            return status;
        if (to_close > 0) /* of a full ledger's, the oldest may be settled by now */
            TRY(commit_in_background(worker, err));
    }
}

static enum status settle_commits(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    TRY(deliver(worker, deadline_ns, err));
    if (kafka_take_commit_failure(worker->consumer) || kafka_commits_waiting(worker->consumer) > 0)
        ledger_commit_again(worker->ledger);
    uint32_t count = take_settled(worker);
    for (;;) {
        uint32_t left_ms = worker_ms_until(deadline_ns);
        enum status status = commit_positions(worker, count, left_ms ? left_ms : 1, err);
        if (status != STATUS_OK)
            ledger_commit_again(worker->ledger); /* for those that are kept */
        if (status != STATUS_RETRY || left_ms == 0)
            return status;
        clock_sleep_ms(left_ms < COMMIT_PAUSE_MS ? left_ms : COMMIT_PAUSE_MS);
    }
}

static enum status account_commits(struct worker *worker, struct error *err)
{
    TRY(kafka_producer_poll(worker->producer, 0, err));
    TRY(worker_take_failure(worker, err));
    TRY(dead_letters_resend(worker->dead_letters, err));
    TRY(commit_in_background(worker, err));
    bool closed;
    if (worker->closing)
        return worker_close_interval(worker, &closed, err);
    if (clock_monotonic_ns() - worker->interval_began_ns < interval_ns(worker))
        return STATUS_OK;
    TRY(worker_ask_positions(worker, err));
    return worker_close_interval(worker, &closed, err);
}

/* --- exactly once --------------------------------------------------------------------------- */

void worker_void(struct worker *worker, const char *reason)
{
    if (worker->stage >= STAGE_ABORTING)
        return;
    worker->stage = STAGE_ABORTING;
    worker->closing = false;
    worker->transaction_began_ns = 0;
    counters_add(&worker->counters.transactions_aborted, 1);
    LOG_WARN("worker", "transaction aborted: what was in it is screened again",
             LOG_INTEGER("worker", worker->environment.worker), LOG_TEXT("reason", reason));
}

/* What was sent is of records whose positions have moved: no window is half sent, no record half
 * screened. Only then does a commit hold the ones and the others alike. */
static bool is_between_records(const struct batch *batch)
{
    if (batch_window_is_open(batch))
        return false;
    return batch_is_drained(batch) || batch->records[batch->records_done].documents_done == 0;
}

static uint64_t transaction_age_ms(const struct worker *worker)
{
    return worker->transaction_began_ns == 0
               ? 0
               : (clock_monotonic_ns() - worker->transaction_began_ns) / NS_PER_MS;
}

/* With messages after transaction_ms or so many; without, as at least once. The list a receipt
 * names is that of the interval's begin, so it comes for all partitions with the interval, and in
 * between for those that something was sent of. */
static bool is_due(struct worker *worker)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t sent = ledger_open_sent(worker->ledger);
    if (sent > 0 && worker->transaction_began_ns == 0)
        worker->transaction_began_ns = now_ns;
    worker->closes_all = now_ns - worker->interval_began_ns >= interval_ns(worker);
    return worker->closes_all || sent >= TRANSACTION_MESSAGES_MAX ||
           (sent > 0 &&
            transaction_age_ms(worker) >= config_number(&worker->config->transaction_ms));
}

static void take_closed(struct worker *worker)
{
    worker->committing_count =
        ledger_take_closed(worker->ledger, worker->settled, WORKER_PARTITIONS_MAX);
    for (uint32_t i = 0; i < worker->committing_count; i++)
        worker->committing[i] = (struct kafka_position){
            worker->settled[i].input, worker->settled[i].partition, worker->settled[i].offset};
}

static void note_committed(struct worker *worker)
{
    uint64_t took_ms = (clock_monotonic_ns() - worker->commit_began_ns) / NS_PER_MS;
    worker->stage = STAGE_SCREENING;
    worker->transaction_began_ns = 0;
    ledger_clean(worker->ledger);
    counters_add(&worker->counters.commits, 1);
    histogram_add(&worker->counters.commit_ms, took_ms);
}

/* One attempt to end the transaction: the receipts, then the commit. STATUS_RETRY: go on with the
 * next call, and screen nothing in between. */
static enum status end_transaction(struct worker *worker, uint32_t timeout_ms, struct error *err)
{
    TRY(kafka_producer_poll(worker->producer, 0, err));
    TRY(worker_take_failure(worker, err));
    if (worker->stage >= STAGE_ABORTING) /* by a report */
        return error_set(err, STATUS_ABORT, EX_UNAVAILABLE, "the transaction is void");
    if (worker->stage == STAGE_SCREENING) {
        TRY(dead_letters_resend(worker->dead_letters, err));
        if (!worker->closing)
            worker->commit_began_ns = clock_monotonic_ns();
        bool closed = false;
        TRY(worker_close_interval(worker, &closed, err));
        assert(closed); /* no interval waits behind another */
        take_closed(worker);
        if (worker->committing_count == 0 && !kafka_transaction_is_open(worker->producer))
            return STATUS_OK;
        worker->stage = STAGE_COMMITTING;
        if (worker->transaction_began_ns == 0) /* it holds positions alone */
            worker->transaction_began_ns = worker->commit_began_ns;
        POINT("worker_before_commit");
    }
    TRY(kafka_transaction_commit(worker->producer, worker->consumer, worker->committing,
                                 worker->committing_count, timeout_ms, err));
    note_committed(worker);
    POINT("worker_after_commit");
    return STATUS_OK;
}

/* Half the time that the broker gives it: then it is ended before the broker does. */
static bool is_too_old(const struct worker *worker)
{
    return transaction_age_ms(worker) >= kafka_transaction_lasts_ms(worker->producer) / 2;
}

static enum status end_if_due(struct worker *worker, struct error *err)
{
    TRY(kafka_producer_poll(worker->producer, 0, err));
    TRY(worker_take_failure(worker, err));
    if (worker->stage >= STAGE_ABORTING)
        return STATUS_OK;
    TRY(dead_letters_resend(worker->dead_letters, err));
    if (!is_due(worker))
        return STATUS_OK;
    if (!is_between_records(worker->batch))
        return is_too_old(worker) ? error_set(err, STATUS_ABORT, EX_UNAVAILABLE,
                                              "what was begun could not be sent in time")
                                  : STATUS_OK;
    TRY(worker_ask_positions(worker, err));
    return end_transaction(worker, TRANSACTION_COMMIT_MS, err);
}

/* Slots of which something is read and not wholly screened go back too: it is read again. */
static void mark_unscreened(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->batch->records_count; i++) {
        const struct record *record = &worker->batch->records[i];
        int32_t index = ledger_find(worker->ledger, record->origin.input, record->origin.partition);
        bool is_open = i >= worker->batch->records_done || record->status == RECORD_HELD;
        if (is_open && index != LEDGER_SLOT_NONE)
            ledger_slot(worker->ledger, (uint32_t)index)->dirty = true;
    }
}

/* The steps that keep something of a batch beyond a round are opened anew. */
static enum status forget_batch(struct worker *worker, struct error *err)
{
    struct batch *batch = worker->batch;
    mark_unscreened(worker);
    kafka_release_all(worker->consumer, batch->records, batch->records_count);
    batch->records_count = 0;
    batch->records_done = 0;
    batch->window_end = 0;
    batch_reset_window(batch);
    return line_take_store(&worker->line, &worker->environment, err);
}

static enum status abort_transaction(struct worker *worker, struct error *err)
{
    POINT("worker_before_abort");
    TRY(kafka_transaction_abort(worker->producer, TRANSACTION_ABORT_MS, err));
    POINT("worker_after_abort");
    TRY(forget_batch(worker, err));
    dead_letters_forget(worker->dead_letters);
    ledger_rewind(worker->ledger, clock_wall_ms());
    worker_begin_interval(worker);
    worker->stage = STAGE_REWINDING;
    return STATUS_OK;
}

/* Of all slots, where the group's last commit is; a slot without one goes on where it was taken. */
static enum status ask_committed(struct worker *worker, uint32_t *count, struct error *err)
{
    *count = 0;
    for (uint32_t i = 0; i < ledger_slots(worker->ledger); i++) {
        const struct ledger_slot *slot = ledger_slot(worker->ledger, i);
        if (slot)
            worker->positions[(*count)++] =
                (struct kafka_position){slot->input, slot->partition, KAFKA_OFFSET_NONE};
    }
    return kafka_committed(worker->consumer, worker->positions, *count, WORKER_COMMITTED_MS, err);
}

static struct ledger_slot *slot_of(struct worker *worker, const struct kafka_position *position)
{
    int32_t index = ledger_find(worker->ledger, position->topic, position->partition);
    assert(index != LEDGER_SLOT_NONE); /* asked for as a slot's */
    return ledger_slot(worker->ledger, (uint32_t)index);
}

/* One that is held is so for a record that comes again. */
static enum status move_back(struct worker *worker, const struct kafka_position *position,
                             struct error *err)
{
    struct ledger_slot *slot = slot_of(worker, position);
    ledger_move_back(slot, position->offset, position->offset);
    slot->sought = true;
    worker_take_back_ends(worker, position);
    bool was_held = slot->held;
    slot->held = false;
    return was_held && !worker->blocked ? kafka_resume(worker->consumer, position, 1, err)
                                        : STATUS_OK;
}

/* Partitions of which nothing was screened since their last commit stay where they are. */
static enum status rewind_partitions(struct worker *worker, struct error *err)
{
    uint32_t count = 0;
    uint32_t dirty = 0;
    TRY(ask_committed(worker, &count, err));
    for (uint32_t i = 0; i < count; i++) {
        struct kafka_position position = worker->positions[i];
        struct ledger_slot *slot = slot_of(worker, &position);
        if (position.offset == KAFKA_OFFSET_NONE)
            position.offset = slot->start_offset;
        if (slot->dirty)
            worker->positions[dirty++] = position;
        else
            ledger_move_back(slot, position.offset, slot->next_offset);
    }
    TRY(kafka_seek(worker->consumer, worker->positions, dirty, err));
    for (uint32_t i = 0; i < dirty; i++)
        TRY(move_back(worker, &worker->positions[i], err));
    worker->stage = STAGE_SCREENING;
    return STATUS_OK;
}

/* STATUS_RETRY: not done yet. */
static enum status start_over(struct worker *worker, struct error *err)
{
    enum status status = STATUS_OK;
    if (worker->stage == STAGE_ABORTING)
        status = abort_transaction(worker, err);
    if (status == STATUS_OK)
        status = rewind_partitions(worker, err);
    return status == STATUS_ABORT ? STATUS_RETRY : status; /* the group moves: asked again */
}

static enum status account_transaction(struct worker *worker, struct error *err)
{
    enum status status = STATUS_OK;
    if (worker->stage == STAGE_COMMITTING || worker->closing)
        status = end_transaction(worker, TRANSACTION_COMMIT_MS, err);
    else if (worker->stage == STAGE_SCREENING)
        status = end_if_due(worker, err);
    if (status == STATUS_RETRY && is_too_old(worker))
        status = STATUS_ABORT;
    if (worker->callback_status != STATUS_OK)
        return worker_take_failure(worker, err);
    if (status == STATUS_ABORT)
        worker_void(worker, err->text);
    return worker->stage >= STAGE_ABORTING ? start_over(worker, err) : status;
}

static enum status end_before(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    for (;;) {
        uint32_t left_ms = worker_ms_until(deadline_ns);
        enum status status = end_transaction(worker, left_ms ? left_ms : 1, err);
        if (status != STATUS_RETRY)
            return status;
        if (left_ms == 0)
            return error_set(err, STATUS_RETRY, EX_UNAVAILABLE, "a transaction not committed");
        TRY(kafka_producer_poll(worker->producer, WORKER_BLOCKED_POLL_MS, err));
    }
}

/* One that is being ended already does not cover what was screened since: another follows. */
static enum status settle_transaction(struct worker *worker, uint64_t deadline_ns,
                                      struct error *err)
{
    if (worker->stage >= STAGE_ABORTING)
        return error_set(err, STATUS_ABORT, EX_UNAVAILABLE, "the transaction is being aborted");
    enum status status = STATUS_OK;
    if (worker->stage == STAGE_COMMITTING || worker->closing)
        status = end_before(worker, deadline_ns, err);
    if (status == STATUS_OK && !is_between_records(worker->batch))
        status = error_set(err, STATUS_ABORT, EX_UNAVAILABLE, "in the middle of a record");
    worker->closes_all = true;
    if (status == STATUS_OK)
        status = end_before(worker, deadline_ns, err);
    if (status == STATUS_RETRY || status == STATUS_ABORT)
        worker_void(worker, err->text);
    return status;
}

void worker_leave_transaction(struct worker *worker)
{
    struct error err = {0};
    if (!worker->config->exactly_once || !worker->producer)
        return;
    worker->stage = STAGE_ABORTING; /* reports of it count no more */
    if (kafka_transaction_abort(worker->producer, TRANSACTION_ABORT_MS, &err) != STATUS_OK)
        LOG_WARN("worker", "a transaction is left open: the broker ends it",
                 LOG_TEXT("reason", err.text));
}

/* --- whichever ------------------------------------------------------------------------------ */

enum status worker_account(struct worker *worker, struct error *err)
{
    return worker->config->exactly_once ? account_transaction(worker, err)
                                        : account_commits(worker, err);
}

enum status worker_settle(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    return worker->config->exactly_once ? settle_transaction(worker, deadline_ns, err)
                                        : settle_commits(worker, deadline_ns, err);
}

/* Before the group is joined: what a predecessor had in a transaction is committed or void then.
 * When a stop comes before that is known, there is nothing of ours to settle. */
static enum status end_predecessor(struct worker *worker, const _Atomic bool *stop,
                                   struct error *err)
{
    uint64_t lasts_ms = kafka_transaction_lasts_ms(worker->producer) + PREDECESSOR_MS;
    uint64_t deadline_ns = clock_monotonic_ns() + lasts_ms * NS_PER_MS;
    for (;;) {
        enum status status = kafka_transaction_abort(worker->producer, TRANSACTION_ABORT_MS, err);
        if (status != STATUS_RETRY)
            return status;
        if (stop && atomic_load(stop)) {
            worker->stage = STAGE_ABORTING;
            return STATUS_OK;
        }
        if (worker_ms_until(deadline_ns) == 0)
            return STATUS_FAIL;
    }
}

enum status worker_open_producer(struct worker *worker, uint32_t index, const _Atomic bool *stop,
                                 struct error *err)
{
    char name[64];
    struct kafka_reports reports = {worker, on_report};
    worker->closes_all = true;
    if (!worker->config->exactly_once) {
        (void)snprintf(name, sizeof name, "worker-%" PRIu32, index);
        return kafka_producer_open(worker->config, name, &reports, &worker->producer, err);
    }
    (void)snprintf(name, sizeof name, "%" PRIu32, index);
    TRY(kafka_transactional_open(worker->config, name, &reports, &worker->producer, err));
    return end_predecessor(worker, stop, err);
}
