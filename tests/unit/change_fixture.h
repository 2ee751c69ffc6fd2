/* change_fixture.h - a plain change of the list; what matters to a test is set on top. */
#ifndef CHECKIT_TESTS_CHANGE_FIXTURE_H
#define CHECKIT_TESTS_CHANGE_FIXTURE_H

#include "pipeline/entry.h"

/* number NULL: a withdrawal. Borrows both texts. */
static inline struct change change_make(const char *id, const char *number, int64_t revision)
{
    return (struct change){.entry_id = bytes_of_text(id),
                           .op = number ? CHANGE_UPSERT : CHANGE_WITHDRAW,
                           .revision = revision,
                           .number = bytes_of_text(number),
                           .issuer = bytes_of_text("FRA"),
                           .type = bytes_of_text("PASSPORT"),
                           .contributor = bytes_of_text("contributor"),
                           .reported_on = DATE_NONE,
                           .lost_on = DATE_NONE,
                           .expiry = DATE_NONE,
                           .review_on = DATE_NONE};
}

#endif
