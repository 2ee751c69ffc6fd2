/* What an alert says of an event, and changes to the list: times, fixed values, refusals. */
#include "projection_fixture.h"

#include "pipeline/base/assets.h"

/* What a context borrows from; kept until the next one is read. */
static struct projection *borrowed;

static struct context read_context(const char *schema, const struct mapping *mapping,
                                   struct bytes datum)
{
    struct context context;
    projection_close(borrowed);
    borrowed = compile(schema, mapping);
    cr_assert_eq(projection_context(borrowed, datum, &context), RECORD_OK, "%s", schema);
    return context;
}

/* --- times --- */

static int64_t time_of(const char *type, struct bytes datum)
{
    char schema[512];
    (void)snprintf(schema, sizeof schema, RECORD(FIELD("x", "%s")), type);
    return read_context(schema, &(const struct mapping){.event_time = "x"}, datum).event_time_ms;
}

static int64_t time_of_long(const char *type, int64_t value)
{
    struct datum datum = {0};
    put_long(&datum, value);
    int64_t ms = time_of(type, datum_bytes(&datum));
    datum_close(&datum);
    return ms;
}

static int64_t time_of_text(const char *text)
{
    struct datum datum = {0};
    put_text(&datum, text);
    int64_t ms = time_of(STRING, datum_bytes(&datum));
    datum_close(&datum);
    return ms;
}

Test(projection_context, every_form_of_a_time_becomes_milliseconds)
{
    static const struct {
        const char *type;
        int64_t value;
        int64_t ms;
    } cases[] = {
        {LOGICAL(INT, "date"), 20454, 1767225600000},
        {LOGICAL(INT, "date"), 0, 0},
        {LOGICAL(INT, "date"), -1, -86400000},
        {LOGICAL(LONG, "timestamp-millis"), 1767225600123, 1767225600123},
        {LOGICAL(LONG, "timestamp-micros"), 1767225600123999, 1767225600123},
        {LOGICAL(LONG, "timestamp-micros"), -1, -1},
        {LOGICAL(LONG, "timestamp-micros"), -1000, -1},
        {LOGICAL(LONG, "timestamp-micros"), -1001, -2},
        {LOGICAL(LONG, "timestamp-nanos"), 1767225600123999999, 1767225600123},
        {LOGICAL(LONG, "timestamp-nanos"), -1, -1},
        {LOGICAL(LONG, "local-timestamp-millis"), 5, 5},
        {LOGICAL(LONG, "local-timestamp-micros"), 5000, 5},
        {LOGICAL(LONG, "local-timestamp-nanos"), 5000000, 5},
        {"\"long\"", 7, 7},
        {LOGICAL(LONG, "unheard-of"), 7, 7},
        {LOGICAL(LONG, "date"), 7, 7}, /* on the wrong type: as if it were not there */
        {LOGICAL(LONG, "timestamp-millis"), 253402300799999, 253402300799999}, /* 9999 */
        {LOGICAL(LONG, "timestamp-millis"), 253402300800000, TIME_NONE},
        {LOGICAL(LONG, "timestamp-millis"), -62135596800000, -62135596800000}, /* 0001 */
        {LOGICAL(LONG, "timestamp-millis"), -62135596800001, TIME_NONE},
        {LOGICAL(LONG, "timestamp-millis"), INT64_MIN, TIME_NONE},
        {LOGICAL(LONG, "timestamp-micros"), INT64_MIN, TIME_NONE},
        {LOGICAL(LONG, "timestamp-nanos"), INT64_MAX, 9223372036854},
        {LOGICAL(INT, "date"), INT32_MAX, TIME_NONE},
        {LOGICAL(INT, "date"), INT64_MAX, TIME_NONE},
        {LOGICAL(INT, "date"), 2932896, 253402214400000},
        {LOGICAL(INT, "date"), 2932897, TIME_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(time_of_long(cases[i].type, cases[i].value), cases[i].ms, "%s of %ld",
                     cases[i].type, cases[i].value);
}

/* The forms of text are those of time_parse.h. */
Test(projection_context, iso_text_becomes_milliseconds)
{
    cr_expect_eq(time_of_text("2026-01-01"), 1767225600000);
    cr_expect_eq(time_of_text("2026-01-01T10:20:30.5+01:00"), 1767259230500);
    cr_expect_eq(time_of_text("0001-01-01"), -62135596800000);
    cr_expect_eq(time_of_text("9999-12-31T23:59:59.999Z"), 253402300799999);
}

Test(projection_context, text_that_is_no_time_is_absent)
{
    static const char *const texts[] = {"",
                                        "x",
                                        "1767225600",
                                        "2023-02-29",
                                        "2026-01-01 ",
                                        "0001-01-01T00:00:00+01:00", /* the year 0 in UTC */
                                        "9999-12-31T23:59:59-01:00"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_expect_eq(time_of_text(texts[i]), TIME_NONE, "%s: %ld", texts[i],
                     time_of_text(texts[i]));
    cr_expect_eq(time_of(STRING, BYTES("\0262026-01-01\0")), TIME_NONE);
}

Test(projection_context, a_time_may_be_null_or_one_of_several_forms)
{
    const char *type =
        UNION(NOTHING, STRING, LOGICAL(LONG, "timestamp-micros"), LOGICAL(INT, "date"));
    cr_expect_eq(time_of(type, BYTES("\0")), TIME_NONE);
    cr_expect_eq(time_of(type, BYTES("\2\0241970-01-02")), 86400000);
    cr_expect_eq(time_of(type, BYTES("\4\320\17")), 1);
    cr_expect_eq(time_of(type, BYTES("\6\2")), 86400000);
}

Test(projection_context, what_is_no_time_is_refused_and_the_path_named)
{
    static const struct {
        const char *type;
        const char *name;
    } types[] = {{"\"int\"", "int"},
                 {LOGICAL(INT, "time-millis"), "int"},
                 {LOGICAL(INT, "timestamp-millis"), "int"},
                 {LOGICAL(LONG, "time-micros"), "long"},
                 {"\"bytes\"", "bytes"},
                 {"\"double\"", "double"},
                 {FIXED("F", 8), "fixed"},
                 {ENUM("E", NAMED("X")), "enum"},
                 {UNION(NOTHING, LONG, BOOLEAN), "boolean"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char schema[512];
        char reason[128];
        (void)snprintf(schema, sizeof schema, RECORD(FIELD("x", "%s")), types[i].type);
        (void)snprintf(reason, sizeof reason, "path \"gone|x\" ends at %s, which is not a time",
                       types[i].name);
        expect_refused(schema, &(const struct mapping){.event_time = "gone|x"}, reason);
    }
}

/* --- texts --- */

Test(projection_context, texts_are_read_from_every_kind_of_text)
{
    const struct mapping mapping = {.event_id = "a",
                                    .partner = "b",
                                    .journey = "c.d",
                                    .sector = "e",
                                    .stage = "f",
                                    .place = "gone"};
    struct context context = read_context(
        RECORD(FIELD("a", STRING), FIELD("b", RAW),
               FIELD("c", NULLABLE(NAMED_RECORD("C", FIELD("d", FIXED("F", 2))))),
               FIELD("e", ENUM("E", "\"SEA\", \"AIR\"")), FIELD("f", NULLABLE(STRING))),
        &mapping,
        BYTES("\2a"
              "\2b"
              "\2dd"
              "\2"
              "\0"));
    cr_expect(bytes_equal_text(context.event_id, "a"));
    cr_expect(bytes_equal_text(context.partner, "b"));
    cr_expect(bytes_equal_text(context.journey, "dd"));
    cr_expect(bytes_equal_text(context.sector, "AIR"));
    cr_expect_null(context.stage.data);
    cr_expect_null(context.place.data);
    cr_expect_eq(context.event_time_ms, TIME_NONE);
}

Test(projection_context, a_path_that_is_not_configured_is_absent)
{
    const struct mapping none = {0};
    struct context context = read_context(RECORD(FIELD("x", STRING)), &none, BYTES("\2x"));
    cr_expect_null(context.event_id.data);
    cr_expect_null(context.partner.data);
    cr_expect_null(context.journey.data);
    cr_expect_null(context.sector.data);
    cr_expect_null(context.stage.data);
    cr_expect_null(context.place.data);
    cr_expect_eq(context.event_time_ms, TIME_NONE);
}

Test(projection_context, of_several_values_the_first_counts)
{
    const struct mapping mapping = {.journey = "legs[].ref", .event_id = "ids{}"};
    const char *schema =
        RECORD(FIELD("legs", ARRAY(NAMED_RECORD("Leg", FIELD("ref", NULLABLE(STRING))))),
               FIELD("ids", MAP(STRING)));
    struct context context = read_context(schema, &mapping,
                                          BYTES("\6\0\2\2a\2\2b\0"
                                                "\4\2k\2c\2l\2d\0"));
    cr_expect(bytes_equal_text(context.journey, "a"));
    cr_expect(bytes_equal_text(context.event_id, "c"));
    context = read_context(schema, &mapping, BYTES("\0\0"));
    cr_expect_null(context.journey.data);
    cr_expect_null(context.event_id.data);
}

Test(projection_context, of_alternatives_the_first_that_holds_something_counts)
{
    const char *schema = RECORD(FIELD("a", NULLABLE(STRING)), FIELD("b", STRING));
    const struct mapping mapping = {.journey = "gone|a|b", .event_time = "a|b"};
    struct context context = read_context(schema, &mapping, BYTES("\0\0241970-01-02"));
    cr_expect(bytes_equal_text(context.journey, "1970-01-02"));
    cr_expect_eq(context.event_time_ms, 86400000);
    context = read_context(schema, &mapping, BYTES("\2\2x\0241970-01-02"));
    cr_expect(bytes_equal_text(context.journey, "x"));
    cr_expect_eq(context.event_time_ms, TIME_NONE);
}

Test(projection_context, fixed_values_beat_the_payload)
{
    struct mapping mapping = {.partner = "x", .sector = "x"};
    struct context context = read_context(RECORD(FIELD("x", STRING)), &mapping, BYTES("\2x"));
    cr_expect(bytes_equal_text(context.partner, "x"));
    cr_expect(bytes_equal_text(context.sector, "x"));
    char partner[] = "carrier-1";
    char sector[] = "RAIL";
    mapping.partner_fixed = partner;
    mapping.sector_fixed = sector;
    struct projection *projection = compile(RECORD(FIELD("x", STRING)), &mapping);
    memset(partner, '?', sizeof partner - 1); /* the projection has copies */
    memset(sector, '?', sizeof sector - 1);
    cr_assert_eq(projection_context(projection, BYTES("\2x"), &context), RECORD_OK);
    cr_expect(bytes_equal_text(context.partner, "carrier-1"));
    cr_expect(bytes_equal_text(context.sector, "RAIL"));
    projection_close(projection);
}

Test(projection_context, a_fixed_value_needs_no_path_that_can_be_read)
{
    const struct mapping mapping = {.partner = "x", .partner_fixed = "carrier-1"};
    struct context context = read_context(RECORD(FIELD("x", INT)), &mapping, BYTES("\2"));
    cr_expect(bytes_equal_text(context.partner, "carrier-1"));
}

Test(projection_context, what_is_no_text_is_refused_and_the_path_named)
{
    const char *schema = RECORD(FIELD("x", LONG));
    const struct mapping mappings[] = {{.event_id = "x"}, {.partner = "x"}, {.journey = "x"},
                                       {.sector = "x"},   {.stage = "x"},   {.place = "x"}};
    for (size_t i = 0; i < sizeof mappings / sizeof *mappings; i++)
        expect_refused(schema, &mappings[i], "path \"x\" ends at long, which is not text");
}

Test(projection_context, a_datum_cut_off_is_refused)
{
    const struct mapping mapping = {.place = "x"};
    struct projection *projection =
        compile(RECORD(FIELD("x", STRING), FIELD("y", STRING)), &mapping);
    struct context context;
    cr_expect_eq(projection_context(projection, BYTES("\2x\2"), &context), RECORD_DATUM_INVALID);
    cr_expect_eq(projection_context(projection, BYTES("\2x\2y"), &context), RECORD_OK);
    projection_close(projection);
}

Test(projection_context, a_context_has_at_most_256_paths_and_alternatives)
{
    enum { MAX = 256, OWN = 7 };
    char paths[2 * MAX + 2];
    for (int i = 0; i < MAX; i++)
        memcpy(paths + 2 * i, "x|", 2);
    paths[2 * (MAX - OWN) + 1] = 0;
    struct context context = read_context(RECORD(FIELD("x", STRING)),
                                          &(const struct mapping){.place = paths}, BYTES("\2x"));
    cr_expect(bytes_equal_text(context.place, "x"));
    paths[2 * (MAX - OWN) + 1] = '|';
    paths[2 * (MAX - OWN) + 3] = 0;
    expect_refused(RECORD(FIELD("x", STRING)), &(const struct mapping){.place = paths},
                   "more than 256 paths and alternatives");
}

/* --- changes --- */

static struct projection *compile_change(const char *schema, size_t size)
{
    struct error err = {0};
    struct projection *projection = NULL;
    cr_assert_eq(projection_compile_change(schema, size, &projection, &err), STATUS_OK, "%s",
                 err.text);
    return projection;
}

static struct projection *compile_contract(void)
{
    struct bytes text = assets_find("schemas/DocumentChange.avsc");
    cr_assert(text.data);
    return compile_change((const char *)text.data, text.size);
}

static void put_date(struct datum *datum, int64_t days)
{
    put_long(datum, 1);
    put_long(datum, days);
}

Test(projection_change, every_field_is_read)
{
    struct projection *projection = compile_contract();
    struct datum datum = {0};
    struct change change;
    put_text(&datum, "entry-1");
    put_long(&datum, 0); /* UPSERT */
    put_long(&datum, 7);
    put_optional(&datum, "AB100");
    put_optional(&datum, "AB199");
    put_optional(&datum, "FRA");
    put_optional(&datum, "PASSPORT");
    put_long(&datum, 1);
    put_long(&datum, 2); /* STOLEN_BLANK */
    put_long(&datum, 2);
    put_long(&datum, 0); /* SILENT */
    put_long(&datum, 2); /* TEST */
    put_long(&datum, 0);
    put_text(&datum, "authority-1");
    put_date(&datum, 20001);
    put_date(&datum, 20000);
    put_date(&datum, 21000);
    put_date(&datum, -1);
    put_optional(&datum, "file-1");
    put_long(&datum, 1767225600000);
    cr_assert_eq(projection_change(projection, datum_bytes(&datum), &change), RECORD_OK);
    cr_expect(bytes_equal_text(change.entry_id, "entry-1"));
    cr_expect_eq(change.op, CHANGE_UPSERT);
    cr_expect_eq(change.revision, 7);
    cr_expect(bytes_equal_text(change.number, "AB100"));
    cr_expect(bytes_equal_text(change.number_to, "AB199"));
    cr_expect(bytes_equal_text(change.issuer, "FRA"));
    cr_expect(bytes_equal_text(change.type, "PASSPORT"));
    cr_expect_eq(change.loss, LOSS_STOLEN_BLANK);
    cr_expect_eq(change.flags, ENTRY_SILENT | ENTRY_TEST);
    cr_expect(bytes_equal_text(change.contributor, "authority-1"));
    cr_expect_eq(change.reported_on, 20001);
    cr_expect_eq(change.lost_on, 20000);
    cr_expect_eq(change.expiry, 21000);
    cr_expect_eq(change.review_on, -1);
    cr_expect(bytes_equal_text(change.national_ref, "file-1"));
    cr_expect_eq(change.effective_at_ms, 1767225600000);
    for (size_t size = 0; size < datum.size; size++) {
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, datum.bytes, size);
        cr_expect_eq(projection_change(projection, bytes_of(copy, size), &change),
                     RECORD_DATUM_INVALID);
        free(copy);
    }
    datum_close(&datum);
    projection_close(projection);
}

Test(projection_change, a_withdrawal_may_leave_the_rest_out)
{
    struct projection *projection = compile_contract();
    struct change change;
    cr_assert_eq(projection_change(projection,
                                   BYTES("\4e1"
                                         "\2"
                                         "\3"
                                         "\0\0\0\0"
                                         "\0"
                                         "\0"
                                         "\0"
                                         "\0\0\0\0\0"
                                         "\0"),
                                   &change),
                 RECORD_OK);
    cr_expect(bytes_equal_text(change.entry_id, "e1"));
    cr_expect_eq(change.op, CHANGE_WITHDRAW);
    cr_expect_eq(change.revision, -2);
    cr_expect_null(change.number.data);
    cr_expect_null(change.number_to.data);
    cr_expect_null(change.issuer.data);
    cr_expect_null(change.type.data);
    cr_expect_eq(change.loss, LOSS_UNKNOWN);
    cr_expect_eq(change.flags, 0);
    cr_expect(change.contributor.data && change.contributor.size == 0);
    cr_expect_eq(change.reported_on, DATE_NONE);
    cr_expect_eq(change.lost_on, DATE_NONE);
    cr_expect_eq(change.expiry, DATE_NONE);
    cr_expect_eq(change.review_on, DATE_NONE);
    cr_expect_null(change.national_ref.data);
    cr_expect_eq(change.effective_at_ms, 0);
    projection_close(projection);
}

/* The fewest fields a schema of changes may have. */
#define CHANGE(op, ...)                                                                            \
    RECORD(FIELD("number", STRING), FIELD("issuer", STRING), FIELD("entry_id", STRING),            \
           FIELD("op", op), FIELD("revision", INT), __VA_ARGS__)
#define REQUIRED "\2A\2F\4e1"

Test(projection_change, fields_are_found_by_name_in_any_order_and_form)
{
    const char *schema = CHANGE(STRING, FIELD("flags", ARRAY(STRING)), FIELD("loss", STRING),
                                FIELD("lost_on", STRING), FIELD("expiry", INT),
                                FIELD("review_on", LOGICAL(LONG, "timestamp-millis")));
    struct projection *projection = compile_change(schema, strlen(schema));
    struct datum datum = {0};
    struct change change;
    PUT(&datum, REQUIRED "\14UPSERT"
                         "\12");
    PUT(&datum, "\6\20DISPUTED\6NEW\14SILENT\0"
                "\10LOST"
                "\0242026-01-01"
                "\4");
    put_long(&datum, 1767225600000 - 1);
    cr_assert_eq(projection_change(projection, datum_bytes(&datum), &change), RECORD_OK);
    cr_expect(bytes_equal_text(change.number, "A"));
    cr_expect_eq(change.op, CHANGE_UPSERT);
    cr_expect_eq(change.revision, 5);
    cr_expect_eq(change.flags, ENTRY_DISPUTED | ENTRY_SILENT); /* one not known is passed over */
    cr_expect_eq(change.loss, LOSS_LOST);
    cr_expect_eq(change.lost_on, 20454);
    cr_expect_eq(change.expiry, 2);
    cr_expect_eq(change.review_on, 20453);
    cr_expect_eq(change.effective_at_ms, TIME_NONE);
    datum_close(&datum);
    projection_close(projection);
}

Test(projection_change, an_op_not_known_is_refused_a_loss_not_known_is_not)
{
    const char *schema = CHANGE(ENUM("Op", NAMED("UPSERT"), NAMED("WITHDRAW"), NAMED("FREEZE")),
                                FIELD("loss", STRING));
    struct projection *projection = compile_change(schema, strlen(schema));
    struct change change;
    cr_expect_eq(projection_change(projection,
                                   BYTES(REQUIRED "\4"
                                                  "\0"
                                                  "\10LOST"),
                                   &change),
                 RECORD_DATUM_INVALID);
    cr_expect_eq(projection_change(projection,
                                   BYTES(REQUIRED "\2"
                                                  "\0"
                                                  "\10GONE"),
                                   &change),
                 RECORD_OK);
    cr_expect_eq(change.op, CHANGE_WITHDRAW);
    cr_expect_eq(change.loss, LOSS_UNKNOWN);
    projection_close(projection);
}

Test(projection_change, a_schema_that_lacks_what_a_change_needs_is_refused)
{
    static const char *const required[] = {"entry_id", "op", "revision", "number", "issuer"};
    struct bytes text = assets_find("schemas/DocumentChange.avsc");
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        char schema[16384];
        char quoted[64];
        char reason[64];
        cr_assert_lt(text.size, sizeof schema);
        memcpy(schema, text.data, text.size);
        schema[text.size] = 0;
        (void)snprintf(quoted, sizeof quoted, "\"name\": \"%s\"", required[i]);
        (void)snprintf(reason, sizeof reason, "lacks the path \"%s\"", required[i]);
        char *found = strstr(schema, quoted);
        cr_assert(found);
        found[strlen("\"name\": \"")] = 'X';
        struct error err = {0};
        struct projection *projection = NULL;
        cr_expect_eq(projection_compile_change(schema, text.size, &projection, &err), STATUS_FAIL);
        cr_expect(strstr(err.text, reason), "%s", err.text);
        cr_expect_null(projection);
    }
}

Test(projection_change, a_field_of_another_type_is_refused)
{
    static const struct {
        const char *schema;
        const char *reason;
    } cases[] = {
        {CHANGE(STRING, FIELD("loss", INT)), "path \"loss\" ends at int, which is not text"},
        {CHANGE(STRING, FIELD("expiry", DOUBLE)),
         "path \"expiry\" ends at double, which is not a date"},
        {CHANGE(STRING, FIELD("effective_at", INT)),
         "path \"effective_at\" ends at int, which is not a time"},
        {CHANGE(STRING, FIELD("flags", ARRAY(INT))),
         "path \"flags[]\" ends at int, which is not a flag"},
        {RECORD(FIELD("entry_id", STRING), FIELD("op", STRING), FIELD("revision", STRING)),
         "path \"revision\" ends at string, which is not an integer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        struct projection *projection = NULL;
        cr_expect_eq(
            projection_compile_change(cases[i].schema, strlen(cases[i].schema), &projection, &err),
            STATUS_FAIL);
        cr_expect(strstr(err.text, cases[i].reason), "%s", err.text);
        cr_expect_null(projection);
    }
}
