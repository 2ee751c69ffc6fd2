/* read_avro.h - for tests: reads what we wrote with Avro C, under a schema we ship, as JSON. */
#ifndef CHECKIT_TESTS_READ_AVRO_H
#define CHECKIT_TESTS_READ_AVRO_H

#include <avro.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/base/assets.h"

enum { READ_AVRO_PREFIX_SIZE = 5 };

/* The text of a value in Avro's JSON encoding; the caller's: free. Writing the value again must
 * give the very same bytes, so nothing is left over and nothing was read in two ways. */
static inline char *read_avro_value(avro_value_iface_t *iface, struct bytes datum)
{
    avro_value_t value;
    char *text = NULL;
    char *again = malloc(datum.size + 1);
    int64_t written = -1;
    avro_reader_t reader = avro_reader_memory((const char *)datum.data, (int64_t)datum.size);
    avro_writer_t writer = avro_writer_memory(again, (int64_t)datum.size + 1);
    avro_generic_value_new(iface, &value);
    if (avro_value_read(reader, &value) == 0 && avro_value_write(writer, &value) == 0)
        written = avro_writer_tell(writer);
    if (written == (int64_t)datum.size && memcmp(again, datum.data, datum.size) == 0)
        avro_value_to_json(&value, 1, &text);
    avro_value_decref(&value);
    avro_writer_free(writer);
    avro_reader_free(reader);
    free(again);
    return text;
}

/* What reads values of a schema: an asset such as "schemas/Alert.avsc". NULL when there is none.
 * The caller's: avro_value_iface_decref. */
static inline avro_value_iface_t *read_avro_open(const char *schema)
{
    struct bytes text = assets_find(schema);
    avro_schema_t parsed;
    if (!text.data ||
        avro_schema_from_json_length((const char *)text.data, text.size, &parsed) != 0)
        return NULL;
    avro_value_iface_t *iface = avro_generic_class_from_schema(parsed);
    avro_schema_decref(parsed);
    return iface;
}

/* payload with its wire prefix. NULL when it is not what the schema says. The caller's:
 * json_decref. */
static inline json_t *read_avro_with(avro_value_iface_t *iface, struct bytes payload)
{
    if (payload.size < READ_AVRO_PREFIX_SIZE)
        return NULL;
    char *value = read_avro_value(iface, bytes_of(payload.data + READ_AVRO_PREFIX_SIZE,
                                                  payload.size - READ_AVRO_PREFIX_SIZE));
    json_t *json = value ? json_loads(value, JSON_ALLOW_NUL, NULL) : NULL;
    free(value);
    return json;
}

/* Both in one. */
static inline json_t *read_avro(const char *schema, struct bytes payload)
{
    avro_value_iface_t *iface = read_avro_open(schema);
    if (!iface)
        return NULL;
    json_t *json = read_avro_with(iface, payload);
    avro_value_iface_decref(iface);
    return json;
}

/* "event.event_id.string", "flags.0": one step an object's key or an array's index. NULL when there
 * is no such thing. Borrowed from root. */
static inline const json_t *json_path(const json_t *root, const char *path)
{
    char step[64];
    while (root && *path) {
        size_t size = strcspn(path, ".");
        (void)snprintf(step, sizeof step, "%.*s", (int)size, path);
        root = json_is_array(root) ? json_array_get(root, strtoul(step, NULL, 10))
                                   : json_object_get(root, step);
        path += size + (path[size] == '.');
    }
    return root;
}

static inline const char *json_text(const json_t *root, const char *path)
{
    const char *text = json_string_value(json_path(root, path));
    return text ? text : "(none)";
}

/* -1 when there is no such number. */
static inline long long json_number(const json_t *root, const char *path)
{
    const json_t *number = json_path(root, path);
    return json_is_integer(number) ? json_integer_value(number) : -1;
}

#endif
