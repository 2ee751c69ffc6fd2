/* Schemas: names and namespaces, what is no schema, and every limit at its most and one above. */
#include "projection_fixture.h"

static const struct mapping *const number = MAPPING(.path = "", .number = "n");

/* --- names --- */

Test(projection_schema, a_type_is_known_by_its_name_once_it_stands)
{
    expect(RECORD(FIELD("a", FIXED("F", 2)), FIELD("n", NAMED("F"))), number, BYTES("xyAB"), "AB");
    expect(RECORD(FIELD("a", ENUM("E", NAMED("X"), NAMED("Y"))), FIELD("n", "{\"type\": \"E\"}")),
           number, BYTES("\0\2"), "Y");
    expect(RECORD(FIELD("a", NAMED_RECORD("R", FIELD("x", STRING))), FIELD("b", ARRAY(NAMED("R"))),
                  FIELD("n", STRING)),
           number,
           BYTES("\2x"
                 "\2\2y\0"
                 "\2A"),
           "A");
}

Test(projection_schema, types_are_known_in_the_order_of_the_text)
{
    expect(UNION(FIXED("F", 1), ARRAY(NAMED("F"))), MAPPING(.path = "{array}[]", .number = ""),
           BYTES("\2"
                 "\4AB\0"),
           "A; B");
    expect(RECORD(FIELD("a", ARRAY(FIXED("F", 1))), FIELD("b", MAP(NAMED("F"))),
                  FIELD("n", NAMED("F"))),
           number,
           BYTES("\2x\0"
                 "\2\2ky\0"
                 "A"),
           "A");
}

#define IN(namespace, name, ...)                                                                   \
    "{\"type\": \"record\", \"name\": \"" name                                                     \
    "\", \"namespace\": \"" namespace "\", \"fields\": [" JOIN(__VA_ARGS__) "]}"

#define NAMES_OF_F FIELD("x", FIXED("F", 1)), FIELD("y", NAMED("F")), FIELD("n", NAMED("a.b.F"))

Test(projection_schema, names_are_relative_to_the_namespace_around_them)
{
    expect(IN("a.b", "R", NAMES_OF_F), number, BYTES("xyA"), "A");
    expect_refused(RECORD(NAMES_OF_F), number, "there is no type named \"a.b.F\"");
    expect_refused(
        IN("a", "R", FIELD("x", IN("b", "S", FIELD("y", FIXED("F", 1)))), FIELD("n", NAMED("F"))),
        number, "there is no type named \"F\"");
    expect(
        IN("a", "R", FIELD("x", IN("b", "S", FIELD("y", FIXED("F", 1)))), FIELD("n", NAMED("b.F"))),
        number, BYTES("xA"), "A");
}

Test(projection_schema, a_name_with_dots_is_whole_and_its_namespace_that_of_what_is_inside)
{
    expect(IN("ignored", "a.b.R", FIELD("x", FIXED("F", 1)), FIELD("n", NAMED("a.b.F"))), number,
           BYTES("xA"), "A");
    expect_refused(
        IN("ignored", "a.b.R", FIELD("x", FIXED("F", 1)), FIELD("n", NAMED("ignored.F"))), number,
        "there is no type named \"ignored.F\"");
}

Test(projection_schema, two_types_of_one_name_in_two_namespaces_are_two_branches)
{
    const char *schema = RECORD(FIELD(
        "n", UNION(NOTHING, IN("a", "R", FIELD("x", STRING)), IN("b", "R", FIELD("x", STRING)))));
    expect(schema, MAPPING(.path = "n{a.R}", .number = "x"), BYTES("\2\2A"), "A");
    expect(schema, MAPPING(.path = "n{a.R}", .number = "x"), BYTES("\4\2A"), "(none)");
    expect(schema, MAPPING(.path = "n{R}", .number = "x"), BYTES("\4\2A"), "A");
    expect(schema, MAPPING(.path = "n{R}", .number = "x"), BYTES("\2\2A"), "A");
}

Test(projection_schema, what_need_not_be_known_is_passed_over)
{
    expect("{\"type\": \"record\", \"name\": \"E\", \"doc\": \"d\", \"aliases\": [\"F\"], \"x\": "
           "{\"y\": "
           "[1, null]}, \"fields\": [{\"name\": \"n\", \"doc\": \"d\", \"order\": \"ignore\", "
           "\"type\": {\"type\": \"string\", \"avro.java.string\": \"String\"}}]}",
           number, BYTES("\2A"), "A");
}

/* --- what is no schema --- */

Test(projection_schema, what_is_no_json_is_refused)
{
    static const char *const texts[] = {
        "", "{", "[\"null\"", "\"string", "nothing", "{\"type\": }", "\"\xff\""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_refused(texts[i], number, "the schema: no JSON");
    expect_refused("\"string\" \"string\"", number, "the schema: no JSON");
}

Test(projection_schema, what_is_no_avro_schema_is_refused_and_the_fault_named)
{
    static const struct {
        const char *schema;
        const char *reason;
    } cases[] = {
        {"1", "a type is no text, list or object"},
        {"null", "a type is no text, list or object"},
        {"{}", "a type is no text, list or object"},
        {"{\"type\": {\"type\": \"string\"}}", "a type is no text, list or object"},
        {"\"nothing\"", "there is no type named \"nothing\""},
        {"{\"type\": \"nothing\"}", "there is no type named \"nothing\""},
        {RECORD(FIELD("n", STRING), FIELD("x", NAMED("Later")), FIELD("y", FIXED("Later", 1))),
         "there is no type named \"Later\""},
        {"[]", "at least one branch"},
        {"[\"null\", [\"string\"]]", "a union stands directly in a union"},
        {"{\"type\": \"array\"}", "an array or map lacks its \"items\""},
        {"{\"type\": \"map\"}", "an array or map lacks its \"values\""},
        {"{\"type\": \"record\", \"fields\": []}", "there is no name in a \"record\""},
        {"{\"type\": \"record\", \"name\": \"\", \"fields\": []}",
         "there is no name in a \"record\""},
        {"{\"type\": \"record\", \"name\": 1, \"fields\": []}", "there is no name in a \"record\""},
        {"{\"type\": \"record\", \"name\": \"R\"}", "a record lacks its fields: \"R\""},
        {"{\"type\": \"record\", \"name\": \"R\", \"fields\": {}}",
         "a record lacks its fields: \"R\""},
        {"{\"type\": \"record\", \"name\": \"R\", \"fields\": [1]}",
         "a field lacks its name or type"},
        {"{\"type\": \"record\", \"name\": \"R\", \"fields\": [{\"name\": \"x\"}]}",
         "a field lacks its name or type"},
        {"{\"type\": \"record\", \"name\": \"R\", \"fields\": [{\"type\": \"int\"}]}",
         "a field lacks its name or type"},
        {RECORD(FIELD("n", STRING), FIELD("n", STRING)), "a record has two fields named \"n\""},
        {RECORD(FIELD("n", FIXED("F", 1)), FIELD("m", FIXED("F", 1))),
         "there are two types named \"F\""},
        {RECORD(FIELD("n", FIXED("Event", 1))), "there are two types named \"Event\""},
        {"{\"type\": \"fixed\", \"size\": 1}", "there is no name in a \"fixed\""},
        {"{\"type\": \"fixed\", \"name\": \"F\"}", "there is no size in fixed \"F\""},
        {"{\"type\": \"fixed\", \"name\": \"F\", \"size\": -1}", "there is no size in fixed \"F\""},
        {"{\"type\": \"fixed\", \"name\": \"F\", \"size\": 1.5}",
         "there is no size in fixed \"F\""},
        {"{\"type\": \"fixed\", \"name\": \"F\", \"size\": \"1\"}",
         "there is no size in fixed \"F\""},
        {"{\"type\": \"enum\", \"name\": \"E\"}", "there are no symbols in enum \"E\""},
        {"{\"type\": \"enum\", \"name\": \"E\", \"symbols\": []}",
         "there are no symbols in enum \"E\""},
        {"{\"type\": \"enum\", \"name\": \"E\", \"symbols\": [1]}",
         "a symbol is no string in enum \"E\""},
        {RECORD(FIELD("a-b", STRING)), "the schema is no Avro schema"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(cases[i].schema, number, cases[i].reason);
}

/* --- limits --- */

Test(projection_schema, a_schema_has_at_most_schema_bytes_max_bytes)
{
    const char *schema = RECORD(FIELD("n", STRING));
    char *text = malloc(SCHEMA_BYTES_MAX + 2);
    memset(text, ' ', SCHEMA_BYTES_MAX + 1);
    memcpy(text, schema, strlen(schema));
    text[SCHEMA_BYTES_MAX] = 0;
    expect(text, number, BYTES("\2A"), "A");
    text[SCHEMA_BYTES_MAX] = ' ';
    text[SCHEMA_BYTES_MAX + 1] = 0;
    expect_refused(text, number, "the schema has 1048577 bytes, more than 1048576");
    free(text);
}

/* Arrays in one another, the innermost holding texts. */
static char *nested_arrays(int levels)
{
    struct datum text = {0};
    for (int i = 0; i < levels; i++)
        PUT(&text, "{\"type\": \"array\", \"items\": ");
    PUT(&text, STRING);
    for (int i = 0; i < levels; i++)
        PUT(&text, "}");
    PUT(&text, "\0");
    return (char *)text.bytes;
}

Test(projection_schema, a_schema_nests_at_most_schema_nesting_max_deep)
{
    const struct mapping none = {0};
    char *schema = nested_arrays(SCHEMA_NESTING_MAX);
    expect(schema, &none, BYTES("\0"), "(none)");
    free(schema);
    schema = nested_arrays(SCHEMA_NESTING_MAX + 1);
    expect_refused(schema, &none, "more than 64 braces and brackets open at once");
    free(schema);
}

Test(projection_schema, braces_in_texts_do_not_nest)
{
    char doc[512];
    char schema[1024];
    memset(doc, '{', sizeof doc - 1);
    doc[sizeof doc - 1] = 0;
    memcpy(doc + 200, "\\\"[", 3); /* an escaped quote does not end it */
    (void)snprintf(schema, sizeof schema,
                   "{\"type\": \"record\", \"name\": \"E\", \"doc\": \"%s\", \"fields\": [%s]}",
                   doc, FIELD("n", STRING));
    expect(schema, number, BYTES("\2A"), "A");
}

Test(projection_schema, containers_of_the_deepest_schema_are_all_open_at_once)
{
    const struct mapping none = {0};
    char *schema = nested_arrays(DATUM_NESTING_MAX);
    uint8_t datum[2 * DATUM_NESTING_MAX + 1];
    memset(datum, 2, sizeof datum);
    memset(datum + DATUM_NESTING_MAX, 0, DATUM_NESTING_MAX + 1);
    expect(schema, &none, bytes_of(datum, sizeof datum), "(none)");
    expect(schema, &none, bytes_of(datum, sizeof datum - 1), "datum_invalid");
    free(schema);
}

/* A record of `number`, a text, and of fields that are skipped by `operations` operations in all:
 * by the block, a record of 64 fields no two neighbours of which are skipped together. */
static void put_fields(struct datum *text, int count, const char *const types[2])
{
    for (int i = 0; i < count; i++) {
        char field[64];
        int size = snprintf(field, sizeof field, "%s{\"name\": \"f%d\", \"type\": %s}",
                            i ? "," : "", i, types[i % 2]);
        put(text, field, (size_t)size);
    }
}

static char *schema_of_operations(uint32_t operations)
{
    enum { BLOCK = 64 };
    static const char *const types[2] = {"\"int\"", "\"string\""};
    struct datum text = {0};
    uint32_t blocks = operations / BLOCK;
    uint32_t rest = operations % BLOCK;
    cr_assert(blocks > 1);
    PUT(&text,
        "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"n\",\"type\":\"string\"},"
        "{\"name\":\"b\",\"type\":{\"type\":\"record\",\"name\":\"B\",\"fields\":[");
    put_fields(&text, BLOCK, types);
    PUT(&text, "]}}");
    for (uint32_t i = 1; i < blocks; i++) {
        char field[64];
        int size = snprintf(field, sizeof field, ",{\"name\":\"b%u\",\"type\":\"B\"}", i);
        put(&text, field, (size_t)size);
    }
    if (rest > 0)
        PUT(&text, ",");
    put_fields(&text, (int)rest, types);
    PUT(&text, "]}\0");
    return (char *)text.bytes;
}

/* Documents take four more: a row's begin and end, its number, the end. */
Test(projection_schema, a_program_has_at_most_schema_operations_max_operations)
{
    struct datum datum = {0};
    PUT(&datum, "\2A");
    for (int i = 0; i < SCHEMA_OPERATIONS_MAX; i++)
        put_long(&datum, 0);
    char *schema = schema_of_operations(SCHEMA_OPERATIONS_MAX - 4);
    expect(schema, number, datum_bytes(&datum), "A");
    expect(schema, number, bytes_of(datum.bytes, SCHEMA_OPERATIONS_MAX - 2), "A");
    expect(schema, number, bytes_of(datum.bytes, SCHEMA_OPERATIONS_MAX - 3), "datum_invalid");
    free(schema);
    schema = schema_of_operations(SCHEMA_OPERATIONS_MAX - 3);
    expect_refused(schema, number, "reading it takes more than 65536 operations");
    free(schema);
    datum_close(&datum);
}

/* Fifteen records in one another, in the root. The innermost is skipped by 65,472 operations and 59
 * more, each further one by as many; the field `last` of the one at this depth counts for itself
 * and those around it. */
static char *schema_of_chain(int depth_of_last)
{
    enum { LEVELS = 15, BLOCK = 64, BLOCKS = 1023, MORE = 59 };
    static const char *const types[2] = {"\"int\"", "\"string\""};
    struct datum text = {0};
    PUT(&text,
        "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"n\",\"type\":\"string\"}");
    for (int depth = 1; depth <= LEVELS; depth++) {
        char record[128];
        int size = snprintf(
            record, sizeof record,
            "%s{\"name\":\"c\",\"type\":{\"type\":\"record\",\"name\":\"C%d\",\"fields\":[",
            depth == 1 ? "," : "", depth);
        put(&text, record, (size_t)size);
    }
    PUT(&text, "{\"name\":\"b\",\"type\":{\"type\":\"record\",\"name\":\"B\",\"fields\":[");
    put_fields(&text, BLOCK, types);
    PUT(&text, "]}}");
    for (uint32_t i = 1; i < BLOCKS; i++) {
        char field[64];
        int size = snprintf(field, sizeof field, ",{\"name\":\"b%u\",\"type\":\"B\"}", i);
        put(&text, field, (size_t)size);
    }
    PUT(&text, ",");
    put_fields(&text, MORE, types);
    for (int depth = LEVELS; depth >= 1; depth--) {
        if (depth == depth_of_last)
            PUT(&text, ",{\"name\":\"last\",\"type\":\"string\"}");
        PUT(&text, "]}}");
    }
    PUT(&text, "]}\0");
    return (char *)text.bytes;
}

/* 2^20: the primitive types but null 7, the block 64, sixteen records 65,472 + 59 each, n 1, and
 * `last` 8. */
Test(projection_schema, types_are_skipped_by_sixteen_programs_at_most)
{
    char *schema = schema_of_chain(7);
    projection_close(compile(schema, number));
    free(schema);
    schema = schema_of_chain(8);
    expect_refused(schema, number, "skipping them takes more than 1048576 operations");
    free(schema);
}

/* Each type is twice the one before. */
static char *doubling(int levels)
{
    struct datum text = {0};
    PUT(&text,
        "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"n\",\"type\":\"string\"},"
        "{\"name\":\"t\",\"type\":{\"type\":\"record\",\"name\":\"T0\",\"fields\":[{\"name\":\"x\","
        "\"type\":\"int\"},{\"name\":\"y\",\"type\":\"string\"}]}}");
    for (int i = 1; i <= levels; i++) {
        char field[256];
        int size =
            snprintf(field, sizeof field,
                     ",{\"name\":\"t%d\",\"type\":{\"type\":\"record\",\"name\":\"T%d\",\"fields\":"
                     "[{\"name\":\"x\",\"type\":\"T%d\"},{\"name\":\"y\",\"type\":\"T%d\"}]}}",
                     i, i, i - 1, i - 1);
        put(&text, field, (size_t)size);
    }
    PUT(&text, "]}\0");
    return (char *)text.bytes;
}

Test(projection_schema, types_that_double_are_refused_before_they_take_the_memory)
{
    char *schema = doubling(10);
    projection_close(compile(schema, number));
    free(schema);
    schema = doubling(16);
    expect_refused(schema, number, "reading it takes more than 65536 operations");
    free(schema);
    schema = doubling(60);
    expect_refused(schema, number, "its types refer to each other so often");
    free(schema);
}

Test(projection_schema, following_paths_through_a_schema_has_an_end)
{
    static const char *const types[2] = {"\"int\"", "\"int\""};
    struct datum text = {0};
    char alternatives[4 * 240 + 2] = "n";
    for (int i = 0; i < 240; i++)
        memcpy(alternatives + 1 + 4 * i, "|f.x", 5);
    PUT(&text, "{\"type\":\"record\",\"name\":\"E\",\"fields\":[");
    put_fields(&text, 25000, types);
    PUT(&text, ",{\"name\":\"n\",\"type\":\"string\"}]}\0");
    expect_refused((char *)text.bytes, MAPPING(.path = "", .number = alternatives),
                   "too large to follow the mapping's paths through it");
    struct projection *projection =
        compile((char *)text.bytes, MAPPING(.path = "", .number = "n", .issuer = "f.x"));
    projection_close(projection);
    datum_close(&text);
}

Test(projection_schema, a_full_name_has_at_most_1023_bytes)
{
    char name[1024];
    char schema[2048];
    memset(name, 'N', sizeof name - 1);
    name[sizeof name - 1] = 0;
    (void)snprintf(schema, sizeof schema, NAMED_RECORD("%s", FIELD("n", STRING)), name);
    expect(schema, number, BYTES("\2A"), "A");
    (void)snprintf(schema, sizeof schema, NAMED_RECORD("%sN", FIELD("n", STRING)), name);
    expect_refused(schema, number, "too long is the name");
    (void)snprintf(schema, sizeof schema, IN("a", "%s", FIELD("n", STRING)), name + 2);
    expect(schema, number, BYTES("\2A"), "A");
    (void)snprintf(schema, sizeof schema, IN("a", "%s", FIELD("n", STRING)), name + 1);
    expect_refused(schema, number, "too long is the name");
}

Test(projection_schema, a_fixed_larger_than_any_datum_is_refused_with_the_datum)
{
    const char *schema =
        RECORD(FIELD("n", STRING), FIELD("f", FIXED("F", 4294967296)), FIELD("g", NAMED("F")));
    expect(schema, number, BYTES("\2A"), "datum_invalid");
    expect(RECORD(FIELD("n", STRING), FIELD("f", ARRAY(FIXED("F", 4294967296)))), number,
           BYTES("\2A\0"), "A");
    expect(RECORD(FIELD("n", STRING), FIELD("f", ARRAY(FIXED("F", 4294967296)))), number,
           BYTES("\2A\2x\0"), "datum_invalid");
}

Test(projection_schema, an_enum_may_have_many_symbols)
{
    struct datum text = {0};
    PUT(&text, "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"n\",\"type\":{\"type\":"
               "\"enum\","
               "\"name\":\"M\",\"symbols\":[\"S0\"");
    for (int i = 1; i < 10000; i++) {
        char symbol[16];
        put(&text, symbol, (size_t)snprintf(symbol, sizeof symbol, ",\"S%d\"", i));
    }
    PUT(&text, "]}}]}\0");
    expect((char *)text.bytes, number, BYTES("\236\234\1"), "S9999");
    expect((char *)text.bytes, number, BYTES("\240\234\1"), "datum_invalid");
    datum_close(&text);
}
