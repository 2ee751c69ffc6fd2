/* Schemas made one, and their fingerprints, against the values of the Avro project. */
#include <criterion/criterion.h>

#include "operators/support/schema_text.h"
#include "pipeline/base/memory.h"
#include "pipeline/limits.h"

static struct buffer out;
static struct error err;

static void tear_down(void)
{
    buffer_close(&out);
}

TestSuite(schema_text, .fini = tear_down);

static void expect_inlined(const char *schema, const struct bytes *others, uint32_t count,
                           const char *expected)
{
    buffer_reset(&out);
    cr_assert_eq(schema_text_inline(bytes_of_text(schema), others, count, &out, &err), STATUS_OK,
                 "%s", err.text);
    cr_assert_str_eq(out.data, expected);
}

static void expect_refused(const char *schema, const char *word)
{
    buffer_reset(&out);
    cr_assert_eq(schema_text_inline(bytes_of_text(schema), NULL, 0, &out, &err), STATUS_FAIL, "%s",
                 schema);
    cr_assert_eq(err.exit_code, EX_DATAERR);
    cr_assert_not_null(strstr(err.text, word), "%s", err.text);
}

Test(schema_text, definition_comes_once_at_its_first_use)
{
    const struct bytes others[] = {
        bytes_of_text("{\"type\":\"fixed\",\"name\":\"F\",\"namespace\":\"x\",\"size\":2}")};
    expect_inlined("{\"type\":\"record\",\"name\":\"M\",\"namespace\":\"x\",\"fields\":["
                   "{\"name\":\"a\",\"type\":[\"null\",\"F\"],\"default\":null},"
                   "{\"name\":\"b\",\"type\":{\"type\":\"array\",\"items\":\"x.F\"}}]}",
                   others, 1,
                   "{\"name\":\"x.M\",\"type\":\"record\",\"fields\":["
                   "{\"name\":\"a\",\"default\":null,\"type\":[\"null\","
                   "{\"name\":\"x.F\",\"type\":\"fixed\",\"size\":2}]},"
                   "{\"name\":\"b\",\"type\":{\"type\":\"array\",\"items\":\"x.F\"}}]}");
}

Test(schema_text, definition_inside_another_is_found_and_not_repeated)
{
    const struct bytes others[] = {
        bytes_of_text("{\"type\":\"record\",\"name\":\"y.Outer\",\"fields\":[{\"name\":\"i\","
                      "\"type\":{\"type\":\"enum\",\"name\":\"Inner\",\"symbols\":[\"S\"]}}]}")};
    expect_inlined("{\"type\":\"record\",\"name\":\"M\",\"fields\":["
                   "{\"name\":\"a\",\"type\":\"y.Inner\"},{\"name\":\"b\",\"type\":\"y.Outer\"}]}",
                   others, 1,
                   "{\"name\":\"M\",\"namespace\":\"\",\"type\":\"record\",\"fields\":["
                   "{\"name\":\"a\",\"type\":{\"name\":\"y.Inner\",\"type\":\"enum\","
                   "\"symbols\":[\"S\"]}},"
                   "{\"name\":\"b\",\"type\":{\"name\":\"y.Outer\",\"type\":\"record\","
                   "\"fields\":[{\"name\":\"i\",\"type\":\"y.Inner\"}]}}]}");
}

Test(schema_text, schema_that_holds_itself_stays_as_it_is)
{
    static const char list[] =
        "{\"name\":\"x.L\",\"type\":\"record\",\"doc\":\"a \\\" b\",\"fields\":["
        "{\"name\":\"next\",\"type\":[\"null\",\"x.L\"]},"
        "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},"
        "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"string\"}}]}";
    expect_inlined(list, NULL, 0, list);
}

Test(schema_text, what_is_no_schema_is_refused)
{
    expect_refused("{", "no JSON");
    expect_refused("1", "a type");
    expect_refused("{}", "a type");
    expect_refused("[null]", "a type");
    expect_refused("{\"type\":\"record\",\"fields\":[]}", "no name");
    expect_refused("{\"type\":\"record\",\"name\":\"a\"}", "without fields");
    expect_refused("{\"type\":\"record\",\"name\":\"a\",\"fields\":[{\"type\":\"int\"}]}", "field");
    expect_refused("{\"type\":\"record\",\"name\":\"a\",\"fields\":[1]}", "field");
    expect_refused("{\"type\":\"fixed\",\"name\":\"a\\\"b\",\"size\":1}", "no name");
    expect_refused("\"\"", "no name");
    expect_refused("{\"type\":\"array\"}", "a type");
}

Test(schema_text, all_together_end_at_the_limit)
{
    struct buffer schema = {0};
    buffer_add_text(&schema, "[");
    while (schema.size < SCHEMA_BYTES_MAX)
        buffer_add_text(&schema, "\"int\", ");
    buffer_add_text(&schema, "\"int\"]");
    cr_assert_eq(schema_text_inline(bytes_of(schema.data, schema.size), NULL, 0, &out, &err),
                 STATUS_OK); /* smaller without blanks */
    buffer_reset(&out);
    schema.size--;
    while (schema.size < 2 * SCHEMA_BYTES_MAX)
        buffer_add_text(&schema, ",\"int\"");
    buffer_add_text(&schema, "]");
    cr_assert_eq(schema_text_inline(bytes_of(schema.data, schema.size), NULL, 0, &out, &err),
                 STATUS_FAIL);
    buffer_close(&schema);
}

/* Canonical forms and fingerprints of share/test/data/schema-tests.txt of the Avro project. */
Test(schema_text, canonical_forms_and_fingerprints_are_those_of_avro)
{
    static const struct {
        const char *schema;
        const char *canonical;
        int64_t fingerprint;
    } cases[] = {
        {"\"null\"", "\"null\"", 7195948357588979594},
        {"{\"type\":\"null\"}", "\"null\"", 7195948357588979594},
        {"\"boolean\"", "\"boolean\"", -6970731678124411036},
        {"\"int\"", "\"int\"", 8247732601305521295},
        {"\"long\"", "\"long\"", -3434872931120570953},
        {"\"float\"", "\"float\"", 5583340709985441680},
        {"\"double\"", "\"double\"", -8181574048448539266},
        {"\"bytes\"", "\"bytes\"", 5746618253357095269},
        {"\"string\"", "\"string\"", -8142146995180207161},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer_reset(&out);
        cr_assert_eq(schema_text_canonical(bytes_of_text(cases[i].schema), &out, &err), STATUS_OK);
        cr_assert_str_eq(out.data, cases[i].canonical);
        cr_assert_eq((int64_t)schema_text_fingerprint(bytes_of(out.data, out.size)),
                     cases[i].fingerprint, "%s", cases[i].schema);
    }
}

Test(schema_text, canonical_form_keeps_what_readers_need)
{
    cr_assert_eq(
        schema_text_canonical(
            bytes_of_text("{ \"fields\": [ {\"type\": {\"logicalType\": \"date\", \"type\": \"int\""
                          "}, \"doc\": \"d\", \"name\": \"a\", \"default\": 1, \"aliases\": []},"
                          " {\"name\": \"b\", \"type\": {\"values\": \"E\", \"type\": \"map\"}},"
                          " {\"name\": \"c\", \"type\": [\"null\", {\"size\": 16, \"type\": "
                          "\"fixed\", \"name\": \"F\", \"namespace\": \"z\"}]} ],"
                          "\"namespace\": \"x.y\", \"name\": \"R\", \"type\": \"record\"}"),
            &out, &err),
        STATUS_OK, "%s", err.text);
    cr_assert_str_eq(out.data,
                     "{\"name\":\"x.y.R\",\"type\":\"record\",\"fields\":["
                     "{\"name\":\"a\",\"type\":\"int\"},"
                     "{\"name\":\"b\",\"type\":{\"type\":\"map\",\"values\":\"x.y.E\"}},"
                     "{\"name\":\"c\",\"type\":[\"null\",{\"name\":\"z.F\",\"type\":\"fixed\","
                     "\"size\":16}]}]}");
}
