#include "pipeline/run/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

static void fill(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
}

static void block(const sigset_t *set)
{
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

void signals_block(void)
{
    sigset_t set;
    fill(&set);
    block(&set);
}

void signals_block_with_reload(void)
{
    sigset_t set;
    fill(&set);
    (void)sigaddset(&set, SIGHUP);
    block(&set);
}

static int wait_for(const sigset_t *set, uint32_t ms)
{
    struct timespec timeout = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000L};
    return sigtimedwait(set, NULL, &timeout);
}

enum signals_event signals_next(uint32_t ms)
{
    sigset_t set;
    fill(&set);
    if (wait_for(&set, 0) > 0) /* a stop comes first */
        return SIGNALS_STOP;
    (void)sigaddset(&set, SIGHUP);
    int number = wait_for(&set, ms);
    if (number <= 0)
        return SIGNALS_NONE;
    return number == SIGHUP ? SIGNALS_RELOAD : SIGNALS_STOP;
}

bool signals_wait(void *state, uint32_t ms)
{
    (void)state;
    sigset_t set;
    fill(&set);
    return wait_for(&set, ms) > 0;
}

void signals_end(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)signal(SIGTERM, SIG_DFL);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    (void)raise(SIGTERM);
}
