/* rules.h - what counts as a hit (rules 5): one pure function over a document and an entry.
 *
 * In this version the tiers EXACT and TYPE_DIFFERS; the others join the same function.
 */
#ifndef CHECKIT_RULES_H
#define CHECKIT_RULES_H

#include "operators/support/rule_data.h"
#include "pipeline/document.h"
#include "pipeline/entry.h"
#include "pipeline/hit.h"

/* Fills tier, class, confidence and flags of *hit and copies the entry into it; false: no hit.
 * A withdrawn entry never hits. ENTRY_EXPIRED depends on the event and is set by alert. */
bool rules_judge(const struct rule_data *data, const struct canonical *document,
                 const struct entry *entry, struct hit *hit);

#endif
