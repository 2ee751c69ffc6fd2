/* Random schemas and data give what Avro C gives. CHECKIT_SEED=N runs that seed alone, as a failure
 * tells; CHECKIT_SEEDS=N runs so many. */
#include <avro.h>
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "operators/support/projection.h"
#include "pipeline/base/random.h"

enum {
    DEPTH_MAX = 5,
    DATA_A_SCHEMA = 6,
    DATUM_BYTES_MAX = 64 * 1024,
    TRUNCATED_BYTES_MAX = 400, /* of larger data not every length is tried */
    VALUES_MAX = 4096,
    STEPS_MAX = 24,
    NAME_SIZE = 32
};

static const uint32_t NO_DOCUMENT = UINT32_MAX;

/* --- random schemas --- */

struct schemas {
    struct random random;
    json_t *named; /* name -> definition; owned */
    uint32_t names;
};

static uint32_t below(struct schemas *schemas, uint32_t bound)
{
    return (uint32_t)random_below(&schemas->random, bound);
}

static bool one_in(struct schemas *schemas, uint32_t bound)
{
    return below(schemas, bound) == 0;
}

static json_t *make_type(struct schemas *schemas, int depth);

/* A new named type; known by its name from now on. */
static json_t *make_named(struct schemas *schemas, const char *kind)
{
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, "T%u", ++schemas->names);
    json_t *type = json_pack("{s:s, s:s}", "type", kind, "name", name);
    json_object_set(schemas->named, name, type);
    return type;
}

static json_t *make_scalar(struct schemas *schemas)
{
    static const char *const kinds[] = {"null",  "boolean", "int",    "long",   "float",
                                        "bytes", "string",  "string", "string", "double"};
    uint32_t kind = below(schemas, 12);
    if (kind < 10)
        return json_string(kinds[kind]);
    json_t *type = make_named(schemas, kind == 10 ? "fixed" : "enum");
    if (kind == 10)
        json_object_set_new(type, "size", json_integer(1 + below(schemas, 20)));
    json_t *symbols = json_array();
    for (uint32_t i = 0, count = 1 + below(schemas, 80); kind == 11 && i < count; i++) {
        char symbol[NAME_SIZE];
        (void)snprintf(symbol, sizeof symbol, "S%u", i);
        json_array_append_new(symbols, json_string(symbol));
    }
    json_object_set_new(type, "symbols", symbols);
    return type;
}

/* Fields f0, f1, ..; the record may be referred to from inside. */
static json_t *make_record(struct schemas *schemas, int depth)
{
    json_t *type = make_named(schemas, "record");
    json_t *fields = json_array();
    for (uint32_t i = 0, count = 1 + below(schemas, 6); i < count; i++) {
        char name[NAME_SIZE];
        (void)snprintf(name, sizeof name, "f%u", i);
        json_array_append_new(
            fields, json_pack("{s:s, s:o}", "name", name, "type", make_type(schemas, depth - 1)));
    }
    json_object_set_new(type, "fields", fields);
    return type;
}

/* A record of before, so that a schema has recursion and types used twice; behind null or as items,
 * so that there is an end to it. */
static json_t *make_reference(struct schemas *schemas)
{
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, "T%u", 1 + below(schemas, schemas->names));
    return one_in(schemas, 2) ? json_pack("[s, s]", "null", name)
                              : json_pack("{s:s, s:s}", "type", "array", "items", name);
}

static json_t *make_union(struct schemas *schemas, int depth)
{
    json_t *type = json_array();
    if (!one_in(schemas, 4))
        json_array_append_new(type, json_string("null"));
    if (one_in(schemas, 2))
        json_array_append_new(type, make_record(schemas, depth - 1));
    if (one_in(schemas, 2) || json_array_size(type) == 0)
        json_array_append_new(type, json_string("string"));
    if (one_in(schemas, 2))
        json_array_append_new(
            type, json_pack("{s:s, s:o}", "type", "map", "values", make_type(schemas, depth - 1)));
    if (one_in(schemas, 3))
        json_array_insert_new(type, 0, json_string("long"));
    return type;
}

static json_t *make_type(struct schemas *schemas, int depth)
{
    if (depth <= 0 || one_in(schemas, 3))
        return make_scalar(schemas);
    switch (below(schemas, 6)) {
    case 0:
        return json_pack("{s:s, s:o}", "type", "map", "values", make_type(schemas, depth - 1));
    case 1:
        return json_pack("{s:s, s:o}", "type", "array", "items", make_type(schemas, depth - 1));
    case 2:
        return make_union(schemas, depth);
    case 3:
        return make_reference(schemas);
    default:
        return make_record(schemas, depth);
    }
}

/* The type behind a name, and the kind of a type. */
static const json_t *follow(const struct schemas *schemas, const json_t *type)
{
    const json_t *named =
        json_is_string(type) ? json_object_get(schemas->named, json_string_value(type)) : NULL;
    return named ? named : type;
}

static const char *kind_of(const json_t *type)
{
    if (json_is_array(type))
        return "union";
    return json_string_value(json_is_object(type) ? json_object_get(type, "type") : type);
}

static bool is(const json_t *type, const char *kind)
{
    return strcmp(kind_of(type), kind) == 0;
}

/* --- random paths: a walk to a text, cut where the document begins --- */

struct step {
    char text[NAME_SIZE]; /* "f0", "[]", "{}" or "{T1}" */
};

struct path {
    struct step steps[STEPS_MAX];
    uint32_t count;
    uint32_t document; /* steps before it lead to the document; NO_DOCUMENT: to the value itself */
};

static void add_step(struct path *path, const char *format, const char *name)
{
    (void)snprintf(path->steps[path->count++].text, NAME_SIZE, format, name);
}

static const char *name_of(const json_t *type)
{
    const char *name =
        json_is_object(type) ? json_string_value(json_object_get(type, "name")) : NULL;
    return name ? name : kind_of(type);
}

/* Every branch that a path goes into is named, so that it means one place. */
static bool walk(struct schemas *schemas, const json_t *root, struct path *path)
{
    const json_t *type = root;
    path->count = 0;
    path->document = 0;
    while (path->count < PATH_STEPS_MAX) {
        type = follow(schemas, type);
        if (is(type, "record")) {
            const json_t *fields = json_object_get(type, "fields");
            const json_t *field =
                json_array_get(fields, below(schemas, (uint32_t)json_array_size(fields)));
            add_step(path, "%s", json_string_value(json_object_get(field, "name")));
            type = json_object_get(field, "type");
        } else if (is(type, "union")) {
            type = json_array_get(type, below(schemas, (uint32_t)json_array_size(type)));
            add_step(path, "{%s}", name_of(follow(schemas, type)));
        } else if (is(type, "array") || is(type, "map")) {
            add_step(path, is(type, "array") ? "[]%s" : "{}%s", "");
            type = json_object_get(type, is(type, "array") ? "items" : "values");
            path->document = path->count;
        } else {
            return is(type, "string") || is(type, "bytes") || is(type, "fixed") || is(type, "enum");
        }
    }
    return false;
}

/* Steps from first to last as a configured path. */
static void write_path(const struct path *path, uint32_t first, uint32_t last, char *out,
                       size_t size)
{
    size_t used = 0;
    *out = 0;
    for (uint32_t i = first; i < last; i++) {
        const char *text = path->steps[i].text;
        used += (size_t)snprintf(out + used, size - used, "%s%s",
                                 i > first && *text == 'f' ? "." : "", text);
    }
}

/* --- random data, in blocks of every form --- */

struct data {
    uint8_t bytes[DATUM_BYTES_MAX];
    size_t size;
    bool is_full;
};

static void put(struct data *data, const void *bytes, size_t size)
{
    if (size > sizeof data->bytes - data->size) {
        data->is_full = true;
        return;
    }
    memcpy(data->bytes + data->size, bytes, size);
    data->size += size;
}

static void put_long(struct data *data, int64_t value)
{
    uint64_t rest = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
    for (; rest > 0x7F; rest >>= 7)
        put(data, &(uint8_t){(uint8_t)(rest | 0x80)}, 1);
    put(data, &(uint8_t){(uint8_t)rest}, 1);
}

static void put_random(struct schemas *schemas, struct data *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        put(data, &(uint8_t){(uint8_t)below(schemas, 256)}, 1);
}

/* No text is twice in a datum by chance: a map's keys differ. */
static void put_text(struct schemas *schemas, struct data *data)
{
    size_t size = one_in(schemas, 20) ? 70 + below(schemas, 100) : 6 + below(schemas, 10);
    put_long(data, (int64_t)size);
    for (size_t i = 0; i < size; i++)
        put(data, &(uint8_t){(uint8_t)('0' + below(schemas, 75))}, 1);
}

static void put_value(struct schemas *schemas, struct data *data, const json_t *type, int depth);

/* A sized block is put together apart: its size stands before it. */
static void put_blocks(struct schemas *schemas, struct data *data, const json_t *type, int depth)
{
    const json_t *item = json_object_get(type, is(type, "map") ? "values" : "items");
    while (depth > 0 && !data->is_full && !one_in(schemas, 2)) {
        uint32_t count = 1 + below(schemas, 3);
        struct data *block = calloc(1, sizeof *block);
        for (uint32_t i = 0; i < count; i++) {
            if (is(type, "map"))
                put_text(schemas, block);
            put_value(schemas, block, item, depth - 1);
        }
        bool is_sized = one_in(schemas, 3);
        put_long(data, is_sized ? -(int64_t)count : count);
        if (is_sized)
            put_long(data, (int64_t)block->size);
        put(data, block->bytes, block->size);
        data->is_full |= block->is_full;
        free(block);
    }
    put_long(data, 0);
}

static void put_scalar(struct schemas *schemas, struct data *data, const json_t *type)
{
    if (is(type, "string") || is(type, "bytes"))
        put_text(schemas, data);
    else if (is(type, "int"))
        put_long(data, (int32_t)random_next(&schemas->random));
    else if (is(type, "long"))
        put_long(data, (int64_t)random_next(&schemas->random) >> below(schemas, 64));
    else if (is(type, "float"))
        put_random(schemas, data, 4);
    else if (is(type, "double"))
        put_random(schemas, data, 8);
    else if (is(type, "boolean"))
        put(data, &(uint8_t){(uint8_t)below(schemas, 2)}, 1);
    else if (is(type, "fixed"))
        put_random(schemas, data, (size_t)json_integer_value(json_object_get(type, "size")));
    else if (is(type, "enum"))
        put_long(data, below(schemas, (uint32_t)json_array_size(json_object_get(type, "symbols"))));
}

static void put_value(struct schemas *schemas, struct data *data, const json_t *type, int depth)
{
    type = follow(schemas, type);
    if (is(type, "record")) {
        size_t index;
        json_t *field;
        json_array_foreach(json_object_get(type, "fields"), index, field)
            put_value(schemas, data, json_object_get(field, "type"), depth - 1);
    } else if (is(type, "union")) {
        uint32_t index = below(schemas, (uint32_t)json_array_size(type));
        if (depth <= 0 && strcmp(name_of(json_array_get(type, 0)), "null") == 0)
            index = 0;
        put_long(data, index);
        put_value(schemas, data, json_array_get(type, index), depth - 1);
    } else if (is(type, "array") || is(type, "map")) {
        put_blocks(schemas, data, type, depth);
    } else {
        put_scalar(schemas, data, type);
    }
}

/* --- what Avro C reads --- */

/* Texts found at the end of a path, in the order of the datum. */
struct values {
    struct bytes list[VALUES_MAX];
    uint32_t count;
};

static struct bytes text_of(const avro_value_t *value)
{
    const char *text = NULL;
    const void *data = NULL;
    size_t size = 0;
    int symbol = 0;
    switch (avro_value_get_type(value)) {
    case AVRO_STRING:
        cr_assert_eq(avro_value_get_string(value, &text, &size), 0);
        return bytes_of(text, size - 1);
    case AVRO_BYTES:
        cr_assert_eq(avro_value_get_bytes(value, &data, &size), 0);
        return bytes_of(data ? data : "", size);
    case AVRO_FIXED:
        cr_assert_eq(avro_value_get_fixed(value, &data, &size), 0);
        return bytes_of(data, size);
    default:
        cr_assert_eq(avro_value_get_enum(value, &symbol), 0);
        return bytes_of_text(avro_schema_enum_get(avro_value_get_schema(value), symbol));
    }
}

/* The type a document has: of a union, the branch that the path goes on in. */
static bool is_document(const struct path *path, uint32_t step)
{
    if (path->document == NO_DOCUMENT)
        return false;
    const char *text = path->document < path->count ? path->steps[path->document].text : "";
    return step == path->document + (text[0] == '{' && text[1] != '}');
}

/* A document stands in the list even when its number is behind a branch that is not taken. */
static void collect(const avro_value_t *value, const struct path *path, uint32_t step,
                    struct values *out)
{
    avro_value_t inner;
    size_t size = 0;
    cr_assert_lt(out->count, VALUES_MAX);
    if (is_document(path, step))
        out->list[out->count++] = bytes_of(NULL, 0);
    if (step == path->count) {
        out->count += path->document == NO_DOCUMENT;
        out->list[out->count - 1] = text_of(value);
        return;
    }
    const char *text = path->steps[step].text;
    switch (avro_value_get_type(value)) {
    case AVRO_RECORD:
        cr_assert_eq(avro_value_get_by_name(value, text, &inner, NULL), 0);
        collect(&inner, path, step + 1, out);
        break;
    case AVRO_UNION: {
        cr_assert_eq(avro_value_get_current_branch(value, &inner), 0);
        const char *name = avro_schema_type_name(avro_value_get_schema(&inner));
        if (strlen(name) == strlen(text) - 2 && strncmp(name, text + 1, strlen(name)) == 0)
            collect(&inner, path, step + 1, out);
        break;
    }
    default:
        cr_assert_eq(avro_value_get_size(value, &size), 0);
        for (size_t i = 0; i < size; i++) {
            cr_assert_eq(avro_value_get_by_index(value, i, &inner, NULL), 0);
            collect(&inner, path, step + 1, out);
        }
    }
}

/* --- comparing --- */

struct both {
    struct projection *projection;
    avro_value_iface_t *iface;
    struct path number; /* of documents */
    struct path event_id;
    struct arena arena;
};

static uint8_t *copy_exactly(const struct data *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, data->bytes, size);
    return copy;
}

/* Reads it in slices; what is read lies in datum. */
static enum record_status read_slices(struct both *both, struct bytes datum, uint32_t capacity,
                                      struct values *out)
{
    struct document documents[16];
    bool more = true;
    for (out->count = 0; more;) {
        uint32_t count = 0;
        enum record_status status = projection_documents(
            both->projection, datum, out->count, &both->arena, documents, capacity, &count, &more);
        if (status != RECORD_OK)
            return status;
        cr_assert(count > 0 || !more, "a slice makes no way");
        for (uint32_t i = 0; i < count; i++)
            out->list[out->count++] = documents[i].number;
    }
    return RECORD_OK;
}

static bool same_values(const struct values *a, const struct values *b)
{
    bool same = a->count == b->count;
    for (uint32_t i = 0; i < a->count && same; i++)
        same = bytes_equal(a->list[i], b->list[i]) && !a->list[i].data == !b->list[i].data;
    return same;
}

static void compare_whole(struct both *both, const avro_value_t *value, struct bytes datum,
                          uint64_t seed)
{
    static struct values expected;
    static struct values read;
    expected.count = 0;
    collect(value, &both->number, 0, &expected);
    for (uint32_t capacity = 1; capacity <= 16; capacity *= 2) {
        cr_assert_eq(read_slices(both, datum, capacity, &read), RECORD_OK, "seed %lu", seed);
        cr_assert(same_values(&expected, &read), "seed %lu: %u and %u documents", seed,
                  expected.count, read.count);
    }
    struct context context;
    expected.count = 0;
    collect(value, &both->event_id, 0, &expected);
    cr_assert_eq(projection_context(both->projection, datum, &context), RECORD_OK);
    cr_assert_eq(context.event_id.data == NULL, expected.count == 0, "seed %lu", seed);
    cr_assert(expected.count == 0 || bytes_equal(context.event_id, expected.list[0]), "seed %lu",
              seed);
}

/* No value's bytes begin with those of another, so what is cut off anywhere is no datum. */
static void refuse_truncated(struct both *both, const struct data *data, uint64_t seed)
{
    static struct values read;
    size_t step = data->size > TRUNCATED_BYTES_MAX ? data->size / TRUNCATED_BYTES_MAX : 1;
    for (size_t size = 0; size < data->size; size += step) {
        uint8_t *copy = copy_exactly(data, size);
        struct context context;
        cr_assert_eq(read_slices(both, bytes_of(copy, size), 16, &read), RECORD_DATUM_INVALID,
                     "seed %lu: %zu bytes of %zu are taken", seed, size, data->size);
        cr_assert_eq(projection_context(both->projection, bytes_of(copy, size), &context),
                     RECORD_DATUM_INVALID);
        free(copy);
    }
}

static void compare_datum(struct both *both, struct data *data, uint64_t seed)
{
    avro_value_t value;
    avro_reader_t reader = avro_reader_memory((const char *)data->bytes, (int64_t)data->size);
    cr_assert_eq(avro_generic_value_new(both->iface, &value), 0);
    cr_assert_eq(avro_value_read(reader, &value), 0, "seed %lu: %s", seed, avro_strerror());
    uint8_t *copy = copy_exactly(data, data->size);
    compare_whole(both, &value, bytes_of(copy, data->size), seed);
    free(copy);
    refuse_truncated(both, data, seed);
    if (data->size < sizeof data->bytes) { /* what follows a datum is not looked at */
        data->bytes[data->size] = 0xFF;
        compare_whole(both, &value, bytes_of(data->bytes, data->size + 1), seed);
    }
    avro_value_decref(&value);
    avro_reader_free(reader);
}

static void open_both(json_t *root, struct both *both, uint64_t seed)
{
    char path[STEPS_MAX * NAME_SIZE];
    char number[STEPS_MAX * NAME_SIZE];
    char event_id[STEPS_MAX * NAME_SIZE];
    struct error err;
    avro_schema_t schema;
    char *text = json_dumps(root, 0);
    write_path(&both->number, 0, both->number.document, path, sizeof path);
    write_path(&both->number, both->number.document, both->number.count, number, sizeof number);
    write_path(&both->event_id, 0, both->event_id.count, event_id, sizeof event_id);
    struct mapping mapping = {.documents = {{.path = path, .number = number}},
                              .documents_count = 1,
                              .event_id = event_id};
    cr_assert_eq(projection_compile(text, strlen(text), &mapping, &both->projection, &err),
                 STATUS_OK, "seed %lu: %s", seed, err.text);
    cr_assert_eq(avro_schema_from_json_length(text, strlen(text), &schema), 0);
    both->iface = avro_generic_class_from_schema(schema);
    avro_schema_decref(schema);
    free(text);
}

/* A schema, where it has what paths can end at; returns how many data were compared. */
static uint32_t compare_seed(uint64_t seed)
{
    static struct data data;
    struct schemas schemas = {.named = json_object()};
    struct both both = {0};
    uint32_t compared = 0;
    random_init(&schemas.random, seed);
    json_t *root = make_record(&schemas, DEPTH_MAX);
    bool has_number = false;
    bool has_event_id = false;
    for (int i = 0; i < 40 && !has_number; i++)
        has_number = walk(&schemas, root, &both.number);
    for (int i = 0; i < 40 && !has_event_id; i++)
        has_event_id = walk(&schemas, root, &both.event_id);
    both.event_id.document = NO_DOCUMENT;
    if (has_number && has_event_id) {
        arena_open(&both.arena, 64);
        open_both(root, &both, seed);
        for (int i = 0; i < DATA_A_SCHEMA; i++) {
            data.size = 0;
            data.is_full = false;
            put_value(&schemas, &data, root, 12);
            if (data.is_full)
                continue;
            compare_datum(&both, &data, seed);
            compared++;
        }
        avro_value_iface_decref(both.iface);
        projection_close(both.projection);
        arena_close(&both.arena);
    }
    json_decref(root);
    json_decref(schemas.named);
    return compared;
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

Test(projection_random, schemas_and_data_give_what_avro_c_gives)
{
    enum { SEEDS = 300 };
    uint64_t only = number_of("CHECKIT_SEED", 0);
    uint64_t last = only ? only : number_of("CHECKIT_SEEDS", SEEDS);
    uint64_t compared = 0;
    for (uint64_t seed = only ? only : 1; seed <= last; seed++)
        compared += compare_seed(seed);
    cr_assert(only || compared > last * DATA_A_SCHEMA / 2, "%lu data are too few", compared);
}
