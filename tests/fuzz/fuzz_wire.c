/* The payload of a record: its prefix, and what is left is behind it. */
#include "operators/support/wire.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(bytes_of(data, size));
    uint32_t schema_id = 0;
    struct bytes datum = {0};
    bool is_split = wire_split(bytes_of(copy, size), &schema_id, &datum);
    CHECK(is_split == (size >= WIRE_PREFIX_SIZE && data[0] == WIRE_MAGIC));
    if (is_split) {
        CHECK(datum.size == size - WIRE_PREFIX_SIZE);
        CHECK((schema_id & 0xFF) == data[WIRE_PREFIX_SIZE - 1] && schema_id >> 24 == data[1]);
        fuzz_touch(datum);
    }
    free(copy);
    return 0;
}
