/* list_state.h - what the feed thread tells the workers about the list. Any thread reads. */
#ifndef CHECKIT_LIST_STATE_H
#define CHECKIT_LIST_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/histogram.h"

struct list_state {
    _Atomic int64_t at_end_ms; /* wall clock when the feed was last at its end; 0: never */
    _Atomic bool ready;        /* workers may screen */
    _Atomic bool connected;    /* the feed is being read */
    _Atomic uint64_t changes_applied;
    _Atomic uint64_t changes_older;       /* a lower revision than the entry's */
    _Atomic uint64_t changes_skipped;     /* invalid: logged with topic, partition, offset */
    struct histogram change_to_effect_ms; /* record timestamp to applied in the store */
    _Atomic bool stale;                   /* ready without the feed being reached (design 5) */
};

#endif
