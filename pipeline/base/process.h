/* process.h - what this process takes of its machine, as the kernel says (Linux, /proc), and which
 * of its threads go first. */
#ifndef CHECKIT_BASE_PROCESS_H
#define CHECKIT_BASE_PROCESS_H

#include <stdint.h>

/* A figure that cannot be had is 0. */
struct process_figures {
    uint64_t cpu_ns; /* user and system, all threads */
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t open_fds;
    uint64_t max_fds;
    uint64_t threads;
    int64_t started_ms; /* wall clock; to a hundredth of a second */
};

/* Any thread. Reads a few files: some 50 us. */
struct process_figures process_look(void);

/* Puts the calling thread behind all others that want the processor, for as long as it lives: there
 * is no way back without rights. */
void process_put_behind(void);

#endif
