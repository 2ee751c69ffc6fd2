#include "pipeline/run/match_explain.h"

#include <inttypes.h>

#include "operators/support/canonical.h"
#include "operators/support/quote.h"
#include "operators/support/rules.h"
#include "operators/support/templates.h"
#include "pipeline/base/memory.h"

enum { FOUND_MAX = 16, SHOWN_MAX = 512 };

/* One document on its way. */
struct explaining {
    const struct match_explain_settings *settings;
    struct buffer *out;
    struct canonical form;
    struct gate gate; /* of the form's shape */
    bool has_gate;
    uint32_t hits;
};

static const char *const lookup_names[LOOKUP_COUNT] = {
    [LOOKUP_ISSUER] = "under its issuer",
    [LOOKUP_STRIPPED] = "without the last digit",
    [LOOKUP_NATIONALITY] = "under its nationality",
    [LOOKUP_NUMBER] = "by the number alone",
};

static void add_sent(struct buffer *out, const char *name, struct bytes sent)
{
    uint8_t copy[SHOWN_MAX];
    unsigned faults = 0;
    if (!sent.data)
        return;
    struct bytes shown = quote_text(sent, copy, sizeof copy, &faults);
    buffer_print(out, ", %s '%.*s'", name, (int)shown.size, (const char *)shown.data);
}

static void add_code(struct buffer *out, const char *name, struct issuer issuer, bool is_unknown)
{
    if (!issuer_is_none(issuer))
        buffer_print(out, "  %s%.3s\n", name, issuer.code);
    else
        buffer_print(out, "  %snone%s\n", name, is_unknown ? ": what was sent names none" : "");
}

static void add_form(struct buffer *out, const struct canonical *form)
{
    buffer_print(out, "  number       %.*s%s\n", form->size, form->number,
                 form->flags & CANONICAL_HOMOGLYPH
                     ? ", after letters of another alphabet were read as Latin"
                     : "");
    add_code(out, "issuer       ", form->issuer, form->flags & CANONICAL_ISSUER_UNKNOWN);
    buffer_print(out, "  type         %s\n", document_type_name((enum document_type)form->type));
    add_code(out, "nationality  ", form->nationality, form->flags & CANONICAL_NATIONALITY_UNKNOWN);
}

static void add_templates(const struct explaining *explaining)
{
    const struct canonical *form = &explaining->form;
    struct buffer *out = explaining->out;
    enum document_type type = (enum document_type)form->type;
    const struct templates *templates =
        &rule_data_templates(explaining->settings->rules)[issuer_index(form->issuer)];
    if (!templates_apply(templates, type)) {
        buffer_add_text(out, "  template     none is known for this issuer and type\n");
        return;
    }
    bool fits = templates_fit(templates, type, form->number, form->size);
    buffer_print(out, "  template     the number %s\n",
                 fits ? "looks as it should" : "looks like none of the issuer's numbers");
    for (uint32_t i = 0; i < templates->count; i++) {
        char repaired[NUMBER_SIZE_MAX];
        if (templates_show_repaired(templates, type, form->number, form->size, i, repaired))
            buffer_print(out, "  repair       it may be a misread %.*s\n", form->size, repaired);
    }
}

static void add_gate(const struct explaining *explaining)
{
    const struct gate *gate = &explaining->gate;
    if (!explaining->has_gate)
        buffer_add_text(explaining->out,
                        "  gate         nothing listed looks like this number: the number alone is "
                        "not looked for\n");
    else
        buffer_print(explaining->out,
                     "  gate         %" PRIu64 " numbers that look like it are listed, fewer than "
                     "%" PRIu64 " are needed: %s\n",
                     gate->live, gate->limit,
                     gate_is_open(gate) ? "the number alone is looked for"
                                        : "the number alone would be noise");
}

/* --- entries -------------------------------------------------------------------------------- */

static void add_entry(const struct explaining *explaining, const struct entry *entry)
{
    struct buffer *out = explaining->out;
    buffer_print(out, "      entry %.*s: %.*s", entry->id_size, entry->id, entry->size,
                 entry->number);
    if (entry->is_range)
        buffer_print(out, " to %.*s", entry->size, entry->number_to);
    buffer_print(out, ", %.3s, %s\n", entry->issuer.code,
                 document_type_name((enum document_type)entry->type));
}

/* Why each line before the tier's does not apply; TIER_NONE: each of all. */
static void add_reasons(const struct explaining *explaining, const struct entry *entry,
                        const struct gate *gate, enum tier until)
{
    for (uint32_t i = 0; rules_tier_at(i) != until && rules_tier_at(i) != TIER_NONE; i++) {
        enum tier tier = rules_tier_at(i);
        const char *why =
            rules_why_not(explaining->settings->rules, &explaining->form, entry, gate, tier);
        if (why)
            buffer_print(explaining->out, "        not %s, since %s\n", tier_name(tier), why);
    }
}

static void add_found(struct explaining *explaining, enum lookup lookup, const struct entry *entry)
{
    const struct gate *gate = explaining->has_gate ? &explaining->gate : NULL;
    const struct rule_data *rules = explaining->settings->rules;
    struct hit hit;
    add_entry(explaining, entry);
    if (rules_judge(rules, &explaining->form, lookup, entry, gate, &hit)) {
        buffer_print(explaining->out, "        %s, confidence %u of 100: %s\n",
                     tier_name((enum tier)hit.tier), hit.confidence,
                     hit.alert_class == CLASS_PAGE ? "an officer is called"
                                                   : "it is put aside for review");
        if (hit.flags & HIT_ISSUER_DIFFERS)
            buffer_add_text(explaining->out, "        the document names another issuer\n");
        add_reasons(explaining, entry, gate, (enum tier)hit.tier);
        explaining->hits++;
        return;
    }
    for (uint32_t other = 0; other < LOOKUP_COUNT; other++) {
        if (!rules_judge(rules, &explaining->form, (enum lookup)other, entry, gate, &hit))
            continue;
        buffer_print(explaining->out, "        %s: it is a hit %s, and counts once\n",
                     tier_name((enum tier)hit.tier), lookup_names[other]);
        return;
    }
    buffer_add_text(explaining->out, "        no hit\n");
    add_reasons(explaining, entry, gate, TIER_NONE);
}

/* --- look-ups ------------------------------------------------------------------------------- */

static enum status find(const struct explaining *explaining, enum lookup lookup, bool in_ranges,
                        const struct canonical *sought, struct store_cursor *cursor,
                        struct entry found[FOUND_MAX], uint32_t *count, struct error *err)
{
    const struct match_explain_settings *settings = explaining->settings;
    struct key key;
    if (in_ranges)
        return store_find_ranges(settings->store, settings->reader, sought, cursor, found,
                                 FOUND_MAX, count, err);
    key_prf_documents(settings->prf, sought, 1, &key);
    if (lookup == LOOKUP_NUMBER)
        return store_find_number(settings->store, settings->reader, canonical_form_shape(sought),
                                 &key, cursor, found, FOUND_MAX, count, err);
    return store_find(settings->store, settings->reader, &key, cursor, found, FOUND_MAX, count,
                      err);
}

static enum status look_up(struct explaining *explaining, enum lookup lookup, bool in_ranges,
                           uint32_t *total, struct error *err)
{
    struct canonical sought;
    struct store_cursor cursor = {0};
    uint32_t count = 0;
    struct entry *found = memory_new(FOUND_MAX, sizeof *found);
    enum status status = STATUS_OK;
    rules_lookup_form(&explaining->form, lookup, &sought);
    do {
        status = find(explaining, lookup, in_ranges, &sought, &cursor, found, &count, err);
        for (uint32_t i = 0; status == STATUS_OK && i < count; i++)
            add_found(explaining, lookup, &found[i]);
        *total += count;
    } while (status == STATUS_OK && count == FOUND_MAX);
    memory_free(found);
    return status;
}

static bool is_needed(const struct explaining *explaining, enum lookup lookup)
{
    uint32_t lookups =
        rules_lookups(rule_data_templates(explaining->settings->rules), &explaining->form);
    if (!(lookups >> lookup & 1))
        return false;
    return lookup != LOOKUP_NUMBER || (explaining->has_gate && gate_is_open(&explaining->gate));
}

static enum status explain_lookups(struct explaining *explaining, struct error *err)
{
    for (uint32_t lookup = 0; lookup < LOOKUP_COUNT; lookup++) {
        uint32_t total = 0;
        if (!is_needed(explaining, (enum lookup)lookup))
            continue;
        buffer_print(explaining->out, "    looked up %s\n", lookup_names[lookup]);
        TRY(look_up(explaining, (enum lookup)lookup, false, &total, err));
        if (lookup != LOOKUP_NUMBER)
            TRY(look_up(explaining, (enum lookup)lookup, true, &total, err));
        if (total == 0)
            buffer_add_text(explaining->out, "      nothing is listed there\n");
    }
    return STATUS_OK;
}

static enum status explain_screened(struct explaining *explaining, struct error *err)
{
    struct store *store = explaining->settings->store;
    uint32_t reader = explaining->settings->reader;
    store_enter(store, reader);
    explaining->has_gate =
        store_gate(store, canonical_form_shape(&explaining->form), &explaining->gate);
    add_templates(explaining);
    add_gate(explaining);
    enum status status = explain_lookups(explaining, err);
    store_leave(store, reader);
    if (explaining->hits == 0)
        buffer_add_text(explaining->out, "  answer       none\n");
    else
        buffer_print(explaining->out, "  answer       %" PRIu32 " %s\n", explaining->hits,
                     explaining->hits == 1 ? "hit" : "hits");
    return status;
}

enum status match_explain(const struct match_explain_settings *settings,
                          const struct document *document, struct buffer *out, struct error *err)
{
    struct explaining explaining = {.settings = settings, .out = out};
    struct canonical *form = &explaining.form;
    canonical_document(settings->rules, document, form);
    buffer_add_text(out, "document");
    add_sent(out, "number", document->number);
    add_sent(out, "issuer", document->issuer);
    add_sent(out, "type", document->type);
    add_sent(out, "nationality", document->nationality);
    buffer_add(out, "\n", 1);
    if (form->unscreenable != UNSCREENABLE_NO) {
        buffer_print(out, "  answer       unscreenable: %s\n",
                     unscreenable_name((enum unscreenable)form->unscreenable));
        return STATUS_OK;
    }
    add_form(out, form);
    if (form->flags & CANONICAL_SPECIMEN) {
        buffer_add_text(out, "  answer       specimen: its issuer issues none but these\n");
        return STATUS_OK;
    }
    return explain_screened(&explaining, err);
}
