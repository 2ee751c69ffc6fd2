/* list_state.h - what the feed thread tells the workers about the list. Any thread reads. */
#ifndef CHECKIT_LIST_STATE_H
#define CHECKIT_LIST_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct list_state {
    _Atomic int64_t at_end_ms; /* wall clock when the feed was last at its end; 0: never */
    _Atomic bool ready;        /* workers may screen */
    _Atomic bool stale;        /* ready without the feed being reached (design 5) */
};

#endif
