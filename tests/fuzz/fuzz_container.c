/* An Avro container file. No block holds more records than bytes, and a sound file is none any more
 * without its last byte. */
#include "operators/support/container_reader.h"
#include "tests/fuzz/fuzz.h"

enum { BLOCKS_MAX = 64 };

struct reading {
    uint32_t blocks;
    enum status status;
};

static struct reading read_all(struct bytes text)
{
    const struct container_source source = {.name = "file.avro", .file = -1, .text = text};
    struct container_reader *reader = NULL;
    struct container_block block = {0};
    struct reading reading = {0};
    struct error err = {0};
    reading.status = container_reader_open(&source, &reader, &err);
    CHECK(reading.status == STATUS_OK || !reader);
    if (reading.status == STATUS_OK)
        fuzz_touch(container_reader_schema(reader));
    while (reading.status == STATUS_OK && reading.blocks < BLOCKS_MAX) {
        reading.status = container_reader_next(reader, &block, &err);
        if (reading.status != STATUS_OK || block.number == 0)
            break;
        CHECK(block.records > 0 && block.records <= block.data.size);
        CHECK(block.data.size <= CONTAINER_BLOCK_BYTES_MAX);
        CHECK(container_reader_bytes_read(reader) <= text.size);
        fuzz_touch(block.data);
        reading.blocks++;
    }
    CHECK(reading.status == STATUS_OK || (err.exit_code == EX_DATAERR && err.text[0]));
    container_reader_close(reader);
    return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(bytes_of(data, size));
    struct reading whole = read_all(bytes_of(copy, size));
    if (whole.status == STATUS_OK && whole.blocks < BLOCKS_MAX) /* it ends in a sync marker */
        CHECK(read_all(bytes_of(copy, size - 1)).status == STATUS_FAIL);
    free(copy);
    return 0;
}
