#include "operators/alert.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "operators/support/encode.h"
#include "operators/support/keys.h"
#include "operators/support/projection.h"
#include "operators/support/quote.h"
#include "operators/support/store.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"
#include "pipeline/config.h"
#include "pipeline/list_state.h"

enum {
    ALERT_SCHEMA_VERSION = 1,
    ALERT_LIST_OFFSETS_MAX = 128,
    JOURNEY_TEXT_SIZE = ALERT_TEXT_BYTES_MAX,
    NUMBER_FIELD_SIZE = 8, /* a number in what an id is made of */
};

/* What Avro readers of other languages can turn into dates: the years 1 to 9999. */
static const int64_t day_min = -719162;
static const int64_t day_max = 2932896;
static const int64_t day_ms = INT64_C(24) * 60 * 60 * 1000;
static const int64_t day_unknown = INT64_MIN;

/* Symbols of the enums of Alert.avsc, in its order. */
enum symbol_kind { KIND_HIT };
enum symbol_sector { SECTOR_AIR, SECTOR_SEA, SECTOR_RAIL, SECTOR_HOTEL, SECTOR_BANKING };
enum symbol_flag {
    FLAG_HOMOGLYPH = 1,
    FLAG_ISSUER_DIFFERS,
    FLAG_ENTRY_EXPIRED,
    FLAG_SILENT,
    FLAG_DISPUTED,
    FLAG_TEST,
    FLAG_TRUNCATED,
    FLAG_VALUE_INVALID,
    FLAG_COUNT
};

static const char *const sectors[] = {
    [SECTOR_AIR] = "AIR",     [SECTOR_SEA] = "SEA",         [SECTOR_RAIL] = "RAIL",
    [SECTOR_HOTEL] = "HOTEL", [SECTOR_BANKING] = "BANKING",
};
enum { SECTOR_OTHER = sizeof sectors / sizeof *sectors };

/* The list as it stood before anything was looked up. */
struct list_view {
    struct feed_offset offsets[ALERT_LIST_OFFSETS_MAX];
    uint32_t offsets_count;
    bool offsets_cut;
    int64_t at_end_ms;
    bool stale;
};

/* A text from outside: whole for ids, quoted for the alert. */
struct text {
    struct bytes whole;
    struct bytes quoted;
    uint8_t buffer[ALERT_TEXT_BYTES_MAX];
};

/* What the hits of one record share. */
struct event {
    const struct record *record;
    struct text event_id;
    struct text partner;
    struct text journey;
    struct text stage;
    struct text place;
    struct text topic;
    char journey_made[JOURNEY_TEXT_SIZE];
    int64_t time_ms; /* TIME_NONE: not known */
    int64_t day;     /* day_unknown: neither the event nor its record has a time */
    uint32_t sector;
    unsigned faults; /* of quote.h */
};

/* What is told of one hit beside it and its event. */
struct sighting {
    const struct hit *hit;
    const struct canonical *form;
    struct text number;
    struct text entry_id;
    struct text contributor;
    char alert_id[ID_TEXT_SIZE];
    char sighting_id[ID_TEXT_SIZE];
    char token[ID_TEXT_SIZE];
    int32_t lost_on;
    int32_t reported_on;
    uint32_t flags; /* bit i: symbol i */
};

struct alert {
    struct environment environment;
    struct list_view list;
    struct event event;
    struct sighting sighting;
    uint8_t buffer[ALERT_BYTES_MAX];
};

static void take_list(struct alert *alert)
{
    const struct environment *environment = &alert->environment;
    struct list_view *list = &alert->list;
    uint32_t count = store_offsets(environment->store, list->offsets, ALERT_LIST_OFFSETS_MAX);
    list->offsets_cut = count > ALERT_LIST_OFFSETS_MAX;
    list->offsets_count = list->offsets_cut ? ALERT_LIST_OFFSETS_MAX : count;
    list->at_end_ms = atomic_load(&environment->list->at_end_ms);
    list->stale = atomic_load(&environment->list->stale);
}

static enum status alert_open(const struct environment *environment, void **state,
                              struct error *err)
{
    (void)err;
    struct alert *alert = memory_new(1, sizeof *alert);
    alert->environment = *environment;
    take_list(alert);
    *state = alert;
    return STATUS_OK;
}

static void alert_close(void *state)
{
    memory_free(state);
}

/* --- the event ------------------------------------------------------------------------------ */

static void set_text(struct text *text, struct bytes whole, unsigned *faults)
{
    text->whole = whole;
    text->quoted = quote_text(whole, text->buffer, sizeof text->buffer, faults);
}

static int64_t day_of(int64_t time_ms)
{
    int64_t day = time_ms / day_ms;
    return time_ms % day_ms < 0 ? day - 1 : day;
}

static bool day_is_possible(int64_t day)
{
    return day >= day_min && day <= day_max;
}

static uint32_t sector_of(struct bytes name)
{
    for (uint32_t i = 0; i < SECTOR_OTHER; i++)
        if (bytes_equal_text(name, sectors[i]))
            return i;
    return SECTOR_OTHER;
}

/* What is known without the datum, should it not be readable. */
static struct context context_of_input(const struct mapping *mapping)
{
    return (struct context){
        .partner = bytes_of_text(mapping->partner_fixed),
        .sector = bytes_of_text(mapping->sector_fixed),
        .event_time_ms = TIME_NONE,
    };
}

static struct bytes journey_of(struct event *event, const struct context *context,
                               const char *topic)
{
    if (context->journey.size > 0)
        return context->journey;
    if (context->event_id.size > 0)
        return context->event_id;
    const struct origin *origin = &event->record->origin;
    (void)snprintf(event->journey_made, sizeof event->journey_made, "%s/%" PRId32 "/%" PRId64,
                   topic, origin->partition, origin->offset);
    return bytes_of_text(event->journey_made);
}

static void set_time(struct event *event, int64_t time_ms)
{
    int64_t timestamp_ms = event->record->origin.timestamp_ms;
    bool is_possible = time_ms != TIME_NONE && day_is_possible(day_of(time_ms));
    if (time_ms != TIME_NONE && !is_possible)
        event->faults |= QUOTE_INVALID;
    event->time_ms = is_possible ? time_ms : TIME_NONE;
    event->day =
        is_possible ? day_of(time_ms) : (timestamp_ms >= 0 ? day_of(timestamp_ms) : day_unknown);
}

static void read_event(struct alert *alert, const struct record *record)
{
    const struct input *input = &alert->environment.config->inputs[record->origin.input];
    struct event *event = &alert->event;
    struct context context;
    event->record = record;
    event->faults = 0;
    if (projection_context(record->projection, record->datum, &context) != RECORD_OK) {
        context = context_of_input(&input->mapping);
        event->faults |= QUOTE_INVALID;
    }
    set_text(&event->event_id, context.event_id, &event->faults);
    set_text(&event->partner, context.partner, &event->faults);
    set_text(&event->stage, context.stage, &event->faults);
    set_text(&event->place, context.place, &event->faults);
    set_text(&event->topic, bytes_of_text(input->topic), &event->faults);
    set_text(&event->journey, journey_of(event, &context, input->topic), &event->faults);
    set_time(event, context.event_time_ms);
    event->sector = sector_of(context.sector);
}

/* --- ids ------------------------------------------------------------------------------------ */

/* The fields an id is made of, and the numbers among them. */
struct fields {
    struct bytes list[12];
    uint8_t numbers[6][NUMBER_FIELD_SIZE];
    uint32_t count;
    uint32_t numbers_count;
};

static void add_field(struct fields *fields, struct bytes field)
{
    assert(fields->count < sizeof fields->list / sizeof *fields->list);
    fields->list[fields->count++] = field;
}

static void add_number_field(struct fields *fields, int64_t value)
{
    assert(fields->numbers_count < sizeof fields->numbers / sizeof *fields->numbers);
    uint8_t *number = fields->numbers[fields->numbers_count++];
    for (uint32_t i = 0; i < NUMBER_FIELD_SIZE; i++)
        number[i] = (uint8_t)((uint64_t)value >> (8 * i));
    add_field(fields, bytes_of(number, NUMBER_FIELD_SIZE));
}

/* No issuer is an empty field. */
static void add_issuer_field(struct fields *fields, const struct issuer *issuer)
{
    add_field(fields, bytes_of(issuer->code, issuer_is_none(*issuer) ? 0 : sizeof issuer->code));
}

static void make_id(const struct alert *alert, const char *label, const struct fields *fields,
                    char text[ID_TEXT_SIZE])
{
    struct id id = identity_hash(alert->environment.identity, label, fields->list, fields->count);
    id_to_text(&id, text);
}

static void make_alert_id(const struct alert *alert, struct sighting *sighting)
{
    const struct hit *hit = sighting->hit;
    struct fields fields = {.count = 0};
    add_field(&fields, alert->event.partner.whole);
    add_field(&fields, alert->event.journey.whole);
    add_field(&fields, entry_id(&hit->entry));
    add_number_field(&fields, hit->entry.revision);
    add_field(&fields, bytes_of_text(alert_class_name(hit->alert_class)));
    make_id(alert, "alert", &fields, sighting->alert_id);
}

static void make_sighting_id(const struct alert *alert, struct sighting *sighting)
{
    const struct origin *origin = &alert->event.record->origin;
    const struct canonical *form = sighting->form;
    struct fields fields = {.count = 0};
    add_field(&fields, bytes_of_text(alert->environment.cluster_id));
    add_field(&fields, alert->event.topic.whole);
    add_number_field(&fields, origin->partition);
    add_number_field(&fields, origin->offset);
    add_number_field(&fields, origin->timestamp_ms);
    add_number_field(&fields, KIND_DOCUMENT);
    add_field(&fields, bytes_of(form->number, form->size));
    add_issuer_field(&fields, &form->issuer);
    add_field(&fields, bytes_of_text(document_type_name(form->type)));
    add_issuer_field(&fields, &form->nationality);
    add_field(&fields, entry_id(&sighting->hit->entry));
    make_id(alert, "sighting", &fields, sighting->sighting_id);
}

static void make_token(const struct alert *alert, struct sighting *sighting)
{
    const struct canonical *form = sighting->form;
    struct fields fields = {.count = 0};
    add_number_field(&fields, KIND_DOCUMENT);
    add_issuer_field(&fields, &form->issuer);
    add_field(&fields, bytes_of(form->number, form->size));
    make_id(alert, "document", &fields, sighting->token);
}

/* --- the hit -------------------------------------------------------------------------------- */

static bool is_before(int32_t date, int64_t day)
{
    return date != DATE_NONE && day != day_unknown && date < day;
}

/* The date, or none when it is beyond what readers can read. */
static int32_t quote_date(int32_t date, unsigned *faults)
{
    if (date == DATE_NONE || day_is_possible(date))
        return date;
    *faults |= QUOTE_INVALID;
    return DATE_NONE;
}

static uint32_t flag_if(bool condition, enum symbol_flag flag)
{
    return condition ? 1U << flag : 0;
}

static uint32_t flags_of(const struct alert *alert, const struct hit *hit, unsigned faults)
{
    bool is_cut = (faults & QUOTE_CUT) || alert->list.offsets_cut;
    return flag_if(hit->flags & HIT_HOMOGLYPH, FLAG_HOMOGLYPH) |
           flag_if(hit->flags & HIT_ISSUER_DIFFERS, FLAG_ISSUER_DIFFERS) |
           flag_if(hit->flags & HIT_ENTRY_EXPIRED, FLAG_ENTRY_EXPIRED) |
           flag_if(hit->entry.flags & ENTRY_SILENT, FLAG_SILENT) |
           flag_if(hit->entry.flags & ENTRY_DISPUTED, FLAG_DISPUTED) |
           flag_if(hit->entry.flags & ENTRY_TEST, FLAG_TEST) | flag_if(is_cut, FLAG_TRUNCATED) |
           flag_if(faults & QUOTE_INVALID, FLAG_VALUE_INVALID);
}

static void read_hit(struct alert *alert, const struct batch *batch, struct hit *hit)
{
    const struct entry *entry = &hit->entry;
    struct sighting *sighting = &alert->sighting;
    unsigned faults = alert->event.faults;
    if (is_before(entry->expiry, alert->event.day) || is_before(entry->review_on, alert->event.day))
        hit->flags |= HIT_ENTRY_EXPIRED;
    sighting->hit = hit;
    sighting->form = &batch->forms[hit->subject];
    set_text(&sighting->number, batch->documents[hit->subject].number, &faults);
    set_text(&sighting->entry_id, entry_id(entry), &faults);
    set_text(&sighting->contributor, bytes_of(entry->contributor, entry->contributor_size),
             &faults);
    sighting->lost_on = quote_date(entry->lost_on, &faults);
    sighting->reported_on = quote_date(entry->reported_on, &faults);
    sighting->flags = flags_of(alert, hit, faults);
    make_alert_id(alert, sighting);
    make_sighting_id(alert, sighting);
    make_token(alert, sighting);
}

/* --- the message: the order is that of Alert.avsc ------------------------------------------- */

static void encode_flags(struct encoder *encoder, uint32_t flags)
{
    encode_items(encoder, (uint32_t)__builtin_popcount(flags));
    for (uint32_t flag = 1; flag < FLAG_COUNT; flag++)
        if (flags & 1U << flag)
            encode_long(encoder, flag);
    encode_items_end(encoder);
}

static void encode_edit(struct encoder *encoder, uint32_t position, struct bytes from,
                        struct bytes to)
{
    encode_long(encoder, (int64_t)position);
    encode_bytes(encoder, from);
    encode_bytes(encoder, to);
}

/* From the document's number to the entry's: of one size where the tier changes characters; a check
 * digit is the last one, left out. */
static void encode_edits(struct encoder *encoder, const struct sighting *sighting)
{
    const struct canonical *form = sighting->form;
    const struct entry *entry = &sighting->hit->entry;
    enum tier tier = (enum tier)sighting->hit->tier;
    uint32_t places[NUMBER_SIZE_MAX];
    uint32_t count = 0;
    if (tier == TIER_REPAIRED || tier == TIER_OCR_FOLD)
        for (uint32_t i = 0; i < form->size; i++)
            if (form->number[i] != entry->number[i])
                places[count++] = i;
    if (tier == TIER_CHECK_DIGIT)
        places[count++] = form->size - 1U;
    encode_items(encoder, count);
    for (uint32_t i = 0; i < count; i++)
        encode_edit(encoder, places[i], bytes_of(&form->number[places[i]], 1),
                    bytes_of(&entry->number[places[i]], tier != TIER_CHECK_DIGIT));
    encode_items_end(encoder);
}

static void encode_head(struct encoder *encoder, const struct sighting *sighting)
{
    const struct hit *hit = sighting->hit;
    assert(hit->tier > TIER_NONE && hit->tier < TIER_COUNT);
    encode_long(encoder, ALERT_SCHEMA_VERSION);
    encode_text(encoder, sighting->alert_id);
    encode_text(encoder, sighting->sighting_id);
    encode_long(encoder, KIND_HIT);
    encode_long(encoder, hit->alert_class);
    encode_boolean(encoder, hit->entry.flags & ENTRY_SILENT);
    encode_long(encoder, hit->tier - TIER_EXACT);
    encode_long(encoder, hit->confidence);
    encode_flags(encoder, sighting->flags);
    encode_edits(encoder, sighting);
}

static void encode_event(struct encoder *encoder, const struct event *event)
{
    const struct record *record = event->record;
    encode_optional_text(encoder, event->event_id.quoted);
    encode_optional_text(encoder, event->partner.quoted);
    encode_long(encoder, event->sector);
    encode_optional_text(encoder, event->stage.quoted);
    encode_optional_long(encoder, event->time_ms != TIME_NONE, event->time_ms);
    encode_long(encoder, record->received_at_ms);
    encode_optional_text(encoder, event->place.quoted);
    encode_bytes(encoder, event->journey.quoted);
    encode_bytes(encoder, event->topic.quoted);
    encode_long(encoder, record->origin.partition);
    encode_long(encoder, record->origin.offset);
}

static void encode_document(struct encoder *encoder, const struct sighting *sighting)
{
    const struct canonical *form = sighting->form;
    bool has_issuer = !issuer_is_none(form->issuer);
    encode_bytes(encoder, sighting->number.quoted);
    encode_bytes(encoder, bytes_of(form->number, form->size));
    encode_optional_text(encoder,
                         bytes_of(has_issuer ? form->issuer.code : NULL, sizeof form->issuer.code));
    encode_long(encoder, form->type);
    encode_text(encoder, sighting->token);
}

static void encode_entry(struct encoder *encoder, const struct sighting *sighting)
{
    const struct entry *entry = &sighting->hit->entry;
    encode_bytes(encoder, sighting->entry_id.quoted);
    encode_long(encoder, entry->revision);
    encode_long(encoder, entry->loss);
    encode_bytes(encoder, sighting->contributor.quoted);
    encode_optional_long(encoder, sighting->lost_on != DATE_NONE, sighting->lost_on);
    encode_optional_long(encoder, sighting->reported_on != DATE_NONE, sighting->reported_on);
}

static int64_t to_long(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static void encode_gate(struct encoder *encoder, const struct sighting *sighting)
{
    const struct gate *gate = &sighting->hit->gate;
    const struct canonical *form = sighting->form;
    encode_long(encoder, gate->limit > 0);
    if (gate->limit == 0)
        return;
    uint8_t shape[NUMBER_SIZE_MAX];
    for (uint32_t i = 0; i < form->size; i++)
        shape[i] = form->number[i] <= '9' ? 'D' : 'L';
    encode_bytes(encoder, bytes_of(shape, form->size));
    encode_long(encoder, to_long(gate->live));
    encode_long(encoder, to_long(gate->limit));
}

static void encode_list(struct encoder *encoder, const struct list_view *list,
                        const struct sighting *sighting)
{
    int64_t age_ms = clock_wall_ms() - list->at_end_ms;
    encode_list_offsets(encoder, list->offsets, list->offsets_count);
    encode_optional_long(encoder, list->at_end_ms > 0, age_ms > 0 ? age_ms / 1000 : 0);
    encode_boolean(encoder, list->stale);
    encode_gate(encoder, sighting);
}

static void encode_timing(struct encoder *encoder, int32_t lost_on, int64_t day)
{
    bool is_known = lost_on != DATE_NONE && day != day_unknown;
    encode_long(encoder, is_known);
    if (is_known)
        encode_boolean(encoder, day < lost_on);
}

static struct bytes encode_alert(struct alert *alert)
{
    const struct environment *environment = &alert->environment;
    const struct sighting *sighting = &alert->sighting;
    int64_t due_ms =
        (int64_t)config_number(&environment->config->due_s[sighting->hit->alert_class]) * 1000;
    struct encoder encoder = encoder_of(alert->buffer, sizeof alert->buffer);
    encode_prefix(&encoder, environment->alert_schema_id);
    encode_head(&encoder, sighting);
    encode_event(&encoder, &alert->event);
    encode_document(&encoder, sighting);
    encode_entry(&encoder, sighting);
    encode_list(&encoder, &alert->list, sighting);
    encode_timing(&encoder, sighting->lost_on, alert->event.day);
    encode_text(&encoder, CHECKIT_RULES_VERSION);
    encode_text(&encoder, CHECKIT_BUILD);
    encode_long(&encoder, alert->event.record->received_at_ms + due_ms);
    return encoder_done(&encoder, alert->buffer);
}

static enum status alert_process(void *state, struct batch *batch, struct error *err)
{
    (void)err;
    struct alert *alert = state;
    const struct record *record = NULL;
    for (; batch->hits_encoded < batch->hits_count; batch->hits_encoded++) {
        struct hit *hit = &batch->hits[batch->hits_encoded];
        const struct record *named = &batch->records[batch->subject_records[hit->subject]];
        if (named != record)
            read_event(alert, named);
        record = named;
        read_hit(alert, batch, hit);
        hit->key = arena_copy(&batch->alerts_arena, bytes_of_text(alert->sighting.alert_id));
        hit->payload = arena_copy(&batch->alerts_arena, encode_alert(alert));
        assert(hit->key.data && hit->payload.size > 0); /* the limits leave room */
    }
    take_list(alert);
    return STATUS_OK;
}

const struct operator_step alert_step = {"alert", alert_open, alert_process, alert_close};
