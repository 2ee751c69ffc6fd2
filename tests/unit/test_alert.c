/* The projection, the store's offsets, the identity key and the clock are stand-ins, so that each
 * test says what they give. test_alert_golden.c runs the step with the real ones. */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "operators/alert.h"
#include "operators/support/keys.h"
#include "operators/support/projection.h"
#include "operators/support/store.h"
#include "pipeline/base/clock.h"
#include "pipeline/config.h"
#include "pipeline/list_state.h"
#include "tests/tools/read_avro.h"

enum { LIST_OFFSETS_MAX = 128, DAY = 19000, MADE_OF_SIZE = 4096 };

static const int64_t day_ms = 86400000;
static const int64_t wall_ms = 19000 * INT64_C(86400000) + 5000;

/* --- stand-ins ---------------------------------------------------------------------------------
 */

static struct context context;
static enum record_status context_status;
static uint32_t contexts_read;

enum record_status projection_context(const struct projection *projection, struct bytes datum,
                                      struct context *out)
{
    (void)projection;
    (void)datum;
    contexts_read++;
    *out = context;
    return context_status;
}

static struct feed_offset list_offsets[LIST_OFFSETS_MAX + 1];
static uint32_t list_offsets_count;

uint32_t store_offsets(const struct store *store, struct feed_offset *out, uint32_t capacity)
{
    (void)store;
    for (uint32_t i = 0; i < capacity && i < list_offsets_count; i++)
        out[i] = list_offsets[i];
    return list_offsets_count;
}

/* What the last id of each label was made of: "field|field|", numbers as #N. */
static char made_of[3][MADE_OF_SIZE];
static const char *const labels[] = {"alert", "sighting", "document"};

static size_t label_index(const char *label)
{
    size_t i = 0;
    while (i < 2 && strcmp(labels[i], label) != 0)
        i++;
    cr_assert_str_eq(labels[i], label);
    return i;
}

struct id identity_hash(const struct identity *identity, const char *label,
                        const struct bytes *fields, uint32_t count)
{
    (void)identity;
    size_t index = label_index(label);
    size_t used = 0;
    struct id id = {{(uint8_t)(index + 1)}};
    for (uint32_t i = 0; i < count; i++) {
        size_t room = used < MADE_OF_SIZE / 2 ? MADE_OF_SIZE / 2 - used : 0;
        size_t size = fields[i].size < room ? fields[i].size : room;
        if (size)
            memcpy(made_of[index] + used, fields[i].data, size);
        used += size;
        made_of[index][used++] = '|';
    }
    made_of[index][used] = '\0';
    for (size_t i = 0; i < used; i++) {
        uint8_t *byte = &id.bytes[1 + i % (ID_SIZE - 1)];
        *byte = (uint8_t)(*byte * 31 + (uint8_t)made_of[index][i]);
    }
    return id;
}

void id_to_text(const struct id *id, char text[ID_TEXT_SIZE])
{
    for (int i = 0; i < ID_SIZE; i++)
        (void)snprintf(text + (ptrdiff_t)2 * i, 3, "%02x", id->bytes[i]);
}

int64_t clock_wall_ms(void)
{
    return wall_ms;
}

uint64_t clock_monotonic_ns(void)
{
    return 1;
}

uint64_t clock_process_cpu_ns(void)
{
    return 0;
}

void clock_sleep_ms(uint32_t ms)
{
    (void)ms;
}

/* --- a batch with one hit, plain unless a test changes it --------------------------------------
 */

static struct config config;
static struct list_state list;
static struct environment environment;
static struct batch *batch;
static struct hit *hit;
static void *state;
static json_t *alerts_read; /* an array that keeps them until the test ends */

static struct bytes text_of(const char *text)
{
    return bytes_of_text(text);
}

static void set_number(uint32_t subject, const char *sent, const char *canonical)
{
    struct canonical *form = &batch->forms[subject];
    batch->documents[subject].number = text_of(sent);
    form->size = (uint8_t)strlen(canonical);
    memcpy(form->number, canonical, form->size);
}

static void add_hit(uint32_t record, uint32_t subject)
{
    batch->subject_records[subject] = record;
    struct hit *added = &batch->hits[batch->hits_count++];
    *added = (struct hit){
        .subject = subject,
        .tier = TIER_EXACT,
        .confidence = 100,
        .alert_class = CLASS_PAGE,
        .entry = {.revision = 3,
                  .id = "E-1",
                  .id_size = 3,
                  .reported_on = DATE_NONE,
                  .lost_on = DATE_NONE,
                  .expiry = DATE_NONE,
                  .review_on = DATE_NONE,
                  .is_live = true},
    };
}

static void add_record(uint32_t index)
{
    batch->records[index] = (struct record){
        .origin = {.input = 0, .partition = 2, .offset = 40 + index, .timestamp_ms = -1},
        .received_at_ms = wall_ms,
    };
}

static void open_all(void)
{
    config =
        (struct config){.inputs_count = 1, .due_s = {[CLASS_PAGE] = 60, [CLASS_REVIEW] = 7200}};
    config.inputs[0].topic = "bookings";
    environment = (struct environment){
        .config = &config,
        .list = &list,
        .cluster_id = "cluster-1",
        .alert_schema_id = 0x01020304,
    };
    context = (struct context){.event_time_ms = TIME_NONE};
    context_status = RECORD_OK;
    alerts_read = json_array();
    batch = batch_open();
    add_record(0);
    set_number(0, "ab-1234567", "AB1234567");
    add_hit(0, 0);
    hit = &batch->hits[0];
}

static void close_all(void)
{
    if (state)
        alert_step.close(state);
    batch_close(batch);
    json_decref(alerts_read);
}

static void run(void)
{
    struct error err = {0};
    if (!state)
        cr_assert_eq(alert_step.open(&environment, &state, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(alert_step.process(state, batch, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(batch->hits_encoded, batch->hits_count);
}

static const json_t *read_hit(const struct hit *encoded)
{
    json_t *json = read_avro("schemas/Alert.avsc", encoded->payload);
    cr_assert_not_null(json, "%s", avro_strerror());
    (void)json_array_append_new(alerts_read, json);
    return json;
}

static const json_t *run_and_read(void)
{
    batch->hits_encoded = 0;
    arena_reset(&batch->alerts_arena);
    run();
    return read_hit(hit);
}

static bool has_flag(const json_t *alert, const char *flag)
{
    size_t index;
    const json_t *value;
    json_array_foreach(json_object_get(alert, "flags"), index,
                       value) if (strcmp(json_string_value(value), flag) == 0) return true;
    return false;
}

#define EXPECT_TEXT(json, path, expected)                                                          \
    cr_assert_str_eq(json_text((json), (path)), (expected), "%s", (path))
#define EXPECT_NUMBER(json, path, expected)                                                        \
    cr_assert_eq(json_number((json), (path)), (expected), "%s", (path))
#define EXPECT_NULL(json, path) cr_assert(json_is_null(json_path((json), (path))), "%s", (path))

TestSuite(alert, .init = open_all, .fini = close_all);

/* --- what is told ------------------------------------------------------------------------------
 */

static void fill_everything(void)
{
    context = (struct context){
        .event_id = text_of("event-9"),
        .partner = text_of("partner-4"),
        .journey = text_of("journey-7"),
        .sector = text_of("AIR"),
        .stage = text_of("CHECK_IN"),
        .place = text_of("ZRH"),
        .event_time_ms = DAY * day_ms + 1,
    };
    struct canonical *form = &batch->forms[0];
    form->issuer = (struct issuer){"UTO"};
    form->nationality = (struct issuer){"UTX"};
    form->type = TYPE_PASSPORT;
    hit->entry.loss = LOSS_STOLEN_BLANK;
    hit->entry.lost_on = DAY + 1;
    hit->entry.reported_on = DAY + 2;
    memcpy(hit->entry.contributor, "UTO-NCB", 7);
    hit->entry.contributor_size = 7;
    hit->gate = (struct gate){.live = 12, .limit = 6760};
    list_offsets[0] = (struct feed_offset){0, 100};
    list_offsets[1] = (struct feed_offset){5, 7};
    list_offsets_count = 2;
    atomic_store(&list.at_end_ms, wall_ms - 1999);
    atomic_store(&list.stale, true);
}

Test(alert, full_hit_is_read_back_field_by_field)
{
    fill_everything();
    const json_t *alert = run_and_read();
    EXPECT_NUMBER(alert, "schema_version", 1);
    EXPECT_TEXT(alert, "kind", "HIT");
    EXPECT_TEXT(alert, "class", "PAGE");
    EXPECT_TEXT(alert, "tier", "EXACT");
    EXPECT_NUMBER(alert, "confidence", 100);
    cr_assert(json_is_false(json_path(alert, "suppressed")));
    cr_assert_eq(json_array_size(json_path(alert, "flags")), 0);
    cr_assert_eq(json_array_size(json_path(alert, "edits")), 0);
    EXPECT_TEXT(alert, "rules_version", CHECKIT_RULES_VERSION);
    EXPECT_TEXT(alert, "build", CHECKIT_BUILD);
    EXPECT_NUMBER(alert, "due_by", wall_ms + 60000);
    cr_assert(json_is_true(json_path(alert, "timing.use_before_loss.boolean")));
}

Test(alert, full_event_is_read_back_field_by_field)
{
    fill_everything();
    const json_t *alert = run_and_read();
    EXPECT_TEXT(alert, "event.event_id.string", "event-9");
    EXPECT_TEXT(alert, "event.partner_id.string", "partner-4");
    EXPECT_TEXT(alert, "event.sector", "AIR");
    EXPECT_TEXT(alert, "event.stage.string", "CHECK_IN");
    EXPECT_NUMBER(alert, "event.event_time.long", DAY * day_ms + 1);
    EXPECT_NUMBER(alert, "event.received_at", wall_ms);
    EXPECT_TEXT(alert, "event.place.string", "ZRH");
    EXPECT_TEXT(alert, "event.journey_ref", "journey-7");
    EXPECT_TEXT(alert, "event.topic", "bookings");
    EXPECT_NUMBER(alert, "event.partition", 2);
    EXPECT_NUMBER(alert, "event.offset", 40);
}

Test(alert, full_document_entry_and_list_are_read_back_field_by_field)
{
    fill_everything();
    const json_t *alert = run_and_read();
    EXPECT_TEXT(alert, "document.number", "ab-1234567");
    EXPECT_TEXT(alert, "document.canonical_number", "AB1234567");
    EXPECT_TEXT(alert, "document.issuer.string", "UTO");
    EXPECT_TEXT(alert, "document.type", "PASSPORT");
    EXPECT_TEXT(alert, "entry.entry_id", "E-1");
    EXPECT_NUMBER(alert, "entry.revision", 3);
    EXPECT_TEXT(alert, "entry.loss", "STOLEN_BLANK");
    EXPECT_TEXT(alert, "entry.contributor", "UTO-NCB");
    EXPECT_NUMBER(alert, "entry.lost_on.int", DAY + 1);
    EXPECT_NUMBER(alert, "entry.reported_on.int", DAY + 2);
    cr_assert_eq(json_array_size(json_path(alert, "list.offsets")), 2);
    EXPECT_NUMBER(alert, "list.offsets.0.partition", 0);
    EXPECT_NUMBER(alert, "list.offsets.0.next_offset", 100);
    EXPECT_NUMBER(alert, "list.offsets.1.partition", 5);
    EXPECT_NUMBER(alert, "list.offsets.1.next_offset", 7);
    EXPECT_NUMBER(alert, "list.age_seconds.long", 1);
    cr_assert(json_is_true(json_path(alert, "list.stale")));
    const json_t *gate = json_object_get(json_path(alert, "list.gate"), "Gate");
    EXPECT_TEXT(gate, "shape", "LLDDDDDDD");
    EXPECT_NUMBER(gate, "live", 12);
    EXPECT_NUMBER(gate, "limit", 6760);
}

Test(alert, bare_hit_gives_nulls)
{
    const json_t *alert = run_and_read();
    EXPECT_NULL(alert, "event.event_id");
    EXPECT_NULL(alert, "event.partner_id");
    EXPECT_TEXT(alert, "event.sector", "OTHER");
    EXPECT_NULL(alert, "event.stage");
    EXPECT_NULL(alert, "event.event_time");
    EXPECT_NULL(alert, "event.place");
    EXPECT_TEXT(alert, "event.journey_ref", "bookings/2/40");
    EXPECT_NULL(alert, "document.issuer");
    EXPECT_TEXT(alert, "document.type", "ANY");
    EXPECT_TEXT(alert, "entry.loss", "UNKNOWN");
    EXPECT_TEXT(alert, "entry.contributor", "");
    EXPECT_NULL(alert, "entry.lost_on");
    EXPECT_NULL(alert, "entry.reported_on");
    cr_assert_eq(json_array_size(json_path(alert, "list.offsets")), 0);
    EXPECT_NULL(alert, "list.age_seconds");
    cr_assert(json_is_false(json_path(alert, "list.stale")));
    EXPECT_NULL(alert, "list.gate");
    EXPECT_NULL(alert, "timing.use_before_loss");
    cr_assert_eq(json_array_size(json_path(alert, "flags")), 0);
}

Test(alert, message_has_the_prefix_and_the_alert_id_as_key)
{
    const json_t *alert = run_and_read();
    cr_assert_arr_eq(hit->payload.data, ((uint8_t[]){0, 1, 2, 3, 4}), 5);
    cr_assert_eq(hit->key.size, 32);
    cr_assert(bytes_equal_text(hit->key, json_text(alert, "alert_id")));
}

Test(alert, symbols_are_those_of_the_names)
{
    for (uint8_t tier = TIER_EXACT; tier < TIER_COUNT; tier++) {
        hit->tier = tier;
        hit->confidence = tier_confidence(tier);
        const json_t *alert = run_and_read();
        EXPECT_TEXT(alert, "tier", tier_name(tier));
        EXPECT_NUMBER(alert, "confidence", tier_confidence(tier));
    }
    for (uint8_t type = 0; type < TYPE_COUNT; type++) {
        batch->forms[0].type = type;
        EXPECT_TEXT(run_and_read(), "document.type", document_type_name(type));
    }
    for (uint8_t loss = 0; loss < LOSS_COUNT; loss++) {
        hit->entry.loss = loss;
        EXPECT_TEXT(run_and_read(), "entry.loss", loss_name(loss));
    }
    static const char *const sectors[] = {"AIR", "SEA", "RAIL", "HOTEL", "BANKING", "OTHER"};
    for (size_t i = 0; i < sizeof sectors / sizeof *sectors; i++) {
        context.sector = text_of(sectors[i]);
        EXPECT_TEXT(run_and_read(), "event.sector", sectors[i]);
    }
    context.sector = text_of("AI");
    EXPECT_TEXT(run_and_read(), "event.sector", "OTHER");
}

Test(alert, class_decides_the_due_time)
{
    for (uint8_t alert_class = 0; alert_class < CLASS_COUNT; alert_class++) {
        hit->alert_class = alert_class;
        const json_t *alert = run_and_read();
        EXPECT_TEXT(alert, "class", alert_class_name(alert_class));
        EXPECT_NUMBER(alert, "due_by", wall_ms + config.due_s[alert_class] * 1000);
    }
}

/* --- flags -------------------------------------------------------------------------------------
 */

static void expect_only_flag(const char *flag)
{
    const json_t *alert = run_and_read();
    cr_assert(has_flag(alert, flag), "%s", flag);
    cr_assert_eq(json_array_size(json_path(alert, "flags")), 1, "%s", flag);
}

Test(alert, every_flag_is_told_by_its_name)
{
    hit->flags = HIT_HOMOGLYPH;
    expect_only_flag("HOMOGLYPH");
    hit->flags = HIT_ISSUER_DIFFERS;
    expect_only_flag("ISSUER_DIFFERS");
    hit->flags = HIT_ENTRY_EXPIRED;
    expect_only_flag("ENTRY_EXPIRED");
    hit->flags = 0;
    hit->entry.flags = ENTRY_SILENT;
    expect_only_flag("SILENT");
    hit->entry.flags = ENTRY_DISPUTED;
    expect_only_flag("DISPUTED");
    hit->entry.flags = ENTRY_TEST;
    expect_only_flag("TEST");
}

Test(alert, all_flags_come_in_the_order_of_the_symbols)
{
    hit->flags = HIT_HOMOGLYPH | HIT_ISSUER_DIFFERS | HIT_ENTRY_EXPIRED;
    hit->entry.flags = ENTRY_SILENT | ENTRY_DISPUTED | ENTRY_TEST;
    list_offsets_count = LIST_OFFSETS_MAX + 1;
    context.event_time_ms = INT64_MAX;
    const json_t *alert = run_and_read();
    static const char *const flags[] = {"HOMOGLYPH", "ISSUER_DIFFERS", "ENTRY_EXPIRED",
                                        "SILENT",    "DISPUTED",       "TEST",
                                        "TRUNCATED", "VALUE_INVALID"};
    char path[16];
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        (void)snprintf(path, sizeof path, "flags.%zu", i);
        EXPECT_TEXT(alert, path, flags[i]);
    }
    cr_assert_eq(json_array_size(json_path(alert, "flags")), sizeof flags / sizeof *flags);
}

Test(alert, only_a_silent_entry_is_suppressed)
{
    hit->entry.flags = ENTRY_DISPUTED | ENTRY_TEST;
    cr_assert(json_is_false(json_path(run_and_read(), "suppressed")));
    hit->entry.flags = ENTRY_SILENT;
    cr_assert(json_is_true(json_path(run_and_read(), "suppressed")));
}

/* --- dates -------------------------------------------------------------------------------------
 */

static bool is_expired(int32_t expiry, int32_t review_on)
{
    hit->flags = 0;
    hit->entry.expiry = expiry;
    hit->entry.review_on = review_on;
    bool told = has_flag(run_and_read(), "ENTRY_EXPIRED");
    cr_assert_eq(told, (hit->flags & HIT_ENTRY_EXPIRED) != 0);
    return told;
}

Test(alert, entry_expires_the_day_after_its_expiry_or_review)
{
    context.event_time_ms = DAY * day_ms;
    cr_assert_not(is_expired(DATE_NONE, DATE_NONE));
    cr_assert_not(is_expired(DAY, DAY));
    cr_assert(is_expired(DAY - 1, DATE_NONE));
    cr_assert(is_expired(DATE_NONE, DAY - 1));
    cr_assert(is_expired(DAY - 1, DAY + 1));
    context.event_time_ms = DAY * day_ms - 1;
    cr_assert_not(is_expired(DAY - 1, DAY - 1));
}

Test(alert, record_timestamp_dates_an_event_without_time)
{
    batch->records[0].origin.timestamp_ms = DAY * day_ms;
    cr_assert(is_expired(DAY - 1, DATE_NONE));
    context.event_time_ms = (DAY - 1) * day_ms;
    cr_assert_not(is_expired(DAY - 1, DATE_NONE));
    context.event_time_ms = TIME_NONE;
    batch->records[0].origin.timestamp_ms = -1;
    cr_assert_not(is_expired(DAY - 1, DATE_NONE));
}

static const char *use_before_loss(int64_t event_time_ms, int32_t lost_on)
{
    context.event_time_ms = event_time_ms;
    hit->entry.lost_on = lost_on;
    const json_t *alert = run_and_read();
    if (json_is_null(json_path(alert, "timing.use_before_loss")))
        return "null";
    return json_is_true(json_path(alert, "timing.use_before_loss.boolean")) ? "true" : "false";
}

Test(alert, use_before_loss_compares_utc_dates)
{
    cr_assert_str_eq(use_before_loss(DAY * day_ms - 1, DAY), "true");
    cr_assert_str_eq(use_before_loss(DAY * day_ms, DAY), "false");
    cr_assert_str_eq(use_before_loss(-1, 0), "true");
    cr_assert_str_eq(use_before_loss(-day_ms, -1), "false");
    cr_assert_str_eq(use_before_loss(-day_ms - 1, -1), "true");
    cr_assert_str_eq(use_before_loss(DAY * day_ms, DATE_NONE), "null");
    cr_assert_str_eq(use_before_loss(TIME_NONE, DAY), "null");
    batch->records[0].origin.timestamp_ms = 0;
    cr_assert_str_eq(use_before_loss(TIME_NONE, DAY), "true");
}

static void expect_time(int64_t event_time_ms, bool is_possible)
{
    context.event_time_ms = event_time_ms;
    const json_t *alert = run_and_read();
    cr_assert_eq(has_flag(alert, "VALUE_INVALID"), !is_possible);
    if (is_possible)
        EXPECT_NUMBER(alert, "event.event_time.long", event_time_ms);
    else
        EXPECT_NULL(alert, "event.event_time");
}

/* A reader in Python or Java stops at a timestamp it has no date for. */
Test(alert, time_outside_the_years_1_to_9999_is_null_and_said)
{
    expect_time(-62135596800000, true);
    expect_time(-62135596800001, false);
    expect_time(253402300799999, true);
    expect_time(253402300800000, false);
    expect_time(INT64_MAX, false);
    expect_time(INT64_MIN + 1, false);
}

static void expect_date(int32_t date, bool is_possible)
{
    hit->entry.lost_on = date;
    hit->entry.reported_on = date;
    const json_t *alert = run_and_read();
    cr_assert_eq(has_flag(alert, "VALUE_INVALID"), !is_possible);
    cr_assert_eq(json_is_null(json_path(alert, "entry.lost_on")), !is_possible);
    cr_assert_eq(json_is_null(json_path(alert, "entry.reported_on")), !is_possible);
}

Test(alert, date_outside_the_years_1_to_9999_is_null_and_said)
{
    expect_date(-719162, true);
    expect_date(-719163, false);
    expect_date(2932896, true);
    expect_date(2932897, false);
}

/* --- texts -------------------------------------------------------------------------------------
 */

Test(alert, text_at_the_limit_is_quoted_whole_and_one_above_cut)
{
    static char text[ALERT_TEXT_BYTES_MAX + 2];
    memset(text, 'x', ALERT_TEXT_BYTES_MAX + 1);
    context.place = bytes_of(text, ALERT_TEXT_BYTES_MAX);
    const json_t *alert = run_and_read();
    cr_assert_eq(strlen(json_text(alert, "event.place.string")), ALERT_TEXT_BYTES_MAX);
    cr_assert_not(has_flag(alert, "TRUNCATED"));

    context.place = bytes_of(text, ALERT_TEXT_BYTES_MAX + 1);
    alert = run_and_read();
    cr_assert_eq(strlen(json_text(alert, "event.place.string")), ALERT_TEXT_BYTES_MAX);
    cr_assert(has_flag(alert, "TRUNCATED"));
}

Test(alert, number_is_cut_between_characters)
{
    static char text[ALERT_TEXT_BYTES_MAX + 2];
    memset(text, ' ', ALERT_TEXT_BYTES_MAX - 1);
    memcpy(text + ALERT_TEXT_BYTES_MAX - 1, "\xC3\x84", 2);
    batch->documents[0].number = bytes_of(text, ALERT_TEXT_BYTES_MAX + 1);
    const json_t *alert = run_and_read();
    cr_assert_eq(strlen(json_text(alert, "document.number")), ALERT_TEXT_BYTES_MAX - 1);
    cr_assert(has_flag(alert, "TRUNCATED"));
}

Test(alert, bytes_that_are_not_utf8_are_replaced_and_said)
{
    context.stage = text_of("a\xFF");
    const json_t *alert = run_and_read();
    EXPECT_TEXT(alert, "event.stage.string", "a\xEF\xBF\xBD");
    cr_assert(has_flag(alert, "VALUE_INVALID"));
    context.stage = text_of("a");
    hit->entry.id[0] = (char)0xFF;
    alert = run_and_read();
    EXPECT_TEXT(alert, "entry.entry_id", "\xEF\xBF\xBD-1");
    cr_assert(has_flag(alert, "VALUE_INVALID"));
}

Test(alert, context_that_cannot_be_read_still_alerts)
{
    fill_everything();
    context_status = RECORD_DATUM_INVALID;
    config.inputs[0].mapping.partner_fixed = "partner-1";
    config.inputs[0].mapping.sector_fixed = "SEA";
    const json_t *alert = run_and_read();
    EXPECT_TEXT(alert, "document.canonical_number", "AB1234567");
    EXPECT_TEXT(alert, "entry.entry_id", "E-1");
    EXPECT_TEXT(alert, "event.partner_id.string", "partner-1");
    EXPECT_TEXT(alert, "event.sector", "SEA");
    EXPECT_NULL(alert, "event.event_id");
    EXPECT_NULL(alert, "event.event_time");
    EXPECT_TEXT(alert, "event.journey_ref", "bookings/2/40");
    cr_assert(has_flag(alert, "VALUE_INVALID"));
}

/* --- ids ---------------------------------------------------------------------------------------
 */

/* made_of cannot be read as text beyond a zero byte: numbers are compared as bytes. */
static void expect_made_of(const char *label, const char *expected, size_t size)
{
    const char *made = made_of[label_index(label)];
    cr_assert_arr_eq(made, expected, size, "%s", label);
    cr_assert_eq(made[size], '\0', "%s", label);
}

#define EXPECT_MADE_OF(label, expected) expect_made_of((label), (expected), sizeof(expected) - 1)
#define NUMBER(digit) digit "\0\0\0\0\0\0\0"

Test(alert, ids_are_made_of_their_fields_in_order)
{
    fill_everything();
    batch->records[0].origin.timestamp_ms = 0x0102030405060708;
    (void)run_and_read();
    EXPECT_MADE_OF("alert", "partner-4|journey-7|E-1|" NUMBER("\3") "|PAGE|");
    EXPECT_MADE_OF("sighting", "cluster-1|bookings|" NUMBER("\2") "|" NUMBER(
                                   "\x28") "|"
                                           "\x08\x07\x06\x05\x04\x03\x02\x01|" NUMBER(
                                               "\1") "|AB1234567|UTO|PASSPORT|UTX|E-1|");
    EXPECT_MADE_OF("document", NUMBER("\1") "|UTO|AB1234567|");
}

Test(alert, absent_fields_of_ids_are_empty)
{
    (void)run_and_read();
    EXPECT_MADE_OF("alert", "|bookings/2/40|E-1|" NUMBER("\3") "|PAGE|");
    EXPECT_MADE_OF("sighting", "cluster-1|bookings|" NUMBER("\2") "|" NUMBER(
                                   "\x28") "|"
                                           "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF|" NUMBER(
                                               "\1") "|AB1234567||ANY||E-1|");
    EXPECT_MADE_OF("document", NUMBER("\1") "||AB1234567|");
}

Test(alert, ids_are_told_where_they_belong)
{
    const json_t *alert = run_and_read();
    cr_assert_eq(strncmp(json_text(alert, "alert_id"), "01", 2), 0);
    cr_assert_eq(strncmp(json_text(alert, "sighting_id"), "02", 2), 0);
    cr_assert_eq(strncmp(json_text(alert, "document.token"), "03", 2), 0);
    cr_assert_eq(strlen(json_text(alert, "sighting_id")), 32);
}

Test(alert, journey_falls_back_to_event_id_then_to_the_place_in_the_stream)
{
    context.event_id = text_of("event-9");
    context.journey = text_of("journey-7");
    EXPECT_TEXT(run_and_read(), "event.journey_ref", "journey-7");
    context.journey = text_of("");
    EXPECT_TEXT(run_and_read(), "event.journey_ref", "event-9");
    context.journey = (struct bytes){NULL, 0};
    EXPECT_TEXT(run_and_read(), "event.journey_ref", "event-9");
    context.event_id = text_of("");
    EXPECT_TEXT(run_and_read(), "event.journey_ref", "bookings/2/40");
}

Test(alert, long_texts_that_differ_beyond_the_cut_give_other_ids)
{
    static char text[ALERT_TEXT_BYTES_MAX + 1];
    memset(text, 'x', sizeof text);
    context.journey = bytes_of(text, sizeof text);
    const json_t *first = run_and_read();
    text[sizeof text - 1] = 'y';
    const json_t *second = run_and_read();
    EXPECT_TEXT(second, "event.journey_ref", json_text(first, "event.journey_ref"));
    cr_assert_str_neq(json_text(second, "alert_id"), json_text(first, "alert_id"));
}

Test(alert, same_hit_again_gives_the_same_bytes)
{
    static uint8_t first[ALERT_BYTES_MAX];
    fill_everything();
    (void)run_and_read();
    size_t size = hit->payload.size;
    memcpy(first, hit->payload.data, size);
    (void)run_and_read();
    cr_assert(bytes_equal(hit->payload, bytes_of(first, size)));
}

/* --- the list ----------------------------------------------------------------------------------
 */

Test(alert, list_is_the_one_before_the_round)
{
    list_offsets_count = 1;
    list_offsets[0].next_offset = 10;
    EXPECT_NUMBER(run_and_read(), "list.offsets.0.next_offset", 10);
    list_offsets[0].next_offset = 11; /* applied while this round's subjects are looked up */
    EXPECT_NUMBER(run_and_read(), "list.offsets.0.next_offset", 10);
    EXPECT_NUMBER(run_and_read(), "list.offsets.0.next_offset", 11);
}

Test(alert, offsets_at_the_limit_are_told_and_one_above_is_said_to_be_left_out)
{
    for (int i = 0; i <= LIST_OFFSETS_MAX; i++)
        list_offsets[i] = (struct feed_offset){i, 1000 + i};
    list_offsets_count = LIST_OFFSETS_MAX;
    const json_t *alert = run_and_read();
    cr_assert_eq(json_array_size(json_path(alert, "list.offsets")), LIST_OFFSETS_MAX);
    EXPECT_NUMBER(alert, "list.offsets.127.next_offset", 1127);
    cr_assert_not(has_flag(alert, "TRUNCATED"));

    list_offsets_count = LIST_OFFSETS_MAX + 1;
    (void)run_and_read();
    alert = run_and_read();
    cr_assert_eq(json_array_size(json_path(alert, "list.offsets")), LIST_OFFSETS_MAX);
    cr_assert(has_flag(alert, "TRUNCATED"));
}

Test(alert, list_age_is_never_negative)
{
    atomic_store(&list.at_end_ms, wall_ms + 5000);
    EXPECT_NUMBER(run_and_read(), "list.age_seconds.long", 0);
}

Test(alert, gate_beyond_a_long_is_told_as_the_largest)
{
    hit->gate = (struct gate){.live = 0, .limit = UINT64_MAX};
    const json_t *gate = json_object_get(json_path(run_and_read(), "list.gate"), "Gate");
    EXPECT_NUMBER(gate, "live", 0);
    EXPECT_NUMBER(gate, "limit", INT64_MAX);
}

/* --- the batch ---------------------------------------------------------------------------------
 */

Test(alert, hits_of_one_record_read_its_context_once)
{
    add_record(1);
    for (uint32_t i = 1; i <= 4; i++) {
        set_number(i, "XY7654321", "XY7654321");
        add_hit(i / 3, i);
    }
    run();
    cr_assert_eq(contexts_read, 2);
    EXPECT_NUMBER(read_hit(&batch->hits[2]), "event.offset", 40);
    EXPECT_NUMBER(read_hit(&batch->hits[3]), "event.offset", 41);
    EXPECT_TEXT(read_hit(&batch->hits[3]), "event.journey_ref", "bookings/2/41");
    EXPECT_TEXT(read_hit(&batch->hits[3]), "document.canonical_number", "XY7654321");
}

Test(alert, hits_encoded_earlier_stay_as_they_are)
{
    run();
    const uint8_t *first = hit->payload.data;
    set_number(1, "XY7654321", "XY7654321");
    add_hit(0, 1);
    run();
    cr_assert_eq(hit->payload.data, first);
    EXPECT_TEXT(read_hit(hit), "document.canonical_number", "AB1234567");
    EXPECT_TEXT(read_hit(&batch->hits[1]), "document.canonical_number", "XY7654321");
}

Test(alert, no_hits_read_nothing)
{
    batch->hits_count = 0;
    run();
    cr_assert_eq(contexts_read, 0);
    cr_assert_eq(batch->alerts_arena.used_bytes, 0);
}

/* Everything as large as it can be: bytes that triple when they are replaced, longest numbers. */
static void fill_largest(char *text)
{
    static char topic[250];
    memset(topic, 't', sizeof topic - 1);
    memset(text, 'x', RECORD_BYTES_MAX);
    struct bytes large = bytes_of(text, RECORD_BYTES_MAX);
    context = (struct context){large, large, large, large, large, large, -62135596800000};
    config.inputs[0].topic = topic;
    config.due_s[CLASS_PAGE] = UINT32_MAX;
    batch->documents[0].number = large;
    set_number(0, text, "ABCDEFGHIJKLMNOPQRSTUVWX");
    batch->records[0].origin =
        (struct origin){.partition = INT32_MAX, .offset = INT64_MAX, .timestamp_ms = INT64_MAX};
    batch->records[0].received_at_ms = INT64_MIN;
    batch->forms[0].issuer = (struct issuer){"UTO"};
    struct entry *entry = &hit->entry;
    memset(entry->id, 0xFF, sizeof entry->id);
    memset(entry->contributor, 0xFF, sizeof entry->contributor);
    entry->id_size = ENTRY_ID_SIZE_MAX;
    entry->contributor_size = ENTRY_TEXT_SIZE_MAX;
    entry->revision = INT64_MIN;
    entry->lost_on = 2932896;
    entry->reported_on = 2932896;
    entry->flags = ENTRY_SILENT | ENTRY_DISPUTED | ENTRY_TEST;
    hit->flags = HIT_HOMOGLYPH | HIT_ISSUER_DIFFERS | HIT_ENTRY_EXPIRED;
    hit->gate = (struct gate){UINT64_MAX, UINT64_MAX};
    list_offsets_count = LIST_OFFSETS_MAX + 1;
    for (uint32_t i = 0; i < list_offsets_count; i++)
        list_offsets[i] = (struct feed_offset){INT32_MAX, INT64_MAX};
    atomic_store(&list.at_end_ms, 1);
}

Test(alert, largest_alerts_of_a_full_batch_fit)
{
    char *text = malloc(RECORD_BYTES_MAX + 1);
    text[RECORD_BYTES_MAX] = '\0';
    fill_largest(text);
    for (uint32_t i = 1; i < BATCH_HITS_MAX; i++) {
        batch->hits[i] = *hit;
        batch->hits_count++;
    }
    run();
    cr_assert_leq(hit->payload.size + hit->key.size, ALERT_BYTES_MAX);
    const json_t *alert = read_hit(&batch->hits[BATCH_HITS_MAX - 1]);
    cr_assert(has_flag(alert, "TRUNCATED"));
    cr_assert(has_flag(alert, "VALUE_INVALID"));
    cr_assert_eq(strlen(json_text(alert, "entry.contributor")), 3 * ENTRY_TEXT_SIZE_MAX);
    free(text);
}
