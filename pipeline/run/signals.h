/* signals.h - SIGTERM and SIGINT as a condition to wait for, instead of a handler. */
#ifndef CHECKIT_SIGNALS_H
#define CHECKIT_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/* Before any thread is started: from then on the signals wait to be asked for. */
void signals_block(void);

/* Waits at most ms; true once one of the signals came. A screener_wait; state is not used. */
bool signals_wait(void *state, uint32_t ms);

/* Ends the process as SIGTERM would have without signals_block: for a thread that waited while the
 * others cannot be woken. */
void signals_end(void);

#endif
