/* reload.h - SIGHUP: the configuration of a running screener read again.
 *
 * All is judged before anything is taken: a fault in the file, in what it names of the rules, or
 * other country codes, and the old one stays. Every outcome is one line in the log and a count in
 * the metrics. Keys that need a restart are named each time until there is one.
 */
#ifndef CHECKIT_RELOAD_H
#define CHECKIT_RELOAD_H

#include "pipeline/config.h"
#include "pipeline/run/screener.h"

/* Everything is borrowed. */
struct reload {
    const char *path;
    struct config *running; /* what the screener was opened with */
    struct screener *screener;
};

/* On the thread of screener_run, out of its wait. */
void reload_now(const struct reload *reload);

#endif
