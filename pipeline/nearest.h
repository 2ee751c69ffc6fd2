/* nearest.h - the name someone probably meant: for messages about unknown keys, options and
 * commands. Edit distance with neighbours swapped counted once; case does not count. */
#ifndef CHECKIT_NEAREST_H
#define CHECKIT_NEAREST_H

#include <stddef.h>

enum { NEAREST_SIZE_MAX = 48 }; /* longer names are never near anything */

/* One of the names (NULL ones are passed over) that differs from text by at most a third of its
 * length (rounded up), the first of the nearest; NULL when there is none. */
const char *nearest_name(const char *text, const char *const *names, size_t count);

#endif
