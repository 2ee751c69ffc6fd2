#include "operators/support/schema_text.h"

#include <errno.h>
#include <stdio.h>

#include "operators/support/json.h"
#include "pipeline/base/memory.h"
#include "pipeline/limits.h"

enum { NAME_SIZE_MAX = 1024 };

/* What a walk over a schema is for. */
enum purpose {
    COLLECT,   /* definitions are remembered, nothing is written */
    INLINE,    /* everything is written, and what is not defined yet before its first use */
    CANONICAL, /* what the canonical form keeps is written */
};

enum task_kind { TASK_TYPE, TASK_FIELD, TASK_TEXT };

/* Work still to do, last in first out, so that it is done in the order of the text. */
struct task {
    enum task_kind kind;
    bool comma; /* one goes before it */
    const struct json *json;
    const char *namespace; /* of what encloses it; borrowed from the walk */
    const char *text;      /* of a TASK_TEXT; static */
};

struct named {
    char *name; /* in full; owned */
    const struct json *definition;
    const char *namespace; /* the definition is to be read in */
    bool is_written;
};

struct walk {
    enum purpose purpose;
    struct task *tasks;
    uint32_t tasks_count;
    uint32_t tasks_capacity;
    struct named *names;
    uint32_t names_count;
    char **namespaces; /* owned; tasks and names borrow from them */
    uint32_t namespaces_count;
    struct buffer *out;
    struct error *err;
};

/* --- helpers -------------------------------------------------------------------------------- */

static enum status refuse(const struct walk *walk, const char *why, const char *name)
{
    return error_fail(walk->err, EX_DATAERR, "the schema is no Avro schema: %s%s%.200s", why,
                      name ? " " : "", name ? name : "");
}

static void push(struct walk *walk, struct task task)
{
    if (walk->tasks_count == walk->tasks_capacity) {
        walk->tasks_capacity = walk->tasks_capacity ? 2 * walk->tasks_capacity : 64;
        walk->tasks = memory_resize(walk->tasks, walk->tasks_capacity, sizeof(struct task));
    }
    walk->tasks[walk->tasks_count++] = task;
}

static void push_text(struct walk *walk, const char *text)
{
    push(walk, (struct task){.kind = TASK_TEXT, .text = text});
}

static void say(struct walk *walk, const char *text)
{
    if (walk->purpose != COLLECT)
        buffer_add_text(walk->out, text);
}

static void say_json(struct walk *walk, const struct json *json)
{
    if (walk->purpose != COLLECT)
        json_write(json, walk->out);
}

/* Names are letters, digits, '_' and '.', so they need no escaping; others are refused. */
static bool is_name(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
    size_t size = strlen(text);
    return size > 0 && size < NAME_SIZE_MAX && strspn(text, allowed) == size;
}

static void say_name(struct walk *walk, const char *name)
{
    say(walk, "\"");
    say(walk, name);
    say(walk, "\"");
}

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

static bool is_primitive(const char *name)
{
    static const char *const names[] = {"null",  "boolean", "int",   "long",
                                        "float", "double",  "bytes", "string"};
    return is_one_of(name, names, sizeof names / sizeof *names);
}

/* --- names ---------------------------------------------------------------------------------- */

static struct named *find_name(const struct walk *walk, const char *name)
{
    for (uint32_t i = 0; i < walk->names_count; i++)
        if (strcmp(walk->names[i].name, name) == 0)
            return &walk->names[i];
    return NULL;
}

static struct named *add_name(struct walk *walk, const char *name)
{
    walk->names = memory_resize(walk->names, walk->names_count + 1, sizeof(struct named));
    struct named *named = &walk->names[walk->names_count++];
    *named = (struct named){.name = memory_copy_text(name, strlen(name))};
    return named;
}

/* "a.b" of "a.b.C", "" of "C"; kept with the walk. */
static const char *namespace_of(struct walk *walk, const char *name)
{
    const char *dot = strrchr(name, '.');
    walk->namespaces = memory_resize(walk->namespaces, walk->namespaces_count + 1, sizeof(char *));
    char *copy = memory_copy_text(name, dot ? (size_t)(dot - name) : 0);
    walk->namespaces[walk->namespaces_count++] = copy;
    return copy;
}

static enum status full_name(const struct walk *walk, const char *name, const char *namespace,
                             char out[NAME_SIZE_MAX])
{
    bool is_full = strchr(name, '.') || !namespace[0];
    int size =
        snprintf(out, NAME_SIZE_MAX, "%s%s%s", is_full ? "" : namespace, is_full ? "" : ".", name);
    if (size >= NAME_SIZE_MAX || !is_name(out))
        return refuse(walk, "this is no name:", name);
    return STATUS_OK;
}

/* --- types ---------------------------------------------------------------------------------- */

static void write_definition(struct walk *walk, struct named *named)
{
    push(walk, (struct task){
                   .kind = TASK_TYPE, .json = named->definition, .namespace = named->namespace});
}

/* A type by its name: primitive, or defined before, or by one of the other schemas. A name without
 * namespace that its own namespace does not have is looked for without one, as Java's reader does.
 */
static enum status write_name(struct walk *walk, const char *name, const char *namespace)
{
    char full[NAME_SIZE_MAX];
    if (is_primitive(name)) {
        say_name(walk, name);
        return STATUS_OK;
    }
    TRY(full_name(walk, name, namespace, full));
    struct named *named = find_name(walk, full);
    if (!named && is_name(name))
        named = find_name(walk, name);
    if (named && walk->purpose == INLINE && !named->is_written)
        write_definition(walk, named);
    else
        say_name(walk, named ? named->name : full);
    return STATUS_OK;
}

/* Whether a member's name can be quoted as it is; another has no meaning to Avro. */
static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
            return false;
    return true;
}

/* The members but those that are written by themselves: documentation, logical types, defaults. */
static void write_others(struct walk *walk, const struct json *json, const char *const *own,
                         size_t own_count)
{
    if (walk->purpose != INLINE)
        return;
    struct json_place place = {0};
    while (json_next(json, &place)) {
        if (is_one_of(place.name, own, own_count) || !is_plain(place.name))
            continue;
        say(walk, ",");
        say_name(walk, place.name);
        say(walk, ":");
        say_json(walk, place.value);
    }
}

static void write_type_others(struct walk *walk, const struct json *json)
{
    static const char *const own[] = {"name",    "type", "namespace", "fields",
                                      "symbols", "size", "items",     "values"};
    write_others(walk, json, own, sizeof own / sizeof *own);
}

/* Each of them is read with the type it stands in. */
static void push_all(struct walk *walk, const struct json *list, struct task task)
{
    for (uint32_t i = json_items(list); i > 0; i--) {
        task.json = json_item(list, i - 1);
        task.comma = i > 1;
        push(walk, task);
    }
}

static enum status write_parts(struct walk *walk, const struct json *json, const char *kind,
                               const char *name)
{
    if (strcmp(kind, "enum") == 0) {
        say(walk, ",\"symbols\":");
        say_json(walk, json_member(json, "symbols"));
        say(walk, "}");
        return STATUS_OK;
    }
    if (strcmp(kind, "fixed") == 0) {
        say(walk, ",\"size\":");
        say_json(walk, json_member(json, "size"));
        say(walk, "}");
        return STATUS_OK;
    }
    const struct json *fields = json_member(json, "fields");
    if (json_kind_of(fields) != JSON_KIND_ARRAY)
        return refuse(walk, "a record without fields:", name);
    say(walk, ",\"fields\":[");
    push_text(walk, "]}");
    push_all(walk, fields,
             (struct task){.kind = TASK_FIELD, .namespace = namespace_of(walk, name)});
    return STATUS_OK;
}

static enum status write_named(struct walk *walk, const struct json *json, const char *kind,
                               const char *namespace)
{
    char full[NAME_SIZE_MAX];
    const char *name = json_text(json_member(json, "name"));
    const char *own_namespace = json_text(json_member(json, "namespace"));
    if (!name)
        return refuse(walk, "a type has no name:", kind);
    TRY(full_name(walk, name, own_namespace ? own_namespace : namespace, full));
    struct named *named = find_name(walk, full);
    if (named && named->is_written && walk->purpose == INLINE) {
        say_name(walk, full);
        return STATUS_OK;
    }
    if (!named) {
        named = add_name(walk, full);
        named->definition = json;
        named->namespace = namespace;
    }
    named->is_written = walk->purpose != COLLECT;
    say(walk, "{\"name\":");
    say_name(walk, full);
    if (walk->purpose == INLINE && !strchr(full, '.'))
        say(walk, ",\"namespace\":\"\""); /* or it would take that of what encloses it */
    say(walk, ",\"type\":");
    say_name(walk, kind);
    write_type_others(walk, json);
    return write_parts(walk, json, kind, full);
}

static void write_container(struct walk *walk, const struct json *json, const char *kind,
                            const char *namespace)
{
    const char *parts = strcmp(kind, "array") == 0 ? "items" : "values";
    say(walk, "{\"type\":");
    say_name(walk, kind);
    write_type_others(walk, json);
    say(walk, ",");
    say_name(walk, parts);
    say(walk, ":");
    push_text(walk, "}");
    push(walk, (struct task){
                   .kind = TASK_TYPE, .json = json_member(json, parts), .namespace = namespace});
}

static enum status write_object(struct walk *walk, const struct json *json, const char *namespace)
{
    static const char *const with_names[] = {"record", "error", "enum", "fixed"};
    const struct json *type = json_member(json, "type");
    const char *kind = json_text(type);
    if (!kind) {
        push(walk, (struct task){.kind = TASK_TYPE, .json = type, .namespace = namespace});
        return STATUS_OK;
    }
    if (is_one_of(kind, with_names, sizeof with_names / sizeof *with_names))
        return write_named(walk, json, kind, namespace);
    if (strcmp(kind, "array") == 0 || strcmp(kind, "map") == 0) {
        write_container(walk, json, kind, namespace);
        return STATUS_OK;
    }
    if (!is_primitive(kind) || walk->purpose != INLINE)
        return write_name(walk, kind, namespace);
    say(walk, "{\"type\":");
    say_name(walk, kind);
    write_type_others(walk, json); /* such as the logical type */
    say(walk, "}");
    return STATUS_OK;
}

static enum status write_type(struct walk *walk, const struct task *task)
{
    const struct json *json = task->json;
    switch (json_kind_of(json)) {
    case JSON_KIND_TEXT:
        return write_name(walk, json_text(json), task->namespace);
    case JSON_KIND_OBJECT:
        return write_object(walk, json, task->namespace);
    case JSON_KIND_ARRAY:
        say(walk, "[");
        push_text(walk, "]");
        push_all(walk, json, (struct task){.kind = TASK_TYPE, .namespace = task->namespace});
        return STATUS_OK;
    default:
        return refuse(walk, "a type is missing, or is neither text, object nor list", NULL);
    }
}

static enum status write_field(struct walk *walk, const struct task *task)
{
    static const char *const own[] = {"name", "type"};
    const char *name = json_text(json_member(task->json, "name"));
    if (!name || !is_name(name))
        return refuse(walk, "a field has no name", NULL);
    say(walk, "{\"name\":");
    say_name(walk, name);
    write_others(walk, task->json, own, sizeof own / sizeof *own);
    say(walk, ",\"type\":");
    push_text(walk, "}");
    push(walk, (struct task){.kind = TASK_TYPE,
                             .json = json_member(task->json, "type"),
                             .namespace = task->namespace});
    return STATUS_OK;
}

/* --- the walk ------------------------------------------------------------------------------- */

static enum status run(struct walk *walk, const struct json *root)
{
    walk->tasks_count = 0;
    push(walk, (struct task){.kind = TASK_TYPE, .json = root, .namespace = ""});
    while (walk->tasks_count > 0) {
        struct task task = walk->tasks[--walk->tasks_count];
        if (task.comma)
            say(walk, ",");
        if (task.kind == TASK_TYPE)
            TRY(write_type(walk, &task));
        if (task.kind == TASK_FIELD)
            TRY(write_field(walk, &task));
        if (task.kind == TASK_TEXT)
            say(walk, task.text);
        if (walk->out->size > SCHEMA_BYTES_MAX)
            return error_fail(walk->err, EX_DATAERR,
                              "the schema has more than %d bytes with all it refers to",
                              (int)SCHEMA_BYTES_MAX);
    }
    return STATUS_OK;
}

static void close_walk(struct walk *walk)
{
    for (uint32_t i = 0; i < walk->names_count; i++)
        memory_free(walk->names[i].name);
    for (uint32_t i = 0; i < walk->namespaces_count; i++)
        memory_free(walk->namespaces[i]);
    memory_free(walk->names);
    memory_free(walk->namespaces);
    memory_free(walk->tasks);
}

static enum status parse_and_run(struct walk *walk, enum purpose purpose, struct bytes schema,
                                 struct json **root)
{
    walk->purpose = purpose;
    TRY(json_parse((const char *)schema.data, schema.size, root, walk->err));
    return run(walk, *root);
}

/* --- interface ------------------------------------------------------------------------------ */

enum status schema_text_inline(struct bytes schema, const struct bytes *others,
                               uint32_t others_count, struct buffer *out, struct error *err)
{
    struct walk walk = {.out = out, .err = err};
    struct json **roots = memory_new(others_count + 1, sizeof(struct json *));
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < others_count; i++)
        status = parse_and_run(&walk, COLLECT, others[i], &roots[i]);
    if (status == STATUS_OK)
        status = parse_and_run(&walk, INLINE, schema, &roots[others_count]);
    for (uint32_t i = 0; i <= others_count; i++)
        json_close(roots[i]);
    memory_free(roots);
    close_walk(&walk);
    return status;
}

enum status schema_text_canonical(struct bytes schema, struct buffer *out, struct error *err)
{
    struct walk walk = {.out = out, .err = err};
    struct json *root = NULL;
    enum status status = parse_and_run(&walk, CANONICAL, schema, &root);
    json_close(root);
    close_walk(&walk);
    return status;
}

enum status schema_text_read(const char *path, struct buffer *out, struct error *err)
{
    enum { PIECE = 4096 };
    char piece[PIECE];
    FILE *file = fopen(path, "re");
    if (!file)
        return error_fail(err, EX_CONFIG, "schema '%s' cannot be read: %s", path,
                          strerrordesc_np(errno));
    size_t got = 1;
    while (got > 0 && out->size <= SCHEMA_BYTES_MAX) {
        got = fread(piece, 1, sizeof piece, file);
        buffer_add(out, piece, got);
    }
    bool is_read = !ferror(file);
    (void)fclose(file);
    if (is_read && out->size <= SCHEMA_BYTES_MAX)
        return STATUS_OK;
    return error_fail(err, EX_CONFIG, "schema '%s' cannot be read%s", path,
                      is_read ? ": it is larger than 1 MB" : "");
}

uint64_t schema_text_fingerprint(struct bytes canonical)
{
    enum { BITS = 8 };
    static const uint64_t empty = 0xC15D213AA4D7A795;
    uint64_t fingerprint = empty;
    for (size_t i = 0; i < canonical.size; i++) {
        fingerprint ^= canonical.data[i];
        for (int bit = 0; bit < BITS; bit++)
            fingerprint = (fingerprint >> 1) ^ (empty & -(fingerprint & 1));
    }
    return fingerprint;
}
