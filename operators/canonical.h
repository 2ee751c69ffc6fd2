/* canonical.h - brings every document of the window into canonical form (rules 2 and 3).
 *
 * Reads: documents. Writes: forms; a document equal to an earlier one of its record is marked
 * DUPLICATE, the first standing for all (rules 5). Unscreenable ones and specimens are counted.
 */
#ifndef CHECKIT_CANONICAL_STEP_H
#define CHECKIT_CANONICAL_STEP_H

#include "pipeline/operator.h"

extern const struct operator_step canonical_step;

#endif
