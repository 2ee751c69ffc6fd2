#include "pipeline/run/change_send.h"

#include <inttypes.h>
#include <stdio.h>

#include "operators/support/kafka.h"
#include "pipeline/base/clock.h"

enum {
    RECORDS_BETWEEN_LOOKS = 1024,
    WAIT_MS = 100,             /* for reports, before the next look */
    SETTLE_MS = 2000,          /* for a broker that may be away */
    SETTLE_REFUSED_MS = 10000, /* for the others, when one was refused */
    REASON_SIZE = 256,
};

#define NS_PER_S UINT64_C(1000000000)

struct sender {
    const struct change_send_settings *settings;
    struct kafka_producer *producer;
    struct change_counts *delivered;
    uint64_t accepted; /* by the producer */
    uint64_t reported; /* as delivered */
    uint64_t seen;     /* reported, at the last look */
    uint64_t moved_ns; /* when reported last grew, or sending began */
    bool has_failed;
    char reason[REASON_SIZE]; /* why the first one could not be delivered */
};

/* --- reports --- */

static void on_report(void *state, enum kafka_delivery delivery, uint64_t opaque,
                      const char *reason)
{
    struct sender *sender = state;
    if (delivery != KAFKA_DELIVERED) {
        if (!sender->has_failed)
            (void)snprintf(sender->reason, sizeof sender->reason, "%s", reason);
        sender->has_failed = true;
        return;
    }
    sender->reported++;
    if (opaque == CHANGE_WITHDRAW)
        sender->delivered->withdrawals++;
    else
        sender->delivered->upserts++;
}

/* --- sending --- */

static uint64_t total_of(const struct sender *sender)
{
    return sender->settings->counts.upserts + sender->settings->counts.withdrawals;
}

/* Whether it goes on. */
static enum status look(struct sender *sender, struct error *err)
{
    const struct change_send_settings *settings = sender->settings;
    uint64_t now_ns = clock_monotonic_ns();
    if (sender->reported > sender->seen)
        sender->moved_ns = now_ns;
    sender->seen = sender->reported;
    progress_tell(settings->progress, sender->reported);
    if (sender->has_failed)
        return error_fail(err, EX_UNAVAILABLE, "%s", sender->reason);
    if (settings->stopped(settings->stopped_state))
        return error_fail(err, EX_UNAVAILABLE, "stopped");
    if (now_ns - sender->moved_ns >= settings->timeout_s * NS_PER_S)
        return error_fail(err, EX_UNAVAILABLE, "nothing for %" PRIu32 " s", settings->timeout_s);
    return STATUS_OK;
}

static enum status send_one(struct sender *sender, const struct change_record *record,
                            struct error *err)
{
    const struct kafka_message message = {.topic = sender->settings->config->feed_topic,
                                          .key = record->key,
                                          .payload = record->payload,
                                          .partition = -1,
                                          .opaque = record->op};
    enum status status;
    while ((status = kafka_produce(sender->producer, &message, err)) == STATUS_RETRY) {
        TRY(kafka_producer_poll(sender->producer, WAIT_MS, err));
        TRY(look(sender, err));
    }
    sender->accepted += status == STATUS_OK;
    return status;
}

static enum status send_all(struct sender *sender, struct error *err)
{
    struct change_record record;
    for (;;) {
        TRY(change_list_next(sender->settings->list, &record, err));
        if (!record.key.data)
            break;
        TRY(send_one(sender, &record, err));
        if (sender->accepted % RECORDS_BETWEEN_LOOKS != 0)
            continue;
        TRY(kafka_producer_poll(sender->producer, 0, err));
        TRY(look(sender, err));
    }
    while (sender->reported < sender->accepted) {
        if (kafka_flush(sender->producer, WAIT_MS, err) == STATUS_FAIL)
            return STATUS_FAIL;
        if (sender->reported < sender->accepted)
            TRY(look(sender, err));
    }
    return STATUS_OK;
}

/* Says how far it came: with what is under way, if it arrives soon. */
static enum status give_up(struct sender *sender, struct error *err)
{
    const struct error reason = *err;
    struct error ignored;
    uint32_t settle_ms = sender->has_failed ? SETTLE_REFUSED_MS : SETTLE_MS;
    (void)!kafka_flush(sender->producer, settle_ms, &ignored);
    return error_fail(err, reason.exit_code,
                      "%" PRIu64 " of %" PRIu64 " changes were delivered to %s: %.*s; send all "
                      "again, those that are there do no harm",
                      sender->reported, total_of(sender), sender->settings->config->feed_topic,
                      REASON_SIZE, reason.text);
}

static enum status check_topic(const struct config *config, struct error *err)
{
    struct kafka_consumer *reader = NULL;
    uint32_t partitions = 0;
    TRY(kafka_reader_open(config, config->feed_topic, "send", &reader, err));
    enum status status = kafka_partitions(reader, 0, &partitions, err);
    kafka_consumer_close(reader);
    if (status != STATUS_OK) {
        error_prefix(err, "nothing was sent");
        return STATUS_FAIL;
    }
    if (partitions > 0)
        return STATUS_OK;
    return error_fail(err, EX_UNAVAILABLE,
                      "nothing was sent: topic %s does not exist: create it first, compacted",
                      config->feed_topic);
}

enum status change_send(const struct change_send_settings *settings,
                        struct change_counts *delivered, struct error *err)
{
    *delivered = (struct change_counts){0};
    TRY(check_topic(settings->config, err));
    struct sender sender = {.settings = settings, .delivered = delivered};
    const struct kafka_reports reports = {&sender, on_report};
    TRY(kafka_producer_open(settings->config, "send", &reports, &sender.producer, err));
    progress_begin(settings->progress,
                   &(struct progress_task){"sending", "changes", 1, total_of(&sender)});
    sender.moved_ns = clock_monotonic_ns();
    enum status status = send_all(&sender, err);
    progress_end(settings->progress);
    if (status != STATUS_OK)
        status = give_up(&sender, err);
    kafka_producer_close(sender.producer);
    return status;
}
