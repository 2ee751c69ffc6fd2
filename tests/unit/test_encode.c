#include <criterion/criterion.h>

#include "operators/support/encode.h"
#include "operators/support/store.h"

enum { BUFFER_SIZE = 64, CANARY = 0xA5 };

static const struct bytes absent = {NULL, 0};

static void expect_bytes(const struct encoder *encoder, const uint8_t *buffer,
                         const uint8_t *expected, size_t size)
{
    struct bytes done = encoder_done(encoder, buffer);
    cr_assert_eq(done.size, size);
    cr_assert_arr_eq(done.data, expected, size);
}

#define EXPECT_BYTES(encoder, buffer, ...)                                                         \
    do {                                                                                           \
        const uint8_t expected_[] = {__VA_ARGS__};                                                 \
        expect_bytes((encoder), (buffer), expected_, sizeof expected_);                            \
    } while (0)

Test(encode, long_gives_zigzag_varint)
{
    static const struct {
        int64_t value;
        size_t size;
        uint8_t bytes[10];
    } cases[] = {
        {0, 1, {0x00}},
        {-1, 1, {0x01}},
        {1, 1, {0x02}},
        {-2, 1, {0x03}},
        {2, 1, {0x04}},
        {63, 1, {0x7E}},
        {-64, 1, {0x7F}},
        {64, 2, {0x80, 0x01}},
        {-65, 2, {0x81, 0x01}},
        {8191, 2, {0xFE, 0x7F}},
        {8192, 3, {0x80, 0x80, 0x01}},
        {INT64_MAX, 10, {0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}},
        {INT64_MIN, 10, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t buffer[BUFFER_SIZE];
        struct encoder encoder = encoder_of(buffer, sizeof buffer);
        encode_long(&encoder, cases[i].value);
        expect_bytes(&encoder, buffer, cases[i].bytes, cases[i].size);
    }
}

Test(encode, prefix_gives_magic_and_id_big_endian)
{
    uint8_t buffer[BUFFER_SIZE];
    struct encoder encoder = encoder_of(buffer, sizeof buffer);
    encode_prefix(&encoder, 0x01020304);
    EXPECT_BYTES(&encoder, buffer, 0, 1, 2, 3, 4);
}

Test(encode, scalars_give_avro_binary)
{
    uint8_t buffer[BUFFER_SIZE];
    struct encoder encoder = encoder_of(buffer, sizeof buffer);
    encode_boolean(&encoder, true);
    encode_boolean(&encoder, false);
    encode_text(&encoder, "foo");
    encode_bytes(&encoder, absent);
    EXPECT_BYTES(&encoder, buffer, 1, 0, 6, 'f', 'o', 'o', 0);
}

Test(encode, optional_values_give_a_union_branch)
{
    uint8_t buffer[BUFFER_SIZE];
    struct encoder encoder = encoder_of(buffer, sizeof buffer);
    encode_optional_text(&encoder, absent);
    encode_optional_text(&encoder, bytes_of_text(""));
    encode_optional_text(&encoder, bytes_of_text("a"));
    encode_optional_long(&encoder, false, 9);
    encode_optional_long(&encoder, true, 9);
    EXPECT_BYTES(&encoder, buffer, 0, 2, 0, 2, 2, 'a', 0, 2, 18);
}

Test(encode, items_give_one_block_and_an_end)
{
    uint8_t buffer[BUFFER_SIZE];
    struct encoder encoder = encoder_of(buffer, sizeof buffer);
    encode_items(&encoder, 0);
    encode_items_end(&encoder);
    encode_items(&encoder, 1);
    encode_long(&encoder, 5);
    encode_items_end(&encoder);
    EXPECT_BYTES(&encoder, buffer, 0, 2, 10, 0);
}

Test(encode, list_offsets_give_an_array_of_records)
{
    const struct feed_offset offsets[] = {{0, 100}, {2, 7}};
    uint8_t buffer[BUFFER_SIZE];
    struct encoder encoder = encoder_of(buffer, sizeof buffer);
    encode_list_offsets(&encoder, offsets, 2);
    encode_list_offsets(&encoder, NULL, 0);
    EXPECT_BYTES(&encoder, buffer, 4, 0, 0xC8, 1, 4, 14, 0, 0);
}

static void encode_some_of_all(struct encoder *encoder)
{
    const struct feed_offset offset = {1, INT64_MAX};
    encode_prefix(encoder, UINT32_MAX);
    encode_long(encoder, INT64_MIN);
    encode_boolean(encoder, true);
    encode_text(encoder, "text");
    encode_optional_text(encoder, bytes_of_text("more"));
    encode_optional_long(encoder, true, 1000000);
    encode_list_offsets(encoder, &offset, 1);
    encode_boolean(encoder, false);
}

Test(encode, every_capacity_keeps_within_its_buffer)
{
    uint8_t whole[BUFFER_SIZE];
    struct encoder encoder = encoder_of(whole, sizeof whole);
    encode_some_of_all(&encoder);
    size_t size = encoder_done(&encoder, whole).size;
    cr_assert_gt(size, 0);
    cr_assert_lt(size, BUFFER_SIZE);

    for (size_t capacity = 0; capacity <= size; capacity++) {
        uint8_t buffer[BUFFER_SIZE];
        memset(buffer, CANARY, sizeof buffer);
        encoder = encoder_of(buffer, capacity);
        encode_some_of_all(&encoder);
        struct bytes done = encoder_done(&encoder, buffer);
        cr_assert_eq(encoder.full, capacity < size);
        cr_assert_eq(done.data == NULL, capacity < size);
        cr_assert_eq(done.size, capacity < size ? 0 : size);
        for (size_t i = capacity; i < sizeof buffer; i++)
            cr_assert_eq(buffer[i], CANARY, "capacity %zu, byte %zu", capacity, i);
    }
}

Test(encode, full_stays_full_even_when_less_would_fit)
{
    uint8_t buffer[4];
    struct encoder encoder = encoder_of(buffer, sizeof buffer);
    encode_text(&encoder, "longer than four");
    encode_boolean(&encoder, true);
    cr_assert(encoder.full);
    cr_assert_null(encoder_done(&encoder, buffer).data);
}
