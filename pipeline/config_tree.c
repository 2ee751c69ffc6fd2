#include "pipeline/config_tree.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* libyaml's text for an escape or for UTF-16 is at most 1.5 times as long as what was written;
 * each text has a NUL behind it and begins at a multiple of eight. */
enum { TEXT_GROWTH = 2, TEXT_OVERHEAD = 8 };

/* A mapping or list that is being read. */
struct open_node {
    struct config_node *node;
    struct config_node *last; /* child read last */
    const char *key;          /* read, and its value not yet */
    uint32_t key_line;
};

struct reading {
    struct config_tree *tree;
    struct arena *texts;
    struct open_node open[CONFIG_NESTING_MAX];
    uint32_t depth;
    bool done; /* the first document is read */
};

/* --- faults --------------------------------------------------------------------------------- */

const char *config_tree_name(const struct config_node *node, char out[CONFIG_KEY_SIZE])
{
    const struct config_node *chain[CONFIG_NESTING_MAX + 1];
    uint32_t count = 0;
    for (; node && node->parent; node = node->parent)
        chain[count++] = node;

    size_t used = 0;
    out[0] = 0;
    while (count > 0 && used < CONFIG_KEY_SIZE) {
        const struct config_node *next = chain[--count];
        const char *dot = used ? "." : "";
        int added = next->key ? snprintf(out + used, CONFIG_KEY_SIZE - used, "%s%s", dot, next->key)
                              : snprintf(out + used, CONFIG_KEY_SIZE - used, "[%u]", next->index);
        used += (size_t)added;
    }
    return out;
}

enum status config_tree_fault(const struct config_tree *tree, const struct config_node *node,
                              const char *child, struct error *err, const char *format, ...)
{
    char name[CONFIG_KEY_SIZE];
    char why[ERROR_TEXT_SIZE];
    (void)config_tree_name(node, name);
    va_list values;
    va_start(values, format);
    (void)vsnprintf(why, sizeof why, format, values);
    va_end(values);

    bool has_name = name[0] || child;
    return error_fail(err, EX_CONFIG, "%s:%u: %s%s%.80s%s%s", tree->name, node->line, name,
                      name[0] && child ? "." : "", child ? child : "", has_name ? ": " : "", why);
}

static enum status fault_at(const struct reading *reading, yaml_mark_t mark, const char *why,
                            struct error *err)
{
    return error_fail(err, EX_CONFIG, "%s:%zu: %s", reading->tree->name, mark.line + 1, why);
}

/* What libyaml found wrong. Its reader tells an offset instead of a line. */
static enum status fault_of_parser(const struct reading *reading, const yaml_parser_t *parser,
                                   const char *text, size_t size, struct error *err)
{
    size_t line = parser->problem_mark.line + 1;
    if (parser->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < parser->problem_offset && i < size; i++)
            line += text[i] == '\n';
    }
    const char *problem = parser->problem ? parser->problem : "unreadable";
    return error_fail(err, EX_CONFIG, "%s:%zu: this is not YAML: %s", reading->tree->name, line,
                      problem);
}

/* --- nodes ---------------------------------------------------------------------------------- */

static bool is_null_text(const yaml_event_t *event)
{
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    const char *text = (const char *)event->data.scalar.value;
    return text[0] == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

static enum status copy_text(const struct reading *reading, const yaml_event_t *event,
                             const char **out, struct error *err)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    if (memchr(value, 0, size))
        return fault_at(reading, event->start_mark, "a text must not hold a NUL", err);
    struct bytes copy = arena_copy(reading->texts, bytes_of(value, size + 1));
    assert(copy.data); /* config_tree_texts_size */
    *out = (const char *)copy.data;
    return STATUS_OK;
}

static bool has_key(const struct config_node *mapping, const char *key)
{
    return config_tree_find(mapping, key) != NULL;
}

static enum status take_key(const struct reading *reading, struct open_node *parent,
                            const yaml_event_t *event, struct error *err)
{
    TRY(copy_text(reading, event, &parent->key, err));
    parent->key_line = (uint32_t)event->start_mark.line + 1;
    if (!has_key(parent->node, parent->key))
        return STATUS_OK;
    struct config_node here = *parent->node;
    here.line = parent->key_line;
    return config_tree_fault(reading->tree, &here, parent->key, err,
                             "given twice; the first is in line %u",
                             config_tree_find(parent->node, parent->key)->line);
}

/* Adds a node below the innermost open one, or the root. */
static enum status add_node(struct reading *reading, enum config_node_kind kind,
                            const yaml_event_t *event, struct config_node **out, struct error *err)
{
    struct config_tree *tree = reading->tree;
    if (tree->nodes_count == CONFIG_NODES_MAX)
        return fault_at(reading, event->start_mark, "too many values for a configuration", err);
    struct config_node *node = &tree->nodes[tree->nodes_count++];
    *node = (struct config_node){.kind = kind, .line = (uint32_t)event->start_mark.line + 1};
    *out = node;
    if (reading->depth == 0)
        return STATUS_OK;

    struct open_node *parent = &reading->open[reading->depth - 1];
    node->parent = parent->node;
    node->key = parent->key;
    node->line = parent->key ? parent->key_line : node->line;
    node->index = parent->last ? parent->last->index + 1 : 0;
    if (parent->last)
        parent->last->next = node;
    else
        parent->node->first = node;
    parent->last = node;
    parent->key = NULL;
    return STATUS_OK;
}

/* --- events --------------------------------------------------------------------------------- */

static bool expects_key(const struct reading *reading)
{
    if (reading->depth == 0)
        return false;
    const struct open_node *parent = &reading->open[reading->depth - 1];
    assert(parent->node);
    return parent->node->kind == CONFIG_NODE_MAPPING && !parent->key;
}

static enum status on_text(struct reading *reading, const yaml_event_t *event, struct error *err)
{
    if (event->data.scalar.anchor || event->data.scalar.tag)
        return fault_at(reading, event->start_mark, "anchors and tags are not read here", err);
    if (expects_key(reading))
        return take_key(reading, &reading->open[reading->depth - 1], event, err);
    if (reading->depth == 0)
        return fault_at(reading, event->start_mark, "the file must be a mapping: key: value", err);
    struct config_node *node = NULL;
    TRY(add_node(reading, CONFIG_NODE_TEXT, event, &node, err));
    node->is_null = is_null_text(event);
    return copy_text(reading, event, &node->text, err);
}

static enum status on_start(struct reading *reading, enum config_node_kind kind, bool marked,
                            const yaml_event_t *event, struct error *err)
{
    if (marked)
        return fault_at(reading, event->start_mark, "anchors and tags are not read here", err);
    if (expects_key(reading))
        return fault_at(reading, event->start_mark, "a key must be a plain text", err);
    if (reading->depth == CONFIG_NESTING_MAX)
        return fault_at(reading, event->start_mark, "nested too deeply for a configuration", err);
    if (reading->depth == 0 && kind != CONFIG_NODE_MAPPING)
        return fault_at(reading, event->start_mark, "the file must be a mapping: key: value", err);
    struct config_node *node = NULL;
    TRY(add_node(reading, kind, event, &node, err));
    reading->open[reading->depth++] = (struct open_node){.node = node};
    return STATUS_OK;
}

static enum status on_event(struct reading *reading, const yaml_event_t *event, struct error *err)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_text(reading, event, err);
    case YAML_MAPPING_START_EVENT:
        return on_start(reading, CONFIG_NODE_MAPPING,
                        event->data.mapping_start.anchor || event->data.mapping_start.tag, event,
                        err);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(reading, CONFIG_NODE_LIST,
                        event->data.sequence_start.anchor || event->data.sequence_start.tag, event,
                        err);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        reading->depth--;
        return STATUS_OK;
    case YAML_ALIAS_EVENT:
        return fault_at(reading, event->start_mark, "aliases (*name) are not read here", err);
    case YAML_DOCUMENT_START_EVENT:
        if (reading->done)
            return fault_at(reading, event->start_mark, "a second document begins here", err);
        return STATUS_OK;
    case YAML_DOCUMENT_END_EVENT:
        reading->done = true;
        return STATUS_OK;
    default:
        return STATUS_OK;
    }
}

static enum status read_events(struct reading *reading, yaml_parser_t *parser, const char *text,
                               size_t size, struct error *err)
{
    for (bool more = true; more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return fault_of_parser(reading, parser, text, size, err);
        more = event.type != YAML_STREAM_END_EVENT;
        enum status status = on_event(reading, &event, err);
        yaml_event_delete(&event);
        TRY(status);
    }
    if (reading->tree->nodes_count == 0)
        return error_fail(err, EX_CONFIG, "%s:1: the file is empty", reading->tree->name);
    return STATUS_OK;
}

/* --- interface ------------------------------------------------------------------------------ */

size_t config_tree_texts_size(size_t size)
{
    return TEXT_GROWTH * size + (size_t)2 * CONFIG_NODES_MAX * TEXT_OVERHEAD;
}

enum status config_tree_open(const char *name, const char *text, size_t size, struct arena *texts,
                             struct config_tree *tree, struct error *err)
{
    *tree = (struct config_tree){.name = name};
    if (size > CONFIG_BYTES_MAX)
        return error_fail(err, EX_CONFIG, "%s: larger than %d bytes: not a configuration", name,
                          (int)CONFIG_BYTES_MAX);
    tree->nodes = memory_new(CONFIG_NODES_MAX, sizeof *tree->nodes);

    struct reading reading = {.tree = tree, .texts = texts};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return error_fail(err, EX_SOFTWARE, "%s: libyaml cannot start", name);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    enum status status = read_events(&reading, &parser, text, size, err);
    yaml_parser_delete(&parser);
    return status;
}

void config_tree_close(struct config_tree *tree)
{
    memory_free(tree->nodes);
    tree->nodes = NULL;
}

const struct config_node *config_tree_find(const struct config_node *node, const char *key)
{
    for (const struct config_node *next = node ? node->first : NULL; next; next = next->next)
        if (next->key && strcmp(next->key, key) == 0)
            return next;
    return NULL;
}
