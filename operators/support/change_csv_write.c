#include "operators/support/change_csv_write.h"

#include <string.h>

#include "operators/support/time_parse.h"
#include "pipeline/document.h"

void change_csv_write_header(struct buffer *out)
{
    buffer_add_text(out, "entry_id,op,revision,number,number_to,issuer,type,loss,flags,contributor,"
                         "reported_on,lost_on,expiry,review_on,national_ref,effective_at\n");
}

/* In quotes where a reader would take it for something else. */
static void add_field(struct buffer *out, const char *text, size_t size)
{
    bool is_plain = true;
    for (size_t i = 0; i < size; i++)
        is_plain =
            is_plain && text[i] != '"' && text[i] != ',' && text[i] != '\n' && text[i] != '\r';
    if (is_plain) {
        buffer_add(out, text, size);
        return;
    }
    buffer_add_text(out, "\"");
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            buffer_add_text(out, "\"");
        buffer_add(out, text + i, 1);
    }
    buffer_add_text(out, "\"");
}

static void add_flags(struct buffer *out, uint8_t flags)
{
    static const struct {
        uint8_t flag;
        const char *name;
    } all[] = {{ENTRY_SILENT, "SILENT"}, {ENTRY_DISPUTED, "DISPUTED"}, {ENTRY_TEST, "TEST"}};
    const char *before = "";
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!(flags & all[i].flag))
            continue;
        buffer_print(out, "%s%s", before, all[i].name);
        before = "|";
    }
}

static void add_date(struct buffer *out, int32_t days)
{
    char text[TIME_TEXT_SIZE];
    buffer_add_text(out, ",");
    if (days != DATE_NONE && date_format(days, text))
        buffer_add_text(out, text);
}

static void add_live(const struct entry *entry, struct buffer *out)
{
    char time[TIME_TEXT_SIZE];
    buffer_print(out, "%.*s,%.*s,%.3s,%s,%s,", entry->size, entry->number,
                 entry->is_range ? entry->size : 0, entry->number_to, entry->issuer.code,
                 document_type_name((enum document_type)entry->type),
                 entry->loss == LOSS_UNKNOWN ? "" : loss_name((enum loss)entry->loss));
    add_flags(out, entry->flags);
    buffer_add_text(out, ",");
    if (entry->contributor_size > 0)
        add_field(out, entry->contributor, entry->contributor_size);
    else
        buffer_add_text(out, CHANGE_CSV_NOBODY);
    add_date(out, entry->reported_on);
    add_date(out, entry->lost_on);
    add_date(out, entry->expiry);
    add_date(out, entry->review_on);
    buffer_add_text(out, ",");
    add_field(out, entry->national_ref, entry->national_ref_size);
    buffer_add_text(out, ",");
    if (time_format(entry->effective_at_ms, time))
        buffer_add_text(out, time);
    buffer_add_text(out, "\n");
}

void change_csv_write(const struct entry *entry, struct buffer *out)
{
    add_field(out, entry->id, entry->id_size);
    buffer_print(out, ",%s,%lld,", entry->is_live ? "UPSERT" : "WITHDRAW",
                 (long long)entry->revision);
    if (entry->is_live)
        add_live(entry, out);
    else
        buffer_add_text(out, ",,,,,," CHANGE_CSV_NOBODY ",,,,,,\n");
}

struct change change_of_entry(const struct entry *entry)
{
    struct change change = {.entry_id = entry_id(entry),
                            .op = entry->is_live ? CHANGE_UPSERT : CHANGE_WITHDRAW,
                            .revision = entry->revision,
                            .reported_on = DATE_NONE,
                            .lost_on = DATE_NONE,
                            .expiry = DATE_NONE,
                            .review_on = DATE_NONE};
    if (!entry->is_live) {
        change.contributor = bytes_of_text(CHANGE_CSV_NOBODY);
        return change;
    }
    change.number = bytes_of(entry->number, entry->size);
    if (entry->is_range)
        change.number_to = bytes_of(entry->number_to, entry->size);
    change.issuer = bytes_of(entry->issuer.code, sizeof entry->issuer.code);
    change.type = bytes_of_text(document_type_name((enum document_type)entry->type));
    change.loss = (enum loss)entry->loss;
    change.flags = entry->flags;
    change.contributor = bytes_of(entry->contributor, entry->contributor_size);
    if (entry->national_ref_size > 0)
        change.national_ref = bytes_of(entry->national_ref, entry->national_ref_size);
    change.reported_on = entry->reported_on;
    change.lost_on = entry->lost_on;
    change.expiry = entry->expiry;
    change.review_on = entry->review_on;
    change.effective_at_ms = entry->effective_at_ms == TIME_NONE ? 0 : entry->effective_at_ms;
    return change;
}
