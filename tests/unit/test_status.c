#include <criterion/criterion.h>
#include <string.h>

#include "pipeline/base/status.h"

static struct error err;

Test(status, fail_writes_code_and_text)
{
    cr_assert_eq(error_fail(&err, EX_CONFIG, "%s: %d", "line", 7), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_CONFIG);
    cr_assert_str_eq(err.text, "line: 7");
}

Test(status, set_returns_the_status_given)
{
    cr_assert_eq(error_set(&err, STATUS_RETRY, EX_UNAVAILABLE, "a"), STATUS_RETRY);
    cr_assert_eq(error_set(&err, STATUS_ABORT, EX_DATAERR, "b"), STATUS_ABORT);
    cr_assert_eq(err.exit_code, EX_DATAERR);
    cr_assert_str_eq(err.text, "b");
}

Test(status, nobody_to_tell_is_no_fault)
{
    cr_assert_eq(error_fail(NULL, EX_CONFIG, "a"), STATUS_FAIL);
    cr_assert_eq(error_set(NULL, STATUS_RETRY, EX_CONFIG, "a"), STATUS_RETRY);
    error_prefix(NULL, "a");
}

Test(status, text_ends_at_its_size)
{
    char longer[2 * ERROR_TEXT_SIZE];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    (void)error_fail(&err, EX_CONFIG, "%s", longer);
    cr_assert_eq(strlen(err.text), ERROR_TEXT_SIZE - 1);
    longer[ERROR_TEXT_SIZE - 1] = 0;
    (void)error_fail(&err, EX_CONFIG, "%s", longer);
    cr_assert_str_eq(err.text, longer);
}

Test(status, prefix_stands_before_the_text)
{
    (void)error_fail(&err, EX_CONFIG, "text");
    error_prefix(&err, "step %s", "match");
    error_prefix(&err, "worker %d", 3);
    cr_assert_str_eq(err.text, "worker 3: step match: text");
    cr_assert_eq(err.exit_code, EX_CONFIG);
}

Test(status, prefix_takes_no_more_of_the_text_than_it_needs)
{
    char text[ERROR_TEXT_SIZE];
    memset(text, 'a', sizeof text);
    text[ERROR_TEXT_SIZE - 1 - 6] = 0;
    (void)error_fail(&err, EX_CONFIG, "%s", text);
    error_prefix(&err, "feed");
    cr_assert_eq(strlen(err.text), ERROR_TEXT_SIZE - 1);
    cr_assert_arr_eq(err.text, "feed: ", 6);
    cr_assert_str_eq(err.text + 6, text);
    error_prefix(&err, "again");
    cr_assert_eq(strlen(err.text), ERROR_TEXT_SIZE - 1);
    cr_assert_arr_eq(err.text, "again: feed: aaa", 16);
}

static enum status pass_on(enum status status, int *calls)
{
    TRY(status);
    (*calls)++;
    return STATUS_OK;
}

Test(status, try_returns_all_but_ok)
{
    int calls = 0;
    cr_assert_eq(pass_on(STATUS_RETRY, &calls), STATUS_RETRY);
    cr_assert_eq(pass_on(STATUS_ABORT, &calls), STATUS_ABORT);
    cr_assert_eq(pass_on(STATUS_FAIL, &calls), STATUS_FAIL);
    cr_assert_eq(calls, 0);
    cr_assert_eq(pass_on(STATUS_OK, &calls), STATUS_OK);
    cr_assert_eq(calls, 1);
}
