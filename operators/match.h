/* match.h - looks every subject of the window up in the list and judges what it finds (rules 5).
 *
 * Reads: forms, the store. Writes: keys, hits. Almost every subject ends at the filter; for the
 * others the entries under the key are read and rules_judge decides. Works inside store_enter and
 * store_leave, so a change never hides a listed document (design 4). When the hits are full it
 * stops there, within an entry list too, and goes on in the next round.
 */
#ifndef CHECKIT_MATCH_STEP_H
#define CHECKIT_MATCH_STEP_H

#include "pipeline/operator.h"

extern const struct operator_step match_step;

#endif
