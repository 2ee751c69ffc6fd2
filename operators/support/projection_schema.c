#include "operators/support/projection_internal.h"

#include <avro.h>
#include <stdio.h>

#include "operators/support/json.h"

/* Work still to do, last in first out, so that types are read in the order of the text and a type
 * is closed right after its last part. */
struct task {
    struct json *json;     /* NULL: close the type */
    const char *namespace; /* of what encloses it; borrowed */
    uint32_t place;        /* index of the part to fill, NO_PART for the root; or of the type */
};

static const uint32_t NO_PART = UINT32_MAX;

struct reader {
    struct schema *schema;
    struct task *tasks;
    uint32_t tasks_count;
    uint32_t tasks_capacity;
    char **namespaces; /* owned; tasks borrow from them */
    uint32_t namespaces_count;
    struct error *err;
};

static const char *const kind_names[TYPE_KIND_COUNT] = {
    "null",   "boolean", "int",  "long",  "float", "double", "bytes",
    "string", "record",  "enum", "fixed", "array", "map",    "union"};

const char *type_kind_name(enum type_kind kind)
{
    return kind_names[kind];
}

/* --- before anything parses it --- */

static enum status check_text(const char *text, size_t size, struct error *err)
{
    if (size > SCHEMA_BYTES_MAX)
        return error_fail(err, EX_DATAERR, "the schema has %zu bytes, more than %d", size,
                          SCHEMA_BYTES_MAX);
    int nesting = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            in_string = c != '"';
            continue;
        }
        in_string = c == '"';
        nesting += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (nesting > SCHEMA_NESTING_MAX)
            return error_fail(err, EX_DATAERR,
                              "the schema has more than %d braces and brackets open at once",
                              SCHEMA_NESTING_MAX);
    }
    return STATUS_OK;
}

/* A second opinion by the reference implementation. Ours is stricter and comes first, so that only
 * what has been read once gets there. */
static enum status check_with_avro(const char *text, size_t size, struct error *err)
{
    avro_schema_t schema = NULL;
    if (avro_schema_from_json_length(text, size, &schema) != 0)
        return error_fail(err, EX_DATAERR, "the schema is no Avro schema: %s", avro_strerror());
    avro_schema_decref(schema);
    return STATUS_OK;
}

/* --- helpers --- */

static enum status refuse(struct reader *reader, const char *why, const char *name)
{
    return error_fail(reader->err, EX_DATAERR, "the schema is no Avro schema: %s%s%.*s%s", why,
                      name ? " \"" : "", 200, name ? name : "", name ? "\"" : "");
}

static void add_task(struct reader *reader, struct json *json, const char *namespace,
                     uint32_t place)
{
    if (reader->tasks_count == reader->tasks_capacity) {
        reader->tasks_capacity = reader->tasks_capacity ? 2 * reader->tasks_capacity : 64;
        reader->tasks = memory_resize(reader->tasks, reader->tasks_capacity, sizeof(struct task));
    }
    reader->tasks[reader->tasks_count++] = (struct task){json, namespace, place};
}

static uint32_t add_type(struct schema *schema, enum type_kind kind)
{
    if (schema->types_count == schema->types_capacity) {
        schema->types_capacity = schema->types_capacity ? 2 * schema->types_capacity : 64;
        schema->types =
            memory_resize(schema->types, schema->types_capacity, sizeof(struct schema_type));
    }
    schema->types[schema->types_count] = (struct schema_type){.kind = kind};
    return schema->types_count++;
}

/* Parts of one type lie together; each waits for its task. */
static void add_parts(struct schema *schema, uint32_t type, uint32_t count)
{
    while (schema->parts_capacity < schema->parts_count + count) {
        schema->parts_capacity = schema->parts_capacity ? 2 * schema->parts_capacity : 64;
        schema->parts =
            memory_resize(schema->parts, schema->parts_capacity, sizeof(struct schema_part));
    }
    schema->types[type].parts_first = schema->parts_count;
    schema->types[type].parts_count = count;
    for (uint32_t i = 0; i < count; i++)
        schema->parts[schema->parts_count + i] = (struct schema_part){0};
    schema->parts_count += count;
}

static void set_place(struct schema *schema, uint32_t place, uint32_t type)
{
    if (place == NO_PART)
        schema->root = type;
    else
        schema->parts[place].type = type;
}

static const char *text_of(struct json *object, const char *key)
{
    return json_text(json_member(object, key));
}

/* NULL: too long. The caller owns it. */
static char *full_name_of(const char *name, const char *namespace)
{
    char text[SCHEMA_NAME_SIZE_MAX];
    bool is_full = strchr(name, '.') || !namespace || !*namespace;
    int size = is_full ? snprintf(text, sizeof text, "%s", name)
                       : snprintf(text, sizeof text, "%s.%s", namespace, name);
    if (size < 0 || (size_t)size >= sizeof text)
        return NULL;
    return memory_copy_text(text, (size_t)size);
}

static enum logical logical_of(enum type_kind kind, const char *name)
{
    static const struct {
        enum type_kind kind;
        const char *name;
        enum logical logical;
    } known[] = {
        {TYPE_KIND_INT, "date", LOGICAL_DATE},
        {TYPE_KIND_INT, "time-millis", LOGICAL_TIME_OF_DAY},
        {TYPE_KIND_LONG, "time-micros", LOGICAL_TIME_OF_DAY},
        {TYPE_KIND_LONG, "timestamp-millis", LOGICAL_MILLIS},
        {TYPE_KIND_LONG, "local-timestamp-millis", LOGICAL_MILLIS},
        {TYPE_KIND_LONG, "timestamp-micros", LOGICAL_MICROS},
        {TYPE_KIND_LONG, "local-timestamp-micros", LOGICAL_MICROS},
        {TYPE_KIND_LONG, "timestamp-nanos", LOGICAL_NANOS},
        {TYPE_KIND_LONG, "local-timestamp-nanos", LOGICAL_NANOS},
        {TYPE_KIND_BYTES, "decimal", LOGICAL_DECIMAL},
        {TYPE_KIND_FIXED, "decimal", LOGICAL_DECIMAL},
    };
    for (size_t i = 0; name && i < sizeof known / sizeof *known; i++)
        if (known[i].kind == kind && strcmp(known[i].name, name) == 0)
            return known[i].logical;
    return LOGICAL_NONE;
}

/* --- opening types --- */

static enum status open_reference(struct reader *reader, const char *name, const struct task *task)
{
    struct schema *schema = reader->schema;
    for (uint32_t kind = 0; kind < TYPE_KIND_PRIMITIVES; kind++) {
        if (strcmp(name, kind_names[kind]) == 0) {
            set_place(schema, task->place, kind);
            return STATUS_OK;
        }
    }
    char *full_name = full_name_of(name, task->namespace);
    struct json *found = full_name ? json_member(schema->names, full_name) : NULL;
    memory_free(full_name);
    if (!found)
        return refuse(reader, "there is no type named", name);
    uint32_t type = (uint32_t)json_number(found);
    if (schema->types[type].is_open)
        schema->types[type].is_recursive = true;
    set_place(schema, task->place, type);
    return STATUS_OK;
}

static enum status open_union(struct reader *reader, const struct task *task)
{
    struct schema *schema = reader->schema;
    uint32_t type = add_type(schema, TYPE_KIND_UNION);
    uint32_t count = json_items(task->json);
    add_parts(schema, type, count);
    set_place(schema, task->place, type);
    add_task(reader, NULL, NULL, type);
    for (uint32_t i = count; i-- > 0;) {
        struct json *branch = json_item(task->json, i);
        if (json_kind_of(branch) == JSON_KIND_ARRAY)
            return refuse(reader, "a union stands directly in a union", NULL);
        add_task(reader, branch, task->namespace, schema->types[type].parts_first + i);
    }
    return STATUS_OK;
}

static enum status open_container(struct reader *reader, const struct task *task,
                                  enum type_kind kind)
{
    struct schema *schema = reader->schema;
    const char *key = kind == TYPE_KIND_ARRAY ? "items" : "values";
    struct json *item = json_member(task->json, key);
    if (!item)
        return refuse(reader, "an array or map lacks its", key);
    uint32_t type = add_type(schema, kind);
    add_parts(schema, type, 1);
    set_place(schema, task->place, type);
    add_task(reader, NULL, NULL, type);
    add_task(reader, item, task->namespace, schema->types[type].parts_first);
    return STATUS_OK;
}

/* What names of parts are relative to: the full name up to its last dot. */
static const char *keep_namespace(struct reader *reader, const char *full_name)
{
    const char *dot = strrchr(full_name, '.');
    if (!dot)
        return NULL;
    reader->namespaces =
        memory_resize(reader->namespaces, reader->namespaces_count + 1, sizeof(char *));
    char *namespace = memory_copy_text(full_name, (size_t)(dot - full_name));
    reader->namespaces[reader->namespaces_count++] = namespace;
    return namespace;
}

static enum status open_fields(struct reader *reader, const struct task *task, uint32_t type)
{
    struct schema *schema = reader->schema;
    struct json *fields = json_member(task->json, "fields");
    if (json_kind_of(fields) != JSON_KIND_ARRAY)
        return refuse(reader, "a record lacks its fields:", schema->types[type].full_name);
    add_parts(schema, type, json_items(fields));
    const char *namespace = keep_namespace(reader, schema->types[type].full_name);
    enum status status = STATUS_OK;
    struct json *seen = json_new_object();
    for (uint32_t i = schema->types[type].parts_count; i-- > 0 && status == STATUS_OK;) {
        struct json *field = json_item(fields, i);
        const char *name = text_of(field, "name");
        uint32_t place = schema->types[type].parts_first + i;
        if (!name || !json_member(field, "type")) {
            status = refuse(reader, "a field lacks its name or type in record",
                            schema->types[type].full_name);
        } else if (json_member(seen, name)) {
            status = refuse(reader, "a record has two fields named", name);
        } else {
            json_put_bool(seen, name, true);
            schema->parts[place].name = name;
            add_task(reader, json_member(field, "type"), namespace, place);
        }
    }
    json_close(seen);
    return status;
}

static enum status open_symbols(struct reader *reader, const struct task *task, uint32_t type)
{
    struct schema_type *opened = &reader->schema->types[type];
    struct json *symbols = json_member(task->json, "symbols");
    opened->symbols_count = json_items(symbols);
    opened->symbols = symbols;
    for (uint32_t i = 0; i < opened->symbols_count; i++)
        if (!json_text(json_item(symbols, i)))
            return refuse(reader, "a symbol is no string in enum", opened->full_name);
    if (opened->symbols_count == 0)
        return refuse(reader, "there are no symbols in enum", opened->full_name);
    return STATUS_OK;
}

static enum status open_fixed(struct reader *reader, const struct task *task, uint32_t type)
{
    struct schema_type *opened = &reader->schema->types[type];
    struct json *size = json_member(task->json, "size");
    int64_t value;
    if (!json_whole(size, &value) || value < 0)
        return refuse(reader, "there is no size in fixed", opened->full_name);
    opened->fixed_size = value > DATUM_BYTES_MAX ? (uint32_t)DATUM_BYTES_MAX + 1 : (uint32_t)value;
    opened->logical = logical_of(TYPE_KIND_FIXED, text_of(task->json, "logicalType"));
    return STATUS_OK;
}

static enum status open_named(struct reader *reader, const struct task *task, enum type_kind kind)
{
    struct schema *schema = reader->schema;
    const char *name = text_of(task->json, "name");
    struct json *given = json_member(task->json, "namespace");
    const char *namespace = json_text(given) ? json_text(given) : task->namespace;
    if (!name || !*name)
        return refuse(reader, "there is no name in a", kind_names[kind]);
    char *full_name = full_name_of(name, namespace);
    if (!full_name)
        return refuse(reader, "too long is the name", name);
    uint32_t type = add_type(schema, kind);
    schema->types[type].full_name = full_name;
    schema->types[type].is_open = true;
    set_place(schema, task->place, type);
    if (json_member(schema->names, full_name))
        return refuse(reader, "there are two types named", full_name);
    json_put_whole(schema->names, full_name, type);
    add_task(reader, NULL, NULL, type);
    if (kind == TYPE_KIND_RECORD)
        return open_fields(reader, task, type);
    return kind == TYPE_KIND_ENUM ? open_symbols(reader, task, type)
                                  : open_fixed(reader, task, type);
}

static enum status open_object(struct reader *reader, const struct task *task)
{
    struct schema *schema = reader->schema;
    const char *name = text_of(task->json, "type");
    if (!name)
        return refuse(reader, "a type is no text, list or object with a \"type\" text", NULL);
    enum type_kind kind = 0;
    while (kind < TYPE_KIND_UNION && strcmp(name, kind_names[kind]) != 0)
        kind++;
    if (kind == TYPE_KIND_UNION)
        return open_reference(reader, name, task);
    if (kind == TYPE_KIND_ARRAY || kind == TYPE_KIND_MAP)
        return open_container(reader, task, kind);
    if (kind >= TYPE_KIND_PRIMITIVES)
        return open_named(reader, task, kind);
    uint32_t type = add_type(schema, kind);
    schema->types[type].logical = logical_of(kind, text_of(task->json, "logicalType"));
    set_place(schema, task->place, type);
    add_task(reader, NULL, NULL, type);
    return STATUS_OK;
}

/* --- closing types: what skips them --- */

void schema_add_skip(const struct schema *schema, uint32_t type, struct program *program)
{
    const struct schema_type *skipped = &schema->types[type];
    if (skipped->is_recursive) {
        program_add(program, (struct operation){.code = OPERATION_CALL, .count = type});
        return;
    }
    program_add_list(program, &schema->skips, skipped->skip_first, skipped->skip_count,
                     skipped->skip_is_sealed);
}

static struct operation skip_of_scalar(const struct schema_type *type)
{
    static const struct operation skips[TYPE_KIND_PRIMITIVES] = {
        [TYPE_KIND_BOOLEAN] = {.code = OPERATION_SKIP_BYTES, .count = 1},
        [TYPE_KIND_INT] = {.code = OPERATION_SKIP_VARINTS, .count = 1},
        [TYPE_KIND_LONG] = {.code = OPERATION_SKIP_VARINTS, .count = 1},
        [TYPE_KIND_FLOAT] = {.code = OPERATION_SKIP_BYTES, .count = 4},
        [TYPE_KIND_DOUBLE] = {.code = OPERATION_SKIP_BYTES, .count = 8},
        [TYPE_KIND_BYTES] = {.code = OPERATION_SKIP_TEXTS, .count = 1},
        [TYPE_KIND_STRING] = {.code = OPERATION_SKIP_TEXTS, .count = 1},
    };
    if (type->kind == TYPE_KIND_FIXED)
        return (struct operation){.code = OPERATION_SKIP_BYTES, .count = type->fixed_size};
    if (type->kind == TYPE_KIND_ENUM)
        return skips[TYPE_KIND_INT];
    return skips[type->kind];
}

/* A loop whose item is one simple operation, or nothing, becomes one operation. */
static void simplify_loop(struct program *skips, uint32_t begin)
{
    uint32_t body = skips->count - begin - 1;
    struct operation item = {.code = OPERATION_END};
    if (body == 1)
        item = skips->operations[begin + 1];
    if (body > 1 || item.code > OPERATION_SKIP_BYTES) {
        program_loop_end(skips, begin);
        return;
    }
    skips->count = begin;
    program_add(skips, (struct operation){
                           .code = OPERATION_SKIP_BLOCKS, .kind = item.code, .count = item.count});
}

static void close_container(struct schema *schema, const struct schema_type *type)
{
    uint32_t begin = program_loop_begin(&schema->skips, LOOP_SKIP);
    if (type->kind == TYPE_KIND_MAP)
        program_add(&schema->skips, (struct operation){.code = OPERATION_SKIP_TEXTS, .count = 1});
    schema_add_skip(schema, schema->parts[type->parts_first].type, &schema->skips);
    if (!schema->skips.full)
        simplify_loop(&schema->skips, begin);
}

static void close_union(struct schema *schema, const struct schema_type *type)
{
    struct union_builder builder;
    program_union_begin(&schema->skips, type->parts_count, &builder);
    for (uint32_t i = 0; i < type->parts_count; i++) {
        program_branch_begin(&schema->skips, &builder);
        schema_add_skip(schema, schema->parts[type->parts_first + i].type, &schema->skips);
        program_branch_end(&schema->skips, &builder, i);
    }
    program_union_end(&schema->skips, &builder);
}

static void close_record(struct schema *schema, struct schema_type *type)
{
    type->is_empty = true;
    for (uint32_t i = 0; i < type->parts_count; i++) {
        uint32_t part = schema->parts[type->parts_first + i].type;
        type->is_empty &= schema->types[part].is_empty;
        schema_add_skip(schema, part, &schema->skips);
    }
}

/* Parts are closed by now, or open and so recursive: nothing here goes deeper than one level. */
static enum status close_type(struct reader *reader, uint32_t index)
{
    struct schema *schema = reader->schema;
    struct schema_type *type = &schema->types[index];
    program_seal(&schema->skips);
    type->skip_first = schema->skips.count;
    if (type->kind == TYPE_KIND_RECORD) {
        close_record(schema, type);
    } else if (type->kind == TYPE_KIND_UNION) {
        close_union(schema, type);
    } else if (type->kind == TYPE_KIND_ARRAY || type->kind == TYPE_KIND_MAP) {
        close_container(schema, type);
    } else {
        struct operation skip = skip_of_scalar(type);
        type->is_empty = skip.count == 0;
        if (!type->is_empty)
            program_add(&schema->skips, skip);
    }
    type->skip_count = schema->skips.count - type->skip_first;
    type->skip_is_sealed = program_is_sealed(&schema->skips);
    type->is_open = false;
    if (schema->skips.full)
        return error_fail(reader->err, EX_DATAERR,
                          "the schema is too large: its types refer to "
                          "each other so often that skipping them takes more than %d operations",
                          SCHEMA_SKIPS_MAX);
    return STATUS_OK;
}

/* --- the whole --- */

static enum status read_task(struct reader *reader, const struct task *task)
{
    if (!task->json)
        return close_type(reader, task->place);
    if (json_text(task->json))
        return open_reference(reader, json_text(task->json), task);
    if (json_kind_of(task->json) == JSON_KIND_ARRAY)
        return open_union(reader, task);
    return open_object(reader, task);
}

static enum status read_types(struct schema *schema, struct error *err)
{
    struct reader reader = {.schema = schema, .err = err};
    enum status status = STATUS_OK;
    for (uint32_t kind = 0; kind < TYPE_KIND_PRIMITIVES && status == STATUS_OK; kind++)
        status = close_type(&reader, add_type(schema, kind));
    add_task(&reader, schema->json, NULL, NO_PART);
    while (reader.tasks_count > 0 && status == STATUS_OK) {
        struct task task = reader.tasks[--reader.tasks_count];
        status = read_task(&reader, &task);
    }
    for (uint32_t i = 0; i < reader.namespaces_count; i++)
        memory_free(reader.namespaces[i]);
    memory_free(reader.namespaces);
    memory_free(reader.tasks);
    return status;
}

enum status schema_open(struct schema *schema, const char *text, size_t size, struct error *err)
{
    *schema = (struct schema){0};
    program_open(&schema->skips, SCHEMA_SKIPS_MAX);
    TRY(check_text(text, size, err));
    struct json *json;
    enum status status = json_parse(text, size, &json, err);
    if (status != STATUS_OK) {
        error_prefix(err, "the schema");
        return status;
    }
    schema->json = json;
    schema->names = json_new_object();
    TRY(read_types(schema, err));
    return check_with_avro(text, size, err);
}

void schema_close(struct schema *schema)
{
    for (uint32_t i = 0; i < schema->types_count; i++)
        memory_free(schema->types[i].full_name);
    memory_free(schema->types);
    memory_free(schema->parts);
    program_close(&schema->skips);
    json_close(schema->names);
    json_close(schema->json);
}

const char *schema_symbol(const struct schema_type *type, uint32_t index)
{
    return json_text(json_item(type->symbols, index));
}

bool schema_type_is_named(const struct schema_type *type, const char *name, size_t size)
{
    const char *own = type->full_name ? type->full_name : kind_names[type->kind];
    if (strlen(own) == size && memcmp(own, name, size) == 0)
        return true;
    const char *dot = strrchr(own, '.');
    return dot && strlen(dot + 1) == size && memcmp(dot + 1, name, size) == 0;
}
