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
    BLOCKED_POLL_MS = 5,
    BLOCKED_RECORDS = 16,
    FEED_PARTITIONS_MAX = 1024,
    RECEIPT_BYTES_MAX = 64 * 1024,
    GROUP_CHECK_MS = 1000,
    END_CHECK_MS = 100,
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

    bool blocked; /* output does not take more, or the list is too old: everything is paused */
    bool stopped; /* no commit any more */

    /* A callback cannot return a failure: it leaves it here for the step that caused the call. */
    enum status callback_status;
    struct error callback_error;

    const struct kafka_position *ends;
    uint32_t ends_count;
    _Atomic uint32_t partitions;
    bool at_end; /* all partitions held that have an end reached it */
    _Atomic uint32_t ends_reached;
    _Atomic bool group_at_end;
    uint64_t end_checked_ns;
    uint64_t group_asked_ns;
    _Atomic uint64_t first_record_ns;
    _Atomic uint64_t last_record_ns;

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

static enum status send_receipt(struct worker *worker, const struct ledger_slot *slot,
                                struct error *err)
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
    return STATUS_OK;
}

/* Sends a receipt for every partition that moved, then closes. STATUS_RETRY: the output is blocked,
 * and the next call goes on where this one stopped; no record is screened in between. */
static enum status close_interval(struct worker *worker, struct error *err)
{
    if (!worker->closing) {
        if (ledger_is_full(worker->ledger))
            return STATUS_OK;
        worker->closing = true;
        worker->receipts_next = 0;
    }
    for (; worker->receipts_next < ledger_slots(worker->ledger); worker->receipts_next++) {
        const struct ledger_slot *slot = ledger_slot(worker->ledger, worker->receipts_next);
        if (slot && slot->next_offset != slot->from_offset)
            TRY(send_receipt(worker, slot, err));
    }
    ledger_close_interval(worker->ledger, clock_wall_ms());
    begin_interval(worker);
    POINT("worker_after_receipts");
    return STATUS_OK;
}

/* Commits what everything sent has been reported delivered for. */
static enum status commit_settled(struct worker *worker, bool sync, struct error *err)
{
    uint32_t count = ledger_take_settled(worker->ledger, worker->settled, WORKER_PARTITIONS_MAX);
    if (count == 0)
        return STATUS_OK;
    for (uint32_t i = 0; i < count; i++)
        worker->positions[i] = (struct kafka_position){
            worker->settled[i].input, worker->settled[i].partition, worker->settled[i].offset};
    POINT("worker_before_commit");
    enum status status = kafka_commit(worker->consumer, worker->positions, count, sync, err);
    if (status == STATUS_OK)
        counters_add(&worker->counters.commits, 1);
    if (status != STATUS_ABORT)
        return status;
    LOG_WARN("worker", "commit refused, the partitions are another's now: they screen again",
             LOG_TEXT("reason", err->text));
    return STATUS_OK;
}

static uint64_t interval_ns(const struct worker *worker)
{
    return (uint64_t)worker->config->commit_interval_ms * NS_PER_MS;
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

/* What was held at the end is not what is held now: looked at again. */
static void forget_end(struct worker *worker)
{
    worker->at_end = false;
    atomic_store(&worker->ends_reached, 0);
    atomic_store(&worker->group_at_end, false);
}

static void on_assigned(void *state, const struct kafka_position *positions, uint32_t count)
{
    struct worker *worker = state;
    forget_end(worker);
    counters_add(&worker->counters.rebalances, 1);
    for (uint32_t i = 0; i < count; i++) {
        if (!ledger_take(worker->ledger, positions[i].topic, positions[i].partition,
                         positions[i].offset)) {
            struct error err;
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
}

/* Everything sent so far delivered and committed, or given up at the deadline. */
static enum status settle(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    enum status status = close_interval(worker, err);
    while (status == STATUS_RETRY && clock_monotonic_ns() < deadline_ns) {
        TRY(kafka_producer_poll(worker->producer, BLOCKED_POLL_MS, err));
        TRY(take_failure(worker, err));
        status = close_interval(worker, err);
    }
    while (status == STATUS_OK && ledger_in_flight(worker->ledger) > 0) {
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= deadline_ns)
            return STATUS_RETRY;
        status = kafka_flush(worker->producer, (uint32_t)((deadline_ns - now_ns) / NS_PER_MS), err);
        TRY(take_failure(worker, err));
        if (status == STATUS_OK)
            status = dead_letters_resend(worker->dead_letters, err);
    }
    return status == STATUS_OK ? commit_settled(worker, true, err) : status;
}

static void forget_records(struct worker *worker, const struct kafka_position *position)
{
    for (uint32_t i = worker->batch->records_done; i < worker->batch->records_count; i++) {
        struct record *record = &worker->batch->records[i];
        if (record->origin.input == position->topic &&
            record->origin.partition == position->partition)
            record->status = RECORD_FORGOTTEN;
    }
}

/* The batch was worked off before the poll that leads here, but while the output is blocked: then
 * what is left of these partitions is forgotten, and their next owner screens it. */
static void on_revoked(void *state, const struct kafka_position *positions, uint32_t count,
                       bool lost)
{
    struct worker *worker = state;
    forget_end(worker);
    counters_add(&worker->counters.rebalances, 1);
    if (!lost && !worker->stopped) {
        struct error err = {0};
        uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)REVOKE_DEADLINE_MS * NS_PER_MS;
        enum status status = settle(worker, deadline_ns, &err);
        if (status == STATUS_RETRY)
            LOG_WARN("worker",
                     "not everything was delivered when partitions were revoked: no commit",
                     LOG_INTEGER("in_flight", ledger_in_flight(worker->ledger)));
        else
            keep_failure(worker, status, &err);
    }
    for (uint32_t i = 0; i < count; i++) {
        forget_records(worker, &positions[i]);
        if (ledger_find(worker->ledger, positions[i].topic, positions[i].partition) !=
            LEDGER_SLOT_NONE)
            atomic_fetch_sub(&worker->partitions, 1);
        ledger_drop(worker->ledger, positions[i].topic, positions[i].partition);
    }
    LOG_INFO("worker", lost ? "partitions lost" : "partitions revoked",
             LOG_INTEGER("worker", worker->environment.worker), LOG_INTEGER("count", count));
}

/* --- blocked output --- */

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
    return pause ? kafka_pause(worker->consumer, worker->positions, count, err)
                 : kafka_resume(worker->consumer, worker->positions, count, err);
}

/* A record that slipped through the pause is read again later. */
static enum status put_back(struct worker *worker, struct record *record, struct error *err)
{
    int32_t index = ledger_find(worker->ledger, record->origin.input, record->origin.partition);
    enum status status = STATUS_OK;
    if (index != LEDGER_SLOT_NONE) {
        struct ledger_slot *slot = ledger_slot(worker->ledger, (uint32_t)index);
        struct kafka_position position = {slot->input, slot->partition, record->origin.offset};
        if (!slot->sought)
            status = kafka_seek(worker->consumer, &position, 1, err);
        if (status == STATUS_RETRY)
            status = error_fail(err, EX_UNAVAILABLE, "a record could not be put back: %s",
                                worker->config->inputs[slot->input].topic);
        slot->sought = true;
    }
    kafka_release(record);
    return status;
}

/* when_stale: hold (design 5). */
static bool must_hold(const struct worker *worker)
{
    return worker->config->feed_hold_when_stale && atomic_load(&worker->environment.list->stale);
}

/* Keeps the group membership alive while nothing can be sent or screened. */
static enum status wait_for_output(struct worker *worker, struct error *err)
{
    if (!worker->blocked)
        LOG_WARN("worker",
                 must_hold(worker) ? "the list is stale: reading is paused"
                                   : "output is blocked: reading is paused",
                 LOG_INTEGER("worker", worker->environment.worker));
    worker->blocked = true;
    TRY(pause_or_resume(worker, true, err)); /* each time: partitions may have come */
    struct record records[BLOCKED_RECORDS];
    uint32_t count = 0;
    TRY(kafka_poll(worker->consumer, records, BLOCKED_RECORDS, BLOCKED_POLL_MS, &count, err));
    for (uint32_t i = 0; i < count; i++)
        TRY(put_back(worker, &records[i], err));
    return STATUS_OK;
}

static enum status resume_output(struct worker *worker, struct error *err)
{
    worker->blocked = false;
    LOG_INFO("worker", "reading goes on", LOG_INTEGER("worker", worker->environment.worker));
    return pause_or_resume(worker, false, err);
}

/* --- the round --- */

/* An end counts once all that was sent has been delivered: stopping then has little to wait for. */
static void count_ends(struct worker *worker)
{
    if (ledger_in_flight(worker->ledger) > 0)
        return;
    uint32_t held = 0;
    uint32_t reached = 0;
    for (uint32_t i = 0; i < worker->ends_count; i++) {
        const struct kafka_position *end = &worker->ends[i];
        int32_t index = ledger_find(worker->ledger, end->topic, end->partition);
        if (index == LEDGER_SLOT_NONE)
            continue;
        held++;
        reached += ledger_slot(worker->ledger, (uint32_t)index)->next_offset >= end->offset;
    }
    worker->at_end = reached == held;
    atomic_store(&worker->ends_reached, reached);
}

/* Whether what others hold was committed up to its end. */
static enum status others_are_at_end(struct worker *worker, bool *at_end, struct error *err)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < worker->ends_count && count < WORKER_PARTITIONS_MAX; i++) {
        const struct kafka_position *end = &worker->ends[i];
        if (ledger_find(worker->ledger, end->topic, end->partition) == LEDGER_SLOT_NONE)
            worker->positions[count++] = *end;
    }
    *at_end = true;
    if (count == 0)
        return STATUS_OK;
    enum status status = kafka_committed(worker->consumer, worker->positions, count, err);
    *at_end = status == STATUS_OK;
    if (status != STATUS_OK)
        return status == STATUS_RETRY ? STATUS_OK : status; /* asked again in a second */
    uint32_t next = 0;                                      /* positions are in the order of ends */
    for (uint32_t i = 0; i < worker->ends_count && next < count; i++) {
        const struct kafka_position *end = &worker->ends[i];
        const struct kafka_position *committed = &worker->positions[next];
        if (committed->topic != end->topic || committed->partition != end->partition)
            continue;
        next++;
        if (committed->offset < end->offset && end->offset > 0)
            *at_end = false;
    }
    return STATUS_OK;
}

/* --until-end: looks whether it is reached, whenever a poll brought nothing, and from time to time
 * where there is always more to read. */
static enum status check_end(struct worker *worker, struct error *err)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (worker->batch->records_count > 0 &&
        now_ns - worker->end_checked_ns < (uint64_t)END_CHECK_MS * NS_PER_MS)
        return STATUS_OK;
    worker->end_checked_ns = now_ns;
    if (!worker->at_end) {
        TRY(ask_positions(worker, err));
        count_ends(worker);
    }
    if (!worker->at_end || atomic_load(&worker->group_at_end) ||
        now_ns - worker->group_asked_ns < (uint64_t)GROUP_CHECK_MS * NS_PER_MS)
        return STATUS_OK;
    worker->group_asked_ns = now_ns;
    bool at_end = false;
    TRY(others_are_at_end(worker, &at_end, err));
    atomic_store(&worker->group_at_end, at_end);
    return STATUS_OK;
}

/* Reports, dead letters to be sent again, commits and the end of the interval. STATUS_RETRY: the
 * output is blocked. */
static enum status housekeeping(struct worker *worker, struct error *err)
{
    TRY(kafka_producer_poll(worker->producer, 0, err));
    TRY(take_failure(worker, err));
    TRY(dead_letters_resend(worker->dead_letters, err));
    TRY(commit_settled(worker, false, err));
    if (worker->closing)
        return close_interval(worker, err);
    if (clock_monotonic_ns() - worker->interval_began_ns < interval_ns(worker))
        return STATUS_OK;
    TRY(ask_positions(worker, err));
    return close_interval(worker, err);
}

enum status worker_step(struct worker *worker, struct error *err)
{
    enum status status = housekeeping(worker, err);
    if (status == STATUS_OK && must_hold(worker))
        status = STATUS_RETRY;
    if (status == STATUS_OK)
        status = worker->blocked ? line_drain(&worker->line, worker->batch, err)
                                 : line_round(&worker->line, worker->batch, err);
    if (status == STATUS_RETRY)
        status = wait_for_output(worker, err);
    else if (status == STATUS_OK && worker->blocked)
        status = resume_output(worker, err);
    if (status != STATUS_OK)
        return status;
    TRY(take_failure(worker, err));

    if (worker->batch->records_count > 0) {
        uint64_t now_ns = clock_monotonic_ns();
        if (atomic_load(&worker->first_record_ns) == 0)
            atomic_store(&worker->first_record_ns, now_ns);
        atomic_store(&worker->last_record_ns, now_ns);
    }
    return worker->ends ? check_end(worker, err) : STATUS_OK;
}

/* Works off what was read, and commits it once it is delivered. */
static enum status finish(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    enum status status = STATUS_OK;
    while (!batch_is_drained(worker->batch) && status == STATUS_OK &&
           clock_monotonic_ns() < deadline_ns) {
        TRY(kafka_producer_poll(worker->producer, 0, err));
        TRY(take_failure(worker, err));
        status = line_drain(&worker->line, worker->batch, err);
        if (status == STATUS_RETRY)
            status = kafka_producer_poll(worker->producer, BLOCKED_POLL_MS, err);
    }
    if (status == STATUS_OK && batch_is_drained(worker->batch))
        status = ask_positions(worker, err);
    else if (status == STATUS_OK)
        status = STATUS_RETRY;
    if (status == STATUS_OK)
        status = settle(worker, deadline_ns, err);
    if (status == STATUS_RETRY)
        return error_fail(err, EX_UNAVAILABLE,
                          "stopped with %" PRIu64 " messages undelivered: not committed, what they "
                          "belong to is screened again at the next start",
                          ledger_in_flight(worker->ledger));
    return status;
}

/* Messages go back before the consumer, which in closing may still revoke. */
static void leave(struct worker *worker)
{
    worker->stopped = true;
    for (uint32_t i = 0; i < worker->batch->records_count; i++)
        kafka_release(&worker->batch->records[i]);
    worker->batch->records_count = 0;
    worker->batch->records_done = 0;
    kafka_consumer_close(worker->consumer);
    worker->consumer = NULL;
}

enum status worker_stop(struct worker *worker, uint64_t deadline_ns, struct error *err)
{
    worker->stopped = true;
    enum status status = finish(worker, deadline_ns, err);
    leave(worker);
    return status;
}

uint32_t worker_partitions(const struct worker *worker)
{
    return atomic_load(&worker->partitions);
}

uint32_t worker_ends_reached(const struct worker *worker)
{
    return atomic_load(&worker->ends_reached);
}

bool worker_group_is_at_end(const struct worker *worker)
{
    return atomic_load(&worker->group_at_end);
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

/* --- open and close --- */

static enum status open_parts(struct worker *worker, uint32_t index, struct error *err)
{
    char client[64];
    (void)snprintf(client, sizeof client, "worker-%" PRIu32, index);
    struct kafka_reports reports = {worker, on_report};
    TRY(kafka_producer_open(worker->config, client, &reports, &worker->producer, err));
    worker->dead_letters = dead_letters_open(worker->config, worker->producer, worker->ledger);
    struct kafka_rebalance rebalance = {worker, on_assigned, on_revoked};
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
    worker->ends = settings->ends;
    worker->ends_count = settings->ends_count;
    worker->batch = batch_open();
    worker->ledger = ledger_open();
    begin_interval(worker);
    enum status status = open_parts(worker, index, err);
    if (status != STATUS_OK) {
        worker_close(worker);
        return status;
    }
    *out = worker;
    return STATUS_OK;
}

/* The ledger goes last: the consumer may still revoke as it closes. */
void worker_close(struct worker *worker)
{
    if (!worker)
        return;
    leave(worker);
    line_close(&worker->line);
    kafka_producer_close(worker->producer);
    dead_letters_close(worker->dead_letters);
    batch_close(worker->batch);
    ledger_close(worker->ledger);
    memory_free(worker);
}
