#include <criterion/criterion.h>

#include "operators/support/receipt.h"
#include "tests/tools/read_avro.h"

static const struct feed_offset offsets[] = {{0, 100}, {3, INT64_MAX}};

static struct receipt full_receipt(void)
{
    struct receipt receipt = {
        .cluster = "cluster-1",
        .topic = "bookings",
        .partition = INT32_MAX,
        .from_offset = 1000,
        .to_offset = INT64_MAX,
        .began_at_ms = 1700000000000,
        .ended_at_ms = 1700000001000,
        .records = 1024,
        .documents = 1638,
        .dead_letters = 3,
        .list_offsets = offsets,
        .list_offsets_count = 2,
    };
    for (uint64_t i = 0; i < UNSCREENABLE_COUNT; i++)
        receipt.unscreenable[i] = 10 + i;
    for (uint64_t i = 0; i < TIER_COUNT; i++)
        receipt.hits[i] = 20 + i;
    return receipt;
}

static json_t *encode_and_read(const struct receipt *receipt)
{
    uint8_t buffer[2048];
    struct bytes payload = receipt_encode(receipt, 7, buffer, sizeof buffer);
    cr_assert_not_null(payload.data);
    cr_assert_arr_eq(payload.data, ((uint8_t[]){0, 0, 0, 0, 7}), 5);
    json_t *read = read_avro("schemas/Receipt.avsc", payload);
    cr_assert_not_null(read, "%s", avro_strerror());
    return read;
}

Test(receipt, full_one_is_read_back_field_by_field)
{
    struct receipt receipt = full_receipt();
    json_t *read = encode_and_read(&receipt);
    cr_assert_eq(json_number(read, "schema_version"), 1);
    cr_assert_str_eq(json_text(read, "cluster"), "cluster-1");
    cr_assert_str_eq(json_text(read, "topic"), "bookings");
    cr_assert_eq(json_number(read, "partition"), INT32_MAX);
    cr_assert_eq(json_number(read, "from_offset"), 1000);
    cr_assert_eq(json_number(read, "to_offset"), INT64_MAX);
    cr_assert_eq(json_number(read, "began_at"), 1700000000000);
    cr_assert_eq(json_number(read, "ended_at"), 1700000001000);
    cr_assert_eq(json_number(read, "records"), 1024);
    cr_assert_eq(json_number(read, "documents"), 1638);
    cr_assert_eq(json_number(read, "dead_letters"), 3);
    cr_assert_eq(json_array_size(json_path(read, "list_offsets")), 2);
    cr_assert_eq(json_number(read, "list_offsets.0.partition"), 0);
    cr_assert_eq(json_number(read, "list_offsets.0.next_offset"), 100);
    cr_assert_eq(json_number(read, "list_offsets.1.partition"), 3);
    cr_assert_eq(json_number(read, "list_offsets.1.next_offset"), INT64_MAX);
    cr_assert_str_eq(json_text(read, "rules_version"), CHECKIT_RULES_VERSION);
    cr_assert_str_eq(json_text(read, "build"), CHECKIT_BUILD);
    json_decref(read);
}

Test(receipt, counts_are_told_under_their_names)
{
    struct receipt receipt = full_receipt();
    json_t *read = encode_and_read(&receipt);
    const json_t *reasons = json_path(read, "unscreenable");
    cr_assert_eq(json_object_size(reasons), UNSCREENABLE_COUNT - 1);
    for (uint32_t i = 1; i < UNSCREENABLE_COUNT; i++)
        cr_assert_eq(json_number(reasons, unscreenable_name(i)), 10 + i);
    const json_t *tiers = json_path(read, "hits");
    cr_assert_eq(json_object_size(tiers), TIER_COUNT - 1);
    for (uint32_t i = 1; i < TIER_COUNT; i++)
        cr_assert_eq(json_number(tiers, tier_name(i)), 20 + i);
    json_decref(read);
}

Test(receipt, counts_of_zero_are_left_out)
{
    struct receipt receipt = {.cluster = "", .topic = "t"};
    json_t *read = encode_and_read(&receipt);
    cr_assert_eq(json_object_size(json_path(read, "unscreenable")), 0);
    cr_assert_eq(json_object_size(json_path(read, "hits")), 0);
    cr_assert_eq(json_array_size(json_path(read, "list_offsets")), 0);
    json_decref(read);

    receipt.hits[TIER_EXACT] = 1;
    receipt.unscreenable[UNSCREENABLE_NUMBER_MISSING] = 2;
    read = encode_and_read(&receipt);
    cr_assert_eq(json_object_size(json_path(read, "hits")), 1);
    cr_assert_eq(json_number(read, "hits.EXACT"), 1);
    cr_assert_eq(json_object_size(json_path(read, "unscreenable")), 1);
    cr_assert_eq(json_number(read, "unscreenable.number_missing"), 2);
    json_decref(read);
}

Test(receipt, too_small_a_buffer_gives_none)
{
    struct receipt receipt = full_receipt();
    uint8_t buffer[2048];
    size_t size = receipt_encode(&receipt, 7, buffer, sizeof buffer).size;
    cr_assert_not_null(receipt_encode(&receipt, 7, buffer, size).data);
    cr_assert_null(receipt_encode(&receipt, 7, buffer, size - 1).data);
}
