/* verdict.h - compares what was alerted with the truth.
 *
 * Both are lines: topic,event_id,entry_id,tier,class. Alerts of one sighting count once, since
 * delivery is at least once; besides that a line is found as often as it is true, and what is
 * alerted beyond that is false. Memory: a line each. One thread.
 */
#ifndef CHECKIT_VERDICT_H
#define CHECKIT_VERDICT_H

#include <stdint.h>
#include <stdio.h>

#include "pipeline/base/bytes.h"

struct verdict;

struct verdict_counts {
    uint64_t planted;
    uint64_t found;
    uint64_t missed;      /* planted and not alerted */
    uint64_t false_count; /* alerted and not planted */
};

struct verdict *verdict_open(void);
void verdict_close(struct verdict *verdict);

/* lines: none, one or more, each with its end. */
void verdict_add_truth(struct verdict *verdict, struct bytes lines);

/* line: without an end. sighting: what repetitions are told by. */
void verdict_add_alert(struct verdict *verdict, struct bytes line, struct bytes sighting);

/* examples: the first few of what is missed and false are written there; may be NULL. */
struct verdict_counts verdict_count(struct verdict *verdict, FILE *examples);

#endif
