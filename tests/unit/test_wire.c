#include <criterion/criterion.h>

#include "operators/support/wire.h"

static uint32_t id;
static struct bytes datum;

Test(wire, prefix_is_split_from_the_datum)
{
    const uint8_t payload[] = {0, 0x01, 0x02, 0xF3, 0xF4, 'a', 'b'};
    cr_assert(wire_split(bytes_of(payload, sizeof payload), &id, &datum));
    cr_assert_eq(id, 0x0102F3F4);
    cr_assert_eq(datum.size, 2);
    cr_assert_eq(datum.data, payload + 5);
}

Test(wire, ids_reach_the_largest)
{
    const uint8_t largest[] = {0, 0xFF, 0xFF, 0xFF, 0xFF};
    cr_assert(wire_split(bytes_of(largest, sizeof largest), &id, &datum));
    cr_assert_eq(id, UINT32_MAX);
    const uint8_t smallest[] = {0, 0, 0, 0, 0};
    cr_assert(wire_split(bytes_of(smallest, sizeof smallest), &id, &datum));
    cr_assert_eq(id, 0);
}

Test(wire, prefix_alone_has_an_empty_datum)
{
    const uint8_t payload[] = {0, 0, 0, 0, 1};
    cr_assert(wire_split(bytes_of(payload, sizeof payload), &id, &datum));
    cr_assert_eq(datum.size, 0);
    cr_assert_not_null(datum.data);
}

Test(wire, shorter_than_the_prefix_is_refused)
{
    const uint8_t payload[] = {0, 0, 0, 0};
    for (size_t size = 0; size <= sizeof payload; size++)
        cr_assert_not(wire_split(bytes_of(payload, size), &id, &datum), "%zu", size);
    cr_assert_not(wire_split((struct bytes){NULL, 0}, &id, &datum));
}

Test(wire, another_first_byte_is_refused)
{
    uint8_t payload[] = {0, 0, 0, 0, 1, 'a'};
    for (int first = 1; first < 256; first++) {
        payload[0] = (uint8_t)first;
        cr_assert_not(wire_split(bytes_of(payload, sizeof payload), &id, &datum), "%d", first);
    }
}

Test(wire, single_object_is_split_little_endian)
{
    static const uint8_t payload[] = {0xC3, 0x01, 1, 2, 3, 4, 5, 6, 7, 0xF8, 9};
    uint64_t fingerprint = 0;
    cr_assert(wire_split_single_object(bytes_of(payload, 11), &fingerprint, &datum));
    cr_assert_eq(fingerprint, 0xF807060504030201);
    cr_assert_eq(datum.data, payload + 10);
    cr_assert_eq(datum.size, 1);
    cr_assert(wire_split_single_object(bytes_of(payload, 10), &fingerprint, &datum));
    cr_assert_eq(datum.size, 0);
    cr_assert_not(wire_split_single_object(bytes_of(payload, 9), &fingerprint, &datum));
    cr_assert_not(wire_split_single_object(bytes_of(payload + 1, 10), &fingerprint, &datum));
}
