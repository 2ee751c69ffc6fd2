/* change_send.h - sends records of document-changes, and waits until every one is delivered.
 *
 * Reports come from all replicas in sync (kafka.h: acks=all, idempotent), so records of one entry
 * keep their order. When one cannot be delivered, nothing for timeout_s, or the caller stops it,
 * what is queued is given up and the error says how many were delivered; sending all again does no
 * harm, since revisions decide. The topic must exist: a topic that a broker makes by itself would
 * not be compacted.
 *
 * One thread. Memory: what memory_mb of the configuration gives the producer. Cost: 1.5 µs of CPU a
 * change; a million in 2.9 s to a broker on the same two cores (Kafka 4.1, 130 bytes each).
 */
#ifndef CHECKIT_CHANGE_SEND_H
#define CHECKIT_CHANGE_SEND_H

#include "pipeline/config.h"
#include "pipeline/run/change_list.h"

/* Everything is borrowed for the call. */
struct change_send_settings {
    const struct config *config; /* feed_topic, and how to reach Kafka */
    struct change_list *list;    /* finished; sent to its end */
    struct change_counts counts; /* of the list */
    uint32_t timeout_s;
    struct progress *progress;
    bool (*stopped)(void *state); /* asked now and then; true gives up */
    void *stopped_state;
};

/* *delivered is what has its report, also on failure. STATUS_FAIL: EX_UNAVAILABLE, or EX_CONFIG for
 * settings the client refuses. */
enum status change_send(const struct change_send_settings *settings,
                        struct change_counts *delivered, struct error *err) MUST_USE;

#endif
