/* canonical_dump - answers what the rules say, case by case, for comparison with a model.
 *
 * Standard input, one case a line; fields are separated by tabs, in hexadecimal, "-" is absent:
 *   document NUMBER ISSUER TYPE NATIONALITY
 *   pair     NUMBER ISSUER TYPE NATIONALITY ID NUMBER NUMBER_TO ISSUER TYPE
 *   open     the same, with an open gate
 * Standard output, one line each:
 *   UNSCREENABLE FLAGS NUMBER FOLD SHAPE TYPE ISSUER NATIONALITY       of a document
 *   rejected:REASON | none | TIER:CLASS[:HOMOGLYPH][:ISSUER_DIFFERS]   of a document and an entry
 * Exit codes: 65 for a line that is no case, 78 for rule data at fault. Argument: folder of the
 * rule data; without, the program's own.
 */
#include <stdio.h>
#include <stdlib.h>

#include "operators/support/canonical.h"
#include "operators/support/rules.h"

enum { FIELDS_MAX = 10, DOCUMENT_FIELDS = 5, PAIR_FIELDS = 10 };

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* In place: the text becomes the bytes it stands for. */
static bool read_field(char *text, struct bytes *out)
{
    *out = (struct bytes){0};
    if (strcmp(text, "-") == 0)
        return true;
    size_t size = strlen(text);
    uint8_t *bytes = (uint8_t *)text;
    for (size_t i = 0; i + 1 < size; i += 2) {
        int high = hex_digit(text[i]);
        int low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    *out = bytes_of(bytes, size / 2);
    return size % 2 == 0;
}

static const char *code_text(struct issuer issuer, char text[4])
{
    memcpy(text, issuer.code, sizeof issuer.code);
    text[3] = 0;
    return text[0] ? text : "-";
}

static void answer_document(const struct rule_data *data, const struct document *sent)
{
    struct canonical form;
    char issuer[4];
    char nationality[4];
    canonical_document(data, sent, &form);
    printf("%s %u %.*s %.*s %u %s %s %s\n", unscreenable_name((enum unscreenable)form.unscreenable),
           form.flags, NUMBER_SIZE_MAX, form.size ? form.number : "-", NUMBER_SIZE_MAX,
           form.size ? form.fold : "-", canonical_shape(form.number, form.size),
           document_type_name((enum document_type)form.type), code_text(form.issuer, issuer),
           code_text(form.nationality, nationality));
}

/* By whichever look-up it is found. */
static bool judge(const struct rule_data *data, const struct canonical *form,
                  const struct entry *entry, bool gate_is_open, struct hit *hit)
{
    uint32_t lookups = rules_lookups(rule_data_templates(data), form);
    const struct gate gate = {.live = gate_is_open ? 0 : 1, .limit = 1};
    for (uint32_t lookup = 0; lookup < LOOKUP_COUNT; lookup++)
        if (lookups >> lookup & 1 &&
            rules_judge(data, form, (enum lookup)lookup, entry, &gate, hit))
            return true;
    return false;
}

static void answer_pair(const struct rule_data *data, const struct document *sent,
                        const struct change *change, bool gate_is_open)
{
    struct canonical form;
    struct entry entry;
    struct hit hit;
    canonical_document(data, sent, &form);
    enum rejection reason = canonical_entry(data, change, &entry);
    if (reason != REJECTION_NO)
        printf("rejected:%s\n", rejection_name(reason));
    else if (!judge(data, &form, &entry, gate_is_open, &hit))
        puts("none");
    else
        printf("%s:%s%s%s\n", tier_name((enum tier)hit.tier),
               alert_class_name((enum alert_class)hit.alert_class),
               hit.flags & HIT_HOMOGLYPH ? ":HOMOGLYPH" : "",
               hit.flags & HIT_ISSUER_DIFFERS ? ":ISSUER_DIFFERS" : "");
}

static bool answer(const struct rule_data *data, char *line)
{
    struct bytes fields[FIELDS_MAX];
    uint32_t count = 0;
    char *kind = strsep(&line, "\t");
    for (count = 1; line && count < FIELDS_MAX; count++)
        if (!read_field(strsep(&line, "\t"), &fields[count]))
            return false;
    struct document sent = {0};
    if (!line && count >= DOCUMENT_FIELDS)
        sent = (struct document){fields[1], fields[2], fields[3], fields[4]};
    if (!line && count == DOCUMENT_FIELDS && strcmp(kind, "document") == 0) {
        answer_document(data, &sent);
        return true;
    }
    bool gate_is_open = strcmp(kind, "open") == 0;
    if (line || count != PAIR_FIELDS || (!gate_is_open && strcmp(kind, "pair") != 0))
        return false;
    struct change change = {.op = CHANGE_UPSERT,
                            .entry_id = fields[5],
                            .number = fields[6],
                            .number_to = fields[7],
                            .issuer = fields[8],
                            .type = fields[9]};
    answer_pair(data, &sent, &change, gate_is_open);
    return true;
}

int main(int argc, char **argv)
{
    struct error err;
    struct rule_data *data = NULL;
    if (rule_data_open(argc > 1 ? argv[1] : NULL, &data, &err) != STATUS_OK) {
        fprintf(stderr, "canonical_dump: %s\n", err.text);
        return err.exit_code;
    }
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size = 0;
    int exit_code = EX_OK;
    while (exit_code == EX_OK && (size = getline(&line, &capacity, stdin)) > 0) {
        if (line[size - 1] == '\n')
            line[size - 1] = 0;
        if (!answer(data, line))
            exit_code = EX_DATAERR;
    }
    free(line);
    rule_data_close(data);
    return exit_code;
}
