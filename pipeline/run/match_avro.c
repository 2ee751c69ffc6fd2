#include "pipeline/run/match_avro.h"

#include <inttypes.h>

#include "operators/support/json.h"
#include "operators/support/projection.h"
#include "pipeline/base/buffer.h"
#include "pipeline/base/memory.h"

struct match_avro {
    const char *name;
    struct container_reader *reader; /* owned, as all below */
    struct projection *projection;
    struct container_block block;
    size_t at;                                     /* in the block: where its next event begins */
    uint64_t records_left;                         /* in the block */
    uint64_t record;                               /* number of the event, from 1 */
    struct bytes datum;                            /* of the event; in the block */
    struct bytes event_id;                         /* in the datum; empty: it has none */
    struct arena arena;                            /* numbers of the slice that were integers */
    struct document documents[BATCH_SUBJECTS_MAX]; /* a slice of the event's */
    uint32_t documents_before;                     /* of the event, in earlier slices */
    uint32_t documents_count;
    uint32_t next;
    bool more;        /* slices follow */
    struct buffer id; /* of the row */
};

/* --- the schema ---------------------------------------------------------------------------------
 */

/* The preset that a record's name stands for; NULL: none. */
static const struct mapping *mapping_of_name(const char *name)
{
    const char *dot = name ? strrchr(name, '.') : NULL;
    struct bytes last = bytes_of_text(dot ? dot + 1 : name ? name : "");
    if (bytes_equal_text(last, "BookingEvent"))
        return mapping_preset("booking");
    return bytes_equal_text(last, "BankingEvent") ? mapping_preset("banking") : NULL;
}

static enum status find_mapping(const struct match_avro *avro, struct bytes schema,
                                const struct mapping **mapping, struct error *err)
{
    struct json *json = NULL;
    struct error why = {0};
    if (json_parse((const char *)schema.data, schema.size, &json, &why) != STATUS_OK)
        return error_fail(err, EX_DATAERR, "%s: its schema: %s", avro->name, why.text);
    *mapping = mapping_of_name(json_text(json_member(json, "name")));
    json_close(json);
    if (*mapping)
        return STATUS_OK;
    return error_fail(err, EX_USAGE,
                      "match: %s: its schema is neither BookingEvent nor BankingEvent: give "
                      "--preset NAME, or --config FILE --topic TOPIC, whose mapping is used",
                      avro->name);
}

static enum status compile(struct match_avro *avro, const struct mapping *mapping,
                           struct error *err)
{
    struct bytes schema = container_reader_schema(avro->reader);
    struct error why = {0};
    if (!mapping)
        TRY(find_mapping(avro, schema, &mapping, err));
    if (projection_compile((const char *)schema.data, schema.size, mapping, &avro->projection,
                           &why) != STATUS_OK)
        return error_fail(err, EX_DATAERR, "%s: its schema: %s", avro->name, why.text);
    return STATUS_OK;
}

enum status match_avro_open(const struct container_source *source, const struct mapping *mapping,
                            struct match_avro **out, struct error *err)
{
    struct match_avro *avro = memory_new(1, sizeof *avro);
    avro->name = source->name;
    arena_open(&avro->arena, BATCH_DOCUMENTS_ARENA_BYTES);
    enum status status = container_reader_open(source, &avro->reader, err);
    if (status == STATUS_OK)
        status = compile(avro, mapping, err);
    if (status != STATUS_OK) {
        match_avro_close(avro);
        return status;
    }
    *out = avro;
    return STATUS_OK;
}

void match_avro_close(struct match_avro *avro)
{
    if (!avro)
        return;
    container_reader_close(avro->reader);
    projection_close(avro->projection);
    arena_close(&avro->arena);
    buffer_close(&avro->id);
    memory_free(avro);
}

/* --- events -------------------------------------------------------------------------------------
 */

static enum status fault(const struct match_avro *avro, struct error *err, const char *why)
{
    return error_fail(err, EX_DATAERR, "%s: block %" PRIu64 ", record %" PRIu64 ": %s", avro->name,
                      avro->block.number, avro->record, why);
}

static enum status check_event(const struct match_avro *avro, enum record_status status,
                               size_t size, struct error *err)
{
    if (status == RECORD_TOO_MANY_DOCUMENTS)
        return fault(avro, err, "it has more documents than a record may have");
    if (status != RECORD_OK)
        return fault(avro, err, "its bytes do not follow the schema");
    if (size > RECORD_BYTES_MAX)
        return fault(avro, err, "it is larger than a record may be");
    return STATUS_OK;
}

static enum status read_slice(struct match_avro *avro, struct error *err)
{
    arena_reset(&avro->arena);
    avro->next = 0;
    enum record_status status = projection_documents(
        avro->projection, avro->datum, avro->documents_before, &avro->arena, avro->documents,
        BATCH_SUBJECTS_MAX, &avro->documents_count, &avro->more);
    return check_event(avro, status, avro->datum.size, err);
}

/* The context may refuse what the documents took (a symbol that does not exist): no id then. */
static struct bytes read_event_id(const struct match_avro *avro)
{
    struct context context;
    bool is_read = projection_context(avro->projection, avro->datum, &context) == RECORD_OK;
    return is_read ? context.event_id : (struct bytes){NULL, 0};
}

static enum status next_block(struct match_avro *avro, struct error *err)
{
    if (avro->at < avro->block.data.size)
        return fault(avro, err, "bytes are left behind it, the block's last one");
    TRY(container_reader_next(avro->reader, &avro->block, err));
    avro->at = 0;
    avro->records_left = avro->block.records;
    return STATUS_OK;
}

/* Leaves the first slice of its documents, which may be none. */
static enum status next_event(struct match_avro *avro, struct error *err)
{
    size_t size = 0;
    avro->record++;
    avro->records_left--;
    struct bytes rest =
        bytes_of(avro->block.data.data + avro->at, avro->block.data.size - avro->at);
    enum record_status status = projection_measure(avro->projection, rest, &size);
    TRY(check_event(avro, status, size, err));
    avro->datum = bytes_of(rest.data, size);
    avro->at += size;
    avro->documents_before = 0;
    TRY(read_slice(avro, err));
    avro->event_id = read_event_id(avro);
    return STATUS_OK;
}

static void hand_out(struct match_avro *avro, struct match_row *row)
{
    const struct document *document = &avro->documents[avro->next++];
    buffer_reset(&avro->id);
    if (avro->event_id.size > 0)
        buffer_add(&avro->id, (const char *)avro->event_id.data, avro->event_id.size);
    else
        buffer_print(&avro->id, "%" PRIu64, avro->record);
    buffer_print(&avro->id, "/%" PRIu32, avro->documents_before + avro->next);
    *row = (struct match_row){.line = avro->record,
                              .id = bytes_of(avro->id.data, avro->id.size),
                              .number = document->number,
                              .issuer = document->issuer,
                              .type = document->type,
                              .nationality = document->nationality};
}

enum status match_avro_next(struct match_avro *avro, struct match_row *row, struct error *err)
{
    *row = (struct match_row){0};
    while (avro->next == avro->documents_count) {
        if (avro->more) {
            avro->documents_before += avro->documents_count;
            TRY(read_slice(avro, err));
            continue;
        }
        if (avro->records_left == 0)
            TRY(next_block(avro, err));
        if (avro->records_left == 0)
            return STATUS_OK;
        TRY(next_event(avro, err));
    }
    hand_out(avro, row);
    return STATUS_OK;
}

uint64_t match_avro_bytes_read(const struct match_avro *avro)
{
    return container_reader_bytes_read(avro->reader);
}
