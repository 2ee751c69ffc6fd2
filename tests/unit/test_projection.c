/* Paths, numbers, slices and our own contracts; the bytes of a datum are in test_projection_data.c,
 * schemas in test_projection_schema.c, times and the rest of the context in
 * test_projection_context.c. */
#include "projection_fixture.h"

#include "pipeline/base/assets.h"

#define DOCUMENT                                                                                   \
    NAMED_RECORD("Document", FIELD("number", STRING), FIELD("issuer", NULLABLE(STRING)),           \
                 FIELD("type", STRING), FIELD("nationality", NULLABLE(STRING)))

#define ALL_FIELDS                                                                                 \
    .number = "number", .issuer = "issuer", .type = "type", .nationality = "nationality"

/* --- paths --- */

Test(projection, an_empty_path_is_the_record_itself)
{
    expect(DOCUMENT, MAPPING(.path = "", ALL_FIELDS),
           BYTES("\4A1"
                 "\2\6FRA"
                 "\2P"
                 "\0"),
           "A1 FRA P -");
}

Test(projection, fields_not_asked_for_are_absent)
{
    expect(DOCUMENT, MAPPING(.path = "", .number = "number"),
           BYTES("\4A1"
                 "\2\6FRA"
                 "\2P"
                 "\0"),
           "A1");
}

Test(projection, optional_paths_the_schema_lacks_are_absent)
{
    expect(RECORD(FIELD("number", STRING)), MAPPING(.path = "", ALL_FIELDS), BYTES("\4A1"), "A1");
}

Test(projection, every_item_of_an_array_is_a_document)
{
    expect(RECORD(FIELD("docs", ARRAY(DOCUMENT))), MAPPING(.path = "docs[]", ALL_FIELDS),
           BYTES("\4"
                 "\4A1"
                 "\0"
                 "\2P"
                 "\0"
                 "\4B2"
                 "\2\2F"
                 "\0"
                 "\2\2G"
                 "\0"),
           "A1 - P -; B2 F '' G");
}

Test(projection, an_array_without_items_has_no_document)
{
    expect(RECORD(FIELD("docs", ARRAY(DOCUMENT))), MAPPING(.path = "docs[]", ALL_FIELDS),
           BYTES("\0"), "(none)");
}

Test(projection, arrays_stand_in_arrays)
{
    expect(RECORD(FIELD("a", ARRAY(NAMED_RECORD("T", FIELD("b", ARRAY(ARRAY(STRING))))))),
           MAPPING(.path = "a[].b[][]", .number = ""),
           BYTES("\4"
                 "\2"
                 "\4\2A\2B"
                 "\0"
                 "\0"
                 "\4"
                 "\0"
                 "\2\2C"
                 "\0"
                 "\0"
                 "\0"),
           "A; B; C");
}

Test(projection, every_value_of_a_map_is_a_document)
{
    expect(RECORD(FIELD("m", MAP(STRING))), MAPPING(.path = "m{}", .number = ""),
           BYTES("\4"
                 "\2k\2A"
                 "\2l\2B"
                 "\0"),
           "A; B");
}

Test(projection, a_key_that_comes_twice_is_two_documents)
{
    expect(RECORD(FIELD("m", MAP(STRING))), MAPPING(.path = "m{}", .number = ""),
           BYTES("\4"
                 "\2k\2A"
                 "\2k\2B"
                 "\0"),
           "A; B");
}

Test(projection, a_root_may_be_an_array_a_map_a_union_or_a_scalar)
{
    expect(ARRAY(STRING), MAPPING(.path = "[]", .number = ""), BYTES("\4\2A\2B\0"), "A; B");
    expect(MAP(DOCUMENT), MAPPING(.path = "{}", ALL_FIELDS),
           BYTES("\2\2k"
                 "\4A1"
                 "\0\0\0"
                 "\0"),
           "A1 - '' -");
    expect(NULLABLE(DOCUMENT), MAPPING(.path = "", ALL_FIELDS),
           BYTES("\2"
                 "\4A1"
                 "\0\0\0"),
           "A1 - '' -");
    expect(NULLABLE(DOCUMENT), MAPPING(.path = "", ALL_FIELDS), BYTES("\0"), "(none)");
    expect(STRING, MAPPING(.path = "", .number = ""), BYTES("\4A1"), "A1");
    expect("{\"type\": \"string\"}", MAPPING(.path = "", .number = ""), BYTES("\4A1"), "A1");
}

#define ADULT NAMED_RECORD("Adult", FIELD("docs", ARRAY(STRING)))
#define CHILD                                                                                      \
    "{\"type\": \"record\", \"name\": \"Child\", \"namespace\": \"family\", "                      \
    "\"fields\": [" FIELD("docs", ARRAY(STRING)) "]}"
#define PASSENGER RECORD(FIELD("p", UNION(NOTHING, ADULT, CHILD)))

Test(projection, a_named_branch_is_the_only_one_read)
{
    struct bytes adult = BYTES("\2"
                               "\2\2A"
                               "\0");
    struct bytes child = BYTES("\4"
                               "\2\2C"
                               "\0");
    const struct mapping *adults = MAPPING(.path = "p{Adult}.docs[]", .number = "");
    expect(PASSENGER, adults, adult, "A");
    expect(PASSENGER, adults, child, "(none)");
    expect(PASSENGER, adults, BYTES("\0"), "(none)");
    expect(PASSENGER, MAPPING(.path = "p{Child}.docs[]", .number = ""), child, "C");
    expect(PASSENGER, MAPPING(.path = "p{family.Child}.docs[]", .number = ""), child, "C");
    expect_refused(PASSENGER, MAPPING(.path = "p{other.Child}.docs[]", .number = ""),
                   "lacks the number path \"p{other.Child}.docs[]\"");
}

Test(projection, without_a_branch_every_branch_is_read)
{
    const struct mapping *all = MAPPING(.path = "p.docs[]", .number = "");
    expect(PASSENGER, all,
           BYTES("\2"
                 "\2\2A"
                 "\0"),
           "A");
    expect(PASSENGER, all,
           BYTES("\4"
                 "\2\2C"
                 "\0"),
           "C");
    expect(PASSENGER, all, BYTES("\0"), "(none)");
}

Test(projection, branches_without_a_name_are_called_by_their_type)
{
    const char *schema = RECORD(FIELD("x", UNION(LONG, ARRAY(STRING), STRING)));
    const struct mapping *mapping = &(const struct mapping){
        .documents = {{.path = "x{string}", .number = ""}, {.path = "x{array}[]", .number = ""}},
        .documents_count = 2};
    expect(schema, mapping,
           BYTES("\4"
                 "\2A"),
           "A");
    expect(schema, mapping,
           BYTES("\2"
                 "\2\2B\0"),
           "B");
    expect(schema, mapping,
           BYTES("\0"
                 "\7"),
           "(none)");
}

Test(projection, a_branch_may_be_named_where_the_schema_has_it_alone)
{
    expect(RECORD(FIELD("p", ADULT)), MAPPING(.path = "p{Adult}.docs[]", .number = ""),
           BYTES("\2\2A\0"), "A");
    expect_refused(RECORD(FIELD("p", ADULT)), MAPPING(.path = "p{Child}.docs[]", .number = ""),
                   "lacks the number path");
}

Test(projection, a_number_may_begin_with_the_branch_of_its_document)
{
    const char *schema = RECORD(FIELD("d", UNION(NOTHING, DOCUMENT, ADULT)));
    expect(schema, MAPPING(.path = "d", .number = "{Document}.number", .issuer = "{Document}.type"),
           BYTES("\2"
                 "\4A1"
                 "\0\2P\0"),
           "A1 P - -");
    expect(schema, MAPPING(.path = "d", .number = "{Document}.number"), BYTES("\4\0"), "(none)");
}

Test(projection, branches_without_the_number_path_are_no_documents)
{
    const char *schema = RECORD(FIELD("d", ARRAY(UNION(DOCUMENT, ADULT))));
    expect(schema, MAPPING(.path = "d[]", .number = "number"),
           BYTES("\4"
                 "\2\2\2A\0"
                 "\0\4A1\0\0\0"
                 "\0"),
           "A1");
}

Test(projection, of_a_documents_alternatives_the_first_the_schema_has_is_read)
{
    const char *schema = RECORD(FIELD("a", STRING), FIELD("b", STRING));
    struct bytes datum = BYTES("\2A\2B");
    expect(schema, MAPPING(.path = "a|b", .number = ""), datum, "A");
    expect(schema, MAPPING(.path = "b | a", .number = ""), datum, "B");
    expect(schema, MAPPING(.path = "c|b|a", .number = ""), datum, "B");
    expect(schema, MAPPING(.path = "a.number|c[]|b", .number = ""), datum, "B");
}

Test(projection, of_a_values_alternatives_the_first_that_holds_something_is_read)
{
    const char *schema = RECORD(FIELD("a", NULLABLE(STRING)), FIELD("b", RAW), FIELD("c", STRING));
    const struct mapping *mapping = MAPPING(.path = "", .number = "x|a|b|c", .issuer = "c|b|a");
    expect(schema, mapping,
           BYTES("\2\2A"
                 "\2B"
                 "\2C"),
           "A C - -");
    expect(schema, mapping,
           BYTES("\0"
                 "\2B"
                 "\2C"),
           "B C - -");
    expect(schema, mapping,
           BYTES("\2\0"
                 "\0"
                 "\2C"),
           "C C - -");
    expect(schema, mapping,
           BYTES("\2\2A"
                 "\0"
                 "\0"),
           "A A - -");
    expect(schema, mapping,
           BYTES("\0"
                 "\0"
                 "\0"),
           "'' '' - -");
    expect(RECORD(FIELD("a", NULLABLE(STRING)), FIELD("b", NULLABLE(STRING))),
           MAPPING(.path = "", .number = "a|b"), BYTES("\0\0"), "-");
}

Test(projection, a_document_whose_number_is_null_is_a_document_without_one)
{
    expect(RECORD(FIELD("n", NULLABLE(STRING)), FIELD("i", STRING)),
           MAPPING(.path = "", .number = "n", .issuer = "i"), BYTES("\0\2F"), "- F - -");
}

Test(projection, fields_of_a_document_may_stand_deeper)
{
    expect(RECORD(FIELD("d", ARRAY(NAMED_RECORD(
                                 "D", FIELD("id", NAMED_RECORD("Id", FIELD("no", STRING))),
                                 FIELD("by", NULLABLE(NAMED_RECORD("By", FIELD("c", STRING)))))))),
           MAPPING(.path = "d[]", .number = "id.no", .issuer = "by.c"),
           BYTES("\4"
                 "\2A\2\2F"
                 "\2B\0"
                 "\0"),
           "A F - -; B");
}

Test(projection, a_value_asked_for_twice_is_read_twice)
{
    const struct mapping *mapping = MAPPING(.path = "", .number = "n", .issuer = "n", .type = "n");
    expect(RECORD(FIELD("n", STRING)), mapping, BYTES("\2A"), "A A A -");
    expect(RECORD(FIELD("n", NULLABLE(STRING))), mapping, BYTES("\2\2A"), "A A A -");
    expect(RECORD(FIELD("n", NULLABLE(STRING))), mapping, BYTES("\0"), "-");
    expect(RECORD(FIELD("n", ENUM("E", NAMED("A"), NAMED("B")))), mapping, BYTES("\2"), "B B B -");
    expect(RECORD(FIELD("n", FIXED("F", 2))), mapping, BYTES("AB"), "AB AB AB -");
}

Test(projection, documents_of_several_paths_come_in_the_order_of_the_datum)
{
    const char *schema =
        RECORD(FIELD("a", ARRAY(STRING)), FIELD("b", STRING), FIELD("c", ARRAY(STRING)));
    const struct mapping *mapping =
        &(const struct mapping){.documents = {{.path = "c[]", .number = ""},
                                              {.path = "b", .number = "", .issuer = ""},
                                              {.path = "a[]", .number = "", .type = ""}},
                                .documents_count = 3};
    expect(schema, mapping,
           BYTES("\4\2A\2B\0"
                 "\2C"
                 "\2\2D\0"),
           "A - A -; B - B -; C C - -; D");
}

Test(projection, a_document_may_stand_in_another)
{
    const struct mapping *mapping =
        &(const struct mapping){.documents = {{.path = "", .number = "n"},
                                              {.path = "", .number = "m", .issuer = "n"},
                                              {.path = "d[]", .number = ""}},
                                .documents_count = 3};
    expect(RECORD(FIELD("n", STRING), FIELD("d", ARRAY(STRING)), FIELD("m", STRING)), mapping,
           BYTES("\2A"
                 "\2\2B\0"
                 "\2C"),
           "B; C A - -; A");
}

Test(projection, a_mapping_without_documents_reads_none)
{
    const struct mapping none = {0};
    expect(RECORD(FIELD("n", STRING)), &none, BYTES("\2A"), "(none)");
    expect(RECORD(FIELD("n", STRING)), &none, BYTES("\2"), "datum_invalid");
}

/* --- paths that are refused --- */

Test(projection, a_schema_without_the_number_path_is_refused_and_the_path_named)
{
    const char *schema = RECORD(FIELD("docs", ARRAY(DOCUMENT)));
    expect_refused(schema, MAPPING(.path = "docs[]", .number = "no"),
                   "the schema lacks the number path \"docs[].no\"");
    expect_refused(schema, MAPPING(.path = "docs", .number = "number"), NAMED("docs.number"));
    expect_refused(schema, MAPPING(.path = "docs{}", .number = "number"), "\"docs{}.number\"");
    expect_refused(schema, MAPPING(.path = "a|b", .number = "c|d"), "\"(a|b).(c|d)\"");
    expect_refused(schema, MAPPING(.path = "", .number = "number"), NAMED("number"));
    expect_refused(schema, MAPPING(.path = "docs[]", .number = "number.x"), "\"docs[].number.x\"");
    expect_refused(schema, MAPPING(.path = "gone[]", .number = ""), "\"gone[]\"");
    expect_refused(schema, MAPPING(.path = "docs[]", .number = "{Other}.number"), "lacks");
}

Test(projection, one_document_path_of_several_that_is_missing_is_refused)
{
    const struct mapping *mapping = &(const struct mapping){
        .documents = {{.path = "", .number = "n"}, {.path = "gone[]", .number = "m"}},
        .documents_count = 2};
    expect_refused(RECORD(FIELD("n", STRING)), mapping, "\"gone[].m\"");
}

Test(projection, what_cannot_be_read_as_text_is_refused_and_the_path_named)
{
    static const struct {
        const char *type;
        const char *name;
    } types[] = {{"\"null\"", "null"},
                 {"\"boolean\"", "boolean"},
                 {"\"int\"", "int"},
                 {"\"long\"", "long"},
                 {"\"float\"", "float"},
                 {"\"double\"", "double"},
                 {ARRAY(STRING), "array"},
                 {MAP(STRING), "map"},
                 {NAMED_RECORD("Inner", FIELD("x", STRING)), "record"},
                 {LOGICAL(INT, "date"), "int"},
                 {"{\"type\": \"bytes\", \"logicalType\": \"decimal\", \"precision\": 9}", "bytes"},
                 {UNION(NOTHING, STRING, DOUBLE), "double"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char schema[1024];
        char reason[256];
        (void)snprintf(schema, sizeof schema, RECORD(FIELD("x", "%s"), FIELD("n", STRING)),
                       types[i].type);
        (void)snprintf(reason, sizeof reason,
                       "path \"x\" ends at %s, which is not a document number", types[i].name);
        expect_refused(schema, MAPPING(.path = "", .number = "x"), reason);
        expect_refused(schema, MAPPING(.path = "x", .number = ""), reason);
        expect_refused(schema, MAPPING(.path = "", .number = "x|n"), "path \"(x|n)\"");
        expect_refused(schema, MAPPING(.path = "x|n", .number = ""), "path \"(x|n)\"");
        (void)snprintf(reason, sizeof reason, "path \"x\" ends at %s, which is not text",
                       types[i].name);
        expect_refused(schema, MAPPING(.path = "", .number = "n", .issuer = "x"), reason);
        expect_refused(schema, MAPPING(.path = "", .number = "n", .type = "x"), reason);
        expect_refused(schema, MAPPING(.path = "", .number = "n", .nationality = "x"), reason);
    }
}

Test(projection, a_branch_that_cannot_be_read_is_refused_beside_one_that_can)
{
    const char *schema = RECORD(FIELD("n", UNION(NOTHING, STRING, LONG)));
    expect_refused(schema, MAPPING(.path = "", .number = "n"), "an integer needs a number_width");
    expect(schema, MAPPING(.path = "", .number = "n{string}"), BYTES("\2\2A"), "A");
    expect(schema, MAPPING(.path = "", .number = "n{string}"), BYTES("\4\2"), "-");
    expect(schema, MAPPING(.path = "", .number = "n", .number_width = 3), BYTES("\4\2"), "001");
}

Test(projection, a_path_that_is_none_is_refused_and_named)
{
    static const struct {
        const char *path;
        const char *reason;
    } paths[] = {{".n", "expected names"},
                 {"n.", "a name is missing after the last dot"},
                 {"n..n", "expected names"},
                 {"n[", "expected names"},
                 {"n[0]", "expected names"},
                 {"n{", "expected names"},
                 {"n{a", "expected names"},
                 {"n{a b}", "expected names"},
                 {"n}", "expected names"},
                 {"n]", "expected names"},
                 {"n[]n", "a dot belongs before every name"},
                 {"n.[]", "a dot belongs before every name"},
                 {"n.{}", "a dot belongs before every name"},
                 {"n n", "a space belongs only around |"},
                 {"n|n n", "a space belongs only around |"}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const char *path = paths[i].path;
        const char *schema = RECORD(FIELD("n", STRING));
        char named[64];
        (void)snprintf(named, sizeof named, "path \"%s\": ", path);
        expect_refused(schema, MAPPING(.path = path, .number = ""), named);
        expect_refused(schema, MAPPING(.path = "", .number = path), paths[i].reason);
        expect_refused(schema, MAPPING(.path = "", .number = "n", .type = path), paths[i].reason);
        expect_refused(schema, &(const struct mapping){.place = path}, paths[i].reason);
    }
}

Test(projection, items_belong_in_the_path_of_the_documents)
{
    const char *schema = RECORD(FIELD("n", ARRAY(STRING)), FIELD("m", MAP(STRING)));
    expect_refused(schema, MAPPING(.path = "", .number = "n[]"),
                   "path \"n[]\": [] and {} belong in the path of the documents");
    expect_refused(schema, MAPPING(.path = "n[]", .number = "", .issuer = "x|m{}"),
                   "path \"x|m{}\"");
}

Test(projection, a_mapping_needs_path_and_number)
{
    expect_refused(STRING, MAPPING(.path = ""), "needs a path and a number");
    expect_refused(STRING, MAPPING(.number = ""), "needs a path and a number");
}

/* --- limits of a mapping --- */

Test(projection, a_path_has_at_most_path_steps_max_steps)
{
    struct datum schema = {0};
    struct datum datum = {0};
    char path[2 * PATH_STEPS_MAX + 3] = "";
    for (int i = 0; i < PATH_STEPS_MAX; i++) {
        PUT(&schema, "{\"type\": \"array\", \"items\": ");
        memcpy(path + 2 * i, "[]", 3);
        put_long(&datum, 1);
    }
    put(&schema, STRING, strlen(STRING));
    put_text(&datum, "A");
    for (int i = 0; i < PATH_STEPS_MAX; i++) {
        PUT(&schema, "}");
        put_long(&datum, 0);
    }
    PUT(&schema, "\0");
    expect((char *)schema.bytes, MAPPING(.path = path, .number = ""), datum_bytes(&datum), "A");
    memcpy(path + 2 * PATH_STEPS_MAX, "[]", 3);
    expect_refused((char *)schema.bytes, MAPPING(.path = path, .number = ""), "more than 16 steps");
    datum_close(&schema);
    datum_close(&datum);
}

Test(projection, a_mapping_has_at_most_mapping_paths_max_document_paths)
{
    struct mapping mapping = {.documents_count = MAPPING_PATHS_MAX};
    for (int i = 0; i < MAPPING_PATHS_MAX; i++)
        mapping.documents[i] = (struct document_mapping){.path = "", .number = "n"};
    expect(RECORD(FIELD("n", STRING)), &mapping, BYTES("\2A"),
           "A; A; A; A; A; A; A; A; A; A; A; A; A; A; A; A");
    mapping.documents_count++;
    expect_refused(RECORD(FIELD("n", STRING)), &mapping, "more than 16 document paths");
}

Test(projection, a_mapping_has_at_most_256_paths_and_alternatives)
{
    enum { MAX = 256, OWN = 4 };
    char number[2 * MAX + 2];
    for (int i = 0; i < MAX; i++)
        memcpy(number + 2 * i, "n|", 2);
    number[2 * (MAX - OWN) + 1] = 0; /* the first is one of the document's own four */
    expect(RECORD(FIELD("n", STRING)), MAPPING(.path = "", .number = number), BYTES("\2A"), "A");
    number[2 * (MAX - OWN) + 1] = '|';
    number[2 * (MAX - OWN) + 3] = 0;
    expect_refused(RECORD(FIELD("n", STRING)), MAPPING(.path = "", .number = number),
                   "more than 256 paths and alternatives");
    number[2 * (MAX - OWN) + 1] = 0;
    const struct mapping *two = &(const struct mapping){
        .documents = {{.path = "", .number = number}, {.path = "", .number = "n"}},
        .documents_count = 2};
    expect_refused(RECORD(FIELD("n", STRING)), two, "more than 256 paths and alternatives");
}

/* --- numbers --- */

Test(projection, a_number_is_string_bytes_fixed_or_symbol)
{
    const struct mapping *mapping = MAPPING(.path = "", .number = "n");
    expect(RECORD(FIELD("n", STRING)), mapping, BYTES("\4A1"), "A1");
    expect(RECORD(FIELD("n", RAW)), mapping, BYTES("\4\377\0"), "<ff><00>");
    expect(RECORD(FIELD("n", FIXED("F", 3))), mapping, BYTES("A12"), "A12");
    expect(RECORD(FIELD("n", FIXED("F", 3))), mapping, BYTES("A1"), "datum_invalid");
    expect(RECORD(FIELD("n", FIXED("F", 0))), mapping, BYTES(""), "''");
    expect(RECORD(FIELD("n", ENUM("E", NAMED("X"), NAMED("YZ")))), mapping, BYTES("\2"), "YZ");
    expect(RECORD(FIELD("n", LOGICAL(STRING, "uuid"))), mapping, BYTES("\4A1"), "A1");
    expect(RECORD(FIELD("n", LOGICAL(STRING, "decimal"))), mapping, BYTES("\4A1"), "A1");
    expect(RECORD(FIELD("n", UNION(FIXED("F", 2), NOTHING, STRING, RAW))), mapping, BYTES("\0A1"),
           "A1");
    expect(RECORD(FIELD("n", UNION(FIXED("F", 2), NOTHING, STRING, RAW))), mapping, BYTES("\6\4A1"),
           "A1");
}

Test(projection, an_integer_is_padded_to_the_width)
{
    static const struct {
        int64_t value;
        uint32_t width;
        const char *number;
    } cases[] = {{123, 9, "000000123"},
                 {0, 9, "000000000"},
                 {0, 1, "0"},
                 {123456789, 9, "123456789"},
                 {1234567890, 9, "1234567890"}, /* not cut: rules 2 judge it */
                 {7, 24, "000000000000000000000007"},
                 {INT64_MAX, 24, "000009223372036854775807"},
                 {INT64_MAX, 1, "9223372036854775807"},
                 {-1, 3, "<ff>001"}, /* no number: invalid by rules 2, never 001 */
                 {INT64_MIN, 24, "<ff>000009223372036854775808"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct datum datum = {0};
        put_long(&datum, cases[i].value);
        expect(RECORD(FIELD("n", LONG)),
               MAPPING(.path = "", .number = "n", .number_width = cases[i].width),
               datum_bytes(&datum), cases[i].number);
        datum_close(&datum);
    }
    expect(RECORD(FIELD("n", NULLABLE(INT))), MAPPING(.path = "", .number = "n", .number_width = 2),
           BYTES("\2\2"), "01");
    expect(RECORD(FIELD("n", NULLABLE(INT))), MAPPING(.path = "", .number = "n", .number_width = 2),
           BYTES("\0"), "-");
}

Test(projection, a_width_leaves_texts_as_they_are)
{
    const char *schema = RECORD(FIELD("n", UNION(STRING, LONG)));
    const struct mapping *mapping = MAPPING(.path = "", .number = "n", .number_width = 9);
    expect(schema, mapping,
           BYTES("\0\2"
                 "7"),
           "7");
    expect(schema, mapping, BYTES("\2\16"), "000000007");
}

Test(projection, an_integer_among_alternatives_holds_something)
{
    const char *schema = RECORD(FIELD("a", NULLABLE(LONG)), FIELD("b", STRING));
    const struct mapping *mapping = MAPPING(.path = "", .number = "a|b", .number_width = 2);
    expect(schema, mapping, BYTES("\2\0\2B"), "00");
    expect(schema, mapping, BYTES("\0\2B"), "B");
    expect(schema, MAPPING(.path = "", .number = "b|a", .number_width = 2), BYTES("\2\6\0"), "03");
}

Test(projection, number_width_is_at_most_number_size_max)
{
    expect_refused(RECORD(FIELD("n", LONG)),
                   MAPPING(.path = "", .number = "n", .number_width = NUMBER_SIZE_MAX + 1),
                   "number_width 25 is more than 24");
}

/* --- slices --- */

static const char *const numbers_schema = RECORD(FIELD("n", ARRAY(LONG)));
static const struct mapping numbers_mapping = {
    .documents = {{.path = "n[]", .number = "", .number_width = 9}}, .documents_count = 1};

/* Blocks of 1,000. */
static void put_numbers(struct datum *datum, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i % 1000 == 0)
            put_long(datum, count - i < 1000 ? count - i : 1000);
        put_long(datum, i);
    }
    put_long(datum, 0);
}

Test(projection, every_capacity_gives_the_same_documents)
{
    enum { COUNT = 10 };
    struct projection *projection = compile(numbers_schema, &numbers_mapping);
    struct datum datum = {0};
    put_numbers(&datum, COUNT);
    char whole[FIXTURE_TEXT_SIZE];
    (void)snprintf(whole, sizeof whole, "%s",
                   read_slices(projection, datum_bytes(&datum), FIXTURE_CAPACITY));
    cr_assert(strstr(whole, "000000000; 000000001; "));
    for (uint32_t capacity = 1; capacity <= COUNT + 1; capacity++)
        cr_expect_str_eq(read_slices(projection, datum_bytes(&datum), capacity), whole);
    datum_close(&datum);
    projection_close(projection);
}

static enum record_status read_once(const struct projection *projection, const struct datum *datum,
                                    uint32_t skip, struct arena *arena, struct document *documents,
                                    uint32_t capacity, uint32_t *count, bool *more)
{
    return projection_documents(projection, datum_bytes(datum), skip, arena, documents, capacity,
                                count, more);
}

Test(projection, more_is_said_only_when_there_is_more)
{
    struct projection *projection = compile(numbers_schema, &numbers_mapping);
    struct document documents[3];
    struct datum datum = {0};
    struct arena arena;
    uint32_t count = 0;
    bool more = false;
    arena_open(&arena, 1024);
    put_numbers(&datum, 4);
    cr_expect_eq(read_once(projection, &datum, 0, &arena, documents, 3, &count, &more), RECORD_OK);
    cr_expect(count == 3 && more);
    cr_expect_eq(read_once(projection, &datum, 3, &arena, documents, 3, &count, &more), RECORD_OK);
    cr_expect(count == 1 && !more);
    cr_expect_eq(read_once(projection, &datum, 1, &arena, documents, 3, &count, &more), RECORD_OK);
    cr_expect(count == 3 && !more);
    cr_expect_eq(read_once(projection, &datum, 4, &arena, documents, 3, &count, &more), RECORD_OK);
    cr_expect(count == 0 && !more);
    cr_expect_eq(read_once(projection, &datum, 0, &arena, documents, 0, &count, &more), RECORD_OK);
    cr_expect(count == 0 && more);
    arena_close(&arena);
    datum_close(&datum);
    projection_close(projection);
}

Test(projection, a_full_arena_ends_the_slice)
{
    struct projection *projection = compile(numbers_schema, &numbers_mapping);
    struct document documents[8];
    struct datum datum = {0};
    struct arena arena;
    uint32_t count = 0;
    bool more = false;
    arena_open(&arena, 40); /* room for two numbers of 9 digits, in pieces of 16 */
    put_numbers(&datum, 5);
    cr_expect_eq(read_once(projection, &datum, 0, &arena, documents, 8, &count, &more), RECORD_OK);
    cr_expect(count == 2 && more, "%u", count);
    arena_reset(&arena);
    cr_expect_eq(read_once(projection, &datum, 2, &arena, documents, 8, &count, &more), RECORD_OK);
    cr_expect(count == 2 && more, "%u", count);
    arena_reset(&arena);
    cr_expect_eq(read_once(projection, &datum, 4, &arena, documents, 8, &count, &more), RECORD_OK);
    cr_expect(count == 1 && !more, "%u", count);
    cr_expect(bytes_equal_text(documents[0].number, "000000004"));
    arena_close(&arena);
    datum_close(&datum);
    projection_close(projection);
}

Test(projection, a_datum_that_is_refused_leaves_the_arena_as_it_was)
{
    struct projection *projection = compile(numbers_schema, &numbers_mapping);
    struct document documents[8];
    struct datum datum = {0};
    struct arena arena;
    uint32_t count = 0;
    bool more = false;
    arena_open(&arena, 1024);
    cr_assert(arena_get(&arena, 8));
    put_numbers(&datum, 5);
    datum.size--;
    cr_expect_eq(read_once(projection, &datum, 0, &arena, documents, 8, &count, &more),
                 RECORD_DATUM_INVALID);
    cr_expect_eq(arena.used_bytes, 8);
    arena_close(&arena);
    datum_close(&datum);
    projection_close(projection);
}

Test(projection, a_fault_behind_a_full_slice_refuses_the_record)
{
    struct projection *projection = compile(numbers_schema, &numbers_mapping);
    cr_expect_str_eq(read_slices(projection, BYTES("\6\2\4"), 1), "datum_invalid");
    cr_expect_str_eq(read_slices(projection, BYTES("\6\2\4\6\2"), 2), "datum_invalid");
    projection_close(projection);
}

Test(projection, a_record_has_at_most_record_documents_max_documents)
{
    enum { CAPACITY = 8192 };
    struct projection *projection = compile(numbers_schema, &numbers_mapping);
    struct document *documents = calloc(CAPACITY, sizeof *documents);
    struct arena arena;
    struct datum datum = {0};
    uint32_t seen = 0;
    uint32_t count = 0;
    bool more = true;
    arena_open(&arena, BATCH_DOCUMENTS_ARENA_BYTES);
    put_numbers(&datum, RECORD_DOCUMENTS_MAX);
    for (; more; seen += count) {
        arena_reset(&arena);
        cr_assert_eq(
            read_once(projection, &datum, seen, &arena, documents, CAPACITY, &count, &more),
            RECORD_OK);
        cr_assert_gt(count, 0);
    }
    cr_expect_eq(seen, RECORD_DOCUMENTS_MAX);
    cr_expect(bytes_equal_text(documents[count - 1].number, "000065535"));
    datum_close(&datum);
    put_numbers(&datum, RECORD_DOCUMENTS_MAX + 1);
    arena_reset(&arena);
    cr_expect_eq(read_once(projection, &datum, 0, &arena, documents, CAPACITY, &count, &more),
                 RECORD_TOO_MANY_DOCUMENTS);
    cr_expect(count == 0 && !more);
    datum_close(&datum);
    arena_close(&arena);
    free(documents);
    projection_close(projection);
}

/* --- our own contracts --- */

static struct projection *compile_own(const char *contract, const char *preset)
{
    struct bytes text = assets_find(contract);
    struct error err = {0};
    struct projection *projection = NULL;
    cr_assert(text.data);
    cr_assert_eq(projection_compile((const char *)text.data, text.size, mapping_preset(preset),
                                    &projection, &err),
                 STATUS_OK, "%s", err.text);
    return projection;
}

static void put_document(struct datum *datum, const char *number, const char *type,
                         const char *issuer, const char *nationality)
{
    put_text(datum, number);
    put_long(datum, 1); /* MRZ_OCR */
    put_text(datum, type);
    put_optional(datum, issuer);
    put_optional(datum, nationality);
    put_long(datum, 1);
    put_long(datum, 21000); /* expiry */
}

static void put_attributes(struct datum *datum)
{
    put_long(datum, 1);
    put_text(datum, "channel");
    put_text(datum, "web");
    put_long(datum, 0);
}

static void put_booking(struct datum *datum)
{
    put_text(datum, "event-1");
    put_long(datum, 1767225600123);
    put_text(datum, "carrier-1");
    put_long(datum, 1); /* SEA */
    put_long(datum, 3); /* CHECK_IN */
    put_text(datum, "journey-1");
    put_optional(datum, "CDG");
    put_optional(datum, NULL);
    put_long(datum, 1);
    put_long(datum, 1767312000000);
    put_long(datum, 2); /* travellers */
    put_text(datum, "1");
    put_long(datum, 2);
    put_document(datum, "12AB34567", "P", "FRA", NULL);
    put_document(datum, "X7", "ID_CARD", NULL, "DEU");
    put_long(datum, 0);
    put_text(datum, "2");
    put_long(datum, 0); /* without documents */
    put_long(datum, 0);
    put_attributes(datum);
}

#define BOOKING_DOCUMENTS "12AB34567 FRA P -; X7 - ID_CARD DEU"

Test(projection, a_booking_is_read_by_its_preset)
{
    struct projection *projection = compile_own("schemas/BookingEvent.avsc", "booking");
    struct datum datum = {0};
    struct context context;
    put_booking(&datum);
    expect_read(projection, datum_bytes(&datum), BOOKING_DOCUMENTS);
    cr_assert_eq(projection_context(projection, datum_bytes(&datum), &context), RECORD_OK);
    cr_expect(bytes_equal_text(context.event_id, "event-1"));
    cr_expect(bytes_equal_text(context.partner, "carrier-1"));
    cr_expect(bytes_equal_text(context.sector, "SEA"));
    cr_expect(bytes_equal_text(context.stage, "CHECK_IN"));
    cr_expect(bytes_equal_text(context.journey, "journey-1"));
    cr_expect(bytes_equal_text(context.place, "CDG"));
    cr_expect_eq(context.event_time_ms, 1767225600123);
    datum_close(&datum);
    projection_close(projection);
}

Test(projection, a_booking_cut_off_anywhere_is_refused)
{
    struct projection *projection = compile_own("schemas/BookingEvent.avsc", "booking");
    struct datum datum = {0};
    put_booking(&datum);
    for (size_t size = 0; size < datum.size; size++) {
        struct context context;
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, datum.bytes, size);
        cr_expect_str_eq(read_slices(projection, bytes_of(copy, size), 1), "datum_invalid");
        cr_expect_eq(projection_context(projection, bytes_of(copy, size), &context),
                     RECORD_DATUM_INVALID);
        free(copy);
    }
    datum_close(&datum);
    projection_close(projection);
}

Test(projection, what_follows_a_datum_is_not_looked_at)
{
    struct projection *projection = compile_own("schemas/BookingEvent.avsc", "booking");
    struct datum datum = {0};
    put_booking(&datum);
    PUT(&datum, "\377\377");
    expect_read(projection, datum_bytes(&datum), BOOKING_DOCUMENTS);
    datum_close(&datum);
    projection_close(projection);
}

Test(projection, a_banking_event_is_read_by_its_preset)
{
    struct projection *projection = compile_own("schemas/BankingEvent.avsc", "banking");
    struct datum datum = {0};
    struct context context;
    put_text(&datum, "event-2");
    put_long(&datum, 1767225600000);
    put_text(&datum, "bank-1");
    put_long(&datum, 0); /* ONBOARD */
    put_text(&datum, "customer-1");
    put_long(&datum, 1);
    put_document(&datum, "12AB34567", "P", "FRA", "FRA");
    put_long(&datum, 0);
    put_attributes(&datum);
    expect_read(projection, datum_bytes(&datum), "12AB34567 FRA P FRA");
    cr_assert_eq(projection_context(projection, datum_bytes(&datum), &context), RECORD_OK);
    cr_expect(bytes_equal_text(context.event_id, "event-2"));
    cr_expect(bytes_equal_text(context.partner, "bank-1"));
    cr_expect(bytes_equal_text(context.sector, "BANKING"));
    cr_expect(bytes_equal_text(context.stage, "ONBOARD"));
    cr_expect(bytes_equal_text(context.journey, "customer-1"));
    cr_expect_null(context.place.data);
    cr_expect_eq(context.event_time_ms, 1767225600000);
    datum_close(&datum);
    projection_close(projection);
}

/* --- evolution --- */

Test(projection, fields_added_and_in_another_order_are_read_by_name)
{
    const struct mapping *mapping = MAPPING(.path = "docs[]", ALL_FIELDS);
    expect(RECORD(FIELD("id", STRING), FIELD("docs", ARRAY(DOCUMENT))), mapping,
           BYTES("\2i"
                 "\2"
                 "\4A1"
                 "\2\2F"
                 "\2P"
                 "\0"
                 "\0"),
           "A1 F P -");
    expect(RECORD(FIELD("docs", ARRAY(NAMED_RECORD("D", FIELD("nationality", STRING),
                                                   FIELD("more", MAP(STRING)),
                                                   FIELD("type", STRING), FIELD("number", RAW)))),
                  FIELD("id", STRING)),
           mapping,
           BYTES("\2"
                 "\2N"
                 "\2\2k\2v\0"
                 "\2P"
                 "\4A1"
                 "\0"
                 "\2i"),
           "A1 - P N");
}

Test(projection, a_name_counts_an_alias_does_not)
{
    const char *schema =
        "{\"type\": \"record\", \"name\": \"E\", \"aliases\": [\"F\"], \"fields\": ["
        "{\"name\": \"n\", \"aliases\": [\"m\"], \"type\": \"string\"}]}";
    expect(schema, MAPPING(.path = "", .number = "n"), BYTES("\2A"), "A");
    expect_refused(schema, MAPPING(.path = "", .number = "m"), "lacks the number path \"m\"");
}

Test(projection, a_default_is_not_what_a_writer_wrote)
{
    expect("{\"type\": \"record\", \"name\": \"E\", \"fields\": [{\"name\": \"n\", \"type\": "
           "\"string\", \"default\": \"D\"}, {\"name\": \"i\", \"type\": [\"null\", \"string\"], "
           "\"default\": null}]}",
           MAPPING(.path = "", .number = "n", .issuer = "i"), BYTES("\2A\2\2F"), "A F - -");
}
