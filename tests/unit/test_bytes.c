#include <criterion/criterion.h>

#include "pipeline/base/bytes.h"

Test(bytes, of_text_leaves_the_end_out)
{
    struct bytes bytes = bytes_of_text("abc");
    cr_assert_eq(bytes.size, 3);
    cr_assert_arr_eq(bytes.data, "abc", 3);
}

Test(bytes, of_no_text_are_absent)
{
    struct bytes bytes = bytes_of_text(NULL);
    cr_assert_null(bytes.data);
    cr_assert_eq(bytes.size, 0);
}

Test(bytes, equal_only_with_the_same_size_and_content)
{
    cr_assert(bytes_equal(bytes_of("abc", 3), bytes_of("abcd", 3)));
    cr_assert_not(bytes_equal(bytes_of("abc", 3), bytes_of("abcd", 4)));
    cr_assert_not(bytes_equal(bytes_of("abc", 3), bytes_of("abd", 3)));
    cr_assert(bytes_equal(bytes_of("a\0b", 3), bytes_of("a\0b", 3)));
    cr_assert_not(bytes_equal(bytes_of("a\0b", 3), bytes_of("a\0c", 3)));
}

Test(bytes, empty_and_absent_are_equal_and_differ_from_any_text)
{
    struct bytes absent = {NULL, 0};
    cr_assert(bytes_equal(absent, bytes_of("", 0)));
    cr_assert(bytes_equal(absent, absent));
    cr_assert(bytes_equal_text(absent, ""));
    cr_assert_not(bytes_equal_text(absent, "a"));
    cr_assert_not(bytes_equal_text(bytes_of("ab", 2), "a"));
    cr_assert(bytes_equal_text(bytes_of("ab", 1), "a"));
}
