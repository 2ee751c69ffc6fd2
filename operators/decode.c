#include "operators/decode.h"

#include "operators/support/kafka.h"
#include "operators/support/projection.h"
#include "operators/support/registry.h"
#include "operators/support/schema_text.h"
#include "operators/support/wire.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/config.h"
#include "pipeline/counters.h"

/* A schema as compiled for one input; refused ones keep the reason instead of a projection. */
struct compiled {
    uint16_t input;
    uint64_t schema_key;
    struct projection *projection;
    char *refusal;
};

struct decode {
    struct environment environment;
    struct compiled **compiled; /* each stays where it is: records borrow from it */
    uint32_t compiled_count;
    const struct compiled *last[CONSUMED_MAX]; /* an input rarely changes its schema */
};

static void decode_close(void *state)
{
    struct decode *decode = state;
    for (uint32_t i = 0; i < decode->compiled_count; i++) {
        projection_close(decode->compiled[i]->projection);
        memory_free(decode->compiled[i]->refusal);
        memory_free(decode->compiled[i]);
    }
    memory_free(decode->compiled);
    memory_free(decode);
}

static const struct compiled *find_compiled(struct decode *decode, uint16_t input, uint64_t key)
{
    for (uint32_t i = 0; i < decode->compiled_count; i++)
        if (decode->compiled[i]->input == input && decode->compiled[i]->schema_key == key)
            return decode->compiled[i];
    return NULL;
}

/* A record's bytes lie where another thread unpacked them: they are called for while those of the
 * records before it are read. */
static void fetch_ahead(const struct batch *batch, uint32_t index)
{
    enum { RECORDS_AHEAD = 8, LINE_SIZE = 64, BYTES_MAX = 3 * LINE_SIZE };
    if (index + RECORDS_AHEAD >= batch->records_count)
        return;
    struct bytes payload = batch->records[index + RECORDS_AHEAD].payload;
    for (size_t at = 0; at < payload.size && at < BYTES_MAX; at += LINE_SIZE)
        __builtin_prefetch(payload.data + at);
}

/* Once a schema and input, so allocation and a log line are in place. */
static const struct compiled *compile(struct decode *decode, uint16_t input, uint64_t key,
                                      struct bytes schema)
{
    const struct input *configured = &decode->environment.config->inputs[input];
    struct compiled *compiled = memory_new(1, sizeof *compiled);
    compiled->input = input;
    compiled->schema_key = key;
    struct error err = {0};
    if (projection_compile((const char *)schema.data, schema.size, &configured->mapping,
                           &compiled->projection, &err) != STATUS_OK) {
        compiled->projection = NULL;
        compiled->refusal = memory_copy_text(err.text, strlen(err.text));
        LOG_ERROR("decode", "schema refused", LOG_TEXT("topic", configured->topic),
                  LOG_INTEGER("schema_key", key), LOG_TEXT("reason", err.text));
    }
    decode->compiled =
        memory_resize(decode->compiled, decode->compiled_count + 1, sizeof(struct compiled *));
    decode->compiled[decode->compiled_count++] = compiled;
    return compiled;
}

static enum registry_answer find_schema(const struct decode *decode, const struct record *record,
                                        struct bytes *schema)
{
    struct registry *registry = decode->environment.registry;
    if (decode->environment.config->inputs[record->origin.input].wire == WIRE_SINGLE_OBJECT)
        return registry_find_fingerprint(registry, record->schema_key, schema);
    return registry_find(registry, record->schema_id, schema);
}

/* Sets the record's projection, or its status when there is none. */
static void find_projection(struct decode *decode, struct record *record)
{
    uint16_t input = record->origin.input;
    const struct compiled *compiled = decode->last[input];
    if (!compiled || compiled->schema_key != record->schema_key)
        compiled = find_compiled(decode, input, record->schema_key);
    if (!compiled) {
        struct bytes schema;
        enum registry_answer answer = find_schema(decode, record, &schema);
        if (answer != REGISTRY_FOUND) {
            record->status = answer == REGISTRY_ABSENT ? RECORD_SCHEMA_UNKNOWN : RECORD_HELD;
            return;
        }
        compiled = compile(decode, input, record->schema_key, schema);
    }
    decode->last[input] = compiled;
    record->projection = compiled->projection;
    if (!compiled->projection) {
        record->status = RECORD_SCHEMA_REFUSED;
        record->detail = compiled->refusal;
    }
}

/* The id out of the record's header; false, with the reason as detail, when it holds none. */
static bool read_header(struct record *record, struct bytes header)
{
    struct bytes nothing;
    bool is_id =
        header.size == WIRE_PREFIX_SIZE && wire_split(header, &record->schema_id, &nothing);
    record->datum = record->payload;
    if (!is_id && header.size == WIRE_GUID_SIZE && header.data[0] == WIRE_GUID_MAGIC)
        record->detail = "header " WIRE_ID_HEADER " holds a GUID: producers are to write the id";
    else if (!is_id)
        record->detail = "header " WIRE_ID_HEADER " holds no schema id";
    return is_id;
}

/* A header wins over a prefix, since a datum may begin as a prefix does. */
static bool split_confluent(struct record *record)
{
    struct bytes header = kafka_header(record, WIRE_ID_HEADER);
    record->schema_id = 0;
    bool is_split = header.data ? read_header(record, header)
                                : wire_split(record->payload, &record->schema_id, &record->datum);
    record->schema_key = record->schema_id;
    return is_split;
}

static bool split(struct decode *decode, struct record *record)
{
    switch (decode->environment.config->inputs[record->origin.input].wire) {
    case WIRE_CONFLUENT:
        return split_confluent(record);
    case WIRE_SINGLE_OBJECT:
        return wire_split_single_object(record->payload, &record->schema_key, &record->datum);
    case WIRE_FIXED:
        record->schema_key = 0;
        record->datum = record->payload;
        return true;
    }
    return false;
}

/* What follows a held record in its partition comes again with it. */
static void forget_later(struct batch *batch, uint32_t held)
{
    const struct origin *origin = &batch->records[held].origin;
    for (uint32_t i = held + 1; i < batch->records_count; i++) {
        struct record *later = &batch->records[i];
        if (later->origin.input == origin->input && later->origin.partition == origin->partition)
            later->status = RECORD_FORGOTTEN;
    }
}

/* Takes the documents of one record into the window; false: it does not fit, and ends the window.
 * Only a record that is alone in its window is taken in slices, also when those before it have no
 * documents. */
static bool take_documents(struct batch *batch, uint32_t index)
{
    struct record *record = &batch->records[index];
    size_t arena_used_bytes = batch->documents_arena.used_bytes;
    uint32_t first = batch->subjects_count;
    uint32_t count = 0;
    bool more = false;
    record->status = (uint8_t)projection_documents(
        record->projection, record->datum, record->documents_done, &batch->documents_arena,
        &batch->documents[first], BATCH_SUBJECTS_MAX - first, &count, &more);
    if (record->status != RECORD_OK)
        return true;
    if (more && index > batch->records_done) {
        batch->documents_arena.used_bytes = arena_used_bytes;
        return false;
    }
    for (uint32_t i = 0; i < count; i++)
        batch->subject_records[first + i] = index;
    record->subjects_first = first;
    record->subjects_count = count;
    batch->subjects_count += count;
    batch->window_is_slice = more;
    return true;
}

static bool decode_record(struct decode *decode, struct batch *batch, uint32_t index)
{
    struct record *record = &batch->records[index];
    record->subjects_count = 0;
    if (record->status != RECORD_OK)
        return true;
    if (split(decode, record))
        find_projection(decode, record);
    else
        record->status = RECORD_WIRE_INVALID;
    if (record->status == RECORD_HELD)
        forget_later(batch, index);
    return record->status != RECORD_OK || take_documents(batch, index);
}

/* A schema that all records of an input share is compiled at once: a fault in it is the
 * configuration's, not theirs. */
static enum status compile_fixed(struct decode *decode, uint16_t input, struct error *err)
{
    const char *path = decode->environment.config->inputs[input].schema_path;
    struct buffer schema = {0};
    enum status status = schema_text_read(path, &schema, err);
    if (status == STATUS_OK) {
        const struct compiled *compiled =
            compile(decode, input, 0, bytes_of(schema.data, schema.size));
        if (!compiled->projection)
            status = error_fail(err, EX_CONFIG, "schema '%s': %s", path, compiled->refusal);
    }
    buffer_close(&schema);
    return status;
}

static enum status decode_open(const struct environment *environment, void **state,
                               struct error *err)
{
    const struct config *config = environment->config;
    struct decode *decode = memory_new(1, sizeof *decode);
    decode->environment = *environment;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < config->inputs_count; i++)
        if (config->inputs[i].wire == WIRE_FIXED)
            status = compile_fixed(decode, (uint16_t)i, err);
    if (status != STATUS_OK) {
        decode_close(decode);
        return status;
    }
    *state = decode;
    return STATUS_OK;
}

static enum status decode_process(void *state, struct batch *batch, struct error *err)
{
    (void)err;
    if (batch_window_is_open(batch))
        return STATUS_OK;
    batch_reset_window(batch);
    uint32_t index = batch->records_done;
    while (index < batch->records_count && !batch->window_is_slice &&
           decode_record(state, batch, index))
        fetch_ahead(batch, index++);
    batch->window_end = index;
    return STATUS_OK;
}

const struct operator_step decode_step = {"decode", decode_open, decode_process, decode_close};
