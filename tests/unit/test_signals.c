#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "pipeline/run/signals.h"

enum { PATIENCE_MS = 30000 }; /* only a failing test waits so long */

Test(signals, none_came_is_false)
{
    signals_block();
    cr_assert_not(signals_wait(NULL, 0));
    cr_assert_not(signals_wait(NULL, 1));
}

Test(signals, term_and_interrupt_are_told_once_each)
{
    signals_block();
    cr_assert_eq(kill(getpid(), SIGTERM), 0);
    cr_assert(signals_wait(NULL, PATIENCE_MS));
    cr_assert_not(signals_wait(NULL, 0));
    cr_assert_eq(kill(getpid(), SIGINT), 0);
    cr_assert(signals_wait(NULL, PATIENCE_MS));
    cr_assert_not(signals_wait(NULL, 0));
}

Test(signals, came_before_the_wait_is_not_lost)
{
    signals_block();
    cr_assert_eq(kill(getpid(), SIGTERM), 0);
    cr_assert_eq(kill(getpid(), SIGTERM), 0);
    cr_assert(signals_wait(NULL, 0));
}

static void *raise_one(void *unused)
{
    (void)kill(getpid(), SIGTERM);
    return unused;
}

Test(signals, thread_started_later_does_not_die_of_them)
{
    pthread_t thread;
    signals_block();
    cr_assert_eq(pthread_create(&thread, NULL, raise_one, NULL), 0);
    cr_assert(signals_wait(NULL, PATIENCE_MS));
    cr_assert_eq(pthread_join(thread, NULL), 0);
}

Test(signals, pipe_nobody_reads_is_an_error_and_not_the_end)
{
    int ends[2];
    signals_block();
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(close(ends[0]), 0);
    cr_assert_eq(write(ends[1], "a", 1), -1);
    cr_assert_eq(errno, EPIPE);
    cr_assert_eq(close(ends[1]), 0);
}

Test(signals, hangup_is_told_apart_and_a_stop_comes_first)
{
    signals_block_with_reload();
    cr_assert_eq(signals_next(0), SIGNALS_NONE);
    cr_assert_eq(kill(getpid(), SIGHUP), 0);
    cr_assert_not(signals_wait(NULL, 0));
    cr_assert_eq(signals_next(PATIENCE_MS), SIGNALS_RELOAD);
    cr_assert_eq(signals_next(0), SIGNALS_NONE);
    cr_assert_eq(kill(getpid(), SIGHUP), 0);
    cr_assert_eq(kill(getpid(), SIGTERM), 0);
    cr_assert_eq(signals_next(PATIENCE_MS), SIGNALS_STOP);
    cr_assert_eq(signals_next(PATIENCE_MS), SIGNALS_RELOAD);
    cr_assert_eq(kill(getpid(), SIGINT), 0);
    cr_assert_eq(signals_next(PATIENCE_MS), SIGNALS_STOP);
}
