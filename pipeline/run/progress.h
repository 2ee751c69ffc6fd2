/* progress.h - how far a long task is: rate, done, and how long the rest takes.
 *
 * Nothing is written in the first two seconds. On a terminal one line is rewritten each second;
 * elsewhere there is a line every ten. One thread.
 */
#ifndef CHECKIT_PROGRESS_H
#define CHECKIT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What is counted, in units a person reads: "changes" or "MB". */
struct progress_task {
    const char *what; /* "sending" */
    const char *unit;
    uint64_t unit_size; /* of what is told as done and total: 1, or 1,000,000 for MB */
    uint64_t total;     /* 0: not known */
};

struct progress {
    FILE *out; /* borrowed; or NULL */
    bool is_terminal;
    bool is_written; /* a line stands on the terminal */
    struct progress_task task;
    uint64_t began_ns;
    uint64_t told_ns;
};

/* out NULL: nothing is ever written. */
void progress_init(struct progress *progress, FILE *out, bool is_terminal);

/* task's texts are borrowed until progress_end. */
void progress_begin(struct progress *progress, const struct progress_task *task);

/* Call it as often as a clock may be read. */
void progress_tell(struct progress *progress, uint64_t done);

/* Takes the line off the terminal; whatever writes to the same place calls it first. */
void progress_end(struct progress *progress);

#endif
