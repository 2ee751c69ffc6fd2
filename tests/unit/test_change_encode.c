#include <criterion/criterion.h>

#include "operators/support/change_encode.h"
#include "operators/support/projection.h"
#include "operators/support/wire.h"
#include "tests/tools/read_avro.h"

enum { SCHEMA_ID = 0x01020304, BUFFER_SIZE = 1024, TEXT_SIZE = 64 };

static struct bytes text(const char *words)
{
    return bytes_of_text(words);
}

static struct change full_change(void)
{
    return (struct change){
        .entry_id = text("E-1"),
        .op = CHANGE_UPSERT,
        .revision = INT64_MAX,
        .number = text("AB 100"),
        .number_to = text("AB 199"),
        .issuer = text("UTO"),
        .type = text("PASSPORT"),
        .loss = LOSS_STOLEN_BLANK,
        .flags = ENTRY_SILENT | ENTRY_TEST,
        .contributor = text("UTO-1"),
        .national_ref = text("\xC3\xA9 7"),
        .reported_on = 20000,
        .lost_on = -1,
        .expiry = INT32_MAX,
        .review_on = 0,
        .effective_at_ms = 1700000000123,
    };
}

static struct change bare_change(void)
{
    return (struct change){
        .entry_id = text("E-1"),
        .op = CHANGE_WITHDRAW,
        .reported_on = DATE_NONE,
        .lost_on = DATE_NONE,
        .expiry = DATE_NONE,
        .review_on = DATE_NONE,
    };
}

static json_t *encode_and_read(const struct change *change)
{
    uint8_t buffer[BUFFER_SIZE];
    struct bytes payload = change_encode(change, SCHEMA_ID, buffer, sizeof buffer);
    cr_assert_not_null(payload.data);
    cr_assert_arr_eq(payload.data, ((uint8_t[]){0, 1, 2, 3, 4}), WIRE_PREFIX_SIZE);
    json_t *read = read_avro("schemas/DocumentChange.avsc", payload);
    cr_assert_not_null(read, "%s", avro_strerror());
    return read;
}

Test(change_encode, full_one_is_read_back_field_by_field)
{
    struct change change = full_change();
    json_t *read = encode_and_read(&change);
    cr_assert_str_eq(json_text(read, "entry_id"), "E-1");
    cr_assert_str_eq(json_text(read, "op"), "UPSERT");
    cr_assert_eq(json_number(read, "revision"), INT64_MAX);
    cr_assert_str_eq(json_text(read, "number.string"), "AB 100");
    cr_assert_str_eq(json_text(read, "number_to.string"), "AB 199");
    cr_assert_str_eq(json_text(read, "issuer.string"), "UTO");
    cr_assert_str_eq(json_text(read, "type.string"), "PASSPORT");
    cr_assert_str_eq(json_text(read, "loss.Loss"), "STOLEN_BLANK");
    cr_assert_eq(json_array_size(json_path(read, "flags")), 2);
    cr_assert_str_eq(json_text(read, "flags.0"), "SILENT");
    cr_assert_str_eq(json_text(read, "flags.1"), "TEST");
    cr_assert_str_eq(json_text(read, "contributor"), "UTO-1");
    cr_assert_eq(json_number(read, "reported_on.int"), 20000);
    cr_assert_eq(json_number(read, "lost_on.int"), -1);
    cr_assert_eq(json_number(read, "expiry.int"), INT32_MAX);
    cr_assert_eq(json_number(read, "review_on.int"), 0);
    cr_assert_str_eq(json_text(read, "national_ref.string"), "\xC3\xA9 7");
    cr_assert_eq(json_number(read, "effective_at"), 1700000000123);
    json_decref(read);
}

Test(change_encode, what_is_absent_is_null_or_empty)
{
    struct change change = bare_change();
    json_t *read = encode_and_read(&change);
    cr_assert_str_eq(json_text(read, "op"), "WITHDRAW");
    cr_assert_eq(json_number(read, "revision"), 0);
    static const char *const nulls[] = {"number",      "number_to",   "issuer", "type",
                                        "loss",        "lost_on",     "expiry", "review_on",
                                        "reported_on", "national_ref"};
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        cr_assert(json_is_null(json_path(read, nulls[i])), "%s", nulls[i]);
    cr_assert_eq(json_array_size(json_path(read, "flags")), 0);
    cr_assert(json_is_array(json_path(read, "flags")));
    cr_assert_str_eq(json_text(read, "contributor"), "");
    json_decref(read);
}

/* --- read back by what reads the feed --- */

static struct projection *compile(void)
{
    struct bytes schema = assets_find("schemas/DocumentChange.avsc");
    struct projection *projection = NULL;
    struct error err = {0};
    cr_assert_eq(
        projection_compile_change((const char *)schema.data, schema.size, &projection, &err),
        STATUS_OK, "%s", err.text);
    return projection;
}

static void assert_text_eq(struct bytes read, struct bytes written)
{
    cr_assert(bytes_equal(read, written));
    cr_assert_eq(read.data == NULL, written.data == NULL);
}

static void assert_read_back(const struct projection *projection, const struct change *change)
{
    uint8_t buffer[BUFFER_SIZE];
    struct bytes payload = change_encode(change, SCHEMA_ID, buffer, sizeof buffer);
    uint32_t id;
    struct bytes datum;
    cr_assert(wire_split(payload, &id, &datum));
    cr_assert_eq(id, SCHEMA_ID);
    struct change read;
    cr_assert_eq(projection_change(projection, datum, &read), RECORD_OK);
    assert_text_eq(read.entry_id, change->entry_id);
    assert_text_eq(read.number, change->number);
    assert_text_eq(read.number_to, change->number_to);
    assert_text_eq(read.issuer, change->issuer);
    assert_text_eq(read.type, change->type);
    assert_text_eq(read.national_ref, change->national_ref);
    cr_assert(bytes_equal(read.contributor, change->contributor));
    cr_assert_eq(read.op, change->op);
    cr_assert_eq(read.revision, change->revision);
    cr_assert_eq(read.loss, change->loss);
    cr_assert_eq(read.flags, change->flags);
    cr_assert_eq(read.reported_on, change->reported_on);
    cr_assert_eq(read.lost_on, change->lost_on);
    cr_assert_eq(read.expiry, change->expiry);
    cr_assert_eq(read.review_on, change->review_on);
    cr_assert_eq(read.effective_at_ms, change->effective_at_ms);
}

Test(change_encode, the_feed_reads_every_value_back)
{
    struct projection *projection = compile();
    struct change change = bare_change();
    assert_read_back(projection, &change);
    change = full_change();
    change.expiry = 2932896; /* 9999-12-31: beyond it the feed reads no date */
    assert_read_back(projection, &change);
    for (int loss = LOSS_UNKNOWN; loss < LOSS_COUNT; loss++) {
        change.loss = (enum loss)loss;
        change.flags = (uint32_t)loss; /* 0 to 5 */
        assert_read_back(projection, &change);
    }
    change.flags = ENTRY_SILENT | ENTRY_DISPUTED | ENTRY_TEST;
    change.revision = INT64_MIN;
    change.effective_at_ms = -1;
    assert_read_back(projection, &change);
    projection_close(projection);
}

Test(change_encode, what_does_not_fit_is_told)
{
    struct change change = full_change();
    uint8_t buffer[BUFFER_SIZE];
    size_t size = change_encode(&change, SCHEMA_ID, buffer, sizeof buffer).size;
    cr_assert_gt(size, 0);
    cr_assert_eq(change_encode(&change, SCHEMA_ID, buffer, size).size, size);
    for (size_t capacity = 0; capacity < size; capacity++)
        cr_assert_null(change_encode(&change, SCHEMA_ID, buffer, capacity).data);
}

Test(change_encode, the_widest_values_fit_the_room_promised)
{
    char letters[TEXT_SIZE];
    memset(letters, 'A', sizeof letters);
    struct bytes wide = bytes_of(letters, sizeof letters); /* two bytes of length each */
    struct change change = full_change();
    change.entry_id = change.number = change.number_to = change.issuer = wide;
    change.type = change.contributor = change.national_ref = wide;
    change.flags = ENTRY_SILENT | ENTRY_DISPUTED | ENTRY_TEST;
    change.revision = change.effective_at_ms = INT64_MIN + 1;
    change.reported_on = change.lost_on = change.expiry = change.review_on = INT32_MIN + 1;
    uint8_t buffer[CHANGE_BYTES_MAX(7 * TEXT_SIZE)];
    cr_assert_not_null(change_encode(&change, SCHEMA_ID, buffer, sizeof buffer).data);
}
