#include "pipeline/run/datum_json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "operators/support/quote.h"
#include "operators/support/time_parse.h"
#include "pipeline/base/memory.h"

struct writer {
    const struct datum_json_replacement *replacements;
    FILE *out;
    uint32_t depth;
    bool has_more[DATUM_NESTING_MAX + 1]; /* by depth: something was written there */
    char closers[DATUM_NESTING_MAX + 1];
};

/* --- texts ---------------------------------------------------------------------------------- */

static void write_valid(struct bytes text, FILE *out)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        bool is_wide_control = byte == 0xC2 && text.data[i + 1] < 0xA0;
        if (is_wide_control)
            byte = text.data[++i];
        if (byte == '"' || byte == '\\')
            fprintf(out, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7F || is_wide_control)
            fprintf(out, "\\u%04x", byte);
        else
            fputc(byte, out);
    }
}

void datum_json_write_text(struct bytes text, FILE *out)
{
    enum { REPLACEMENT_SIZE = 3 };
    unsigned faults = 0;
    uint8_t *copy = memory_new(text.size + 1, REPLACEMENT_SIZE);
    fputc('"', out);
    if (text.data)
        write_valid(quote_text(text, copy, text.size * REPLACEMENT_SIZE, &faults), out);
    fputc('"', out);
    memory_free(copy);
}

static void write_bytes(struct bytes bytes, FILE *out)
{
    fputc('"', out);
    for (size_t i = 0; i < bytes.size; i++)
        fprintf(out, "%02x", bytes.data[i]);
    fputc('"', out);
}

/* --- values --------------------------------------------------------------------------------- */

static void write_time(const struct datum_value *value, FILE *out)
{
    char text[TIME_TEXT_SIZE];
    bool is_possible = value->kind == DATUM_TIME ? time_format(value->integer, text)
                                                 : date_format(value->integer, text);
    if (is_possible)
        fprintf(out, "\"%s\"", text);
    else
        fprintf(out, "%" PRId64, value->integer);
}

static void write_scalar(const struct datum_value *value, FILE *out)
{
    switch (value->kind) {
    case DATUM_BOOLEAN:
        fputs(value->integer ? "true" : "false", out);
        return;
    case DATUM_INTEGER:
        fprintf(out, "%" PRId64, value->integer);
        return;
    case DATUM_TIME:
    case DATUM_DATE:
        write_time(value, out);
        return;
    case DATUM_TEXT:
        datum_json_write_text(value->text, out);
        return;
    case DATUM_BYTES:
        write_bytes(value->text, out);
        return;
    case DATUM_REAL:
        if (isfinite(value->real)) {
            fprintf(out, "%.17g", value->real);
            return;
        }
        break;
    default:
        break;
    }
    fputs("null", out);
}

static const char *replaced(const struct writer *writer, const char *path)
{
    const struct datum_json_replacement *next = writer->replacements;
    for (; next && next->path; next++)
        if (strcmp(next->path, path) == 0)
            return next->text;
    return NULL;
}

static void begin_value(struct writer *writer, struct bytes name)
{
    if (writer->has_more[writer->depth])
        fputc(',', writer->out);
    writer->has_more[writer->depth] = true;
    if (!name.data)
        return;
    datum_json_write_text(name, writer->out);
    fputc(':', writer->out);
}

static void visit(void *state, const struct datum_value *value)
{
    struct writer *writer = state;
    if (value->kind == DATUM_END) {
        fputc(writer->closers[writer->depth--], writer->out);
        return;
    }
    begin_value(writer, value->name);
    const char *text = replaced(writer, value->path);
    if (value->kind == DATUM_RECORD || value->kind == DATUM_MAP || value->kind == DATUM_ARRAY) {
        bool is_array = value->kind == DATUM_ARRAY;
        fputc(is_array ? '[' : '{', writer->out);
        writer->depth++;
        writer->has_more[writer->depth] = false;
        writer->closers[writer->depth] = is_array ? ']' : '}';
    } else if (text) {
        datum_json_write_text(bytes_of_text(text), writer->out);
    } else {
        write_scalar(value, writer->out);
    }
}

enum record_status datum_json_write(const struct datum_schema *schema, struct bytes datum,
                                    const struct datum_json_replacement *replacements, FILE *out)
{
    struct writer writer = {.replacements = replacements, .out = out};
    return datum_walk(schema, datum, visit, &writer);
}
