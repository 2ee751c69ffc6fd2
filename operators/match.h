/* match.h - looks every subject of the window up in the list and judges what it finds (rules 5).
 *
 * Reads: forms, the store. Writes: keys, hits. Every subject is probed for under its issuer; only
 * where the rules call for it also without a check digit, under its nationality, and for its number
 * alone while the gate of its shape is open; and it is looked for in ranges where its issuer has
 * any. Almost every subject ends there; for the others the entries under the key are read and
 * rules_judge decides. Works inside store_enter and store_leave, so a change never hides a listed
 * document (design 4). When the hits are full it stops there, within an entry list too, and goes on
 * in the next round. An entry that changes while it is looked up may be found in two places: it is
 * a hit once.
 */
#ifndef CHECKIT_MATCH_STEP_H
#define CHECKIT_MATCH_STEP_H

#include "pipeline/operator.h"

extern const struct operator_step match_step;

#endif
