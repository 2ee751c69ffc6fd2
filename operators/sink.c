#include "operators/sink.h"

#include "operators/support/dead_letters.h"
#include "operators/support/kafka.h"
#include "pipeline/base/memory.h"
#include "pipeline/config.h"
#include "pipeline/counters.h"
#include "pipeline/ledger.h"
#include "pipeline/tag.h"

struct sink {
    struct environment environment;
};

static enum status sink_open(const struct environment *environment, void **state, struct error *err)
{
    (void)err;
    struct sink *sink = memory_new(1, sizeof *sink);
    sink->environment = *environment;
    *state = sink;
    return STATUS_OK;
}

static void sink_close(void *state)
{
    memory_free(state);
}

static enum status send_alert(struct sink *sink, const struct batch *batch, const struct hit *hit,
                              struct error *err)
{
    struct ledger *ledger = sink->environment.ledger;
    const struct record *record = &batch->records[batch->subject_records[hit->subject]];
    if (record->status == RECORD_FORGOTTEN)
        return STATUS_OK; /* its partition is another's now, who screens it again */
    const struct config *config = sink->environment.config;
    bool is_test = hit->entry.flags & ENTRY_TEST;
    if (is_test && config->lacks_alerts_test) { /* for nobody but those who test */
        ledger_count_hit(ledger, record, hit->tier);
        return STATUS_OK;
    }
    int64_t timestamp_ms = record->origin.timestamp_ms;
    struct tag tag = {TAG_ALERT, ledger_interval(ledger),
                      timestamp_ms > 0 ? (uint64_t)timestamp_ms : 0};
    struct kafka_message message = {
        .topic = is_test ? config->alerts_test_topic : config->alerts_topic,
        .key = hit->key,
        .payload = hit->payload,
        .partition = -1,
        .opaque = tag_pack(tag),
    };
    TRY(kafka_produce(sink->environment.producer, &message, err));
    ledger_sent(ledger);
    ledger_count_hit(ledger, record, hit->tier);
    return STATUS_OK;
}

static enum status send_dead_letters(struct sink *sink, struct batch *batch, struct error *err)
{
    uint32_t window_size = batch->window_end - batch->records_done;
    for (; batch->dead_letters_sent < window_size; batch->dead_letters_sent++) {
        const struct record *record =
            &batch->records[batch->records_done + batch->dead_letters_sent];
        if (!record_is_dead_letter(record))
            continue;
        TRY(dead_letters_send(sink->environment.dead_letters, record, err));
        struct counters *counters = sink->environment.counters;
        counters_add(&counters->dead_letters[record->status], 1);
        counters_add(&counters->offsets_lost, record->offsets_lost);
    }
    return STATUS_OK;
}

static void close_window(struct sink *sink, struct batch *batch)
{
    ledger_count_window(sink->environment.ledger, batch);
    if (batch->window_is_slice) {
        struct record *record = &batch->records[batch->records_done];
        record->documents_done += record->subjects_count;
        batch->window_end = batch->records_done;
        return;
    }
    uint64_t records = 0;
    for (uint32_t i = batch->records_done; i < batch->window_end; i++) {
        uint8_t status = batch->records[i].status;
        records += status != RECORD_HELD && status != RECORD_FORGOTTEN;
    }
    counters_add(&sink->environment.counters->records, records);
    batch->records_done = batch->window_end;
}

static enum status sink_process(void *state, struct batch *batch, struct error *err)
{
    struct sink *sink = state;
    if (!batch_window_is_open(batch))
        return STATUS_OK;
    for (; batch->hits_sent < batch->hits_count; batch->hits_sent++)
        TRY(send_alert(sink, batch, &batch->hits[batch->hits_sent], err));
    if (!batch_window_is_matched(batch))
        return STATUS_OK; /* the hits were full: match goes on */
    TRY(send_dead_letters(sink, batch, err));
    close_window(sink, batch);
    return STATUS_OK;
}

const struct operator_step sink_step = {"sink", sink_open, sink_process, sink_close};
