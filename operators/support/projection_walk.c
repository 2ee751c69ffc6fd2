#include "operators/support/projection_internal.h"

enum {
    WALK_PATH_SIZE = 512, /* longer ones are cut */
    VARINT_SIZE_MAX = 10,
    ITEMS_WITHOUT_BYTES_MAX = RECORD_DOCUMENTS_MAX
};

struct datum_schema {
    struct schema schema;
};

enum status datum_schema_open(const char *schema, size_t schema_size, struct datum_schema **out,
                              struct error *err)
{
    struct datum_schema *opened = memory_new(1, sizeof *opened);
    enum status status = schema_open(&opened->schema, schema, schema_size, err);
    if (status == STATUS_OK)
        *out = opened;
    else
        datum_schema_close(opened);
    return status;
}

void datum_schema_close(struct datum_schema *schema)
{
    if (!schema)
        return;
    schema_close(&schema->schema);
    memory_free(schema);
}

/* A record, array or map that is open. */
struct frame {
    const struct schema_type *type;
    uint32_t next;      /* field of a record */
    uint64_t remaining; /* items of a block that are still to come */
    size_t path_size;   /* of what is before its own step */
};

struct walk {
    const struct schema *schema;
    const uint8_t *at;
    const uint8_t *end;
    struct frame frames[DATUM_NESTING_MAX];
    uint32_t depth;
    char path[WALK_PATH_SIZE];
    size_t path_size;
    datum_visit *visit;
    void *state;
};

/* --- reading: false when the bytes end, or are too long ------------------------------------- */

static bool read_long(struct walk *walk, int64_t *value)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < VARINT_SIZE_MAX && walk->at < walk->end; i++) {
        uint8_t byte = *walk->at++;
        bits |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            *value = (int64_t)(bits >> 1 ^ -(bits & 1));
            return true;
        }
    }
    return false;
}

static bool read_bytes(struct walk *walk, uint64_t size, struct bytes *out)
{
    if (size > (uint64_t)(walk->end - walk->at))
        return false;
    *out = bytes_of(walk->at, (size_t)size);
    walk->at += size;
    return true;
}

static bool read_text(struct walk *walk, struct bytes *out)
{
    int64_t size;
    return read_long(walk, &size) && size >= 0 && read_bytes(walk, (uint64_t)size, out);
}

static bool read_real(struct walk *walk, bool is_double, double *value)
{
    struct bytes bytes;
    float single;
    if (!read_bytes(walk, is_double ? sizeof *value : sizeof single, &bytes))
        return false;
    if (is_double) {
        memcpy(value, bytes.data, sizeof *value); /* little-endian, as this machine */
        return true;
    }
    memcpy(&single, bytes.data, sizeof single);
    *value = single;
    return true;
}

/* --- telling -------------------------------------------------------------------------------- */

static void add_to_path(struct walk *walk, struct bytes step)
{
    size_t room = sizeof walk->path - 1 - walk->path_size;
    size_t size = step.size < room ? step.size : room;
    memcpy(walk->path + walk->path_size, step.data, size);
    walk->path_size += size;
    walk->path[walk->path_size] = 0;
}

static void cut_path(struct walk *walk, size_t size)
{
    walk->path_size = size;
    walk->path[size] = 0;
}

static void tell(struct walk *walk, struct datum_value value)
{
    value.path = walk->path;
    walk->visit(walk->state, &value);
}

static int64_t floor_divide(int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

static void set_integer(struct datum_value *value, enum logical logical, int64_t integer)
{
    value->kind = logical == LOGICAL_NONE || logical == LOGICAL_TIME_OF_DAY ? DATUM_INTEGER
                  : logical == LOGICAL_DATE                                 ? DATUM_DATE
                                                                            : DATUM_TIME;
    value->integer = logical == LOGICAL_MICROS  ? floor_divide(integer, 1000)
                     : logical == LOGICAL_NANOS ? floor_divide(integer, 1000000)
                                                : integer;
}

static bool read_symbol(struct walk *walk, const struct schema_type *type,
                        struct datum_value *value)
{
    int64_t index;
    if (!read_long(walk, &index) || index < 0 || index >= type->symbols_count)
        return false;
    value->kind = DATUM_TEXT;
    value->text = bytes_of_text(schema_symbol(type, (uint32_t)index));
    return true;
}

static bool read_scalar(struct walk *walk, const struct schema_type *type,
                        struct datum_value *value)
{
    int64_t integer;
    switch (type->kind) {
    case TYPE_KIND_NULL:
        value->kind = DATUM_NULL;
        return true;
    case TYPE_KIND_BOOLEAN:
        value->kind = DATUM_BOOLEAN;
        if (!read_bytes(walk, 1, &value->text))
            return false;
        value->integer = value->text.data[0] != 0;
        return true;
    case TYPE_KIND_INT:
    case TYPE_KIND_LONG:
        if (!read_long(walk, &integer))
            return false;
        set_integer(value, type->logical, integer);
        return true;
    case TYPE_KIND_FLOAT:
    case TYPE_KIND_DOUBLE:
        value->kind = DATUM_REAL;
        return read_real(walk, type->kind == TYPE_KIND_DOUBLE, &value->real);
    case TYPE_KIND_STRING:
    case TYPE_KIND_BYTES:
        value->kind = type->kind == TYPE_KIND_STRING ? DATUM_TEXT : DATUM_BYTES;
        return read_text(walk, &value->text);
    case TYPE_KIND_FIXED:
        value->kind = DATUM_BYTES;
        return read_bytes(walk, type->fixed_size, &value->text);
    default:
        return read_symbol(walk, type, value);
    }
}

/* --- containers ----------------------------------------------------------------------------- */

static bool open_container(struct walk *walk, const struct schema_type *type, size_t path_size,
                           struct datum_value value)
{
    if (walk->depth == DATUM_NESTING_MAX)
        return false;
    value.kind = type->kind == TYPE_KIND_RECORD  ? DATUM_RECORD
                 : type->kind == TYPE_KIND_ARRAY ? DATUM_ARRAY
                                                 : DATUM_MAP;
    tell(walk, value);
    walk->frames[walk->depth++] = (struct frame){.type = type, .path_size = path_size};
    return true;
}

/* A value of this type stands here. path_size: what the path is cut to behind it. */
static bool enter(struct walk *walk, uint32_t index, struct bytes name, size_t path_size)
{
    const struct schema *schema = walk->schema;
    const struct schema_type *type = &schema->types[index];
    struct datum_value value = {.name = name};
    if (type->kind == TYPE_KIND_UNION) { /* which holds no union itself */
        int64_t branch;
        if (!read_long(walk, &branch) || branch < 0 || branch >= type->parts_count)
            return false;
        type = &schema->types[schema->parts[type->parts_first + (uint32_t)branch].type];
    }
    if (type->kind == TYPE_KIND_RECORD || type->kind == TYPE_KIND_ARRAY ||
        type->kind == TYPE_KIND_MAP)
        return open_container(walk, type, path_size, value);
    if (!read_scalar(walk, type, &value))
        return false;
    tell(walk, value);
    cut_path(walk, path_size);
    return true;
}

static void leave(struct walk *walk)
{
    tell(walk, (struct datum_value){.kind = DATUM_END});
    cut_path(walk, walk->frames[--walk->depth].path_size);
}

static bool next_field(struct walk *walk, struct frame *frame)
{
    if (frame->next == frame->type->parts_count) {
        leave(walk);
        return true;
    }
    const struct schema_part *part = &walk->schema->parts[frame->type->parts_first + frame->next++];
    size_t path_size = walk->path_size;
    if (path_size > 0)
        add_to_path(walk, bytes_of_text("."));
    add_to_path(walk, bytes_of_text(part->name));
    return enter(walk, part->type, bytes_of_text(part->name), path_size);
}

/* The items of the next block; 0: there is none. */
static bool read_block(struct walk *walk, bool is_empty, uint64_t *remaining)
{
    int64_t count;
    int64_t size;
    if (!read_long(walk, &count) || count == INT64_MIN)
        return false;
    if (count < 0 && !read_long(walk, &size))
        return false;
    *remaining = (uint64_t)(count < 0 ? -count : count);
    uint64_t limit = is_empty ? ITEMS_WITHOUT_BYTES_MAX : (uint64_t)(walk->end - walk->at);
    return *remaining <= limit;
}

static bool next_item(struct walk *walk, struct frame *frame)
{
    const struct schema_type *type = frame->type;
    bool is_map = type->kind == TYPE_KIND_MAP;
    uint32_t item = walk->schema->parts[type->parts_first].type;
    if (frame->remaining == 0) {
        bool is_empty = !is_map && walk->schema->types[item].is_empty;
        if (!read_block(walk, is_empty, &frame->remaining))
            return false;
        if (frame->remaining == 0)
            leave(walk);
        return true;
    }
    frame->remaining--;
    struct bytes key = {0};
    if (is_map && !read_text(walk, &key))
        return false;
    size_t path_size = walk->path_size;
    add_to_path(walk, bytes_of_text(is_map ? "{}" : "[]"));
    return enter(walk, item, key, path_size);
}

enum record_status datum_walk(const struct datum_schema *schema, struct bytes datum,
                              datum_visit *visit, void *state)
{
    static const uint8_t nothing[1];
    struct walk walk;
    walk.schema = &schema->schema;
    walk.at = datum.data ? datum.data : nothing;
    walk.end = walk.at + datum.size;
    walk.depth = 0;
    walk.visit = visit;
    walk.state = state;
    cut_path(&walk, 0);
    if (!enter(&walk, schema->schema.root, (struct bytes){0}, 0))
        return RECORD_DATUM_INVALID;
    while (walk.depth > 0) {
        struct frame *frame = &walk.frames[walk.depth - 1];
        bool goes_on = frame->type->kind == TYPE_KIND_RECORD ? next_field(&walk, frame)
                                                             : next_item(&walk, frame);
        if (!goes_on)
            return RECORD_DATUM_INVALID;
    }
    return RECORD_OK;
}
