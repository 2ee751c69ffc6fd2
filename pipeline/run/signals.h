/* signals.h - SIGTERM, SIGINT and SIGHUP as a condition to wait for, instead of a handler. */
#ifndef CHECKIT_SIGNALS_H
#define CHECKIT_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/* Before any thread is started: from then on the signals wait to be asked for. */
void signals_block(void);

/* The same with SIGHUP, for a process that reads its configuration again. */
void signals_block_with_reload(void);

enum signals_event { SIGNALS_NONE, SIGNALS_STOP, SIGNALS_RELOAD };

/* Waits at most ms for one of them, SIGHUP too. */
enum signals_event signals_next(uint32_t ms);

/* Waits at most ms; true once one of the signals came. A screener_wait; state is not used. */
bool signals_wait(void *state, uint32_t ms);

/* Ends the process as SIGTERM would have without signals_block: for a thread that waited while the
 * others cannot be woken. */
void signals_end(void);

#endif
