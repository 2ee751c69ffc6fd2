/* Libyaml below libcyaml: it gives the line of every key, and one table of ours then makes parser,
 * messages, `config show` and the reference. */
#include "pipeline/config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/config_internal.h"
#include "pipeline/nearest.h"

enum { NAMES_MAX = 64, FILES_MAX = 18 + INPUTS_MAX + CONFIG_SECRETS_MAX };

/* What config_close frees: the texts of a configuration stand beside it. */
struct owned {
    struct config config; /* first: a pointer to it is a pointer to the whole */
    struct arena texts;
};

/* --- finding a key in the table ------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static const struct config_property *find_property(enum config_scope scope, const char *group,
                                                   const char *name)
{
    for (size_t i = 0; i < config_properties_count; i++) {
        const struct config_property *next = &config_properties[i];
        if (next->scope == scope && same_text(next->group, group) && same_text(next->name, name))
            return next;
    }
    return NULL;
}

static bool is_group(enum config_scope scope, const char *name)
{
    for (size_t i = 0; i < config_properties_count; i++)
        if (config_properties[i].scope == scope && same_text(config_properties[i].group, name))
            return true;
    return false;
}

/* --- keys that are in the file: is each one known? ------------------------------------------ */

/* What may stand in a mapping: properties, and at the top of a scope its groups. */
static size_t list_names(enum config_scope scope, const char *group, const char **names)
{
    size_t count = 0;
    for (size_t i = 0; i < config_properties_count; i++) {
        const struct config_property *next = &config_properties[i];
        bool here = next->scope == scope && (!group || same_text(next->group, group));
        if (!here)
            continue;
        assert(count < NAMES_MAX);
        names[count++] = group || !next->group ? next->name : next->group;
    }
    return count;
}

static enum status refuse_key(const struct config_reader *reader, enum config_scope scope,
                              const char *group, const struct config_node *node, struct error *err)
{
    const char *names[NAMES_MAX] = {0};
    size_t count = list_names(scope, group, names);
    const char *near = nearest_name(node->key, names, count);
    if (near)
        return config_tree_fault(&reader->tree, node, NULL, err, "unknown key: is '%s' meant?",
                                 near);
    char all[ERROR_TEXT_SIZE / 2];
    size_t used = 0;
    for (size_t i = 0; i < count && used < sizeof all; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0) /* a group is listed once */
            used +=
                (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    return config_tree_fault(&reader->tree, node, NULL, err, "unknown key: here may stand %s", all);
}

static enum status require_mapping(const struct config_reader *reader,
                                   const struct config_node *node, struct error *err)
{
    if (node->kind == CONFIG_NODE_MAPPING)
        return STATUS_OK;
    return config_tree_fault(&reader->tree, node, NULL, err, "must be a mapping, key: value");
}

static enum status check_group(const struct config_reader *reader, enum config_scope scope,
                               const struct config_node *group, struct error *err)
{
    if (group->is_null) /* "rules:" with all its keys commented out */
        return STATUS_OK;
    TRY(require_mapping(reader, group, err));
    for (const struct config_node *next = group->first; next; next = next->next)
        if (!find_property(scope, group->key, next->key))
            return refuse_key(reader, scope, group->key, next, err);
    return STATUS_OK;
}

static enum status check_keys(const struct config_reader *reader, enum config_scope scope,
                              const struct config_node *mapping, struct error *err)
{
    TRY(require_mapping(reader, mapping, err));
    for (const struct config_node *next = mapping->first; next; next = next->next) {
        if (find_property(scope, NULL, next->key))
            continue;
        if (!is_group(scope, next->key))
            return refuse_key(reader, scope, NULL, next, err);
        TRY(check_group(reader, scope, next, err));
    }
    return STATUS_OK;
}

/* --- values --------------------------------------------------------------------------------- */

static enum status read_list_or_mapping(struct config_reader *reader,
                                        const struct config_property *property,
                                        const struct config_node *node, void *place,
                                        struct error *err);

static enum status read_fallback(struct config_reader *reader,
                                 const struct config_property *property,
                                 const struct config_node *mapping, void *place, struct error *err)
{
    char text[CONFIG_FALLBACK_SIZE];
    (void)snprintf(text, sizeof text, "%s", property->fallback);
    if (property->fallback_now)
        property->fallback_now(text, sizeof text);
    struct bytes copy = arena_copy(reader->texts, bytes_of(text, strlen(text) + 1));
    assert(copy.data); /* config_parse made room */

    /* A node as if it had been written. */
    const struct config_node root = {.kind = CONFIG_NODE_MAPPING};
    const struct config_node group = {
        .kind = CONFIG_NODE_MAPPING, .key = property->group, .parent = &root};
    const struct config_node node = {.kind = CONFIG_NODE_TEXT,
                                     .is_fallback = true,
                                     .line = mapping->line,
                                     .key = property->name,
                                     .text = (const char *)copy.data,
                                     .parent = property->group ? &group : &root};
    return config_value_read(reader, property, &node, place, err);
}

static enum status read_absent(struct config_reader *reader, const struct config_property *property,
                               const struct config_node *mapping, void *place, struct error *err)
{
    if (property->fallback)
        return read_fallback(reader, property, mapping, place, err);
    if (!property->required)
        return STATUS_OK;
    char name[CONFIG_KEY_SIZE];
    char allowed[CONFIG_DESCRIPTION_SIZE];
    config_value_describe(property, allowed, sizeof allowed);
    (void)snprintf(name, sizeof name, "%s%s%s", property->group ? property->group : "",
                   property->group ? "." : "", property->name);
    return config_tree_fault(&reader->tree, mapping, name, err, "is missing; must be %s", allowed);
}

static enum status read_property(struct config_reader *reader,
                                 const struct config_property *property,
                                 const struct config_node *node, void *place, struct error *err)
{
    char allowed[CONFIG_DESCRIPTION_SIZE];
    config_value_describe(property, allowed, sizeof allowed);
    if (node->is_null)
        return config_tree_fault(&reader->tree, node, NULL, err, "has no value; must be %s",
                                 allowed);
    bool wants_text = property->type < CONFIG_KAFKA;
    if (!wants_text)
        return read_list_or_mapping(reader, property, node, place, err);
    if (node->kind != CONFIG_NODE_TEXT)
        return config_tree_fault(&reader->tree, node, NULL, err, "must be %s", allowed);
    return config_value_read(reader, property, node, place, err);
}

/* Fills one scope's struct, in the order of the table. */
static enum status read_scope(struct config_reader *reader, enum config_scope scope,
                              const struct config_node *mapping, void *target, struct error *err)
{
    TRY(check_keys(reader, scope, mapping, err));
    for (size_t i = 0; i < config_properties_count; i++) {
        const struct config_property *property = &config_properties[i];
        if (property->scope != scope)
            continue;
        void *place = (char *)target + property->offset;
        const struct config_node *holder =
            property->group ? config_tree_find(mapping, property->group) : mapping;
        const struct config_node *node = config_tree_find(holder, property->name);
        if (node)
            TRY(read_property(reader, property, node, place, err));
        else
            TRY(read_absent(reader, property, mapping, place, err));
    }
    return STATUS_OK;
}

/* --- lists and mappings --------------------------------------------------------------------- */

static bool is_held_elsewhere(const char *text)
{
    return strncmp(text, "file:", 5) == 0 || strncmp(text, "env:", 4) == 0;
}

/* A value as it stands goes to librdkafka whatever it is. */
static enum status read_client_property(struct config_reader *reader,
                                        const struct config_node *node, struct kafka_property *out,
                                        struct error *err)
{
    if (node->kind != CONFIG_NODE_TEXT || node->is_null)
        return config_tree_fault(&reader->tree, node, NULL, err,
                                 "must be a text: the property's value, file:PATH or env:NAME");
    *out = (struct kafka_property){node->key, node->text};
    if (!is_held_elsewhere(node->text))
        return STATUS_OK;
    return config_value_held(reader, node, strstr(node->key, "pem") != NULL, &out->value, err);
}

static enum status refuse_more(const struct config_reader *reader, const struct config_node *node,
                               int max, struct error *err)
{
    return config_tree_fault(&reader->tree, node, NULL, err, "more than %d properties", max);
}

static enum status read_kafka(struct config_reader *reader, const struct config_node *node,
                              struct error *err)
{
    struct config *config = reader->config;
    TRY(require_mapping(reader, node, err));
    for (const struct config_node *next = node->first; next; next = next->next) {
        if (config->kafka_count == KAFKA_PROPERTIES_MAX)
            return refuse_more(reader, next, KAFKA_PROPERTIES_MAX, err);
        TRY(read_client_property(reader, next, &config->kafka[config->kafka_count], err));
        config->kafka_lines[config->kafka_count++] = next->line;
    }
    const struct config_node *servers = config_tree_find(node, "bootstrap.servers");
    if (servers && servers->text[0])
        return STATUS_OK;
    return config_tree_fault(&reader->tree, servers ? servers : node,
                             servers ? NULL : "bootstrap.servers", err,
                             "is missing; must be HOST:PORT, further ones behind commas");
}

static enum status read_topics(struct config_reader *reader, const struct config_node *node,
                               struct error *err)
{
    struct config *config = reader->config;
    TRY(require_mapping(reader, node, err));
    for (const struct config_node *topic = node->first; topic; topic = topic->next) {
        TRY(require_mapping(reader, topic, err));
        for (const struct config_node *next = topic->first; next; next = next->next) {
            if (config->topics_count == TOPIC_PROPERTIES_MAX)
                return refuse_more(reader, next, TOPIC_PROPERTIES_MAX, err);
            struct topic_property *place = &config->topics[config->topics_count];
            TRY(read_client_property(reader, next, &place->property, err));
            place->topic = topic->key;
            place->line = next->line;
            config->topics_count++;
        }
    }
    return STATUS_OK;
}

static enum status require_list(const struct config_reader *reader,
                                const struct config_property *property,
                                const struct config_node *node, uint32_t max, struct error *err)
{
    uint32_t count = 0;
    for (const struct config_node *next = node->first; next; next = next->next)
        count++;
    if (node->kind == CONFIG_NODE_LIST && count > 0 && count <= max)
        return STATUS_OK;
    char allowed[CONFIG_DESCRIPTION_SIZE];
    config_value_describe(property, allowed, sizeof allowed);
    return config_tree_fault(&reader->tree, node, NULL, err, "must be %s", allowed);
}

static enum status read_documents(struct config_reader *reader, const struct config_node *list,
                                  struct mapping *mapping, struct error *err)
{
    mapping->documents_count = 0; /* those of a preset are replaced, not added to */
    for (const struct config_node *next = list->first; next; next = next->next) {
        struct document_mapping *document = &mapping->documents[mapping->documents_count++];
        *document = (struct document_mapping){0};
        TRY(read_scope(reader, CONFIG_SCOPE_DOCUMENT, next, document, err));
    }
    return STATUS_OK;
}

static enum status read_input(struct config_reader *reader, const struct config_node *node,
                              struct input *input, struct error *err)
{
    TRY(read_scope(reader, CONFIG_SCOPE_INPUT, node, input, err));
    if (input->mapping.documents_count == 0)
        return config_tree_fault(&reader->tree, node, "documents", err,
                                 "is missing; give it, or a preset: booking or banking");
    if ((input->wire == WIRE_FIXED) != (input->schema_path != NULL))
        return config_tree_fault(&reader->tree, node, "schema", err, "%s",
                                 input->schema_path ? "is for wire: fixed only"
                                                    : "is missing; wire: fixed needs it");
    /* A preset's fixed sector gives way to a field that is named to hold it. */
    const struct config_node *event = config_tree_find(node, "event");
    if (config_tree_find(event, "sector") && !config_tree_find(node, "sector"))
        input->mapping.sector_fixed = NULL;
    return STATUS_OK;
}

static enum status read_inputs(struct config_reader *reader, const struct config_node *list,
                               struct error *err)
{
    struct config *config = reader->config;
    for (const struct config_node *next = list->first; next; next = next->next)
        TRY(read_input(reader, next, &config->inputs[config->inputs_count++], err));
    return STATUS_OK;
}

/* The types whose rows hold further rows: as deep as the table, whatever the file. */
static enum status read_list_or_mapping(struct config_reader *reader,
                                        const struct config_property *property,
                                        const struct config_node *node, void *place,
                                        struct error *err)
{
    if (property->type == CONFIG_KAFKA)
        return read_kafka(reader, node, err);
    if (property->type == CONFIG_TOPICS)
        return read_topics(reader, node, err);
    if (property->type == CONFIG_INPUTS) {
        TRY(require_list(reader, property, node, INPUTS_MAX, err));
        return read_inputs(reader, node, err);
    }
    TRY(require_list(reader, property, node, MAPPING_PATHS_MAX, err));
    return read_documents(reader, node, place, err);
}

/* --- keys that go together ------------------------------------------------------------------- */

static bool has_wire(const struct config *config, enum wire wire)
{
    for (uint32_t i = 0; i < config->inputs_count; i++)
        if (config->inputs[i].wire == wire)
            return true;
    return false;
}

static enum status refuse_alone(const struct config_reader *reader, const struct config_node *node,
                                struct error *err)
{
    return config_tree_fault(&reader->tree, node, NULL, err,
                             "is of a registry, and schemas.registry is missing");
}

static enum status check_schemas(const struct config_reader *reader, struct error *err)
{
    static const char *const of_registry[] = {"user", "password", "ca", "certificate", "key"};
    const struct config *config = reader->config;
    const struct config_tree *tree = &reader->tree;
    const struct config_node *schemas = config_tree_find(tree->nodes, "schemas");
    if (!config->schemas_folder && !config->schemas_registry)
        return config_tree_fault(tree, schemas ? schemas : tree->nodes,
                                 schemas ? "folder" : "schemas.folder", err,
                                 "is missing; give it, or schemas.registry");
    bool needs_folder = has_wire(config, WIRE_SINGLE_OBJECT);
    if (needs_folder && !config->schemas_folder)
        return config_tree_fault(tree, schemas, "folder", err,
                                 "is missing; wire: single_object finds its schemas there");
    if (!needs_folder && config->schemas_folder && config->schemas_registry)
        return config_tree_fault(tree, config_tree_find(schemas, "registry"), NULL, err,
                                 "stands beside schemas.folder: give one of them");
    for (size_t i = 0; i < sizeof of_registry / sizeof *of_registry; i++) {
        const struct config_node *node = config_tree_find(schemas, of_registry[i]);
        if (node && !config->schemas_registry)
            return refuse_alone(reader, node, err);
    }
    if (config->schemas_register && !config->schemas_registry)
        return refuse_alone(reader, config_tree_find(schemas, "register"), err);
    if (!config->schemas_user != !config->schemas_password)
        return config_tree_fault(tree, schemas, config->schemas_user ? "password" : "user", err,
                                 "is missing; user and password go together");
    if (!config->schemas_certificate != !config->schemas_key)
        return config_tree_fault(tree, schemas, config->schemas_key ? "certificate" : "key", err,
                                 "is missing; certificate and key go together");
    return STATUS_OK;
}

/* A host name may be another one after a restart, or another process's as well: transactions that
 * were left open would not be ended, or those of a living process would be. */
static enum status check_delivery(const struct config_reader *reader, struct error *err)
{
    const struct config_node *top = reader->tree.nodes;
    if (!reader->config->exactly_once || config_tree_find(top, "instance"))
        return STATUS_OK;
    return config_tree_fault(&reader->tree, config_tree_find(top, "delivery"), NULL, err,
                             "exactly_once needs `instance`: configure a name that this process "
                             "keeps and that no other process of the group has");
}

/* `topics`: for those that are named as input, output or feed. */
static enum status check_topics(const struct config_reader *reader, struct error *err)
{
    const struct config_node *topics = config_tree_find(reader->tree.nodes, "topics");
    for (const struct config_node *next = topics ? topics->first : NULL; next; next = next->next) {
        const char *names[CONFIG_TOPICS_MAX];
        bool is_named = false;
        for (uint32_t i = 0; i < reader->topics_count; i++) {
            names[i] = reader->topics[i].topic;
            is_named = is_named || strcmp(names[i], next->key) == 0;
        }
        const char *near = is_named ? NULL : nearest_name(next->key, names, reader->topics_count);
        if (near)
            return config_tree_fault(&reader->tree, next, NULL, err,
                                     "unknown topic: is '%s' meant?", near);
        if (!is_named)
            return config_tree_fault(&reader->tree, next, NULL, err,
                                     "unknown topic: must be an input, an output or the feed of "
                                     "this file");
    }
    return STATUS_OK;
}

/* Beside the store, unless it is configured. */
static void set_socket(struct config_reader *reader)
{
    static const char ending[] = ".sock";
    struct config *config = reader->config;
    size_t size = strlen(config->store_path);
    if (config->store_socket)
        return;
    while (size > 1 && config->store_path[size - 1] == '/')
        size--;
    char *path = arena_get(reader->texts, size + sizeof ending);
    assert(path); /* config_parse made room, as for a path */
    memcpy(path, config->store_path, size);
    memcpy(path + size, ending, sizeof ending);
    config->store_socket = path;
}

/* --- interface ------------------------------------------------------------------------------ */

static const char *copy_name(struct arena *texts, const char *name)
{
    struct bytes copy = arena_copy(texts, bytes_of(name, strlen(name) + 1));
    assert(copy.data); /* config_parse made room, as for a path */
    return (const char *)copy.data;
}

enum status config_parse(const char *name, const char *text, size_t size, struct config **out,
                         struct error *err)
{
    if (size > CONFIG_BYTES_MAX)
        return error_fail(err, EX_CONFIG, "%s: larger than %d bytes: not a configuration", name,
                          (int)CONFIG_BYTES_MAX);
    struct owned *owned = memory_new(1, sizeof *owned);
    size_t fallbacks_size = config_properties_count * CONFIG_FALLBACK_SIZE;
    size_t paths_size = FILES_MAX * (strlen(name) + sizeof(uint64_t)) + size;
    size_t socket_size = strlen(name) + size + 4 * sizeof(uint64_t);
    size_t secrets_size = CONFIG_SECRETS_MAX * (CONFIG_SECRET_SIZE + sizeof(uint64_t));
    arena_open(&owned->texts, config_tree_texts_size(size) + fallbacks_size + paths_size +
                                  socket_size + secrets_size);

    struct config_reader *reader = memory_new(1, sizeof *reader);
    reader->config = &owned->config;
    reader->texts = &owned->texts;
    owned->config.file = copy_name(&owned->texts, name);
    enum status status = config_tree_open(name, text, size, reader->texts, &reader->tree, err);
    if (status == STATUS_OK)
        status = read_scope(reader, CONFIG_SCOPE_TOP, reader->tree.nodes, &owned->config, err);
    if (status == STATUS_OK)
        set_socket(reader);
    if (status == STATUS_OK)
        status = check_schemas(reader, err);
    if (status == STATUS_OK)
        status = check_delivery(reader, err);
    if (status == STATUS_OK)
        status = check_topics(reader, err);
    config_tree_close(&reader->tree);
    memory_free(reader);

    *out = &owned->config;
    if (status != STATUS_OK) {
        config_close(*out);
        *out = NULL;
    }
    return status;
}

static enum status read_whole(int file, const char *path, char *text, size_t *size,
                              struct error *err)
{
    *size = 0;
    for (;;) {
        ssize_t got = read(file, text + *size, CONFIG_BYTES_MAX + 1 - *size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_fail(err, EX_CONFIG, "configuration '%s' cannot be read: %s", path,
                              strerror(errno));
        if (got == 0)
            return STATUS_OK;
        *size += (size_t)got;
    }
}

enum status config_open(const char *path, struct config **out, struct error *err)
{
    *out = NULL;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_fail(err, EX_CONFIG, "configuration '%s' cannot be opened: %s", path,
                          strerror(errno));
    char *text = memory_new(CONFIG_BYTES_MAX + 1, 1);
    size_t size;
    enum status status = read_whole(file, path, text, &size, err);
    (void)close(file);
    if (status == STATUS_OK)
        status = config_parse(path, text, size, out, err);
    memory_free(text);
    return status;
}

void config_close(struct config *config)
{
    if (!config)
        return;
    struct owned *owned = (struct owned *)config;
    arena_close(&owned->texts);
    memory_free(owned);
}

const char *config_kafka_property(const struct config *config, const char *name)
{
    for (uint32_t i = 0; i < config->kafka_count; i++)
        if (strcmp(config->kafka[i].name, name) == 0)
            return config->kafka[i].value;
    return NULL;
}
