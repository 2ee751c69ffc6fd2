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

void signals_block(void)
{
    sigset_t set;
    fill(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

bool signals_wait(void *state, uint32_t ms)
{
    (void)state;
    sigset_t set;
    fill(&set);
    struct timespec timeout = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000L};
    return sigtimedwait(&set, NULL, &timeout) > 0;
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
