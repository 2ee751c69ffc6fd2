#include "operators/decode.h"

#include "operators/support/projection.h"
#include "operators/support/registry.h"
#include "operators/support/wire.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/config.h"
#include "pipeline/counters.h"

/* A schema as compiled for one input; refused ones keep the reason instead of a projection. */
struct compiled {
    uint16_t input;
    uint32_t schema_id;
    struct projection *projection;
    char *refusal;
};

struct decode {
    struct environment environment;
    struct compiled **compiled; /* each stays where it is: records borrow from it */
    uint32_t compiled_count;
    const struct compiled *last[INPUTS_MAX]; /* an input rarely changes its schema */
};

static enum status decode_open(const struct environment *environment, void **state,
                               struct error *err)
{
    (void)err;
    struct decode *decode = memory_new(1, sizeof *decode);
    decode->environment = *environment;
    *state = decode;
    return STATUS_OK;
}

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

static const struct compiled *find_compiled(struct decode *decode, uint16_t input, uint32_t id)
{
    for (uint32_t i = 0; i < decode->compiled_count; i++)
        if (decode->compiled[i]->input == input && decode->compiled[i]->schema_id == id)
            return decode->compiled[i];
    return NULL;
}

/* Once a schema and input, so allocation and a log line are in place. */
static const struct compiled *compile(struct decode *decode, uint16_t input, uint32_t id,
                                      struct bytes schema)
{
    const struct input *configured = &decode->environment.config->inputs[input];
    struct compiled *compiled = memory_new(1, sizeof *compiled);
    compiled->input = input;
    compiled->schema_id = id;
    struct error err = {0};
    if (projection_compile((const char *)schema.data, schema.size, &configured->mapping,
                           &compiled->projection, &err) != STATUS_OK) {
        compiled->projection = NULL;
        compiled->refusal = memory_copy_text(err.text, strlen(err.text));
        LOG_ERROR("decode", "schema refused", LOG_TEXT("topic", configured->topic),
                  LOG_INTEGER("schema_id", id), LOG_TEXT("reason", err.text));
    }
    decode->compiled =
        memory_resize(decode->compiled, decode->compiled_count + 1, sizeof(struct compiled *));
    decode->compiled[decode->compiled_count++] = compiled;
    return compiled;
}

/* Sets the record's projection, or its status when there is none. */
static void find_projection(struct decode *decode, struct record *record)
{
    uint16_t input = record->origin.input;
    const struct compiled *compiled = decode->last[input];
    if (!compiled || compiled->schema_id != record->schema_id)
        compiled = find_compiled(decode, input, record->schema_id);
    if (!compiled) {
        struct bytes schema;
        enum registry_answer answer =
            registry_find(decode->environment.registry, record->schema_id, &schema);
        if (answer != REGISTRY_FOUND) {
            record->status = answer == REGISTRY_ABSENT ? RECORD_SCHEMA_UNKNOWN : RECORD_HELD;
            return;
        }
        compiled = compile(decode, input, record->schema_id, schema);
    }
    decode->last[input] = compiled;
    record->projection = compiled->projection;
    if (!compiled->projection) {
        record->status = RECORD_SCHEMA_REFUSED;
        record->detail = compiled->refusal;
    }
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
    if (wire_split(record->payload, &record->schema_id, &record->datum))
        find_projection(decode, record);
    else
        record->status = RECORD_WIRE_INVALID;
    if (record->status == RECORD_HELD)
        forget_later(batch, index);
    return record->status != RECORD_OK || take_documents(batch, index);
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
        index++;
    batch->window_end = index;
    return STATUS_OK;
}

const struct operator_step decode_step = {"decode", decode_open, decode_process, decode_close};
