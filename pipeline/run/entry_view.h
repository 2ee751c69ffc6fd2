/* entry_view.h - one entry of the list, with all an officer may ask of it: number included, for its
 * owner's eyes. */
#ifndef CHECKIT_ENTRY_VIEW_H
#define CHECKIT_ENTRY_VIEW_H

#include <stdio.h>

#include "operators/support/json.h"
#include "operators/support/rule_data.h"
#include "operators/support/store.h"

/* {"entry_id", "state", "revision", ...}; with `tiers`, what documents it would answer and how, as
 * the rules judge documents that differ from it in one way each. gate: of its number's shape; NULL:
 * a closed one. The caller's: json_close. */
struct json *entry_view(const struct rule_data *rules, const struct entry *entry,
                        const struct gate *gate);

/* The same as a text of lines. view: what entry_view made, or its like read back. */
void entry_view_write(const struct json *view, FILE *out);

#endif
