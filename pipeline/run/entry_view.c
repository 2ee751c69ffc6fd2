#include "pipeline/run/entry_view.h"

#include <string.h>

#include "operators/support/canonical.h"
#include "operators/support/quote.h"
#include "operators/support/rules.h"
#include "operators/support/templates.h"
#include "operators/support/time_parse.h"

enum { TEXT_SIZE = 4 * ENTRY_TEXT_SIZE_MAX + 1 };

/* What is tried: documents that differ from the entry in one way. */
struct trying {
    const struct rule_data *rules;
    const struct entry *entry;
    const struct gate *gate;
    struct json *tiers;
    bool is_told[TIER_COUNT];
};

/* --- values --------------------------------------------------------------------------------- */

static void put_bytes(struct json *view, const char *name, const char *text, size_t size)
{
    char copy[TEXT_SIZE];
    unsigned faults = 0;
    if (size == 0)
        return;
    struct bytes quoted =
        quote_text(bytes_of(text, size), (uint8_t *)copy, sizeof copy - 1, &faults);
    if (quoted.data != (const uint8_t *)copy)
        memcpy(copy, quoted.data, quoted.size);
    copy[quoted.size] = 0;
    json_put_text(view, name, copy);
}

static void put_date(struct json *view, const char *name, int32_t days)
{
    char text[TIME_TEXT_SIZE];
    if (days != DATE_NONE && date_format(days, text))
        json_put_text(view, name, text);
}

static void put_flags(struct json *view, uint8_t flags)
{
    static const struct {
        uint8_t flag;
        const char *name;
    } all[] = {{ENTRY_SILENT, "SILENT"}, {ENTRY_DISPUTED, "DISPUTED"}, {ENTRY_TEST, "TEST"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (flags & all[i].flag)
            json_put_bool(view, all[i].name, true);
}

static void put_live(struct json *view, const struct entry *entry)
{
    char time[TIME_TEXT_SIZE];
    put_bytes(view, "number", entry->number, entry->size);
    if (entry->is_range)
        put_bytes(view, "number_to", entry->number_to, entry->size);
    put_bytes(view, "issuer", entry->issuer.code, sizeof entry->issuer.code);
    json_put_text(view, "type", document_type_name((enum document_type)entry->type));
    json_put_text(view, "loss", loss_name((enum loss)entry->loss));
    put_flags(view, entry->flags);
    put_bytes(view, "contributor", entry->contributor, entry->contributor_size);
    put_date(view, "reported_on", entry->reported_on);
    put_date(view, "lost_on", entry->lost_on);
    put_date(view, "expiry", entry->expiry);
    put_date(view, "review_on", entry->review_on);
    put_bytes(view, "national_ref", entry->national_ref, entry->national_ref_size);
    if (time_format(entry->effective_at_ms, time))
        json_put_text(view, "effective_at", time);
}

/* --- tiers ---------------------------------------------------------------------------------- */

static void tell(struct trying *trying, const struct hit *hit, const char *when)
{
    struct json *tier = json_new_object();
    trying->is_told[hit->tier] = true;
    json_put_text(tier, "tier", tier_name((enum tier)hit->tier));
    json_put_text(tier, "class", alert_class_name((enum alert_class)hit->alert_class));
    json_put_whole(tier, "confidence", hit->confidence);
    json_put_text(tier, "when", when);
    json_add(trying->tiers, tier);
}

/* The first document of a tier tells it. */
static void try_document(struct trying *trying, const struct document *document, const char *when)
{
    struct canonical form;
    canonical_document(trying->rules, document, &form);
    if (!canonical_is_screened(&form))
        return;
    uint32_t lookups = rules_lookups(rule_data_templates(trying->rules), &form);
    for (uint32_t lookup = 0; lookup < LOOKUP_COUNT; lookup++) {
        struct hit hit;
        const struct gate *gate = lookup == LOOKUP_NUMBER ? trying->gate : NULL;
        if (!(lookups >> lookup & 1) || (lookup == LOOKUP_NUMBER && !gate))
            continue;
        if (rules_judge(trying->rules, &form, (enum lookup)lookup, trying->entry, gate, &hit) &&
            !trying->is_told[hit.tier])
            tell(trying, &hit, when);
    }
}

static struct document document_of(const struct trying *trying, const char *number, size_t size)
{
    const struct entry *entry = trying->entry;
    const char *type =
        entry->type == TYPE_ANY ? "PASSPORT" : document_type_name((enum document_type)entry->type);
    return (struct document){
        .number = bytes_of(number, size),
        .issuer = bytes_of(entry->issuer.code, sizeof entry->issuer.code),
        .type = bytes_of_text(type),
    };
}

/* Every character that may be taken for another, one at a time. */
static void try_misreads(struct trying *trying)
{
    static const char pairs[] = "O0Q0D0I1L1Z2S5B8G60O1I2Z5S8B6G";
    const struct entry *entry = trying->entry;
    for (uint32_t at = 0; at < entry->size && !entry->is_range; at++)
        for (const char *pair = pairs; *pair; pair += 2) {
            char number[NUMBER_SIZE_MAX];
            if (entry->number[at] != pair[0])
                continue;
            memcpy(number, entry->number, sizeof number);
            number[at] = pair[1];
            const struct document document = document_of(trying, number, entry->size);
            try_document(trying, &document, "a character was misread, such as O for 0");
        }
}

static void try_check_digit(struct trying *trying)
{
    const struct entry *entry = trying->entry;
    char number[NUMBER_SIZE_MAX];
    if (entry->size == sizeof number)
        return;
    memcpy(number, entry->number, sizeof number);
    number[entry->size] = check_digit(number, entry->size);
    const struct document document = document_of(trying, number, entry->size + 1U);
    try_document(trying, &document, "its check digit was left on the number");
}

static void try_all(struct trying *trying)
{
    const struct entry *entry = trying->entry;
    struct document document = document_of(trying, entry->number, entry->size);
    try_document(trying, &document,
                 entry->is_range ? "a number in the range, the same issuer and type"
                                 : "the same number, issuer and type");
    document.type = bytes_of_text(entry->type == TYPE_VISA ? "PASSPORT" : "VISA");
    try_document(trying, &document, "the same number and issuer, another type");
    try_misreads(trying);
    try_check_digit(trying);
    document = document_of(trying, entry->number, entry->size);
    document.nationality = document.issuer;
    document.issuer = bytes_of(NULL, 0);
    try_document(trying, &document, "the same number, and its issuer as nationality");
    document.nationality = bytes_of(NULL, 0);
    try_document(trying, &document, "the same number, whoever issued it");
}

static void put_gate(struct json *view, const struct gate *gate)
{
    struct json *out = json_new_object();
    json_put_whole(out, "live", (int64_t)gate->live);
    json_put_whole(out, "limit", gate->limit > INT64_MAX ? INT64_MAX : (int64_t)gate->limit);
    json_put_bool(out, "open", gate_is_open(gate));
    json_put(view, "gate", out);
}

struct json *entry_view(const struct rule_data *rules, const struct entry *entry,
                        const struct gate *gate)
{
    struct json *view = json_new_object();
    put_bytes(view, "entry_id", entry->id, entry->id_size);
    json_put_text(view, "state", entry->is_live ? "live" : "withdrawn");
    json_put_whole(view, "revision", entry->revision);
    if (!entry->is_live)
        return view;
    put_live(view, entry);
    struct trying trying = {.rules = rules, .entry = entry, .gate = gate};
    trying.tiers = json_new_array();
    try_all(&trying);
    json_put(view, "tiers", trying.tiers);
    if (gate && !entry->is_range)
        put_gate(view, gate);
    return view;
}

/* --- as text -------------------------------------------------------------------------------- */

static void write_line(const struct json *view, const char *name, const char *label, FILE *out)
{
    const char *text = json_text(json_member(view, name));
    char line[TEXT_SIZE];
    if (text)
        (void)fprintf(out, "%-13s%s\n", label, quote_line(bytes_of_text(text), line, sizeof line));
}

static const char *loss_words(const char *loss)
{
    static const char *const words[][2] = {
        {"STOLEN", "stolen from its holder"},   {"LOST", "lost by its holder"},
        {"STOLEN_BLANK", "stolen as a blank"},  {"REVOKED", "revoked by its issuer"},
        {"INVALID", "invalid, another reason"}, {"UNKNOWN", "not said"}};
    for (size_t i = 0; loss && i < sizeof words / sizeof *words; i++)
        if (strcmp(loss, words[i][0]) == 0)
            return words[i][1];
    return "not said";
}

static void write_tiers(const struct json *view, FILE *out)
{
    const struct json *tiers = json_member(view, "tiers");
    for (uint32_t i = 0; i < json_items(tiers); i++) {
        const struct json *tier = json_item(tiers, i);
        int64_t confidence = 0;
        (void)json_whole(json_member(tier, "confidence"), &confidence);
        (void)fprintf(out, "%-13s%-16s %-7s %3d  %s\n", i == 0 ? "answers as" : "",
                      json_text(json_member(tier, "tier")), json_text(json_member(tier, "class")),
                      (int)confidence, json_text(json_member(tier, "when")));
    }
}

static void write_gate(const struct json *view, FILE *out)
{
    const struct json *gate = json_member(view, "gate");
    int64_t live = 0;
    int64_t limit = 0;
    if (!json_whole(json_member(gate, "live"), &live) ||
        !json_whole(json_member(gate, "limit"), &limit))
        return;
    (void)fprintf(out,
                  "%-13s%lld numbers that look like it are listed, fewer than %lld are needed:"
                  " the number alone %s\n",
                  "gate", (long long)live, (long long)limit,
                  json_bool(json_member(gate, "open")) ? "is looked for" : "would be noise");
}

void entry_view_write(const struct json *view, FILE *out)
{
    int64_t revision = 0;
    (void)json_whole(json_member(view, "revision"), &revision);
    const char *to = json_text(json_member(view, "number_to"));
    const char *loss = json_text(json_member(view, "loss"));
    write_line(view, "entry_id", "entry", out);
    (void)fprintf(out, "%-13s%s, revision %lld\n", "state", json_text(json_member(view, "state")),
                  (long long)revision);
    write_line(view, "number", to ? "from" : "number", out);
    write_line(view, "number_to", "to", out);
    write_line(view, "issuer", "issuer", out);
    write_line(view, "type", "type", out);
    if (loss)
        (void)fprintf(out, "%-13s%s\n", "loss", loss_words(loss));
    if (json_bool(json_member(view, "SILENT")))
        (void)fputs("silent       neither bearer nor partner may notice\n", out);
    if (json_bool(json_member(view, "DISPUTED")))
        (void)fputs("disputed     its holder contests it\n", out);
    if (json_bool(json_member(view, "TEST")))
        (void)fputs("test         planted to try the chain, no real document\n", out);
    write_line(view, "contributor", "contributor", out);
    write_line(view, "reported_on", "reported", out);
    write_line(view, "lost_on", "lost", out);
    write_line(view, "expiry", "valid until", out);
    write_line(view, "review_on", "review by", out);
    write_line(view, "national_ref", "reference", out);
    write_line(view, "effective_at", "in force", out);
    write_tiers(view, out);
    write_gate(view, out);
}
