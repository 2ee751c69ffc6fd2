#include "operators/support/container.h"

#include "operators/support/encode.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"

enum { BLOCK_SIZE = 64 * 1024, SYNC_SIZE = 16, NUMBERS_SIZE = 32, HEADER_ROOM = 128 };

struct container {
    struct file_writer *writer;
    uint32_t records; /* in the block */
    size_t used;
    uint8_t sync[SYNC_SIZE];
    uint8_t block[BLOCK_SIZE];
};

static void make_sync(uint64_t seed, uint8_t sync[SYNC_SIZE])
{
    struct random random;
    random_init(&random, seed);
    for (size_t i = 0; i < SYNC_SIZE; i++)
        sync[i] = (uint8_t)random_next(&random);
}

/* Magic and a map of bytes: the schema, the codec of blocks, and notes. */
static enum status write_header(struct container *container, struct bytes schema,
                                const struct container_note *notes, uint32_t notes_count,
                                struct error *err)
{
    size_t capacity = schema.size + HEADER_ROOM;
    for (uint32_t i = 0; i < notes_count; i++)
        capacity += strlen(notes[i].name) + notes[i].value.size + HEADER_ROOM;
    uint8_t *header = memory_new(capacity, 1);
    struct encoder encoder = encoder_of(header, capacity);
    encode_items(&encoder, 2 + notes_count);
    encode_text(&encoder, "avro.schema");
    encode_bytes(&encoder, schema);
    encode_text(&encoder, "avro.codec");
    encode_text(&encoder, "null");
    for (uint32_t i = 0; i < notes_count; i++) {
        encode_text(&encoder, notes[i].name);
        encode_bytes(&encoder, notes[i].value);
    }
    encode_items_end(&encoder);
    enum status status =
        file_writer_put(container->writer, bytes_of("Obj\x01", sizeof "Obj\x01" - 1), err);
    if (status == STATUS_OK)
        status = file_writer_put(container->writer, encoder_done(&encoder, header), err);
    if (status == STATUS_OK)
        status = file_writer_put(container->writer, bytes_of(container->sync, SYNC_SIZE), err);
    memory_free(header);
    return status;
}

enum status container_open(struct file_writer *writer, struct bytes schema, uint64_t seed,
                           struct container **out, struct error *err)
{
    return container_open_noted(writer, schema, NULL, 0, seed, out, err);
}

enum status container_open_noted(struct file_writer *writer, struct bytes schema,
                                 const struct container_note *notes, uint32_t notes_count,
                                 uint64_t seed, struct container **out, struct error *err)
{
    struct container *container = memory_new(1, sizeof *container);
    container->writer = writer;
    make_sync(seed, container->sync);
    enum status status = write_header(container, schema, notes, notes_count, err);
    if (status != STATUS_OK) {
        container_close(container);
        return status;
    }
    *out = container;
    return STATUS_OK;
}

/* count records, then their bytes, in one block. */
static enum status write_block(struct container *container, uint32_t count, struct bytes records,
                               struct error *err)
{
    uint8_t numbers[NUMBERS_SIZE];
    struct encoder encoder = encoder_of(numbers, sizeof numbers);
    encode_long(&encoder, count);
    encode_long(&encoder, (int64_t)records.size);
    TRY(file_writer_put(container->writer, encoder_done(&encoder, numbers), err));
    TRY(file_writer_put(container->writer, records, err));
    return file_writer_put(container->writer, bytes_of(container->sync, SYNC_SIZE), err);
}

enum status container_finish(struct container *container, struct error *err)
{
    uint32_t count = container->records;
    struct bytes records = bytes_of(container->block, container->used);
    container->records = 0;
    container->used = 0;
    return count > 0 ? write_block(container, count, records, err) : STATUS_OK;
}

enum status container_put(struct container *container, struct bytes datum, struct error *err)
{
    if (datum.size > BLOCK_SIZE - container->used)
        TRY(container_finish(container, err));
    if (datum.size > BLOCK_SIZE) /* a block of its own */
        return write_block(container, 1, datum, err);
    if (datum.size > 0)
        memcpy(container->block + container->used, datum.data, datum.size);
    container->used += datum.size;
    container->records++;
    return STATUS_OK;
}

void container_close(struct container *container)
{
    memory_free(container);
}
