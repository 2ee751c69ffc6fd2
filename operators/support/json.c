#include "operators/support/json.h"

#include <jansson.h>

/* struct json is jansson's json_t, under a name that needs no header of it. */
static json_t *to(const struct json *json)
{
    return (json_t *)(uintptr_t)json;
}

static struct json *from(json_t *json)
{
    return (struct json *)json;
}

/* --- reading --- */

enum status json_parse(const char *text, size_t size, struct json **out, struct error *err)
{
    json_error_t fault;
    *out = from(json_loadb(text, size, JSON_DECODE_ANY, &fault));
    if (*out)
        return STATUS_OK;
    return error_fail(err, EX_DATAERR, "no JSON: line %d: %s", fault.line, fault.text);
}

void json_close(struct json *json)
{
    json_decref(to(json));
}

enum json_kind json_kind_of(const struct json *json)
{
    static const enum json_kind kinds[] = {
        [JSON_OBJECT] = JSON_KIND_OBJECT, [JSON_ARRAY] = JSON_KIND_ARRAY,
        [JSON_STRING] = JSON_KIND_TEXT,   [JSON_INTEGER] = JSON_KIND_NUMBER,
        [JSON_REAL] = JSON_KIND_NUMBER,   [JSON_TRUE] = JSON_KIND_BOOL,
        [JSON_FALSE] = JSON_KIND_BOOL,    [JSON_NULL] = JSON_KIND_NULL,
    };
    return json ? kinds[json_typeof(to(json))] : JSON_KIND_ABSENT;
}

struct json *json_member(const struct json *json, const char *name)
{
    return from(json_object_get(to(json), name));
}

bool json_next(const struct json *json, struct json_place *place)
{
    json_t *object = to(json);
    place->at = place->at ? json_object_iter_next(object, place->at) : json_object_iter(object);
    if (!place->at)
        return false;
    place->name = json_object_iter_key(place->at);
    place->value = from(json_object_iter_value(place->at));
    return true;
}

uint32_t json_items(const struct json *json)
{
    return (uint32_t)json_array_size(to(json));
}

struct json *json_item(const struct json *json, uint32_t index)
{
    return from(json_array_get(to(json), index));
}

const char *json_text(const struct json *json)
{
    return json_string_value(to(json));
}

bool json_whole(const struct json *json, int64_t *value)
{
    *value = json_integer_value(to(json));
    return json_is_integer(to(json));
}

double json_number(const struct json *json)
{
    return json_number_value(to(json));
}

bool json_bool(const struct json *json)
{
    return json_is_true(to(json));
}

/* --- making --- */

struct json *json_new_object(void)
{
    return from(json_object());
}

struct json *json_new_array(void)
{
    return from(json_array());
}

void json_put(struct json *object, const char *name, struct json *value)
{
    (void)json_object_set_new_nocheck(to(object), name, to(value));
}

void json_add(struct json *array, struct json *value)
{
    (void)json_array_append_new(to(array), to(value));
}

void json_put_text(struct json *object, const char *name, const char *text)
{
    json_t *value = json_string(text);
    json_put(object, name, from(value ? value : json_string("?")));
}

void json_put_whole(struct json *object, const char *name, int64_t value)
{
    json_put(object, name, from(json_integer(value)));
}

void json_put_number(struct json *object, const char *name, double value)
{
    json_put(object, name, from(json_real(value)));
}

void json_put_bool(struct json *object, const char *name, bool value)
{
    json_put(object, name, from(json_boolean(value)));
}

static int add_bytes(const char *data, size_t size, void *state)
{
    buffer_add(state, data, size);
    return 0;
}

void json_write(const struct json *json, struct buffer *out)
{
    enum { DIGITS = 15 };
    (void)json_dump_callback(to(json), add_bytes, out,
                             JSON_ENCODE_ANY | JSON_REAL_PRECISION(DIGITS));
}
