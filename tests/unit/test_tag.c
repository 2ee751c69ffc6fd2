#include <criterion/criterion.h>

#include "pipeline/tag.h"

static void expect_same(struct tag tag)
{
    struct tag back = tag_unpack(tag_pack(tag));
    cr_assert_eq(back.kind, tag.kind);
    cr_assert_eq(back.interval, tag.interval);
    cr_assert_eq(back.value, tag.value);
}

Test(tag, packed_comes_back_at_every_limit)
{
    const uint32_t intervals[] = {0, 1, (1U << TAG_INTERVAL_BITS) - 1};
    const uint64_t values[] = {0, 1, 1700000000000, (UINT64_C(1) << TAG_VALUE_BITS) - 1};
    for (int kind = TAG_ALERT; kind <= TAG_DEAD_LETTER; kind++)
        for (size_t i = 0; i < sizeof intervals / sizeof *intervals; i++)
            for (size_t v = 0; v < sizeof values / sizeof *values; v++)
                expect_same((struct tag){kind, intervals[i], values[v]});
}

Test(tag, beyond_its_bits_spills_into_no_other_field)
{
    struct tag back = tag_unpack(tag_pack((struct tag){TAG_RECEIPT, UINT32_MAX, UINT64_MAX}));
    cr_assert_eq(back.kind, TAG_RECEIPT);
    cr_assert_eq(back.interval, (1U << TAG_INTERVAL_BITS) - 1);
    cr_assert_eq(back.value, (UINT64_C(1) << TAG_VALUE_BITS) - 1);
    back = tag_unpack(tag_pack((struct tag){TAG_ALERT, 1U << TAG_INTERVAL_BITS, 1}));
    cr_assert_eq(back.kind, TAG_ALERT);
    cr_assert_eq(back.interval, 0);
    cr_assert_eq(back.value, 1);
}

Test(tag, fields_are_told_apart)
{
    uint64_t one = tag_pack((struct tag){TAG_ALERT, 1, 0});
    cr_assert_neq(one, tag_pack((struct tag){TAG_ALERT, 0, 1}));
    cr_assert_neq(one, tag_pack((struct tag){TAG_RECEIPT, 0, 0}));
}
