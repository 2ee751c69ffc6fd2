/* line.h - the steps every record goes through, in order: the constant array of line.c. */
#ifndef CHECKIT_LINE_H
#define CHECKIT_LINE_H

#include "pipeline/operator.h"

enum { LINE_STEPS = 6 };

struct line {
    void *states[LINE_STEPS];
    uint32_t opened;
    struct counters *counters;
};

/* Opens every step; on failure those already open are closed. */
enum status line_open(struct line *line, const struct environment *environment,
                      struct error *err) MUST_USE;
void line_close(struct line *line);

/* The steps that read the store, for the one the environment has now. Between two batches: what
 * they keep is of the batch they are in. After a failure the line can only be closed. */
enum status line_take_store(struct line *line, const struct environment *environment,
                            struct error *err) MUST_USE;

/* One round: every step once. STATUS_RETRY: output is blocked. */
enum status line_round(struct line *line, struct batch *batch, struct error *err) MUST_USE;

/* The same without the first step: works off what was read, and reads nothing new. */
enum status line_drain(struct line *line, struct batch *batch, struct error *err) MUST_USE;

const char *line_step_name(uint32_t step);

#endif
