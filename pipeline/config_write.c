/* What is in effect, and the reference: both walk the table, as the parser does. */
#include <assert.h>
#include <string.h>

#include "pipeline/config_internal.h"

/* --- values in effect, as YAML -------------------------------------------------------------- */

static void write_indent(uint32_t columns, FILE *out)
{
    fprintf(out, "%*s", (int)columns, "");
}

/* Always quoted: no text can then be taken for something else. */
static void write_text(const char *text, FILE *out)
{
    fputc('"', out);
    for (const char *next = text; *next; next++) {
        unsigned char byte = (unsigned char)*next;
        if (byte == '"' || byte == '\\')
            fprintf(out, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7F)
            fprintf(out, "\\x%02X", byte);
        else
            fputc(byte, out);
    }
    fputc('"', out);
}

static const char *text_at(const void *place)
{
    return *(const char *const *)place;
}

static void write_choice(const struct config_property *property, const void *place, FILE *out)
{
    uint32_t index =
        property->type == CONFIG_SWITCH ? *(const bool *)place : *(const unsigned *)place;
    char choice[CONFIG_DESCRIPTION_SIZE];
    bool found = config_choice(property->choices, index, choice, sizeof choice);
    assert(found);
    fputs(choice, out);
}

static void write_start(const struct config *config, FILE *out)
{
    char time[CONFIG_TIME_SIZE];
    config_time_format(config->start_time_ms, time);
    fputs(config->start == START_EARLIEST ? "earliest"
          : config->start == START_LATEST ? "latest"
                                          : time,
          out);
}

/* Whether there is nothing to say: an optional key that is not set. */
static bool is_unset(const struct config_property *property, const void *place)
{
    switch (property->type) {
    case CONFIG_PRESET: /* its fields are written instead */
        return true;
    case CONFIG_TEXT:
    case CONFIG_TOPIC:
    case CONFIG_WORD:
    case CONFIG_FILE:
    case CONFIG_URLS:
    case CONFIG_SECRET:
    case CONFIG_FIELD:
    case CONFIG_ROOT:
        return text_at(place) == NULL;
    case CONFIG_NUMBER:
        return !property->fallback && *(const uint32_t *)place == 0;
    case CONFIG_TOPICS:
        return ((const struct config *)place)->topics_count == 0;
    default:
        return false;
    }
}

static void write_scope(enum config_scope scope, const void *source, uint32_t indent, FILE *out);

static void write_client_property(const struct kafka_property *property, uint32_t indent, FILE *out)
{
    fputc('\n', out);
    write_indent(indent, out);
    write_text(property->name, out);
    fputs(": ", out);
    write_text(config_is_secret(property->name) ? "(hidden)" : property->value, out);
}

static void write_client_properties(const struct config *config, uint32_t indent, FILE *out)
{
    for (uint32_t i = 0; i < config->kafka_count; i++)
        write_client_property(&config->kafka[i], indent, out);
}

static void write_topics(const struct config *config, uint32_t indent, FILE *out)
{
    const char *topic = "";
    for (uint32_t i = 0; i < config->topics_count; i++) {
        if (strcmp(config->topics[i].topic, topic) != 0) {
            topic = config->topics[i].topic;
            fputc('\n', out);
            write_indent(indent, out);
            write_text(topic, out);
            fputc(':', out);
        }
        write_client_property(&config->topics[i].property, indent + 2, out);
    }
}

static void write_inputs(const struct config *config, uint32_t indent, FILE *out)
{
    for (uint32_t i = 0; i < config->inputs_count; i++) {
        fputc('\n', out);
        write_indent(indent, out);
        fputs("- ", out);
        write_scope(CONFIG_SCOPE_INPUT, &config->inputs[i], indent + 2, out);
    }
}

static void write_documents(const struct mapping *mapping, uint32_t indent, FILE *out)
{
    for (uint32_t i = 0; i < mapping->documents_count; i++) {
        fputc('\n', out);
        write_indent(indent, out);
        fputs("- ", out);
        write_scope(CONFIG_SCOPE_DOCUMENT, &mapping->documents[i], indent + 2, out);
    }
}

static void write_value(const struct config_property *property, const void *place, uint32_t indent,
                        FILE *out)
{
    switch (property->type) {
    case CONFIG_KAFKA:
        write_client_properties(place, indent + 2, out);
        return;
    case CONFIG_TOPICS:
        write_topics(place, indent + 2, out);
        return;
    case CONFIG_INPUTS:
        write_inputs(place, indent + 2, out);
        return;
    case CONFIG_DOCUMENTS:
        write_documents(place, indent + 2, out);
        return;
    case CONFIG_NUMBER:
        fprintf(out, " %u", *(const uint32_t *)place);
        return;
    case CONFIG_SECRET:
        fputs(" \"(hidden)\"", out);
        return;
    case CONFIG_CHOICE:
    case CONFIG_SWITCH:
        fputc(' ', out);
        write_choice(property, place, out);
        return;
    case CONFIG_LISTEN:
        fputc(' ', out);
        write_text(text_at(place) ? text_at(place) : "off", out);
        return;
    default:
        fputc(' ', out);
        write_text(text_at(place), out);
    }
}

static bool starts_group(const struct config_property *property, const char *group)
{
    return property->group && (!group || strcmp(property->group, group) != 0);
}

/* The first key goes where the caller's cursor is, every further one on a line of its own. */
static void write_scope(enum config_scope scope, const void *source, uint32_t indent, FILE *out)
{
    const char *group = NULL;
    bool first = true;
    for (size_t i = 0; i < config_properties_count; i++) {
        const struct config_property *property = &config_properties[i];
        if (property->scope != scope)
            continue;
        const void *place = (const char *)source + property->offset;
        if (is_unset(property, place))
            continue;
        if (!first) {
            fputc('\n', out);
            write_indent(indent, out);
        }
        first = false;
        if (starts_group(property, group)) {
            fprintf(out, "%s:\n", property->group);
            write_indent(indent, out);
        }
        group = property->group;
        uint32_t inner = indent + (group ? 2 : 0);
        write_indent(inner - indent, out);
        fprintf(out, "%s:", property->name);
        if (property->type == CONFIG_START) {
            fputc(' ', out);
            write_start(source, out);
            continue;
        }
        write_value(property, place, inner, out);
    }
}

void config_write(const struct config *config, FILE *out)
{
    write_scope(CONFIG_SCOPE_TOP, config, 0, out);
    fputc('\n', out);
}

/* --- reference ------------------------------------------------------------------------------ */

/* A cell of a Markdown table, where '|' would end it. */
static void write_cell(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void write_default(const struct config_property *property, FILE *out)
{
    if (property->required)
        fputs("required", out);
    else if (property->fallback_now)
        fputs(property->fallback, out);
    else if (property->fallback)
        fprintf(out, "`%s`", property->fallback);
    else
        fputs("none", out);
}

static void write_row(const struct config_property *property, FILE *out)
{
    char allowed[CONFIG_DESCRIPTION_SIZE];
    config_value_describe(property, allowed, sizeof allowed);
    fprintf(out, "| `%s%s%s` | ", property->group ? property->group : "",
            property->group ? "." : "", property->name);
    write_cell(allowed, out);
    if (property->unit)
        fprintf(out, " (%s)", property->unit);
    fputs(" | ", out);
    write_default(property, out);
    fputs(" | ", out);
    write_cell(property->help, out);
    fputs(property->reloadable ? ". *Reloaded*" : "", out);
    fputs(" |\n", out);
}

void config_write_reference(FILE *out)
{
    static const char *const titles[CONFIG_SCOPES] = {
        [CONFIG_SCOPE_TOP] = "## Keys",
        [CONFIG_SCOPE_INPUT] = "\n## One of `inputs`",
        [CONFIG_SCOPE_DOCUMENT] = "\n## One of `documents`",
    };
    fputs(
        "`a.b` is the key `b` in the mapping `a`. A running `checkit screen` takes what is marked "
        "*Reloaded* on SIGHUP; all else needs a restart.\n\n",
        out);
    for (uint32_t scope = 0; scope < CONFIG_SCOPES; scope++) {
        fprintf(out, "%s\n\n| key | value | default | meaning |\n|---|---|---|---|\n",
                titles[scope]);
        for (size_t i = 0; i < config_properties_count; i++)
            if (config_properties[i].scope == scope)
                write_row(&config_properties[i], out);
    }
}
