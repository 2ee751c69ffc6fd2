/* health.h - is a screening process alive, and is it doing its work? As JSON, for probes and
 * people.
 *
 * Live: every thread's loop comes round. A thread may wait long for a broker (a rebalance asks
 * three questions of up to 65 s and settles for 10 s), so only LIVE_MS of silence mean that it
 * hangs and that a restart may help.
 *
 * Ready: it screens, or has nothing to screen. Each check is ok, degraded (screening goes on, and
 * someone should look) or failed (not ready):
 *
 *   list         failed    feed_unreachable, list_not_read (before the list was read for the first
 *                          time), list_stale with `when_stale: hold`
 *                degraded  feed_unreachable, list_stale
 *   workers      failed    workers_waiting (for the list), workers_starting, output_blocked (for
 *                          BLOCKED_MS or more), worker_silent
 *   partitions   failed    joining_group, all_held
 *                degraded  partitions_held (their schema is not known)
 */
#ifndef CHECKIT_HEALTH_H
#define CHECKIT_HEALTH_H

#include "pipeline/base/buffer.h"
#include <stdbool.h>
#include <stddef.h>

#include "pipeline/run/view.h"

enum {
    HEALTH_LIVE_MS = 300000,
    HEALTH_SILENT_MS = 30000, /* of a worker: its partitions are not screened meanwhile */
    HEALTH_BLOCKED_MS = 5000, /* a full queue drains in less, when the brokers take anything */
};

/* Whether the process is ready: what health_write_ready answers. */
bool health_is_ready(const struct view *view);

/* The same, with the worst fault in a line for people: "ready" when there is none. */
bool health_summarize(const struct view *view, char *out, size_t out_size);

/* A JSON object and a newline; the answer's status code, 200 or 503. */
uint32_t health_write_live(const struct view *view, struct buffer *out);
uint32_t health_write_ready(const struct view *view, struct buffer *out);

#endif
