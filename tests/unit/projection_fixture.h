/* projection_fixture.h - for tests: compiles a schema, reads data, and says in one line what came
 * out, so that a test is a schema, bytes and a text. */
#ifndef CHECKIT_TESTS_PROJECTION_FIXTURE_H
#define CHECKIT_TESTS_PROJECTION_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "operators/support/projection.h"

enum { FIXTURE_TEXT_SIZE = 4096, FIXTURE_CAPACITY = 64 };

/* A literal as bytes. Octal escapes: those in hexadecimal have no end. */
#define BYTES(literal) bytes_of("" literal "", sizeof(literal) - 1)

/* Up to ten literals as one, with commas between. */
#define JOIN1(a) a
#define JOIN2(a, ...) a ", " JOIN1(__VA_ARGS__)
#define JOIN3(a, ...) a ", " JOIN2(__VA_ARGS__)
#define JOIN4(a, ...) a ", " JOIN3(__VA_ARGS__)
#define JOIN5(a, ...) a ", " JOIN4(__VA_ARGS__)
#define JOIN6(a, ...) a ", " JOIN5(__VA_ARGS__)
#define JOIN7(a, ...) a ", " JOIN6(__VA_ARGS__)
#define JOIN8(a, ...) a ", " JOIN7(__VA_ARGS__)
#define JOIN9(a, ...) a ", " JOIN8(__VA_ARGS__)
#define JOIN10(a, ...) a ", " JOIN9(__VA_ARGS__)
#define JOIN_OF(a, b, c, d, e, f, g, h, i, j, join, ...) join
#define JOIN(...)                                                                                  \
    JOIN_OF(__VA_ARGS__, JOIN10, JOIN9, JOIN8, JOIN7, JOIN6, JOIN5, JOIN4, JOIN3, JOIN2, JOIN1, 0) \
    (__VA_ARGS__)

/* Schemas: RECORD(FIELD("number", STRING), FIELD("issuer", NULLABLE(STRING))). */
#define NOTHING "\"null\""
#define BOOLEAN "\"boolean\""
#define INT "\"int\""
#define LONG "\"long\""
#define FLOAT "\"float\""
#define DOUBLE "\"double\""
#define RAW "\"bytes\""
#define STRING "\"string\""
#define NAMED(name) "\"" name "\""
#define ARRAY(items) "{\"type\": \"array\", \"items\": " items "}"
#define MAP(values) "{\"type\": \"map\", \"values\": " values "}"
#define FIXED(name, size) "{\"type\": \"fixed\", \"name\": \"" name "\", \"size\": " #size "}"
#define ENUM(name, ...)                                                                            \
    "{\"type\": \"enum\", \"name\": \"" name "\", \"symbols\": [" JOIN(__VA_ARGS__) "]}"
#define LOGICAL(type, logical) "{\"type\": " type ", \"logicalType\": \"" logical "\"}"
#define UNION(...) "[" JOIN(__VA_ARGS__) "]"
#define NULLABLE(type) UNION(NOTHING, type)
#define FIELD(name, type) "{\"name\": \"" name "\", \"type\": " type "}"
#define NAMED_RECORD(name, ...)                                                                    \
    "{\"type\": \"record\", \"name\": \"" name "\", \"fields\": [" JOIN(__VA_ARGS__) "]}"
#define RECORD(...) NAMED_RECORD("Event", __VA_ARGS__)

/* One document path. */
#define MAPPING(...) (&(const struct mapping){.documents = {{__VA_ARGS__}}, .documents_count = 1})

static inline struct projection *compile(const char *schema, const struct mapping *mapping)
{
    struct error err = {0};
    struct projection *projection = NULL;
    cr_assert_eq(projection_compile(schema, strlen(schema), mapping, &projection, &err), STATUS_OK,
                 "%s: %s", schema, err.text);
    return projection;
}

/* The reason must hold the text. */
static inline void expect_refused(const char *schema, const struct mapping *mapping,
                                  const char *text)
{
    struct error err = {0};
    struct projection *projection = NULL;
    cr_expect_eq(projection_compile(schema, strlen(schema), mapping, &projection, &err),
                 STATUS_FAIL, "taken, expected: %s", text);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect(strstr(err.text, text), "\"%s\" is not in \"%s\"", text, err.text);
    cr_expect_null(projection);
    projection_close(projection);
}

/* Appends; "-" is absent, what is not printed easily stands as <hex>. */
static inline void fixture_add(char *out, const char *before, struct bytes text)
{
    size_t used = strlen(out);
    used += (size_t)snprintf(out + used, FIXTURE_TEXT_SIZE - used, "%s%s", before,
                             text.data ? text.size ? "" : "''" : "-");
    for (size_t i = 0; i < text.size && used < FIXTURE_TEXT_SIZE; i++) {
        bool is_plain = text.data[i] > ' ' && text.data[i] < 0x7F;
        used += (size_t)snprintf(out + used, FIXTURE_TEXT_SIZE - used, is_plain ? "%c" : "<%02x>",
                                 text.data[i]);
    }
}

static inline void fixture_add_documents(char *out, const struct document *documents,
                                         uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        fixture_add(out, *out ? "; " : "", documents[i].number);
        if (documents[i].issuer.data || documents[i].type.data || documents[i].nationality.data) {
            fixture_add(out, " ", documents[i].issuer);
            fixture_add(out, " ", documents[i].type);
            fixture_add(out, " ", documents[i].nationality);
        }
    }
}

/* "A1; B2 FRA PASSPORT -", "(none)" or the name of the status. The datum lies in memory of its very
 * size, so that a read beyond it is seen. Static: until the next call. */
static inline const char *read_slices(const struct projection *projection, struct bytes datum,
                                      uint32_t capacity)
{
    static char out[FIXTURE_TEXT_SIZE];
    struct document documents[FIXTURE_CAPACITY];
    struct arena arena;
    uint32_t seen = 0;
    bool more = true;
    uint8_t *copy = malloc(datum.size ? datum.size : 1);
    if (datum.size)
        memcpy(copy, datum.data, datum.size);
    arena_open(&arena, 1024);
    *out = 0;
    while (more) {
        uint32_t count = 99;
        arena_reset(&arena);
        enum record_status status =
            projection_documents(projection, bytes_of(copy, datum.size), seen, &arena, documents,
                                 capacity, &count, &more);
        if (status != RECORD_OK) {
            cr_expect(count == 0 && !more && seen == 0, "something of it counts");
            (void)snprintf(out, sizeof out, "%s", record_status_name(status));
            break;
        }
        cr_assert(count > 0 || !more, "a slice makes no way");
        fixture_add_documents(out, documents, count);
        seen += count;
    }
    arena_close(&arena);
    free(copy);
    return *out ? out : "(none)";
}

/* Whole and in slices, the same must come out. */
static inline void expect_read(const struct projection *projection, struct bytes datum,
                               const char *expected)
{
    for (uint32_t capacity = FIXTURE_CAPACITY; capacity > 0; capacity /= 4) {
        const char *read = read_slices(projection, datum, capacity);
        cr_expect_str_eq(read, expected, "capacity %u: read \"%s\", expected \"%s\"", capacity,
                         read, expected);
    }
}

/* Compiles, reads one datum, closes. */
static inline void expect(const char *schema, const struct mapping *mapping, struct bytes datum,
                          const char *expected)
{
    struct projection *projection = compile(schema, mapping);
    expect_read(projection, datum, expected);
    projection_close(projection);
}

/* --- data put together --- */

struct datum {
    uint8_t *bytes; /* owned: datum_close */
    size_t size;
    size_t capacity;
};

static inline void put(struct datum *datum, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    if (datum->size + size > datum->capacity) {
        datum->capacity = 2 * (datum->size + size);
        datum->bytes = realloc(datum->bytes, datum->capacity);
    }
    memcpy(datum->bytes + datum->size, bytes, size);
    datum->size += size;
}

#define PUT(datum, literal) put(datum, literal, sizeof(literal) - 1)

static inline void put_long(struct datum *datum, int64_t value)
{
    uint64_t rest = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
    for (; rest > 0x7F; rest >>= 7)
        put(datum, &(uint8_t){(uint8_t)(rest | 0x80)}, 1);
    put(datum, &(uint8_t){(uint8_t)rest}, 1);
}

static inline void put_text(struct datum *datum, const char *text)
{
    put_long(datum, (int64_t)strlen(text));
    put(datum, text, strlen(text));
}

/* Of a union of null and string; NULL is null. */
static inline void put_optional(struct datum *datum, const char *text)
{
    put_long(datum, text != NULL);
    if (text)
        put_text(datum, text);
}

static inline struct bytes datum_bytes(const struct datum *datum)
{
    return bytes_of(datum->bytes ? datum->bytes : (const uint8_t *)"", datum->size);
}

static inline void datum_close(struct datum *datum)
{
    free(datum->bytes);
    *datum = (struct datum){0};
}

#endif
