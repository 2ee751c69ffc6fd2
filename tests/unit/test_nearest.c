/* The name someone probably meant. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/nearest.h"

static const char *const names[] = {"workers", "group", NULL, "wait_s", "feed", "fend"};
enum { NAMES = sizeof names / sizeof *names };

Test(nearest, one_slip_of_each_kind_is_found)
{
    cr_assert_str_eq(nearest_name("workers", names, NAMES), "workers");
    cr_assert_str_eq(nearest_name("worker", names, NAMES), "workers");   /* left out */
    cr_assert_str_eq(nearest_name("workerss", names, NAMES), "workers"); /* added */
    cr_assert_str_eq(nearest_name("wirkers", names, NAMES), "workers");  /* replaced */
    cr_assert_str_eq(nearest_name("wokrers", names, NAMES), "workers");  /* swapped */
    cr_assert_str_eq(nearest_name("WORKERS", names, NAMES), "workers");  /* in capitals */
}

Test(nearest, the_first_of_equally_near_ones_is_taken)
{
    cr_assert_str_eq(nearest_name("fed", names, NAMES), "feed");
    cr_assert_str_eq(nearest_name("fen", names, NAMES), "fend");
}

Test(nearest, a_third_of_the_letters_may_differ_and_no_more)
{
    cr_assert_str_eq(nearest_name("wurkurz", names, NAMES), "workers"); /* 3 of 7 */
    cr_assert_null(nearest_name("wurkuzz", names, NAMES));              /* 4 of 7 */
    cr_assert_str_eq(nearest_name("gruop", names, NAMES), "group");
    cr_assert_null(nearest_name("x", names, NAMES));
    cr_assert_null(nearest_name("", names, NAMES));
    cr_assert_null(nearest_name("workers", names, 0));
}

Test(nearest, the_longest_name_is_compared_and_a_longer_one_never)
{
    char at[NEAREST_SIZE_MAX + 1];
    char above[NEAREST_SIZE_MAX + 2];
    memset(at, 'a', sizeof at - 1);
    memset(above, 'a', sizeof above - 1);
    at[NEAREST_SIZE_MAX] = 0;
    above[NEAREST_SIZE_MAX + 1] = 0;
    const char *const long_names[] = {above, at};
    cr_assert_eq(nearest_name(at, long_names, 2), at);
    cr_assert_null(nearest_name(above, long_names, 2));
}
