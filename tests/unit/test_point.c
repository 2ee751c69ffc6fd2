#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pipeline/base/point.h"

/* Passes the points one..three in turn, so often; tells how many it passed before it was killed, or
 * -1 when it was not. armed NULL: the variable is not set. */
static int passed_before_death(const char *armed, int rounds)
{
    static const char *const names[] = {"one", "two", "three"};
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        if (armed)
            (void)setenv("CHECKIT_KILL_POINT", armed, 1);
        else
            (void)unsetenv("CHECKIT_KILL_POINT");
        for (int i = 0; i < 3 * rounds; i++) {
            POINT(names[i % 3]);
            if (write(ends[1], "", 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    (void)close(ends[1]);
    int passed = 0;
    char byte;
    while (read(ends[0], &byte, 1) == 1)
        passed++;
    (void)close(ends[0]);
    int ended = 0;
    cr_assert_eq(waitpid(child, &ended, 0), child);
    if (WIFSIGNALED(ended)) {
        cr_assert_eq(WTERMSIG(ended), SIGKILL);
        return passed;
    }
    cr_assert_eq(WEXITSTATUS(ended), 0);
    cr_assert_eq(passed, 3 * rounds);
    return -1;
}

Test(point, unset_or_empty_kills_nothing)
{
    cr_assert_eq(passed_before_death(NULL, 3), -1);
    cr_assert_eq(passed_before_death("", 3), -1);
}

Test(point, named_kills_at_the_first_time)
{
    cr_assert_eq(passed_before_death("one", 3), 0);
    cr_assert_eq(passed_before_death("two", 3), 1);
    cr_assert_eq(passed_before_death("three:1", 3), 2);
}

Test(point, counted_kills_at_that_time)
{
    cr_assert_eq(passed_before_death("two:3", 3), 7);
    cr_assert_eq(passed_before_death("two:4", 3), -1);
}

Test(point, another_name_kills_nothing)
{
    cr_assert_eq(passed_before_death("on", 3), -1);
    cr_assert_eq(passed_before_death("ones", 3), -1);
    cr_assert_eq(passed_before_death(":1", 3), -1);
}

Test(point, count_that_is_none_is_one)
{
    cr_assert_eq(passed_before_death("two:0", 3), 1);
    cr_assert_eq(passed_before_death("two:-3", 3), 1);
    cr_assert_eq(passed_before_death("two:x", 3), 1);
}
