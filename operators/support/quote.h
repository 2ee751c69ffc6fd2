/* quote.h - a text from outside made fit to be quoted in a record of ours: valid UTF-8 (RFC 3629)
 * and not too long. Readers in other languages stop at a string that is not UTF-8, so one bad byte
 * in an event must not make its alert unreadable.
 */
#ifndef CHECKIT_QUOTE_H
#define CHECKIT_QUOTE_H

#include "pipeline/base/bytes.h"

/* Bits of *faults: what had to be changed. */
enum {
    QUOTE_CUT = 1,    /* longer than the capacity: cut between two characters */
    QUOTE_INVALID = 2 /* each byte that belongs to no character stands as U+FFFD */
};

/* Copies text to out, at most capacity bytes, and sets bits of *faults (others stay). The answer
 * borrows out; data is NULL when text.data is. */
struct bytes quote_text(struct bytes text, uint8_t *out, size_t capacity, unsigned *faults);

/* For a message to a person: one line that does nothing to a terminal. Cut to what fits out, the
 * NUL included; what is no UTF-8 is U+FFFD, a control character '?'. Returns out. */
const char *quote_line(struct bytes text, char *out, size_t out_size);

#endif
