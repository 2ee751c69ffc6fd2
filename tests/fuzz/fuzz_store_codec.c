/* An entry's id, NUL, and a value from disk: as it is read, as an entry and as a point. Then an
 * entry made of the same bytes, which must be read as it was written, and with one byte of it
 * changed. */
#include <unistd.h>

#include "operators/support/canonical.h"
#include "operators/support/store_internal.h"
#include "tests/fuzz/fuzz.h"

static const struct store_key *key(void)
{
    static struct store_key *key;
    char folder[] = "/tmp/fuzz_store_codec_XXXXXX";
    char path[sizeof folder + 4];
    struct error err = {0};
    if (key)
        return key;
    CHECK(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/key", folder);
    CHECK(keys_create(path, KEY_STORE, &err) == STATUS_OK);
    CHECK(store_key_open(path, &key, &err) == STATUS_OK);
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
    return key;
}

static void read_value(struct bytes id, struct bytes value)
{
    struct entry entry;
    uint32_t shape = 0;
    struct bytes point_id;
    if (!store_decode_entry(key(), id, value, &entry, &shape))
        CHECK(!entry.is_live || (entry.size > 0 && entry.size <= NUMBER_SIZE_MAX));
    if (!store_decode_point(value, &point_id))
        fuzz_touch(point_id);
}

static uint64_t take_number(struct bytes *input, int bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < bytes; i++)
        number = number << 8 | fuzz_take_byte(input);
    return number;
}

static uint8_t take_text(struct bytes *input, char out[ENTRY_TEXT_SIZE_MAX])
{
    uint8_t size = fuzz_take_byte(input) % (ENTRY_TEXT_SIZE_MAX + 1);
    for (uint8_t i = 0; i < size; i++)
        out[i] = (char)fuzz_take_byte(input);
    return size;
}

static struct entry make_entry(struct bytes id, struct bytes *input)
{
    struct entry entry = {.id_size = (uint8_t)id.size};
    memcpy(entry.id, id.data, id.size);
    entry.revision = (int64_t)take_number(input, 8);
    entry.is_live = fuzz_take_byte(input) & 1;
    if (!entry.is_live)
        return entry;
    entry.effective_at_ms = (int64_t)take_number(input, 8);
    entry.reported_on = (int32_t)take_number(input, 4);
    entry.review_on = (int32_t)take_number(input, 4);
    entry.type = fuzz_take_byte(input) % TYPE_COUNT;
    entry.loss = fuzz_take_byte(input) % LOSS_COUNT;
    entry.flags = fuzz_take_byte(input);
    entry.is_range = fuzz_take_byte(input) & 1;
    entry.size = (uint8_t)(1 + fuzz_take_byte(input) % NUMBER_SIZE_MAX);
    for (int i = 0; i < entry.size; i++) {
        entry.number[i] = (char)('0' + fuzz_take_byte(input) % 10);
        entry.number_to[i] = entry.is_range ? entry.number[i] : 0;
    }
    entry.contributor_size = take_text(input, entry.contributor);
    entry.national_ref_size = take_text(input, entry.national_ref);
    return entry;
}

static void read_written(struct bytes id, struct bytes input)
{
    uint8_t value[ENTRY_VALUE_SIZE_MAX];
    struct entry read;
    uint32_t shape = 0;
    struct entry entry = make_entry(id, &input);
    uint32_t entry_shape = canonical_shape(entry.number, entry.size);
    size_t size = store_encode_entry(key(), &entry, entry_shape, value);
    CHECK(size <= sizeof value);
    CHECK(!store_decode_entry(key(), id, bytes_of(value, size), &read, &shape));
    CHECK(memcmp(&read, &entry, sizeof read) == 0);
    CHECK(!entry.is_live || shape == entry_shape);
    value[take_number(&input, 2) % size] ^= (uint8_t)(1 + fuzz_take_byte(&input) % 255);
    read_value(id, bytes_of(value, take_number(&input, 1) ? size : size - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct bytes id = fuzz_take(&input, 0);
    uint8_t *copy = fuzz_copy(input);
    read_value(id, bytes_of(copy, input.size));
    if (id.size > 0 && id.size <= ENTRY_ID_SIZE_MAX)
        read_written(id, bytes_of(copy, input.size));
    free(copy);
    return 0;
}
