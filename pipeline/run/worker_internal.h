/* worker_internal.h - what the parts of a worker share; private to worker_*.c. */
#ifndef CHECKIT_WORKER_INTERNAL_H
#define CHECKIT_WORKER_INTERNAL_H

#include "operators/support/dead_letters.h"
#include "operators/support/store.h"
#include "pipeline/base/clock.h"
#include "pipeline/ledger.h"
#include "pipeline/run/line.h"
#include "pipeline/run/worker.h"

enum {
    WORKER_FEED_PARTITIONS_MAX = 1024,
    WORKER_RECEIPT_BYTES_MAX = 64 * 1024,
    WORKER_BLOCKED_POLL_MS = 5,
    WORKER_COMMITTED_MS = 2000, /* a question about commits; nothing is screened meanwhile */
    NS_PER_MS = 1000000,
};

/* With transactions: what can be done with the one that is open, or with the next. */
enum worker_stage {
    STAGE_SCREENING,  /* what is screened goes into it */
    STAGE_COMMITTING, /* its commit is not answered yet */
    STAGE_ABORTING,   /* it is void, and the broker is yet to be told */
    STAGE_REWINDING,  /* the partitions are yet to go back to their last commit */
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
    bool closes_all;        /* receipts for all that moved, not only for what was sent of */
    uint32_t receipts_next; /* slot index */
    struct feed_offset list_offsets[WORKER_FEED_PARTITIONS_MAX]; /* as the interval began */
    uint32_t list_offsets_count;
    uint8_t receipt[WORKER_RECEIPT_BYTES_MAX];

    enum worker_stage stage;       /* without transactions always STAGE_SCREENING */
    uint64_t transaction_began_ns; /* when its first message was noticed; 0: it is empty */
    uint64_t commit_began_ns;
    uint32_t committing_count;

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

    struct kafka_position positions[WORKER_PARTITIONS_MAX];  /* scratch */
    struct ledger_position settled[WORKER_PARTITIONS_MAX];   /* scratch */
    struct kafka_position committing[WORKER_PARTITIONS_MAX]; /* in STAGE_COMMITTING */
};

static inline uint32_t worker_ms_until(uint64_t deadline_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    return now_ns < deadline_ns ? (uint32_t)((deadline_ns - now_ns) / NS_PER_MS) : 0;
}

/* The first failure of a callback is kept until a step takes it. */
void worker_keep_failure(struct worker *worker, enum status status, const struct error *err);
enum status worker_take_failure(struct worker *worker, struct error *err) MUST_USE;

/* --- intervals and receipts: worker_interval.c --- */

void worker_begin_interval(struct worker *worker);

/* Takes what the consumer skipped, such as transaction markers, into the positions. Only when
 * nothing read is still to be screened, and never from inside a poll. */
enum status worker_ask_positions(struct worker *worker, struct error *err) MUST_USE;

/* Sends a receipt for every partition that moved (without closes_all: and of which something was
 * sent), then closes. STATUS_RETRY: the output is blocked, and the next call goes on where this one
 * stopped; what a stop screens in between has the next interval's receipt. *closed false with
 * STATUS_OK: the ledger is full, the interval goes on. */
enum status worker_close_interval(struct worker *worker, bool *closed, struct error *err) MUST_USE;

/* --- both kinds of delivery: worker_commit.c --- */

/* The producer, ready for use; with transactions, what a predecessor left open is ended. */
enum status worker_open_producer(struct worker *worker, uint32_t index, const _Atomic bool *stop,
                                 struct error *err) MUST_USE;

/* Once a round: reports, dead letters to be sent again, commits and the end of the interval.
 * STATUS_RETRY: nothing can be screened now. */
enum status worker_account(struct worker *worker, struct error *err) MUST_USE;

/* Everything sent so far delivered and committed, or given up at the deadline (STATUS_RETRY).
 * STATUS_ABORT: the partitions are another's already, or the transaction is void; in both cases it
 * is screened again. */
enum status worker_settle(struct worker *worker, uint64_t deadline_ns, struct error *err) MUST_USE;

/* The transaction, if there is one, is not to be committed: the next rounds abort it and go back to
 * the last commit. From anywhere, also from a callback. */
void worker_void(struct worker *worker, const char *reason);

/* Ends what was not committed, before the producer is closed: readers would wait for its end. */
void worker_leave_transaction(struct worker *worker);

/* --- --until-end: worker_ends.c --- */

/* Looks whether it is reached, also while more records keep coming. */
enum status worker_check_ends(struct worker *worker, struct error *err) MUST_USE;
void worker_take_back_ends(struct worker *worker, const struct kafka_position *position);

#endif
