/* The configuration as a JSON Schema (draft 2020-12): a walk over the table, as the reference. */
#include <inttypes.h>
#include <string.h>

#include "pipeline/config_internal.h"

#define NAME "[A-Za-z_][A-Za-z0-9_]*"
#define SUFFIX "(\\[\\]|\\{\\}|\\{" NAME "(\\." NAME ")*\\})"
#define ALTERNATIVE " *(" NAME SUFFIX "*|" SUFFIX "+)(\\." NAME SUFFIX "*)* *"
#define FIELD ALTERNATIVE "(\\|" ALTERNATIVE ")*"
#define URL " *https?://[^/: ,@?#\"\\\\][^ ,@?#\"\\\\]* *"

/* What a text must look like, where that can be said; a backslash stands for itself. */
static const char *const patterns[CONFIG_TYPES] = {
    [CONFIG_TEXT] = "^[^\\x00-\\x1f\\x7f]+$",
    [CONFIG_TOPIC] = "^(?!\\.{1,2}$)[A-Za-z0-9._-]{1,249}$",
    [CONFIG_START] = "^(earliest|latest|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)$",
    [CONFIG_FILE] = "^[^\\x00-\\x1f\\x7f]+$",
    [CONFIG_LISTEN] = "^(|off|(localhost|[0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5})$",
    [CONFIG_URLS] = "^" URL "(," URL "){0,15}$",
    [CONFIG_SECRET] = "^[^\\x00-\\x1f\\x7f]+$",
    [CONFIG_FIELD] = "^" FIELD "$",
    [CONFIG_ROOT] = "^(" FIELD ")?$",
};

_Static_assert(CONFIG_URLS_MAX == 16, "as the pattern says");

static const char *const scope_names[CONFIG_SCOPES] = {
    [CONFIG_SCOPE_TOP] = "configuration",
    [CONFIG_SCOPE_INPUT] = "input",
    [CONFIG_SCOPE_DOCUMENT] = "document",
};

/* --- JSON, as much as is needed: indented by two, members one a line ------------------------- */

struct writer {
    FILE *out;
    uint32_t indent;
    bool has_members; /* of the object being written */
};

static void write_string(const struct writer *writer, const char *text)
{
    fputc('"', writer->out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', writer->out);
        fputc(*text, writer->out);
    }
    fputc('"', writer->out);
}

/* The value follows. */
static void write_name(struct writer *writer, const char *name)
{
    fprintf(writer->out, "%s\n%*s", writer->has_members ? "," : "", (int)writer->indent, "");
    write_string(writer, name);
    fputs(": ", writer->out);
    writer->has_members = true;
}

static void begin_object(struct writer *writer)
{
    fputc('{', writer->out);
    writer->indent += 2;
    writer->has_members = false;
}

static void end_object(struct writer *writer)
{
    writer->indent -= 2;
    fprintf(writer->out, "\n%*s}", (int)writer->indent, "");
    writer->has_members = true;
}

static void put_text(struct writer *writer, const char *name, const char *text)
{
    write_name(writer, name);
    write_string(writer, text);
}

/* json: numbers, literals, lists of them, as they stand. */
static void put(struct writer *writer, const char *name, const char *json)
{
    write_name(writer, name);
    fputs(json, writer->out);
}

static void put_number(struct writer *writer, const char *name, uint32_t number)
{
    write_name(writer, name);
    fprintf(writer->out, "%" PRIu32, number);
}

/* --- a key ---------------------------------------------------------------------------------- */

/* "true" and "false" as YAML has them too. */
static void put_choices(struct writer *writer, const char *choices)
{
    char choice[CONFIG_DESCRIPTION_SIZE];
    write_name(writer, "enum");
    for (uint32_t i = 0; config_choice(choices, i, choice, sizeof choice); i++) {
        fputs(i ? ", " : "[", writer->out);
        bool is_boolean = strcmp(choice, "true") == 0 || strcmp(choice, "false") == 0;
        if (is_boolean)
            fputs(choice, writer->out);
        else
            write_string(writer, choice);
    }
    fputc(']', writer->out);
}

/* A number or a switch where a text is meant is a text to us, as it has no quotes. */
static void put_property_values(struct writer *writer, const char *name)
{
    write_name(writer, name);
    begin_object(writer);
    put(writer, "type", "[\"string\", \"number\", \"boolean\"]");
    end_object(writer);
}

static void put_kafka(struct writer *writer)
{
    put_text(writer, "type", "object");
    put(writer, "required", "[\"bootstrap.servers\"]");
    write_name(writer, "properties");
    begin_object(writer);
    write_name(writer, "bootstrap.servers");
    begin_object(writer);
    put_text(writer, "type", "string");
    put_number(writer, "minLength", 1);
    end_object(writer);
    end_object(writer);
    put_property_values(writer, "additionalProperties");
}

static void put_topics(struct writer *writer)
{
    put_text(writer, "type", "object");
    write_name(writer, "additionalProperties");
    begin_object(writer);
    put_text(writer, "type", "object");
    put_property_values(writer, "additionalProperties");
    end_object(writer);
}

static void put_list(struct writer *writer, enum config_scope scope, uint32_t max)
{
    char reference[CONFIG_DESCRIPTION_SIZE];
    (void)snprintf(reference, sizeof reference, "#/$defs/%s", scope_names[scope]);
    put_text(writer, "type", "array");
    put_number(writer, "minItems", 1);
    put_number(writer, "maxItems", max);
    write_name(writer, "items");
    begin_object(writer);
    put_text(writer, "$ref", reference);
    end_object(writer);
}

static void put_type(struct writer *writer, const struct config_property *property)
{
    if (property->choices) {
        put_choices(writer, property->choices);
        return;
    }
    switch (property->type) {
    case CONFIG_NUMBER:
        put_text(writer, "type", "integer");
        put_number(writer, "minimum", property->min);
        put_number(writer, "maximum", property->max);
        return;
    case CONFIG_KAFKA:
        put_kafka(writer);
        return;
    case CONFIG_TOPICS:
        put_topics(writer);
        return;
    case CONFIG_INPUTS:
        put_list(writer, CONFIG_SCOPE_INPUT, INPUTS_MAX);
        return;
    case CONFIG_DOCUMENTS:
        put_list(writer, CONFIG_SCOPE_DOCUMENT, MAPPING_PATHS_MAX);
        return;
    default:
        put(writer, "type",
            property->type == CONFIG_TEXT ? "[\"string\", \"number\", \"boolean\"]" : "\"string\"");
        put_text(writer, "pattern", patterns[property->type]);
    }
}

static void put_default(struct writer *writer, const struct config_property *property)
{
    const char *fallback = property->fallback;
    if (!fallback || property->fallback_now)
        return;
    bool is_bare = property->type == CONFIG_NUMBER || strcmp(fallback, "false") == 0;
    if (is_bare)
        put(writer, "default", fallback);
    else
        put_text(writer, "default", fallback);
}

static void put_property(struct writer *writer, const struct config_property *property)
{
    write_name(writer, property->name);
    begin_object(writer);
    put_text(writer, "description", property->help);
    put_type(writer, property);
    put_default(writer, property);
    if (property->unit)
        put_text(writer, "x-unit", property->unit);
    if (property->reloadable)
        put(writer, "x-reloadable", "true");
    end_object(writer);
}

/* --- a mapping ------------------------------------------------------------------------------ */

static bool is_member(const struct config_property *property, enum config_scope scope,
                      const char *group)
{
    bool has_group = group && property->group && strcmp(property->group, group) == 0;
    return property->scope == scope && (group ? has_group : property->group == NULL);
}

static bool needs_key(enum config_scope scope, const char *group)
{
    for (size_t i = 0; i < config_properties_count; i++)
        if (is_member(&config_properties[i], scope, group) && config_properties[i].required)
            return true;
    return false;
}

static bool is_first_of_group(size_t index)
{
    const struct config_property *property = &config_properties[index];
    for (size_t i = 0; property->group && i < index; i++)
        if (is_member(&config_properties[i], property->scope, property->group))
            return false;
    return property->group != NULL;
}

static void add_required(const struct writer *writer, const char *name, uint32_t *count)
{
    fputs((*count)++ ? ", " : "[", writer->out);
    write_string(writer, name);
}

static void put_required(struct writer *writer, enum config_scope scope, const char *group)
{
    uint32_t count = 0;
    write_name(writer, "required");
    for (size_t i = 0; i < config_properties_count; i++) {
        const struct config_property *next = &config_properties[i];
        if (is_member(next, scope, group) && next->required)
            add_required(writer, next->name, &count);
        else if (!group && next->scope == scope && is_first_of_group(i) &&
                 needs_key(scope, next->group))
            add_required(writer, next->group, &count);
    }
    fputs(count ? "]" : "[]", writer->out);
}

static void put_group(struct writer *writer, enum config_scope scope, const char *group)
{
    write_name(writer, group);
    begin_object(writer);
    bool is_needed = needs_key(scope, group);
    put(writer, "type", is_needed ? "\"object\"" : "[\"object\", \"null\"]");
    put(writer, "additionalProperties", "false");
    put_required(writer, scope, group);
    write_name(writer, "properties");
    begin_object(writer);
    for (size_t i = 0; i < config_properties_count; i++)
        if (is_member(&config_properties[i], scope, group))
            put_property(writer, &config_properties[i]);
    end_object(writer);
    end_object(writer);
}

static void put_scope(struct writer *writer, enum config_scope scope)
{
    put_text(writer, "type", "object");
    put(writer, "additionalProperties", "false");
    put_required(writer, scope, NULL);
    write_name(writer, "properties");
    begin_object(writer);
    for (size_t i = 0; i < config_properties_count; i++) {
        const struct config_property *next = &config_properties[i];
        if (is_member(next, scope, NULL))
            put_property(writer, next);
        else if (next->scope == scope && is_first_of_group(i))
            put_group(writer, scope, next->group);
    }
    end_object(writer);
}

void config_write_schema(FILE *out)
{
    struct writer writer = {.out = out};
    begin_object(&writer);
    put_text(&writer, "$schema", "https://json-schema.org/draft/2020-12/schema");
    put_text(&writer, "title", "checkit: configuration");
    put_text(&writer, "description",
             "Made by `checkit config schema`. What keys ask of each other, `checkit config check` "
             "tells.");
    put_scope(&writer, CONFIG_SCOPE_TOP);
    write_name(&writer, "$defs");
    begin_object(&writer);
    for (uint32_t scope = CONFIG_SCOPE_INPUT; scope < CONFIG_SCOPES; scope++) {
        write_name(&writer, scope_names[scope]);
        begin_object(&writer);
        put_scope(&writer, (enum config_scope)scope);
        end_object(&writer);
    }
    end_object(&writer);
    end_object(&writer);
    fputc('\n', out);
}
