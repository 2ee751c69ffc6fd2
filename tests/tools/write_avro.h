/* write_avro.h - for tests: JSON written as an Avro datum by Avro C, under any schema.
 *
 * The JSON is plain: a union of null and one type is written as null or as a value of that type. A
 * field that is left out is null, or an empty array or map. */
#ifndef CHECKIT_TESTS_WRITE_AVRO_H
#define CHECKIT_TESTS_WRITE_AVRO_H

#include <avro.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "pipeline/base/bytes.h"

static inline bool write_avro_fill(avro_value_t *value, const json_t *json);

static inline bool write_avro_fill_record(avro_value_t *value, const json_t *json)
{
    size_t count = 0;
    avro_value_get_size(value, &count);
    for (size_t i = 0; i < count; i++) {
        avro_value_t field;
        const char *name;
        if (avro_value_get_by_index(value, i, &field, &name) != 0 ||
            !write_avro_fill(&field, json_object_get(json, name)))
            return false;
    }
    return json_is_object(json);
}

static inline bool write_avro_fill_array(avro_value_t *value, const json_t *json)
{
    for (size_t i = 0; i < json_array_size(json); i++) {
        avro_value_t item;
        if (avro_value_append(value, &item, NULL) != 0 ||
            !write_avro_fill(&item, json_array_get(json, i)))
            return false;
    }
    return !json || json_is_array(json);
}

static inline bool write_avro_fill_map(avro_value_t *value, const json_t *json)
{
    const char *key;
    const json_t *item;
    json_object_foreach((json_t *)json, key, item)
    {
        avro_value_t place;
        if (avro_value_add(value, key, &place, NULL, NULL) != 0 || !write_avro_fill(&place, item))
            return false;
    }
    return !json || json_is_object(json);
}

/* Of null and another type, in this order. */
static inline bool write_avro_fill_union(avro_value_t *value, const json_t *json)
{
    avro_value_t branch;
    bool is_null = !json || json_is_null(json);
    return avro_value_set_branch(value, is_null ? 0 : 1, &branch) == 0 &&
           (is_null ? avro_value_set_null(&branch) == 0 : write_avro_fill(&branch, json));
}

static inline bool write_avro_fill_enum(avro_value_t *value, const json_t *json)
{
    int symbol = json_is_string(json) ? avro_schema_enum_get_by_name(avro_value_get_schema(value),
                                                                     json_string_value(json))
                                      : -1;
    return symbol >= 0 && avro_value_set_enum(value, symbol) == 0;
}

/* False: the JSON is not what the schema says. */
static inline bool write_avro_fill(avro_value_t *value, const json_t *json)
{
    switch (avro_value_get_type(value)) {
    case AVRO_RECORD:
        return write_avro_fill_record(value, json);
    case AVRO_ARRAY:
        return write_avro_fill_array(value, json);
    case AVRO_MAP:
        return write_avro_fill_map(value, json);
    case AVRO_UNION:
        return write_avro_fill_union(value, json);
    case AVRO_ENUM:
        return write_avro_fill_enum(value, json);
    case AVRO_STRING:
        return json_is_string(json) && avro_value_set_string_len(value, json_string_value(json),
                                                                 json_string_length(json) + 1) == 0;
    case AVRO_INT32:
        return json_is_integer(json) &&
               avro_value_set_int(value, (int32_t)json_integer_value(json)) == 0;
    case AVRO_INT64:
        return json_is_integer(json) && avro_value_set_long(value, json_integer_value(json)) == 0;
    default:
        return false;
    }
}

/* The size of the datum written to buffer; 0: the JSON is not what the schema says, or does not
 * fit. */
static inline size_t write_avro(struct bytes schema, const json_t *json, void *buffer,
                                size_t capacity)
{
    avro_schema_t parsed;
    avro_value_t value;
    size_t size = 0;
    if (avro_schema_from_json_length((const char *)schema.data, schema.size, &parsed) != 0)
        return 0;
    avro_value_iface_t *iface = avro_generic_class_from_schema(parsed);
    avro_generic_value_new(iface, &value);
    avro_writer_t writer = avro_writer_memory(buffer, (int64_t)capacity);
    if (write_avro_fill(&value, json) && avro_value_write(writer, &value) == 0)
        size = (size_t)avro_writer_tell(writer);
    avro_writer_free(writer);
    avro_value_decref(&value);
    avro_value_iface_decref(iface);
    avro_schema_decref(parsed);
    return size;
}

#endif
