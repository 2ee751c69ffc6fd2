#include "pipeline/run/datum_json.h"
#include "tests/unit/projection_fixture.h"

/* The JSON of a datum under a schema, or "invalid". The caller's: free. */
static char *json_of(const char *schema, struct bytes datum,
                     const struct datum_json_replacement *replacements)
{
    struct datum_schema *opened = NULL;
    struct error err = {0};
    cr_assert_eq(datum_schema_open(schema, strlen(schema), &opened, &err), STATUS_OK, "%s",
                 err.text);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    enum record_status status = datum_json_write(opened, datum, replacements, out);
    cr_assert_eq(fclose(out), 0);
    datum_schema_close(opened);
    if (status == RECORD_OK)
        return text;
    cr_assert_eq(status, RECORD_DATUM_INVALID);
    free(text);
    return strdup("invalid");
}

static void expect_json(const char *schema, struct bytes datum, const char *json)
{
    char *text = json_of(schema, datum, NULL);
    cr_expect_str_eq(text, json);
    free(text);
}

static const char everything[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
    "{\"name\":\"n\",\"type\":\"null\"},{\"name\":\"b\",\"type\":\"boolean\"},"
    "{\"name\":\"i\",\"type\":\"int\"},{\"name\":\"f\",\"type\":\"float\"},"
    "{\"name\":\"d\",\"type\":\"double\"},{\"name\":\"y\",\"type\":\"bytes\"},"
    "{\"name\":\"x\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}},"
    "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}},"
    "{\"name\":\"u\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"t\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},"
    "{\"name\":\"m\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}},"
    "{\"name\":\"day\",\"type\":{\"type\":\"int\",\"logicalType\":\"date\"}},"
    "{\"name\":\"list\",\"type\":{\"type\":\"array\",\"items\":\"int\"}},"
    "{\"name\":\"map\",\"type\":{\"type\":\"map\",\"values\":\"string\"}}]}";

static const struct bytes everything_data = {
    (const uint8_t *)"\001"                             /* b */
                     "\003"                             /* i: -2 */
                     "\000\000\300\077"                 /* f: 1.5 */
                     "\000\000\000\000\000\000\004\300" /* d: -2.5 */
                     "\004\000\377"                     /* y */
                     "\253\315"                         /* x */
                     "\002"                             /* e: B */
                     "\002\004hi"                       /* u */
                     "\000"                             /* t */
                     "\001"                             /* m: -1 */
                     "\002"                             /* day: 1 */
                     "\003\004\002\004\002\006\000"     /* list: [1, 2] with its size, then [3] */
                     "\002\002k\002v\000",              /* map */
    1 + 1 + 4 + 8 + 3 + 2 + 1 + 4 + 1 + 1 + 1 + 7 + 6};

Test(datum_json, every_kind_of_value_is_written)
{
    expect_json(
        everything, everything_data,
        "{\"n\":null,\"b\":true,\"i\":-2,\"f\":1.5,\"d\":-2.5,\"y\":\"00ff\",\"x\":\"abcd\","
        "\"e\":\"B\",\"u\":\"hi\",\"t\":\"1970-01-01T00:00:00.000Z\","
        "\"m\":\"1969-12-31T23:59:59.999Z\",\"day\":\"1970-01-02\",\"list\":[1,2,3],"
        "\"map\":{\"k\":\"v\"}}");
}

Test(datum_json, a_datum_that_ends_early_is_invalid_wherever)
{
    for (size_t size = 0; size < everything_data.size; size++)
        expect_json(everything, bytes_of(everything_data.data, size), "invalid");
}

Test(datum_json, indexes_and_counts_beyond_what_there_is_are_invalid)
{
    expect_json("[\"null\",\"int\"]", BYTES("\004"), "invalid");
    expect_json("[\"null\",\"int\"]", BYTES("\001"), "invalid");
    expect_json("{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", BYTES("\002"), "invalid");
    expect_json(ARRAY(INT), BYTES("\006\002\002"), "invalid");
    expect_json(STRING, BYTES("\001"), "invalid");
    expect_json(STRING, BYTES("\376\377\377\377\377\377\377\377\377\001"), "invalid");
    expect_json(LONG, BYTES("\377\377\377\377\377\377\377\377\377\377\001"), "invalid");
}

/* 65,536 nulls take no bytes; one more is refused, or a short record would keep us for ever. */
Test(datum_json, items_without_bytes_are_limited)
{
    char *text = json_of(ARRAY(NOTHING), BYTES("\200\200\010\000"), NULL);
    cr_expect_eq(strlen(text), 65536 * 5 + 1);
    free(text);
    expect_json(ARRAY(NOTHING), BYTES("\202\200\010\000"), "invalid");
}

Test(datum_json, nesting_is_limited)
{
    static const char list[] = "{\"type\":\"record\",\"name\":\"L\",\"fields\":["
                               "{\"name\":\"next\",\"type\":[\"null\",\"L\"]}]}";
    uint8_t data[DATUM_NESTING_MAX + 1];
    memset(data, 2, sizeof data);
    data[DATUM_NESTING_MAX - 1] = 0;
    char *text = json_of(list, bytes_of(data, DATUM_NESTING_MAX), NULL);
    cr_expect_neq(strcmp(text, "invalid"), 0);
    free(text);
    data[DATUM_NESTING_MAX - 1] = 2;
    data[DATUM_NESTING_MAX] = 0;
    expect_json(list, bytes_of(data, sizeof data), "invalid");
}

Test(datum_json, texts_do_nothing_to_a_terminal)
{
    expect_json(STRING, BYTES("\032\"\\\n\033[2J\177\302\233\303\251\377"),
                "\"\\\"\\\\\\u000a\\u001b[2J\\u007f\\u009b\xC3\xA9\xEF\xBF\xBD\"");
}

Test(datum_json, numbers_and_times_that_json_has_not_are_written_otherwise)
{
    expect_json(DOUBLE, BYTES("\000\000\000\000\000\000\360\177"), "null");
    expect_json(LOGICAL(LONG, "timestamp-millis"),
                BYTES("\377\377\377\377\377\377\377\377\377\001"), "-9223372036854775808");
}

Test(datum_json, what_is_at_a_path_is_replaced)
{
    static const struct datum_json_replacement hidden[] = {
        {"u", "(hidden)"}, {"list[]", "?"}, {"map{}", "!"}, {0}};
    char *text = json_of(everything, everything_data, hidden);
    cr_expect_not_null(strstr(text, "\"u\":\"(hidden)\","));
    cr_expect_not_null(strstr(text, "\"list\":[\"?\",\"?\",\"?\"],\"map\":{\"k\":\"!\"}}"));
    free(text);
}
