/* The bytes of a datum: blocks, varints, branches and symbols, depth, and what must not take for
 * ever. */
#include "projection_fixture.h"

/* Every way to skip stands before the number. */
#define AFTER(type) RECORD(FIELD("skipped", type), FIELD("n", STRING))

static const struct mapping *const number = MAPPING(.path = "", .number = "n");

static void expect_after(const char *schema, struct bytes skipped, const char *expected)
{
    struct datum datum = {0};
    put(&datum, skipped.data, skipped.size);
    PUT(&datum, "\2A");
    expect(schema, number, datum_bytes(&datum), expected);
    if (strcmp(expected, "A") == 0)
        for (size_t size = 0; size < datum.size; size++)
            expect(schema, number, bytes_of(datum.bytes, size), "datum_invalid");
    datum_close(&datum);
}

/* --- skipping --- */

Test(projection_data, every_type_is_skipped)
{
    expect_after(AFTER(NOTHING), BYTES(""), "A");
    expect_after(AFTER(BOOLEAN), BYTES("\1"), "A");
    expect_after(AFTER(INT), BYTES("\377\377\377\377\17"), "A");
    expect_after(AFTER(LONG), BYTES("\377\377\377\377\377\377\377\377\377\1"), "A");
    expect_after(AFTER(FLOAT), BYTES("\377\377\377\377"), "A");
    expect_after(AFTER(DOUBLE), BYTES("\377\377\377\377\377\377\377\377"), "A");
    expect_after(AFTER(RAW), BYTES("\6\377\377\377"), "A");
    expect_after(AFTER(STRING), BYTES("\6xyz"), "A");
    expect_after(AFTER(FIXED("F", 0)), BYTES(""), "A");
    expect_after(AFTER(FIXED("F", 5)), BYTES("vwxyz"), "A");
    expect_after(AFTER(ENUM("E", NAMED("X"), NAMED("Y"))), BYTES("\2"), "A");
    expect_after(AFTER(ARRAY(LONG)), BYTES("\4\200\1\2\0"), "A");
    expect_after(AFTER(MAP(STRING)), BYTES("\2\2k\4vw\0"), "A");
    expect_after(AFTER(NAMED_RECORD("R", FIELD("a", STRING), FIELD("b", INT))), BYTES("\2x\200\1"),
                 "A");
    expect_after(AFTER(NAMED_RECORD("R", "")), BYTES(""), "A");
    expect_after(AFTER(UNION(NOTHING, STRING, LONG)), BYTES("\4\200\1"), "A");
    expect_after(AFTER(UNION(NOTHING, STRING, LONG)), BYTES("\0"), "A");
}

Test(projection_data, neighbours_of_a_kind_are_skipped_together)
{
    expect_after(RECORD(FIELD("a", INT), FIELD("b", LONG), FIELD("c", ENUM("E", NAMED("X"))),
                        FIELD("d", INT), FIELD("e", INT), FIELD("f", INT), FIELD("n", STRING)),
                 BYTES("\2\200\200\1\0\200\1\2\2"), "A");
    expect_after(RECORD(FIELD("a", STRING), FIELD("b", RAW),
                        FIELD("c", NAMED_RECORD("R", FIELD("x", STRING))), FIELD("n", STRING)),
                 BYTES("\2x\4xy\0"), "A");
    expect_after(RECORD(FIELD("a", DOUBLE), FIELD("b", BOOLEAN), FIELD("c", FIXED("F", 3)),
                        FIELD("n", STRING)),
                 BYTES("12345678\1xyz"), "A");
}

Test(projection_data, what_follows_a_union_is_not_skipped_with_its_last_branch)
{
    const char *schema = RECORD(FIELD("r", NAMED_RECORD("R", FIELD("u", UNION(STRING, LONG)))),
                                FIELD("l", LONG), FIELD("n", STRING));
    expect_after(schema,
                 BYTES("\0\2x"
                       "\200\1"),
                 "A");
    expect_after(schema,
                 BYTES("\2\200\1"
                       "\200\1"),
                 "A");
    schema = RECORD(FIELD("l", LONG), FIELD("u", UNION(LONG, STRING)), FIELD("m", LONG),
                    FIELD("n", STRING));
    expect_after(schema,
                 BYTES("\2"
                       "\0\200\1"
                       "\2"),
                 "A");
    expect_after(schema,
                 BYTES("\2"
                       "\2\2x"
                       "\2"),
                 "A");
}

Test(projection_data, neighbours_that_are_null_by_different_branches_are_told_apart)
{
    const char *longs =
        RECORD(FIELD("a", NULLABLE(LONG)), FIELD("b", UNION(LONG, NOTHING)), FIELD("n", STRING));
    expect_after(longs,
                 BYTES("\0"
                       "\2"),
                 "A");
    expect_after(longs,
                 BYTES("\2\200\1"
                       "\0\200\1"),
                 "A");
    const char *texts = RECORD(FIELD("a", UNION(STRING, NOTHING)), FIELD("b", NULLABLE(STRING)),
                               FIELD("n", STRING));
    expect_after(texts,
                 BYTES("\2"
                       "\0"),
                 "A");
    expect_after(texts,
                 BYTES("\0\2x"
                       "\2\2x"),
                 "A");
}

Test(projection_data, optional_values_are_skipped)
{
    static const char *const orders[] = {"[\"null\", %s]", "[%s, \"null\"]"};
    static const struct {
        const char *type;
        const char *value;
        size_t size;
    } values[] = {{"\"long\"", "\200\200\1", 3},
                  {"\"string\"", "\6xyz", 4},
                  {"\"double\"", "12345678", 8},
                  {"{\"type\": \"array\", \"items\": \"int\"}", "\2\2\0", 3}};
    for (size_t i = 0; i < 2 * sizeof values / sizeof *values; i++) {
        char type[128];
        char schema[1024];
        uint8_t datum[32] = {0};
        size_t size = values[i / 2].size;
        (void)snprintf(type, sizeof type, orders[i % 2], values[i / 2].type);
        (void)snprintf(schema, sizeof schema,
                       RECORD(FIELD("a", "%s"), FIELD("b", "%s"), FIELD("n", STRING)), type, type);
        for (int present = 0; present < 4; present++) {
            size_t used = 0;
            for (int field = 0; field < 2; field++) {
                bool is_present = present >> field & 1;
                datum[used++] = is_present == (i % 2 == 0) ? 2 : 0;
                memcpy(datum + used, values[i / 2].value, size);
                used += is_present ? size : 0;
            }
            expect_after(schema, bytes_of(datum, used), "A");
        }
    }
}

Test(projection_data, optional_values_at_the_very_end_are_skipped)
{
    const char *texts =
        RECORD(FIELD("n", STRING), FIELD("a", NULLABLE(STRING)), FIELD("b", NULLABLE(STRING)));
    expect(texts, number, BYTES("\2A\0\0"), "A");
    expect(texts, number, BYTES("\2A\0\2\2x"), "A");
    expect(texts, number, BYTES("\2A\2\2x\0"), "A");
    expect(texts, number, BYTES("\2A\0\2\2"), "datum_invalid");
    expect(texts, number, BYTES("\2A\0\2"), "datum_invalid");
    expect(texts, number, BYTES("\2A\0"), "datum_invalid");
    const char *longs = RECORD(FIELD("n", STRING), FIELD("a", NULLABLE(LONG)));
    expect(longs, number, BYTES("\2A\0"), "A");
    expect(longs, number, BYTES("\2A\2\200\1"), "A");
    expect(longs, number, BYTES("\2A\2\200"), "datum_invalid");
    expect(RECORD(FIELD("a", INT), FIELD("n", NULLABLE(STRING))), number, BYTES("\0\0"), "-");
    expect(RECORD(FIELD("a", INT), FIELD("n", NULLABLE(STRING))), number, BYTES("\0\2\2A"), "A");
}

Test(projection_data, content_of_skipped_fields_is_not_looked_at)
{
    expect_after(AFTER(ENUM("E", NAMED("X"))), BYTES("\24"), "A");  /* no such symbol */
    expect_after(AFTER(STRING), BYTES("\4\377\376"), "A");          /* no UTF-8 */
    expect_after(AFTER(BOOLEAN), BYTES("\7"), "A");                 /* true enough */
    expect_after(AFTER(INT), BYTES("\377\377\377\377\377\1"), "A"); /* above 32 bits */
}

/* --- lengths --- */

Test(projection_data, a_length_beyond_the_end_or_below_zero_is_refused)
{
    const char *const schemas[] = {RECORD(FIELD("n", STRING)), RECORD(FIELD("n", NULLABLE(STRING))),
                                   AFTER(STRING), AFTER(NULLABLE(STRING)), AFTER(MAP(STRING))};
    static const char *const before[] = {"", "\2", "", "\2", "\2"};
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        static const char *const lengths[] = {"\4A",
                                              "\1",
                                              "\3A",
                                              "\376\377\377\377\377\377\377\377\377\1",
                                              "\377\377\377\377\377\377\377\377\377\1",
                                              "\200\200\200\200\20"};
        for (size_t j = 0; j < sizeof lengths / sizeof *lengths; j++) {
            struct datum datum = {0};
            put(&datum, before[i], strlen(before[i]));
            put(&datum, lengths[j], strlen(lengths[j]));
            expect(schemas[i], number, datum_bytes(&datum), "datum_invalid");
            datum_close(&datum);
        }
    }
}

Test(projection_data, a_long_longer_than_needed_is_read_as_fastavro_does)
{
    expect_after(AFTER(STRING), BYTES("\202\200\200\0x"), "A");
    expect_after(AFTER(STRING), BYTES("\202\200\200\200\200\200\200\200\200\200\200\200\0x"), "A");
    expect(RECORD(FIELD("n", LONG)), MAPPING(.path = "", .number = "n", .number_width = 1),
           BYTES("\202\200\200\200\200\200\200\200\200\0"), "1");
    /* the eleventh byte stands for bits 70 to 76, and these come round to 6 to 12 */
    expect(RECORD(FIELD("n", LONG)), MAPPING(.path = "", .number = "n", .number_width = 1),
           BYTES("\202\200\200\200\200\200\200\200\200\200\1"), "33");
}

/* --- blocks --- */

Test(projection_data, blocks_come_with_their_size_or_without)
{
    const struct mapping *mapping = MAPPING(.path = "d[]", .number = "");
    const char *schema = RECORD(FIELD("d", ARRAY(STRING)), FIELD("e", STRING));
    expect(schema, mapping,
           BYTES("\2\2A"
                 "\2\2B"
                 "\0"
                 "\0"),
           "A; B");
    expect(schema, mapping,
           BYTES("\3\10\2A\2B"
                 "\2\2C"
                 "\1\4\2D"
                 "\0"
                 "\0"),
           "A; B; C; D");
    const char *skipped[] = {AFTER(ARRAY(STRING)), AFTER(ARRAY(NAMED_RECORD("R", FIELD("a", STRING),
                                                                            FIELD("b", NOTHING))))};
    for (int i = 0; i < 2; i++) {
        expect_after(skipped[i],
                     BYTES("\2\2x"
                           "\2\2y"
                           "\0"),
                     "A");
        expect_after(skipped[i],
                     BYTES("\3\10\2x\2y"
                           "\2\2z"
                           "\1\4\2w"
                           "\0"),
                     "A");
    }
    expect_after(AFTER(MAP(LONG)),
                 BYTES("\1\6\2k\6"
                       "\2\2l\6"
                       "\0"),
                 "A");
    expect_after(AFTER(ARRAY(ARRAY(LONG))),
                 BYTES("\1\6\2\6\0"
                       "\2\0"
                       "\0"),
                 "A");
}

Test(projection_data, a_blocks_size_counts_where_it_is_skipped_and_only_there)
{
    const struct mapping *mapping = MAPPING(.path = "d[]", .number = "");
    const char *wanted = RECORD(FIELD("d", ARRAY(STRING)));
    expect(wanted, mapping, BYTES("\1\2\2A\0"), "A");   /* too small */
    expect(wanted, mapping, BYTES("\1\100\2A\0"), "A"); /* too large */
    expect(wanted, mapping, BYTES("\1\1\2A\0"), "A");   /* negative */
    expect(wanted, mapping, BYTES("\1\200"), "datum_invalid");
    const char *skipped[] = {AFTER(ARRAY(STRING)), AFTER(ARRAY(UNION(STRING)))};
    for (int i = 0; i < 2; i++) {
        expect_after(skipped[i], BYTES("\1\6xyz\0"), "A");               /* whatever stands in it */
        expect_after(skipped[i], BYTES("\1\100xyz\0"), "datum_invalid"); /* beyond the end */
        expect_after(skipped[i], BYTES("\1\1xyz\0"), "datum_invalid");   /* negative */
    }
}

Test(projection_data, a_count_without_a_positive_counterpart_is_no_item)
{
    const struct mapping *mapping = MAPPING(.path = "d[]", .number = "");
    expect(RECORD(FIELD("d", ARRAY(STRING))), mapping,
           BYTES("\377\377\377\377\377\377\377\377\377\1"
                 "\0"
                 "\2\2A"
                 "\0"),
           "A");
    expect_after(AFTER(ARRAY(STRING)),
                 BYTES("\377\377\377\377\377\377\377\377\377\1"
                       "\0"
                       "\2\2x"
                       "\0"),
                 "A");
}

/* 2^60, -2^60 with a size of 0, and the most there is. */
#define MANY "\200\200\200\200\200\200\200\200\40"
#define MANY_SIZED "\377\377\377\377\377\377\377\377\37\0"
/* 2^61: times eight bytes it is 2^64. */
#define EIGHTH "\200\200\200\200\200\200\200\200\100"
#define MOST "\376\377\377\377\377\377\377\377\377\1"

Test(projection_data, a_count_of_more_items_than_bytes_is_refused_at_once)
{
    static const char *const types[] = {"{\"type\": \"array\", \"items\": \"string\"}",
                                        "{\"type\": \"array\", \"items\": \"double\"}",
                                        "{\"type\": \"array\", \"items\": \"long\"}",
                                        "{\"type\": \"array\", \"items\": [\"null\"]}",
                                        "{\"type\": \"map\", \"values\": \"null\"}",
                                        "{\"type\": \"map\", \"values\": \"string\"}"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char schema[512];
        (void)snprintf(schema, sizeof schema, AFTER("%s"), types[i]);
        expect_after(schema, BYTES(MANY "\0"), "datum_invalid");
        expect_after(schema, BYTES(MOST "\0"), "datum_invalid");
        expect_after(schema, BYTES(EIGHTH "\0"), "datum_invalid");
        expect_after(schema, BYTES("\6\0"), "datum_invalid");
    }
    expect(RECORD(FIELD("d", ARRAY(STRING))), MAPPING(.path = "d[]", .number = ""),
           BYTES(MANY "\2A\0"), "datum_invalid");
    expect(RECORD(FIELD("d", MAP(NOTHING)), FIELD("n", STRING)), number, BYTES(MANY "\0\0\0\2A"),
           "datum_invalid");
}

Test(projection_data, items_of_no_bytes_are_skipped_whatever_their_count)
{
    static const char *const types[] = {
        NOTHING, FIXED("F", 0), NAMED_RECORD("R", ""),
        NAMED_RECORD("R", FIELD("a", NOTHING), FIELD("b", FIXED("F", 0)))};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char schema[512];
        (void)snprintf(schema, sizeof schema, AFTER(ARRAY("%s")), types[i]);
        expect_after(schema, BYTES("\0"), "A");
        expect_after(schema, BYTES("\6\0"), "A");
        expect_after(schema, BYTES(MANY "\0"), "A");
        expect_after(schema, BYTES(MANY MOST MANY_SIZED "\0"), "A");
        (void)snprintf(schema, sizeof schema, AFTER(ARRAY(ARRAY("%s"))), types[i]);
        expect_after(schema,
                     BYTES("\4" MANY "\0" MANY_SIZED "\0"
                           "\0"),
                     "A");
    }
}

Test(projection_data, documents_of_no_bytes_are_counted)
{
    const char *schema = RECORD(FIELD("d", ARRAY(FIXED("F", 0))));
    const struct mapping *mapping = MAPPING(.path = "d[]", .number = "");
    expect(schema, mapping, BYTES("\6\1\0\0"), "''; ''; ''; ''");
    expect(RECORD(FIELD("d",
                        ARRAY(NAMED_RECORD("R", FIELD("x", NOTHING), FIELD("n", FIXED("F", 0)))))),
           MAPPING(.path = "d[]", .number = "n"), BYTES("\6\0"), "''; ''; ''");
    expect(schema, mapping, BYTES(MANY "\0"), "too_many_documents");
    expect(schema, mapping, BYTES(MOST "\0"), "too_many_documents");
    expect(schema, mapping, BYTES(MANY_SIZED "\0"), "too_many_documents");
    struct projection *projection = compile(schema, mapping);
    struct document *documents = calloc(RECORD_DOCUMENTS_MAX, sizeof *documents);
    struct datum datum = {0};
    struct arena arena;
    uint32_t count = 0;
    bool more = false;
    arena_open(&arena, 64);
    for (int above = 0; above < 2; above++) {
        put_long(&datum, RECORD_DOCUMENTS_MAX + above);
        put_long(&datum, 0);
        enum record_status status =
            projection_documents(projection, datum_bytes(&datum), 0, &arena, documents,
                                 RECORD_DOCUMENTS_MAX, &count, &more);
        cr_expect_eq(status, above ? RECORD_TOO_MANY_DOCUMENTS : RECORD_OK);
        cr_expect_eq(count, above ? 0 : RECORD_DOCUMENTS_MAX);
        datum_close(&datum);
    }
    arena_close(&arena);
    free(documents);
    projection_close(projection);
}

Test(projection_data, the_first_item_of_no_bytes_stands_for_all_in_the_context)
{
    struct mapping mapping = {
        .documents = {{.path = "", .number = "n"}}, .documents_count = 1, .event_id = "skipped[]"};
    struct projection *projection = compile(AFTER(ARRAY(FIXED("F", 0))), &mapping);
    struct context context;
    cr_expect_eq(projection_context(projection, BYTES(MANY MANY "\0\2A"), &context), RECORD_OK);
    cr_expect(context.event_id.data && context.event_id.size == 0);
    cr_expect_eq(projection_context(projection, BYTES("\0\2A"), &context), RECORD_OK);
    cr_expect_null(context.event_id.data);
    projection_close(projection);
}

/* --- branches and symbols --- */

Test(projection_data, a_branch_that_does_not_exist_is_refused)
{
    static const char *const types[] = {UNION(NOTHING, STRING), UNION(NOTHING, LONG),
                                        UNION(NOTHING, DOUBLE), UNION(STRING, LONG)};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char schema[512];
        (void)snprintf(schema, sizeof schema, AFTER("%s"), types[i]);
        expect_after(schema, BYTES("\4\2\2\2\2\2\2\2\2"), "datum_invalid");
        expect_after(schema, BYTES("\5\2\2\2\2\2\2\2\2"), "datum_invalid");
        expect_after(schema, BYTES(MANY "\2\2\2\2"), "datum_invalid");
    }
    const char *schema = RECORD(FIELD("n", UNION(NOTHING, STRING, RAW)));
    expect(schema, number, BYTES("\6\2A"), "datum_invalid");
    expect(schema, number, BYTES("\7\2A"), "datum_invalid");
    expect(RECORD(FIELD("n", NULLABLE(STRING))), number, BYTES("\4\2A"), "datum_invalid");
}

Test(projection_data, branches_and_symbols_below_zero_count_from_the_end)
{
    expect(RECORD(FIELD("n", UNION(NOTHING, STRING))), number, BYTES("\1\2A"), "A");
    expect(RECORD(FIELD("n", UNION(NOTHING, STRING))), number, BYTES("\3"), "-");
    expect(RECORD(FIELD("n", UNION(NOTHING, RAW, STRING))), number, BYTES("\3\2A"), "A");
    expect_after(AFTER(NULLABLE(STRING)), BYTES("\1\2x"), "A");
    expect_after(AFTER(NULLABLE(LONG)), BYTES("\1\2"), "A");
    expect_after(AFTER(NULLABLE(DOUBLE)),
                 BYTES("\1"
                       "12345678"),
                 "A");
    expect_after(AFTER(NULLABLE(DOUBLE)), BYTES("\3"), "A");
    const char *symbols = RECORD(FIELD("n", ENUM("E", NAMED("X"), NAMED("Y"), NAMED("Z"))));
    expect(symbols, number, BYTES("\1"), "Z");
    expect(symbols, number, BYTES("\5"), "X");
    expect(symbols, number, BYTES("\7"), "datum_invalid");
}

Test(projection_data, a_symbol_asked_for_must_exist)
{
    const char *schema = RECORD(FIELD("n", ENUM("E", NAMED("X"), NAMED("Y"))));
    expect(schema, number, BYTES("\2"), "Y");
    expect(schema, number, BYTES("\4"), "datum_invalid");
    expect(schema, number, BYTES(MANY), "datum_invalid");
}

Test(projection_data, what_only_the_context_asks_for_refuses_only_the_context)
{
    struct mapping mapping = {
        .documents = {{.path = "", .number = "n"}}, .documents_count = 1, .stage = "skipped"};
    struct projection *projection = compile(AFTER(ENUM("E", NAMED("X"))), &mapping);
    struct context context;
    expect_read(projection, BYTES("\4\2A"), "A");
    cr_expect_eq(projection_context(projection, BYTES("\4\2A"), &context), RECORD_DATUM_INVALID);
    projection_close(projection);
}

/* --- depth: containers and recursive records open at once --- */

/* A linked list of `nodes` nodes: its root is plain, each further one a call. */
static void put_list(struct datum *datum, int nodes)
{
    for (int i = 0; i < nodes; i++) {
        put_text(datum, "A");
        put_long(datum, i + 1 < nodes);
    }
}

Test(projection_data, a_skipped_list_has_at_most_datum_nesting_max_nodes_below_its_root)
{
    const char *list =
        NAMED_RECORD("Node", FIELD("n", STRING), FIELD("next", NULLABLE(NAMED("Node"))));
    for (int above = 0; above < 2; above++) {
        struct datum datum = {0};
        put_list(&datum, DATUM_NESTING_MAX + 1 + above);
        expect(list, number, datum_bytes(&datum), above ? "datum_invalid" : "A");
        datum_close(&datum);
    }
}

Test(projection_data, a_list_is_read_along_the_path_and_skipped_beyond)
{
    const char *list =
        NAMED_RECORD("Node", FIELD("n", STRING), FIELD("next", NULLABLE(NAMED("Node"))));
    const struct mapping *mapping = MAPPING(.path = "next.next", .number = "n");
    struct bytes four = BYTES("\2A\2"
                              "\2B\2"
                              "\2C\2"
                              "\2D\0");
    expect(list, mapping, four, "C");
    expect(list, mapping,
           BYTES("\2A\2"
                 "\2B\0"),
           "(none)");
    expect(list, MAPPING(.path = "", .number = "next.n|n"), four, "B");
    expect(list, MAPPING(.path = "", .number = "next.n|n"), BYTES("\2A\0"), "A");
    for (size_t size = 0; size < four.size; size++)
        expect(list, mapping, bytes_of(four.data, size), "datum_invalid");
}

Test(projection_data, a_tree_is_read_along_the_path_and_skipped_beyond)
{
    const char *tree = NAMED_RECORD("Node", FIELD("sub", ARRAY(NAMED("Node"))), FIELD("n", STRING));
    struct datum datum = {0};
    put_long(&datum, 2); /* two below the root, the first with one below it */
    PUT(&datum, "\2"
                "\0\2C"
                "\0"
                "\2A"
                "\0\2B"
                "\0"
                "\2R");
    expect(tree, MAPPING(.path = "sub[]", .number = "n"), datum_bytes(&datum), "A; B");
    expect(tree, MAPPING(.path = "sub[].sub[]", .number = "n"), datum_bytes(&datum), "C");
    expect(tree, MAPPING(.path = "", .number = "n"), datum_bytes(&datum), "R");
    datum_close(&datum);
}

/* Each level of the tree is an array and a call. */
static void put_tree(struct datum *datum, int levels)
{
    for (int i = 0; i < levels; i++)
        put_long(datum, 1);
    put_long(datum, 0);
    put_text(datum, "A");
    for (int i = 0; i < levels; i++) {
        put_long(datum, 0);
        put_text(datum, "A");
    }
}

Test(projection_data, arrays_and_calls_count_together)
{
    const char *tree = NAMED_RECORD("Node", FIELD("sub", ARRAY(NAMED("Node"))), FIELD("n", STRING));
    for (int above = 0; above < 2; above++) {
        struct datum datum = {0};
        put_tree(&datum, DATUM_NESTING_MAX / 2 + above);
        expect(tree, number, datum_bytes(&datum), above ? "datum_invalid" : "A");
        datum_close(&datum);
    }
}

Test(projection_data, mutual_recursion_is_skipped)
{
    const char *schema =
        NAMED_RECORD("P",
                     FIELD("a", NULLABLE(NAMED_RECORD("Q", FIELD("b", MAP(NULLABLE(NAMED("P")))),
                                                      FIELD("q", NULLABLE(NAMED("Q")))))),
                     FIELD("n", STRING), FIELD("c", NULLABLE(NAMED("Q"))));
    expect(schema, number, BYTES("\0\2A\0"), "A");
    expect(schema, number,
           BYTES("\2"
                 "\4"
                 "\2k\0"
                 "\2l\2"
                 "\0\2B\0"
                 "\0"
                 "\2"
                 "\0\0"
                 "\2A"
                 "\2\0\0"),
           "A");
    expect(schema, MAPPING(.path = "a.b{}", .number = "n"),
           BYTES("\2"
                 "\4"
                 "\2k\0"
                 "\2l\2"
                 "\0\2B\0"
                 "\0"
                 "\2"
                 "\0\0"
                 "\2A"
                 "\2\0\0"),
           "B");
}

Test(projection_data, a_record_that_holds_itself_is_refused)
{
    expect(NAMED_RECORD("R", FIELD("n", STRING), FIELD("self", NAMED("R"))), number,
           BYTES("\2A\2A\2A\2A"), "datum_invalid");
    expect(NAMED_RECORD("R", FIELD("self", NAMED("R")), FIELD("n", STRING)), number, BYTES("\2A"),
           "datum_invalid");
}

Test(projection_data, containers_beside_each_other_are_not_nested)
{
    const char *schema = AFTER(ARRAY(ARRAY(UNION(LONG))));
    struct datum datum = {0};
    put_long(&datum, 1000);
    for (int i = 0; i < 1000; i++)
        PUT(&datum, "\2\0\2\0");
    put_long(&datum, 0);
    put_text(&datum, "A");
    expect(schema, number, datum_bytes(&datum), "A");
    datum_close(&datum);
}

Test(projection_data, a_datum_of_no_bytes_is_one_of_a_schema_without_values)
{
    struct projection *projection = compile(RECORD(FIELD("n", FIXED("F", 0))), number);
    struct document documents[2];
    struct arena arena;
    uint32_t count = 0;
    bool more = true;
    arena_open(&arena, 64);
    cr_expect_eq(
        projection_documents(projection, (struct bytes){0}, 0, &arena, documents, 2, &count, &more),
        RECORD_OK);
    cr_expect(count == 1 && !more && documents[0].number.size == 0 && documents[0].number.data);
    arena_close(&arena);
    projection_close(projection);
}

/* --- data one behind another --- */

Test(projection_data, datum_before_others_is_measured)
{
    struct projection *projection =
        compile(RECORD(FIELD("docs", ARRAY(NAMED_RECORD("Doc", FIELD("number", STRING)))),
                       FIELD("note", NULLABLE(STRING)), FIELD("at", LONG)),
                MAPPING(.path = "docs[]", .number = "number"));
    struct bytes data = BYTES("\4\2A\2B\0\2\4xy\6"
                              "\0\0\0");
    size_t size = 0;
    cr_assert_eq(projection_measure(projection, data, &size), RECORD_OK);
    cr_assert_eq(size, 11);
    data = bytes_of(data.data + size, data.size - size);
    cr_assert_eq(projection_measure(projection, data, &size), RECORD_OK);
    cr_assert_eq(size, data.size);
    data = bytes_of(data.data, data.size - 1);
    cr_assert_eq(projection_measure(projection, data, &size), RECORD_DATUM_INVALID);
    projection_close(projection);
}
