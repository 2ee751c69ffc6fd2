/* vitals.h - what a screening process shows of itself: gathers a view (view.h) from its threads
 * whenever someone asks over HTTP for /livez, /readyz or /metrics.
 *
 * While they work, the threads only leave marks (atomic stores) and never wait for who looks. With
 * `http.listen: off` the marks are left and nobody listens.
 */
#ifndef CHECKIT_VITALS_H
#define CHECKIT_VITALS_H

#include "pipeline/base/address.h"
#include "pipeline/base/status.h"
#include "pipeline/config.h"
#include "pipeline/list_state.h"
#include "pipeline/run/heartbeat.h"
#include "pipeline/run/lag.h"
#include "pipeline/run/worker.h"

struct vitals;

/* A thread by name: a worker's index, or the feed. */
enum { VITALS_FEED = WORKERS_MAX, VITALS_THREADS };

/* Answers from now on. Both are borrowed until vitals_close. *out is the caller's. */
enum status vitals_open(const struct config *config, const struct list_state *list,
                        struct vitals **out, struct error *err) MUST_USE;

/* Where it answers, with the port it got; false when it does not. */
bool vitals_address(const struct vitals *vitals, char out[ADDRESS_TEXT_SIZE]);

/* From then on nothing that was shown is looked at. */
void vitals_close(struct vitals *vitals);

/* The store, until another is shown; NULL: none. When the call returns, the one before is not
 * looked at any more. */
void vitals_show_store(struct vitals *vitals, const struct store *store);

/* A worker, until vitals_close; its Kafka clients until its thread has ended. */
void vitals_show_worker(struct vitals *vitals, uint32_t index, const struct worker *worker);

/* Where the feed tells its lag; lives until vitals_close. */
struct lag *vitals_feed_lag(struct vitals *vitals);

/* Until vitals_close. */
void vitals_show_heartbeat(struct vitals *vitals, const struct heartbeat_state *state);

/* The configuration was read again, and taken or refused. */
void vitals_reloaded(struct vitals *vitals, bool ok);

/* What /readyz answers, with the worst fault in a line as health.h has it. From any thread; waits
 * for who looks just now. */
bool vitals_is_ready(struct vitals *vitals, char *out, size_t out_size);

/* What /livez answers. From any thread. */
bool vitals_is_live(const struct vitals *vitals);

/* The loop of a thread comes round; it has ended. */
void vitals_round(struct vitals *vitals, uint32_t thread);
void vitals_ended(struct vitals *vitals, uint32_t thread); /* waits for who looks just now */

#endif
