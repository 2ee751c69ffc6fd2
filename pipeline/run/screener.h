/* screener.h - a whole screening process: rules, keys, store, feed thread and worker threads. */
#ifndef CHECKIT_SCREENER_H
#define CHECKIT_SCREENER_H

#include <stdbool.h>
#include <stdio.h>

#include "pipeline/base/status.h"
#include "pipeline/config.h"
#include "pipeline/counters.h"
#include "pipeline/list_state.h"

struct screener;

/* Opens everything but the workers and starts the feed thread. A store that is corrupt or stands on
 * other rule data is set aside and read anew from the feed. config is borrowed until close; the
 * heartbeat's topic is added to its inputs, and what has no topic taken away. */
enum status screener_open(struct config *config, struct screener **out, struct error *err) MUST_USE;

/* Waits at most ms; true: the run is to stop. Called again and again, on the caller's thread. */
typedef bool screener_wait(void *state, uint32_t ms);

enum screener_end { SCREENER_UNTIL_STOPPED, SCREENER_UNTIL_END };

/* Screens from when the list is ready until wait says so or, with SCREENER_UNTIL_END, the end
 * offsets seen at the start are reached; then stops gracefully (4 s). Once only. */
enum status screener_run(struct screener *screener, enum screener_end end, screener_wait *wait,
                         void *wait_state, struct error *err) MUST_USE;

/* Rule data of the folder for what is screened from now on, as rule_data_take; on the thread of
 * screener_run, out of its wait. folder NULL: the data compiled in. */
enum status screener_take_rules(struct screener *screener, const char *folder, bool *changed,
                                struct error *err) MUST_USE;

/* For those who watch: the configuration was read again, and taken or refused. */
void screener_note_reload(struct screener *screener, bool ok);

/* One JSON object and a newline: what was screened, found and not, and what it cost. */
void screener_write_summary(const struct screener *screener, FILE *out);

/* Sums of all workers so far; into must be zero. */
void screener_count(const struct screener *screener, struct counters *into);
const struct list_state *screener_list(const struct screener *screener);

/* Live entries of the list now. From screener_run's thread, such as in a screener_wait. */
uint64_t screener_entries(const struct screener *screener);

void screener_close(struct screener *screener);

#endif
