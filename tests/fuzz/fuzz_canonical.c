/* Number, issuer, type and nationality of a document, NUL between them; and a list entry of the
 * same number. What is canonical stays as it is. */
#include "operators/support/canonical.h"
#include "operators/support/rules.h"
#include "tests/fuzz/fuzz.h"

static const struct rule_data *rules(void)
{
    static struct rule_data *data;
    struct error err = {0};
    if (!data)
        CHECK(rule_data_open(NULL, &data, &err) == STATUS_OK);
    return data;
}

static void check_number(const struct canonical *form)
{
    CHECK(form->unscreenable < UNSCREENABLE_COUNT && form->type < TYPE_COUNT);
    CHECK(form->unscreenable == UNSCREENABLE_NO
              ? form->size >= NUMBER_SIZE_MIN && form->size <= NUMBER_SIZE_MAX
              : form->size == 0);
    for (int i = 0; i < NUMBER_SIZE_MAX; i++) {
        char c = form->number[i];
        bool is_plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        CHECK(i < form->size ? is_plain && form->fold[i] != 0 : c == 0 && form->fold[i] == 0);
    }
}

static void check_again(const struct canonical *form)
{
    struct canonical again = {0};
    canonical_number(bytes_of(form->number, form->size), true, &again);
    CHECK(again.unscreenable == UNSCREENABLE_NO && again.size == form->size && again.flags == 0);
    CHECK(memcmp(again.number, form->number, sizeof again.number) == 0);
    CHECK(memcmp(again.fold, form->fold, sizeof again.fold) == 0);
}

/* An entry of the very document is a hit of it, unless it is no entry or a specimen. */
static void check_entry(const struct document *sent, const struct canonical *form)
{
    struct entry entry;
    struct hit hit;
    const struct change change = {.op = CHANGE_UPSERT,
                                  .entry_id = bytes_of_text("e"),
                                  .number = sent->number,
                                  .issuer = sent->issuer,
                                  .type = sent->type,
                                  .contributor = bytes_of_text("c")};
    if (canonical_entry(rules(), &change, &entry) != REJECTION_NO)
        return;
    CHECK(form->unscreenable == UNSCREENABLE_NO && !issuer_is_none(form->issuer));
    CHECK(entry.size == form->size && memcmp(entry.number, form->number, entry.size) == 0);
    CHECK(rules_judge(rules(), form, LOOKUP_ISSUER, &entry, NULL, &hit));
    CHECK(hit.tier == TIER_EXACT || hit.tier == TIER_TYPE_DIFFERS);
}

/* As one of many, loaded from the datum, it has the same form. */
static void check_usual(struct bytes datum, const struct document *sent,
                        const struct canonical *form)
{
    static struct canonical_memo *memo;
    struct canonical usual;
    if (!memo)
        memo = canonical_memo_open();
    const struct record record = {.datum = datum};
    const uint32_t first = 0;
    canonical_documents(rules(), memo,
                        &(struct canonical_documents){&record, sent, &first, &usual, 1});
    CHECK(memcmp(&usual, form, sizeof usual) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(bytes_of(data, size));
    struct bytes input = bytes_of(copy, size);
    struct document sent;
    sent.number = fuzz_take(&input, 0);
    sent.issuer = fuzz_take(&input, 0);
    sent.type = fuzz_take(&input, 0);
    sent.nationality = input;
    struct canonical form;
    canonical_document(rules(), &sent, &form);
    check_number(&form);
    if (form.unscreenable == UNSCREENABLE_NO)
        check_again(&form);
    check_entry(&sent, &form);
    check_usual(bytes_of(copy, size), &sent, &form);
    free(copy);
    return 0;
}
