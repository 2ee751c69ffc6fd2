#include "pipeline/run/alert_view.h"

#include <inttypes.h>
#include <string.h>

#include "operators/support/quote.h"
#include "operators/support/time_parse.h"
#include "pipeline/run/datum_json.h"

/* --- reading -------------------------------------------------------------------------------- */

#define FIELD(path, member)                                                                        \
    {                                                                                              \
        path, offsetof(struct alert_view, member), sizeof((struct alert_view *)NULL)->member       \
    }

static const struct {
    const char *path;
    size_t offset;
    size_t size;
} fields[] = {
    FIELD("event.received_at", received_at),
    FIELD("class", alert_class),
    FIELD("tier", tier),
    FIELD("document.canonical_number", number),
    FIELD("document.token", token),
    FIELD("document.issuer", issuer),
    FIELD("document.type", type),
    FIELD("entry.entry_id", entry_id),
    FIELD("entry.loss", loss),
    FIELD("event.partner_id", partner),
    FIELD("event.stage", stage),
    FIELD("event.place", place),
    FIELD("event.topic", topic),
    FIELD("event.partition", partition),
    FIELD("event.offset", offset),
};

static void write_value(const struct datum_value *value, char *out, size_t size)
{
    char time[TIME_TEXT_SIZE];
    if (value->kind == DATUM_TEXT)
        (void)quote_line(value->text, out, size);
    else if (value->kind == DATUM_TIME && time_format(value->integer, time))
        (void)snprintf(out, size, "%s", time);
    else if (value->kind == DATUM_INTEGER || value->kind == DATUM_TIME)
        (void)snprintf(out, size, "%" PRId64, value->integer);
}

static void add_flag(struct alert_view *view, struct bytes name)
{
    char text[VIEW_NAME_SIZE];
    size_t used = strlen(view->flags);
    (void)snprintf(view->flags + used, sizeof view->flags - used, "%s%s", used > 0 ? "," : "",
                   quote_line(name, text, sizeof text));
}

static void visit(void *state, const struct datum_value *value)
{
    struct alert_view *view = state;
    if (value->kind == DATUM_TEXT && strcmp(value->path, "flags[]") == 0)
        add_flag(view, value->text);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (value->kind != DATUM_END && strcmp(value->path, fields[i].path) == 0)
            write_value(value, (char *)view + fields[i].offset, fields[i].size);
}

enum record_status alert_view_read(const struct datum_schema *schema, struct bytes datum,
                                   struct alert_view *view)
{
    *view = (struct alert_view){0};
    return datum_walk(schema, datum, visit, view);
}

bool alert_view_passes(const struct alert_view *view, const struct alert_filter *filter)
{
    return (!filter->alert_class || strcasecmp(filter->alert_class, view->alert_class) == 0) &&
           (!filter->tier || strcasecmp(filter->tier, view->tier) == 0) &&
           (!filter->issuer || strcasecmp(filter->issuer, view->issuer) == 0) &&
           (!filter->partner || strcmp(filter->partner, view->partner) == 0);
}

/* --- the table ------------------------------------------------------------------------------ */

enum { WIDTH_TIME = 24, WIDTH_NUMBER = 24, WIDTH_TOKEN = 32 };

/* Bytes of the character there; texts are valid UTF-8 (quote_line). */
static size_t character_size(const char *at)
{
    uint8_t byte = (uint8_t)*at;
    return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/* Padded to the width; of what is longer the last character stands for the rest. */
static void write_cell(const char *text, uint32_t width, FILE *out)
{
    uint32_t characters = 0;
    const char *at = *text ? text : "-";
    const char *last = at; /* where the character before the limit begins */
    text = at;
    for (; *at && characters < width; at += character_size(at), characters++)
        last = at;
    if (*at)
        fprintf(out, "%.*s\xE2\x80\xA6", (int)(last - text), text);
    else
        fprintf(out, "%s%*s", text, (int)(width - characters), "");
    fputs("  ", out);
}

/* What every line says, from left to right. */
struct cells {
    const char *time, *alert_class, *tier, *issuer, *number, *type, *loss, *partner, *stage, *place,
        *flags;
};

static void write_cells(const struct cells *cells, bool is_redacted, FILE *out)
{
    write_cell(cells->time, WIDTH_TIME, out);
    write_cell(cells->alert_class, 6, out);
    write_cell(cells->tier, 15, out);
    write_cell(cells->issuer, 6, out);
    write_cell(cells->number, is_redacted ? WIDTH_TOKEN : WIDTH_NUMBER, out);
    write_cell(cells->type, 8, out);
    write_cell(cells->loss, 12, out);
    write_cell(cells->partner, 16, out);
    write_cell(cells->stage, 12, out);
    write_cell(cells->place, 8, out);
    write_cell(cells->flags, 16, out);
}

void alert_view_write_header(bool is_redacted, FILE *out)
{
    const struct cells titles = {.time = "RECEIVED",
                                 .alert_class = "CLASS",
                                 .tier = "TIER",
                                 .issuer = "ISSUER",
                                 .number = is_redacted ? "TOKEN" : "NUMBER",
                                 .type = "TYPE",
                                 .loss = "LOSS",
                                 .partner = "PARTNER",
                                 .stage = "STAGE",
                                 .place = "PLACE",
                                 .flags = "FLAGS"};
    write_cells(&titles, is_redacted, out);
    fputs("ENTRY  TOPIC/PARTITION/OFFSET\n", out);
}

void alert_view_write_row(const struct alert_view *view, bool is_redacted, FILE *out)
{
    const struct cells cells = {.time = view->received_at,
                                .alert_class = view->alert_class,
                                .tier = view->tier,
                                .issuer = view->issuer,
                                .number = is_redacted ? view->token : view->number,
                                .type = view->type,
                                .loss = view->loss,
                                .partner = view->partner,
                                .stage = view->stage,
                                .place = view->place,
                                .flags = view->flags};
    write_cells(&cells, is_redacted, out);
    fprintf(out, "%s  %s/%s/%s\n", view->entry_id, view->topic, view->partition, view->offset);
}

/* --- JSON ----------------------------------------------------------------------------------- */

void alert_view_write_json(const struct datum_schema *schema, struct bytes datum,
                           const struct alert_view *view, bool is_redacted, FILE *out)
{
    const char *token = view->token[0] ? view->token : "(hidden)";
    /* Edits say which characters were read otherwise, and where. */
    const struct datum_json_replacement hidden[] = {{"document.number", token},
                                                    {"document.canonical_number", token},
                                                    {"edits[].from", "?"},
                                                    {"edits[].to", "?"},
                                                    {0}};
    (void)datum_json_write(schema, datum, is_redacted ? hidden : NULL, out);
    fputc('\n', out);
}
