#include <criterion/criterion.h>

#include "pipeline/run/figures.h"

Test(figures, whole_numbers_are_grouped_by_three)
{
    static const struct {
        uint64_t value;
        const char *text;
    } cases[] = {{0, "0"},
                 {999, "999"},
                 {1000, "1,000"},
                 {1234567, "1,234,567"},
                 {UINT64_MAX, "18,446,744,073,709,551,615"}};
    char out[FIGURE_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(figure_whole(cases[i].value, out), cases[i].text);
}
