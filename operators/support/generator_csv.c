/* Entries, events and the truth as lines of CSV (RFC 4180). */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/generator_internal.h"

enum { MS_PER_DAY = 86400000 };

const char generator_csv_entry_header[] =
    "entry_id,op,revision,number,number_to,issuer,type,loss,flags,contributor,reported_on,lost_on,"
    "expiry,review_on,national_ref,effective_at\n";
const char generator_csv_event_header[] =
    "kind,id,number,number_to,issuer,type,nationality,expected\n";
const char generator_csv_truth_header[] = "topic,event_id,entry_id,tier,class\n";

/* --- fields -------------------------------------------------------------------------------------
 */

/* A cursor over the caller's buffer, which is large enough for all we make: asserted at the end. */
struct line {
    char *start;
    char *next;
};

static void put(struct line *line, const void *data, size_t size)
{
    assert((size_t)(line->next - line->start) + size <= GENERATED_BYTES_MAX);
    if (size > 0)
        memcpy(line->next, data, size);
    line->next += size;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

static void put_number(struct line *line, uint64_t value, uint32_t digits)
{
    char text[24];
    put(line, text, (size_t)(generator_put_number(text, value, digits) - text));
}

static void next_field(struct line *line)
{
    put(line, ",", 1);
}

/* Nothing that is generated needs quotes; a field that did would change the columns. */
static void put_bytes(struct line *line, struct bytes value)
{
    for (size_t i = 0; i < value.size; i++)
        assert(value.data[i] != ',' && value.data[i] != '"' && value.data[i] != '\n' &&
               value.data[i] != '\r');
    put(line, value.data, value.size);
}

static struct bytes done(const struct line *line)
{
    return bytes_of(line->start, (size_t)(line->next - line->start));
}

/* --- dates --------------------------------------------------------------------------------------
 */

/* Days since 1970-01-01, from then on, in the Gregorian calendar, counted from 0000-03-01. */
static void put_day(struct line *line, int32_t day)
{
    assert(day >= 0);
    uint32_t shifted = (uint32_t)day + 719468;
    uint32_t era = shifted / 146097; /* of 400 years */
    uint32_t of_era = shifted % 146097;
    uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * of_year + 2) / 153; /* from March */
    put_number(line, year + era * 400 + (month >= 10), 4);
    put(line, "-", 1);
    put_number(line, month < 10 ? month + 3 : month - 9, 2);
    put(line, "-", 1);
    put_number(line, of_year - (153 * month + 2) / 5 + 1, 2);
}

static void put_date(struct line *line, int32_t day)
{
    if (day != DATE_NONE)
        put_day(line, day);
}

static void put_time(struct line *line, int64_t time_ms)
{
    uint32_t ms = (uint32_t)(time_ms % MS_PER_DAY);
    put_day(line, (int32_t)(time_ms / MS_PER_DAY));
    put(line, "T", 1);
    put_number(line, ms / 3600000, 2);
    put(line, ":", 1);
    put_number(line, ms / 60000 % 60, 2);
    put(line, ":", 1);
    put_number(line, ms / 1000 % 60, 2);
    put(line, ".", 1);
    put_number(line, ms % 1000, 3);
    put(line, "Z", 1);
}

/* --- entries ------------------------------------------------------------------------------------
 */

static void put_flags(struct line *line, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {{ENTRY_SILENT, "SILENT"}, {ENTRY_DISPUTED, "DISPUTED"}, {ENTRY_TEST, "TEST"}};
    bool is_first = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(flags & names[i].flag))
            continue;
        put_text(line, is_first ? "" : "|");
        put_text(line, names[i].name);
        is_first = false;
    }
}

struct bytes generator_csv_entry(const struct generated_entry *entry, void *buffer)
{
    const struct change *change = &entry->change;
    struct line line = {buffer, buffer};
    put_bytes(&line, change->entry_id);
    put_text(&line, ",UPSERT,");
    put_number(&line, (uint64_t)change->revision, 1);
    next_field(&line);
    put_bytes(&line, change->number);
    put_text(&line, ",,"); /* no number_to: these are single documents */
    put_bytes(&line, change->issuer);
    next_field(&line);
    put_bytes(&line, change->type);
    next_field(&line);
    put_text(&line, change->loss == LOSS_UNKNOWN ? "" : loss_name(change->loss));
    next_field(&line);
    put_flags(&line, change->flags);
    next_field(&line);
    put_bytes(&line, change->contributor);
    const int32_t dates[] = {change->reported_on, change->lost_on, change->expiry,
                             change->review_on};
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        next_field(&line);
        put_date(&line, dates[i]);
    }
    next_field(&line);
    put_bytes(&line, change->national_ref);
    next_field(&line);
    put_time(&line, change->effective_at_ms);
    put(&line, "\n", 1);
    return done(&line);
}

/* --- events -------------------------------------------------------------------------------------
 */

static const char *tier_text(const struct generated_hit *hit)
{
    return hit->is_misread ? "MISREAD" : tier_name(hit->tier);
}

static void put_expected(struct line *line, const struct generated_event *event,
                         const struct generated_document *document)
{
    const struct generated_hit *hit;
    switch ((enum generated_outcome)document->outcome) {
    case OUTCOME_NONE:
        put_text(line, "none");
        return;
    case OUTCOME_HIT:
        hit = &event->hits[document->hit];
        put_text(line, hit->entry_id);
        put(line, "=", 1);
        put_text(line, tier_text(hit));
        put_text(line, hit->is_misread                  ? ":"
                       : hit->alert_class == CLASS_PAGE ? ":page"
                                                        : ":review");
        return;
    case OUTCOME_UNSCREENABLE:
        put_text(line, "unscreenable:");
        put_text(line, unscreenable_name((enum unscreenable)document->unscreenable));
        return;
    case OUTCOME_SPECIMEN:
        put_text(line, "specimen");
        return;
    }
}

struct bytes generator_csv_event(const struct generated_event *event, void *buffer)
{
    struct line line = {buffer, buffer};
    for (uint32_t i = 0; i < event->documents_count; i++) {
        const struct generated_document *document = &event->documents[i];
        put_text(&line, "doc,");
        put_text(&line, event->id);
        put(&line, "/", 1);
        put_number(&line, i + 1, 1);
        next_field(&line);
        put_bytes(&line, document->sent.number);
        put_text(&line, ",,");
        put_bytes(&line, document->sent.issuer);
        next_field(&line);
        put_bytes(&line, document->sent.type);
        next_field(&line);
        put_bytes(&line, document->sent.nationality);
        next_field(&line);
        put_expected(&line, event, document);
        put(&line, "\n", 1);
    }
    return done(&line);
}

struct bytes generator_csv_truth(const struct generated_event *event, const char *topic,
                                 void *buffer)
{
    struct line line = {buffer, buffer};
    for (uint32_t i = 0; i < event->hits_count; i++) {
        const struct generated_hit *hit = &event->hits[i];
        const char *fields[] = {topic, event->id, hit->entry_id, tier_text(hit),
                                hit->is_misread ? "" : alert_class_name(hit->alert_class)};
        for (uint32_t field = 0; field < sizeof fields / sizeof *fields; field++) {
            put_text(&line, field > 0 ? "," : "");
            put_text(&line, fields[field]);
        }
        put(&line, "\n", 1);
    }
    return done(&line);
}
