/* One reader for each type of value in the table. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pipeline/base/address.h"
#include "pipeline/config_internal.h"

_Static_assert(sizeof(enum log_level) == sizeof(unsigned), "choices are stored as unsigned");

enum { TOPIC_SIZE_MAX = 249, CHOICE_SIZE = 32, NUMBER_DIGITS_MAX = 10 };

static enum status fault(const struct config_reader *reader, const struct config_property *property,
                         const struct config_node *node, struct error *err)
{
    char allowed[CONFIG_DESCRIPTION_SIZE];
    config_value_describe(property, allowed, sizeof allowed);
    return config_tree_fault(&reader->tree, node, NULL, err, "'%.80s': must be %s", node->text,
                             allowed);
}

/* --- texts ---------------------------------------------------------------------------------- */

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            return false;
    return true;
}

static enum status read_text(struct config_reader *reader, const struct config_property *property,
                             const struct config_node *node, void *place, struct error *err)
{
    if (!node->text[0] || !is_printable(node->text))
        return fault(reader, property, node, err);
    *(const char **)place = node->text;
    return STATUS_OK;
}

/* Kafka's own rule for the names of topics. */
static bool is_topic(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t size = strlen(text);
    if (size == 0 || size > TOPIC_SIZE_MAX || strspn(text, allowed) != size)
        return false;
    return strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static enum status refuse_topic(const struct config_reader *reader, const struct config_node *node,
                                const struct config_topic *other, struct error *err)
{
    char where[CHOICE_SIZE] = "by default";
    if (other->line > 0)
        (void)snprintf(where, sizeof where, "line %u", other->line);
    return config_tree_fault(&reader->tree, node, NULL, err,
                             "topic '%s' is %s already (%s): every topic stands once, as input, "
                             "output or feed",
                             node->text, other->key, where);
}

static enum status read_topic(struct config_reader *reader, const struct config_property *property,
                              const struct config_node *node, void *place, struct error *err)
{
    if (!is_topic(node->text))
        return fault(reader, property, node, err);
    for (uint32_t i = 0; i < reader->topics_count; i++)
        if (strcmp(reader->topics[i].topic, node->text) == 0)
            return refuse_topic(reader, node, &reader->topics[i], err);
    assert(reader->topics_count < CONFIG_TOPICS_MAX);
    struct config_topic *topic = &reader->topics[reader->topics_count++];
    topic->topic = node->text;
    topic->line = node->is_fallback ? 0 : node->line;
    (void)config_tree_name(node, topic->key);
    *(const char **)place = node->text;
    return STATUS_OK;
}

/* Paths are meant from where the file stands, not from where the program was started. */
static const char *resolve_path(const struct config_reader *reader, const char *text)
{
    const char *slash = strrchr(reader->tree.name, '/');
    if (text[0] == '/' || !slash)
        return text;
    size_t folder_size = (size_t)(slash - reader->tree.name) + 1;
    size_t size = folder_size + strlen(text) + 1;
    char *path = arena_get(reader->texts, size);
    assert(path); /* config.c made room for every path */
    (void)snprintf(path, size, "%.*s%s", (int)folder_size, reader->tree.name, text);
    return path;
}

static enum status read_file(struct config_reader *reader, const struct config_property *property,
                             const struct config_node *node, void *place, struct error *err)
{
    TRY(read_text(reader, property, node, place, err));
    *(const char **)place = resolve_path(reader, node->text);
    return STATUS_OK;
}

/* --- URLs and secrets ----------------------------------------------------------------------- */

/* Whoever asks it takes it apart; here only what would be asked of the wrong one, or be shown. */
static bool is_url(const char *text, size_t size)
{
    size_t scheme = strncmp(text, "http://", 7) == 0    ? 7
                    : strncmp(text, "https://", 8) == 0 ? 8
                                                        : 0;
    if (scheme == 0 || scheme >= size || text[scheme] == '/' || text[scheme] == ':')
        return false;
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~' || strchr("@?#\"\\", text[i]))
            return false;
    return true;
}

static enum status read_urls(struct config_reader *reader, const struct config_property *property,
                             const struct config_node *node, void *place, struct error *err)
{
    if (strchr(node->text, '@')) /* not quoted: a password may stand there */
        return config_tree_fault(&reader->tree, node, NULL, err,
                                 "a URL with user or password: write them as schemas.user and "
                                 "schemas.password");
    const char *next = node->text;
    uint32_t count = 0;
    for (bool more = true; more; count++) {
        next += strspn(next, " ");
        size_t size = strcspn(next, ", ");
        if (!is_url(next, size) || count == CONFIG_URLS_MAX)
            return fault(reader, property, node, err);
        next += size;
        next += strspn(next, " ");
        more = *next == ',';
        next += more;
    }
    if (*next)
        return fault(reader, property, node, err);
    *(const char **)place = node->text;
    return STATUS_OK;
}

/* The first line of a file, which may end it or not. */
static bool read_line(const char *path, char *line, size_t size)
{
    FILE *in = fopen(path, "re");
    if (!in)
        return false;
    errno = 0;
    size_t used = fread(line, 1, size - 1, in);
    bool is_read = !ferror(in) && used < size - 1;
    if (!is_read && errno == 0)
        errno = EFBIG;
    (void)fclose(in);
    if (is_read && used > 0 && line[used - 1] == '\n')
        used--;
    if (is_read && used > 0 && line[used - 1] == '\r')
        used--;
    line[used] = 0;
    return is_read;
}

static bool is_secret_text(const char *text, bool may_have_lines)
{
    size_t size = strlen(text);
    return size > 0 && size < CONFIG_SECRET_SIZE && (may_have_lines || is_printable(text));
}

/* *value: out of where the node says, in line when it is a file; or the node's own text. */
static enum status look_up_secret(struct config_reader *reader, const struct config_node *node,
                                  char line[CONFIG_SECRET_SIZE], const char **value,
                                  struct error *err)
{
    static const char of_file[] = "file:";
    static const char of_environment[] = "env:";
    *value = node->text;
    if (strncmp(node->text, of_file, strlen(of_file)) == 0) {
        const char *path = resolve_path(reader, node->text + strlen(of_file));
        if (!read_line(path, line, CONFIG_SECRET_SIZE))
            return config_tree_fault(&reader->tree, node, NULL, err, "'%s' cannot be read: %s",
                                     path, strerror(errno));
        *value = line;
    } else if (strncmp(node->text, of_environment, strlen(of_environment)) == 0) {
        *value = getenv(node->text + strlen(of_environment));
        if (!*value)
            return config_tree_fault(&reader->tree, node, NULL, err,
                                     "the environment has no '%.200s'",
                                     node->text + strlen(of_environment));
    }
    return STATUS_OK;
}

enum status config_value_held(struct config_reader *reader, const struct config_node *node,
                              bool may_have_lines, const char **value, struct error *err)
{
    char line[CONFIG_SECRET_SIZE];
    const char *found;
    TRY(look_up_secret(reader, node, line, &found, err));
    if (!is_secret_text(found, may_have_lines))
        return config_tree_fault(
            &reader->tree, node, NULL, err, "the secret is empty, longer than %d bytes%s",
            CONFIG_SECRET_SIZE - 1, may_have_lines ? "" : " or more than a line");
    if (reader->secrets_count++ == CONFIG_SECRETS_MAX)
        return config_tree_fault(&reader->tree, node, NULL, err, "more than %d secrets",
                                 (int)CONFIG_SECRETS_MAX);
    struct bytes copy = arena_copy(reader->texts, bytes_of(found, strlen(found) + 1));
    assert(copy.data); /* config.c made room for every secret */
    *value = (const char *)copy.data;
    return STATUS_OK;
}

static enum status read_secret(struct config_reader *reader, const struct config_property *property,
                               const struct config_node *node, void *place, struct error *err)
{
    (void)property;
    return config_value_held(reader, node, false, place, err);
}

/* --- numbers and choices -------------------------------------------------------------------- */

static enum status read_number(struct config_reader *reader, const struct config_property *property,
                               const struct config_node *node, void *place, struct error *err)
{
    size_t size = strlen(node->text);
    bool is_number = size > 0 && size <= NUMBER_DIGITS_MAX &&
                     strspn(node->text, "0123456789") == size &&
                     (node->text[0] != '0' || size == 1);
    unsigned long long number = is_number ? strtoull(node->text, NULL, 10) : 0;
    if (!is_number || number < property->min || number > property->max)
        return fault(reader, property, node, err);
    *(uint32_t *)place = (uint32_t)number;
    return STATUS_OK;
}

static bool find_choice(const char *choices, const char *text, uint32_t *index)
{
    char choice[CHOICE_SIZE];
    for (*index = 0; config_choice(choices, *index, choice, sizeof choice); (*index)++)
        if (strcmp(choice, text) == 0)
            return true;
    return false;
}

static enum status read_listen(struct config_reader *reader, const struct config_property *property,
                               const struct config_node *node, void *place, struct error *err)
{
    bool is_off = !node->text[0] || strcmp(node->text, "off") == 0;
    struct address address;
    if (!is_off && !address_parse(node->text, &address))
        return fault(reader, property, node, err);
    *(const char **)place = is_off ? NULL : node->text;
    return STATUS_OK;
}

static enum status read_choice(struct config_reader *reader, const struct config_property *property,
                               const struct config_node *node, void *place, struct error *err)
{
    uint32_t index;
    if (!find_choice(property->choices, node->text, &index))
        return fault(reader, property, node, err);
    if (property->type == CONFIG_SWITCH)
        *(bool *)place = index == 1;
    if (property->type == CONFIG_CHOICE)
        *(unsigned *)place = index;
    if (property->type == CONFIG_WORD)
        *(const char **)place = node->text;
    return STATUS_OK;
}

static enum status read_preset(struct config_reader *reader, const struct config_property *property,
                               const struct config_node *node, void *place, struct error *err)
{
    const struct mapping *preset = mapping_preset(node->text);
    if (!preset)
        return fault(reader, property, node, err);
    *(struct mapping *)place = *preset;
    return STATUS_OK;
}

/* --- time ----------------------------------------------------------------------------------- */

void config_time_format(int64_t ms, char out[CONFIG_TIME_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    if (!gmtime_r(&seconds, &parts) ||
        strftime(out, CONFIG_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        out[0] = 0;
}

bool config_time_parse(const char *text, int64_t *ms)
{
    struct tm parts = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (!end || *end || parts.tm_year < 70 || parts.tm_year > 8099)
        return false;
    *ms = (int64_t)timegm(&parts) * 1000;
    /* strptime takes blanks, single digits and 31 February: only what is written back alike is
     * meant as it stands. */
    char again[CONFIG_TIME_SIZE];
    config_time_format(*ms, again);
    return strcmp(again, text) == 0;
}

static enum status read_start(struct config_reader *reader, const struct config_property *property,
                              const struct config_node *node, void *place, struct error *err)
{
    enum start_at *start = place;
    *start = START_TIME;
    if (strcmp(node->text, "earliest") == 0)
        *start = START_EARLIEST;
    else if (strcmp(node->text, "latest") == 0)
        *start = START_LATEST;
    else if (!config_time_parse(node->text, &reader->config->start_time_ms))
        return fault(reader, property, node, err);
    return STATUS_OK;
}

/* --- paths of fields ------------------------------------------------------------------------ */

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
static const char letters_digits[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

/* Length of the Avro name at the start of text; 0: there is none. */
static size_t name_size(const char *text)
{
    return strspn(text, letters) ? strspn(text, letters_digits) : 0;
}

/* Length of a branch's full name, dots included; 0: there is none. */
static size_t full_name_size(const char *text)
{
    size_t size = name_size(text);
    while (size > 0 && text[size] == '.') {
        size_t next = name_size(text + size + 1);
        if (next == 0)
            return 0;
        size += 1 + next;
    }
    return size;
}

/* Passes over "[]", "{}" or "{Branch}" at *next; false when it is none of them. */
static bool skip_suffix(const char **next)
{
    const char *text = *next;
    if (strncmp(text, "[]", 2) == 0 || strncmp(text, "{}", 2) == 0) {
        *next = text + 2;
        return true;
    }
    size_t size = text[0] == '{' ? full_name_size(text + 1) : 0;
    if (size == 0 || text[size + 1] != '}')
        return false;
    *next = text + size + 2;
    return true;
}

/* One alternative, up to '|' or the end; *next is moved there. The first name may be left out where
 * the root itself is an array, map or union. */
static const char *alternative_fault(const char **next)
{
    uint32_t steps = 0;
    *next += strspn(*next, " ");
    for (;;) {
        size_t size = name_size(*next);
        bool is_root = steps == 0 && (**next == '[' || **next == '{');
        if (size == 0 && !is_root)
            return "a field name is missing or malformed";
        *next += size;
        steps += size > 0;
        for (; **next == '[' || **next == '{'; steps++)
            if (!skip_suffix(next))
                return "only [], {} and {Branch} may stand behind a field name";
        if (steps > PATH_STEPS_MAX)
            return "too many steps (names, [], {} and {Branch} count one each, up to 16)";
        if (**next != '.')
            break;
        (*next)++;
    }
    *next += strspn(*next, " ");
    bool ends = **next == 0 || **next == '|';
    return ends ? NULL : "names are letters, digits and _, joined by dots";
}

_Static_assert(PATH_STEPS_MAX == 16, "as the message says");

const char *config_field_fault(const char *path)
{
    const char *why = alternative_fault(&path);
    while (!why && *path == '|') {
        path++;
        why = alternative_fault(&path);
    }
    return why;
}

static enum status read_field(struct config_reader *reader, const struct config_property *property,
                              const struct config_node *node, void *place, struct error *err)
{
    bool is_record = property->type == CONFIG_ROOT && !node->text[0];
    const char *why = is_record ? NULL : config_field_fault(node->text);
    char allowed[CONFIG_DESCRIPTION_SIZE];
    config_value_describe(property, allowed, sizeof allowed);
    if (why)
        return config_tree_fault(&reader->tree, node, NULL, err, "'%.80s': %s; must be %s",
                                 node->text, why, allowed);
    *(const char **)place = node->text;
    return STATUS_OK;
}

/* --- all types ------------------------------------------------------------------------------ */

typedef enum status value_reader(struct config_reader *reader,
                                 const struct config_property *property,
                                 const struct config_node *node, void *place, struct error *err);

static const struct {
    value_reader *read;
    const char *description;
} types[CONFIG_TYPES] = {
    [CONFIG_TEXT] = {read_text, "a text on one line, not empty"},
    [CONFIG_TOPIC] = {read_topic, "a topic: 1 to 249 letters, digits, '.', '_', '-'"},
    [CONFIG_NUMBER] = {read_number, "a whole number"},
    [CONFIG_CHOICE] = {read_choice, NULL},
    [CONFIG_SWITCH] = {read_choice, NULL},
    [CONFIG_WORD] = {read_choice, NULL},
    [CONFIG_START] = {read_start, "earliest, latest or a time such as 2026-01-31T00:00:00Z"},
    [CONFIG_FILE] = {read_file, "a path, absolute or from this file's folder"},
    [CONFIG_LISTEN] = {read_listen, "ADDRESS:PORT, an IPv6 address in brackets, or off"},
    [CONFIG_URLS] = {read_urls, "1 to 16 URLs, http://HOST... or https://HOST..., separated by "
                                "commas"},
    [CONFIG_SECRET] = {read_secret, "a text on one line, file:PATH or env:NAME"},
    [CONFIG_FIELD] = {read_field, "a field path such as a.b[].c, d{Branch}.e or f|g"},
    [CONFIG_ROOT] = {read_field, "a field path such as a.b[].c, d{Branch}.e or f|g, or \"\""},
    [CONFIG_PRESET] = {read_preset, NULL},
    [CONFIG_KAFKA] = {NULL, "a mapping, property: value"},
    [CONFIG_TOPICS] = {NULL, "a mapping, topic: {property: value}"},
    [CONFIG_INPUTS] = {NULL, "a list of 1 to 64 mappings, each with its topic"},
    [CONFIG_DOCUMENTS] = {NULL, "a list of 1 to 16 mappings, each with path and number"},
};

_Static_assert(CONFIG_URLS_MAX == 16 && INPUTS_MAX == 64 && MAPPING_PATHS_MAX == 16,
               "limits as described");

enum status config_value_read(struct config_reader *reader, const struct config_property *property,
                              const struct config_node *node, void *place, struct error *err)
{
    return types[property->type].read(reader, property, node, place, err);
}

static void describe_choices(const char *choices, char *out, size_t size)
{
    char choice[CHOICE_SIZE];
    size_t used = 0;
    out[0] = 0;
    for (uint32_t i = 0; config_choice(choices, i, choice, sizeof choice) && used < size; i++) {
        bool last = !config_choice(choices, i + 1, (char[CHOICE_SIZE]){0}, CHOICE_SIZE);
        used += (size_t)snprintf(out + used, size - used, "%s%s",
                                 i == 0 ? ""
                                 : last ? " or "
                                        : ", ",
                                 choice);
    }
}

void config_value_describe(const struct config_property *property, char *out, size_t size)
{
    if (property->choices) {
        describe_choices(property->choices, out, size);
        return;
    }
    const char *description = types[property->type].description;
    if (property->type == CONFIG_NUMBER)
        (void)snprintf(out, size, "%s, %u to %u", description, property->min, property->max);
    else
        (void)snprintf(out, size, "%s", description);
}
