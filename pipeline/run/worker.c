#include "pipeline/run/worker.h"

#include <inttypes.h>
#include <stdio.h>

#include "operators/support/dead_letters.h"
#include "operators/support/store.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/point.h"
#include "pipeline/ledger.h"
#include "pipeline/list_state.h"
#include "pipeline/run/line.h"
#include "pipeline/run/worker_internal.h"

enum {
    REVOKE_DEADLINE_MS = 10000, /* a group waits for us: well below max.poll.interval.ms */
    BLOCKED_RECORDS = 16,
    POLL_EVERY_MS = 30000, /* also in the middle of a batch of giants: below max.poll.interval.ms */
};

/* --- called back by Kafka --- */

void worker_keep_failure(struct worker *worker, enum status status, const struct error *err)
{
    if (status == STATUS_OK || worker->callback_status != STATUS_OK)
        return;
    worker->callback_status = status;
    worker->callback_error = *err;
}

enum status worker_take_failure(struct worker *worker, struct error *err)
{
    if (worker->callback_status != STATUS_OK && err)
        *err = worker->callback_error;
    return worker->callback_status;
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
            worker_keep_failure(worker, status, &err);
            return;
        }
        atomic_fetch_add(&worker->partitions, 1);
        LOG_INFO("worker", "partition assigned", LOG_INTEGER("worker", worker->environment.worker),
                 LOG_TEXT("topic", worker->config->inputs[positions[i].topic].topic),
                 LOG_INTEGER("partition", positions[i].partition),
                 LOG_INTEGER("offset", positions[i].offset));
    }
    if (worker->blocked)
        worker_keep_failure(worker, kafka_pause(worker->consumer, positions, count, &err), &err);
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

/* False: what was screened of them may be screened again by their next owner. */
static bool hand_over(struct worker *worker)
{
    struct error err = {0};
    uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)REVOKE_DEADLINE_MS * NS_PER_MS;
    enum status status = worker_settle(worker, deadline_ns, &err);
    if (status == STATUS_FAIL)
        worker_keep_failure(worker, status, &err);
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
    if (lost && worker->config->exactly_once && kafka_transaction_is_open(worker->producer))
        worker_void(worker, "partitions were lost");
    for (uint32_t i = 0; i < count; i++) {
        forget_records(worker, &positions[i]);
        if (ledger_find(worker->ledger, positions[i].topic, positions[i].partition) !=
            LEDGER_SLOT_NONE)
            atomic_fetch_sub(&worker->partitions, 1);
        ledger_drop(worker->ledger, positions[i].topic, positions[i].partition);
        if (!is_committed)
            worker_take_back_ends(worker, &positions[i]);
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
    kafka_release_all(worker->consumer, records, count);
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
    TRY(kafka_poll(worker->consumer, records, BLOCKED_RECORDS, WORKER_BLOCKED_POLL_MS, &count,
                   err));
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
    struct feed_offset have[WORKER_FEED_PARTITIONS_MAX];
    struct feed_offset want[WORKER_FEED_PARTITIONS_MAX];
    uint32_t want_count = store_offsets(store, want, WORKER_FEED_PARTITIONS_MAX);
    uint32_t have_count = store_offsets(next, have, WORKER_FEED_PARTITIONS_MAX);
    uint32_t at = 0;
    if (want_count > WORKER_FEED_PARTITIONS_MAX || have_count > WORKER_FEED_PARTITIONS_MAX)
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
    enum status status = worker_account(worker, err);
    if (status == STATUS_OK && must_hold(worker)) {
        why = "the list is stale: reading is paused";
        status = STATUS_RETRY;
    } else if (status == STATUS_OK && is_poll_due(worker)) {
        why = "a batch takes long: nothing more is read before it is done";
        status = STATUS_RETRY;
    }
    if (status == STATUS_OK)
        status = screen(worker, err);
    if (status == STATUS_ABORT && worker->config->exactly_once) {
        worker_void(worker, err->text);
        return worker_take_failure(worker, err);
    }
    if (status == STATUS_RETRY)
        status = wait_blocked(worker, why, err);
    else if (status == STATUS_OK && worker->blocked)
        status = resume_reading(worker, err);
    if (status != STATUS_OK)
        return status;
    TRY(worker_take_failure(worker, err));
    return worker->ends ? worker_check_ends(worker, err) : STATUS_OK;
}

/* Works off what was read; STATUS_RETRY when there is no time for that. */
static enum status drain(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    while (!batch_is_drained(worker->batch)) {
        if (worker_ms_until(deadline_ns) == 0)
            return error_set(err, STATUS_RETRY, EX_UNAVAILABLE, "a batch not done");
        enum status status = line_drain(&worker->line, worker->batch, err);
        if (status == STATUS_FAIL || status == STATUS_ABORT)
            return status;
        uint32_t wait_ms = status == STATUS_RETRY ? WORKER_BLOCKED_POLL_MS : 0;
        TRY(kafka_producer_poll(worker->producer, wait_ms, err));
        TRY(worker_take_failure(worker, err));
        if (dead_letters_resend(worker->dead_letters, err) == STATUS_FAIL)
            return STATUS_FAIL;
    }
    return worker_ask_positions(worker, err);
}

/* Works off what was read, and commits it once it is delivered. With transactions, the one that is
 * being ended first: nothing more goes into it. */
static enum status finish(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    enum status status = worker_take_failure(worker, err);
    if (status == STATUS_OK && worker->config->exactly_once &&
        (worker->closing || worker->stage != STAGE_SCREENING))
        status = worker_settle(worker, deadline_ns, err);
    if (status == STATUS_OK && !must_hold(worker))
        status = drain(worker, deadline_ns, err);
    if (status == STATUS_OK)
        status = worker_settle(worker, deadline_ns, err);
    if (status == STATUS_OK || status == STATUS_FAIL)
        return status;
    if (status == STATUS_ABORT) {
        LOG_WARN("worker", "not committed: whoever has the partitions next screens again",
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
    TRY(worker_open_producer(worker, index, stop, err));
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
    worker_begin_interval(worker);
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
    kafka_release_all(worker->consumer, worker->batch->records, worker->batch->records_count);
    worker->batch->records_count = 0;
    worker->batch->records_done = 0;
    worker_leave_transaction(worker);
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
