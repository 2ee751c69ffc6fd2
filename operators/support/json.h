/* json.h - JSON texts, read and written: the only module that includes jansson.
 *
 * A value borrowed from another (json_member, json_item, json_text) lives as long as that one.
 * Reading asks nothing of the shape: what is not there, or of another kind, is NULL or 0, also of a
 * NULL. One thread a value.
 */
#ifndef CHECKIT_JSON_H
#define CHECKIT_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/buffer.h"
#include "pipeline/base/status.h"

struct json;

/* --- reading --- */

/* Any JSON value; nested at most 2,048 deep. EX_DATAERR names line and reason. *out is the
 * caller's: json_close. */
enum status json_parse(const char *text, size_t size, struct json **out,
                       struct error *err) MUST_USE;
void json_close(struct json *json);

enum json_kind {
    JSON_KIND_ABSENT, /* of a NULL */
    JSON_KIND_NULL,
    JSON_KIND_BOOL,
    JSON_KIND_NUMBER,
    JSON_KIND_TEXT,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT
};
enum json_kind json_kind_of(const struct json *json);

/* Of an object: the value under a name. */
struct json *json_member(const struct json *json, const char *name);

/* Of an object: one member after the other, in their order, from a place that is all zero; false:
 * there are no more. The object is not changed meanwhile. */
struct json_place {
    void *at;
    const char *name;
    struct json *value;
};
bool json_next(const struct json *json, struct json_place *place);

/* Of an array. */
uint32_t json_items(const struct json *json);
struct json *json_item(const struct json *json, uint32_t index);

/* A string, with a NUL behind it. */
const char *json_text(const struct json *json);

/* A number that was written without fraction and exponent: false when it is none. */
bool json_whole(const struct json *json, int64_t *value);

/* Any number, else 0. */
double json_number(const struct json *json);

bool json_bool(const struct json *json);

/* --- making: an object or array of the caller's, json_close --- */

struct json *json_new_object(void);
struct json *json_new_array(void);

/* Into an object, replacing what stood there. text: UTF-8; what is not is written as "?". */
void json_put_text(struct json *object, const char *name, const char *text);
void json_put_whole(struct json *object, const char *name, int64_t value);
void json_put_number(struct json *object, const char *name, double value);
void json_put_bool(struct json *object, const char *name, bool value);

/* Takes value: it is the object's or array's from now on. */
void json_put(struct json *object, const char *name, struct json *value);
void json_add(struct json *array, struct json *value);

/* Members in the order they were put, on one line. */
void json_write(const struct json *json, struct buffer *out);

#endif
