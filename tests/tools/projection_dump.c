/* projection_dump - what a projection reads, for comparison with another reader.
 *
 * Standard input, one JSON object a line:
 *   {"schema": TEXT, "mapping": {"documents": [{"path": TEXT, "number": TEXT, ..}], ..},
 *    "capacity": DOCUMENTS, "data": [HEX, ..]}
 * the keys of "mapping" and of its documents being those of pipeline/mapping.h; without "mapping"
 * the schema is one of changes. A datum is read in slices of at most "capacity" documents.
 * Standard output, one JSON object a line, texts in hexadecimal, null where absent:
 *   {"error": TEXT}                                          the schema is refused, or
 *   {"data": [{"documents": [[NUMBER, ISSUER, TYPE, NATIONALITY], ..], "context": {..}}, ..]}
 *   {"data": [{"change": {..}}, ..]}
 * a datum or context that is refused being the name of its status instead.
 * Exit codes: 65 for a line that is no case, 70 for a slice that makes no way.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "operators/support/projection.h"

enum { CAPACITY_DEFAULT = 1024, DOCUMENT_FIELDS = 4 };

struct reader {
    struct projection *projection;
    struct arena arena;
    struct document *documents;
    uint32_t capacity;
    bool is_change;
};

/* --- output --- */

static void write_text(const char *name, struct bytes text)
{
    if (name)
        printf("\"%s\": ", name);
    if (!text.data) {
        fputs("null", stdout);
        return;
    }
    putchar('"');
    for (size_t i = 0; i < text.size; i++)
        printf("%02x", text.data[i]);
    putchar('"');
}

static void write_number(const char *name, int64_t value, int64_t none)
{
    if (value == none)
        printf("\"%s\": null", name);
    else
        printf("\"%s\": %lld", name, (long long)value);
}

static void write_context(const struct context *context)
{
    const struct {
        const char *name;
        struct bytes text;
    } texts[] = {{"event_id", context->event_id}, {"partner", context->partner},
                 {"journey", context->journey},   {"sector", context->sector},
                 {"stage", context->stage},       {"place", context->place}};
    putchar('{');
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_text(texts[i].name, texts[i].text);
        fputs(", ", stdout);
    }
    write_number("event_time", context->event_time_ms, TIME_NONE);
    putchar('}');
}

static void write_change(const struct change *change)
{
    const struct {
        const char *name;
        struct bytes text;
    } texts[] = {{"entry_id", change->entry_id},
                 {"number", change->number},
                 {"number_to", change->number_to},
                 {"issuer", change->issuer},
                 {"type", change->type},
                 {"contributor", change->contributor},
                 {"national_ref", change->national_ref}};
    const struct {
        const char *name;
        int32_t value;
    } dates[] = {{"reported_on", change->reported_on},
                 {"lost_on", change->lost_on},
                 {"expiry", change->expiry},
                 {"review_on", change->review_on}};
    fputs("{\"change\": {", stdout);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_text(texts[i].name, texts[i].text);
        fputs(", ", stdout);
    }
    printf("\"op\": %d, \"revision\": %lld, \"loss\": %d, \"flags\": %u, ", change->op,
           (long long)change->revision, change->loss, change->flags);
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        write_number(dates[i].name, dates[i].value, DATE_NONE);
        fputs(", ", stdout);
    }
    write_number("effective_at", change->effective_at_ms, TIME_NONE);
    fputs("}}", stdout);
}

static void write_documents(const struct document *documents, uint32_t count, bool is_first)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct bytes texts[DOCUMENT_FIELDS] = {documents[i].number, documents[i].issuer,
                                                     documents[i].type, documents[i].nationality};
        fputs(i == 0 && is_first ? "[" : ", [", stdout);
        for (int field = 0; field < DOCUMENT_FIELDS; field++) {
            if (field > 0)
                fputs(", ", stdout);
            write_text(NULL, texts[field]);
        }
        putchar(']');
    }
}

/* --- reading --- */

static void refuse_datum(enum record_status status)
{
    printf("\"%s\"", record_status_name(status));
}

/* Only the first slice can be refused. */
static void read_documents(struct reader *reader, struct bytes datum)
{
    uint32_t seen = 0;
    bool more = true;
    while (more) {
        uint32_t count = 0;
        arena_reset(&reader->arena);
        enum record_status status =
            projection_documents(reader->projection, datum, seen, &reader->arena, reader->documents,
                                 reader->capacity, &count, &more);
        if (status != RECORD_OK && seen == 0) {
            refuse_datum(status);
            return;
        }
        if (status != RECORD_OK || (more && count == 0)) {
            fputs("projection_dump: a slice makes no way\n", stderr);
            exit(EX_SOFTWARE);
        }
        if (seen == 0)
            fputs("{\"documents\": [", stdout);
        write_documents(reader->documents, count, seen == 0);
        seen += count;
    }
    struct context context;
    enum record_status status = projection_context(reader->projection, datum, &context);
    fputs("], \"context\": ", stdout);
    if (status == RECORD_OK)
        write_context(&context);
    else
        refuse_datum(status);
    putchar('}');
}

static void read_change(struct reader *reader, struct bytes datum)
{
    struct change change;
    enum record_status status = projection_change(reader->projection, datum, &change);
    if (status != RECORD_OK)
        refuse_datum(status);
    else
        write_change(&change);
}

static int hex_digit(char digit)
{
    return digit >= 'a' ? digit - 'a' + 10 : digit - '0';
}

/* In memory of exactly its size, so that a sanitizer sees a read beyond it. */
static void read_datum(struct reader *reader, const char *hex)
{
    size_t size = strlen(hex) / 2;
    uint8_t *data = malloc(size ? size : 1);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    if (reader->is_change)
        read_change(reader, bytes_of(data, size));
    else
        read_documents(reader, bytes_of(data, size));
    free(data);
}

/* --- cases --- */

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void read_mapping(const json_t *json, struct mapping *mapping)
{
    const json_t *documents = json_object_get(json, "documents");
    *mapping = (struct mapping){.event_id = text_of(json, "event_id"),
                                .event_time = text_of(json, "event_time"),
                                .partner = text_of(json, "partner"),
                                .journey = text_of(json, "journey"),
                                .sector = text_of(json, "sector"),
                                .stage = text_of(json, "stage"),
                                .place = text_of(json, "place"),
                                .partner_fixed = text_of(json, "partner_fixed"),
                                .sector_fixed = text_of(json, "sector_fixed")};
    for (size_t i = 0; i < json_array_size(documents) && i < MAPPING_PATHS_MAX; i++) {
        const json_t *document = json_array_get(documents, i);
        json_t *width = json_object_get(document, "number_width");
        mapping->documents[i] = (struct document_mapping){
            .path = text_of(document, "path"),
            .number = text_of(document, "number"),
            .issuer = text_of(document, "issuer"),
            .type = text_of(document, "type"),
            .nationality = text_of(document, "nationality"),
            .number_width = (uint32_t)json_integer_value(width),
        };
    }
    mapping->documents_count = (uint32_t)json_array_size(documents);
}

static void write_refusal(const char *text)
{
    json_t *json = json_pack("{s:s}", "error", text);
    json_dumpf(json, stdout, JSON_ENSURE_ASCII);
    json_decref(json);
}

static void answer(struct reader *reader, const json_t *json)
{
    const char *schema = text_of(json, "schema");
    const json_t *mapping_json = json_object_get(json, "mapping");
    const json_t *data = json_object_get(json, "data");
    struct mapping mapping;
    struct error err;
    read_mapping(mapping_json, &mapping);
    reader->is_change = !mapping_json;
    reader->capacity = (uint32_t)json_integer_value(json_object_get(json, "capacity"));
    if (reader->capacity == 0 || reader->capacity > CAPACITY_DEFAULT)
        reader->capacity = CAPACITY_DEFAULT;
    enum status status =
        mapping_json
            ? projection_compile(schema, strlen(schema), &mapping, &reader->projection, &err)
            : projection_compile_change(schema, strlen(schema), &reader->projection, &err);
    if (status != STATUS_OK) {
        write_refusal(err.text);
        return;
    }
    fputs("{\"data\": [", stdout);
    for (size_t i = 0; i < json_array_size(data); i++) {
        if (i > 0)
            fputs(", ", stdout);
        read_datum(reader, json_string_value(json_array_get(data, i)));
    }
    fputs("]}", stdout);
    projection_close(reader->projection);
}

int main(void)
{
    struct reader reader = {0};
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size = 0;
    int exit_code = EX_OK;
    reader.documents = calloc(CAPACITY_DEFAULT, sizeof *reader.documents);
    arena_open(&reader.arena, BATCH_DOCUMENTS_ARENA_BYTES);
    while (exit_code == EX_OK && (size = getline(&line, &capacity, stdin)) > 0) {
        json_t *json = json_loadb(line, (size_t)size, JSON_ALLOW_NUL, NULL);
        if (json_is_string(json_object_get(json, "schema"))) {
            answer(&reader, json);
            putchar('\n');
        } else {
            exit_code = EX_DATAERR;
        }
        json_decref(json);
    }
    free(line);
    arena_close(&reader.arena);
    free(reader.documents);
    return exit_code;
}
