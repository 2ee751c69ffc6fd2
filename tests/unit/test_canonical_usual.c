/* Documents out of one datum, loaded whole: the same forms as one by one (test_canonical.c). */
#include <criterion/criterion.h>

#include "operators/support/canonical.h"
#include "tests/unit/vectors.h"

enum { DATUM_SIZE = 64, ROUNDS = 300000, TEXT_SIZE_MAX = 30 };

static struct rule_data *data;
static struct canonical_memo *memo;

static void open_all(void)
{
    struct error err;
    cr_assert_eq(rule_data_open(NULL, &data, &err), STATUS_OK, "%s", err.text);
    memo = canonical_memo_open();
}

static void close_all(void)
{
    canonical_memo_close(memo);
    rule_data_close(data);
}

TestSuite(canonical_usual, .init = open_all, .fini = close_all);

static void expect_same(struct bytes datum, const struct document *sent)
{
    struct canonical expected;
    struct canonical form;
    memset(&expected, 0xEE, sizeof expected);
    memset(&form, 0xDD, sizeof form);
    canonical_document(data, sent, &expected);
    const struct record record = {.datum = datum};
    const uint32_t first = 0;
    canonical_documents(data, memo, &(struct canonical_documents){&record, sent, &first, &form, 1});
    cr_assert_arr_eq(&form, &expected, sizeof form, "'%.*s' of '%.*s', '%.*s', type '%.*s'",
                     (int)sent->number.size, (const char *)sent->number.data,
                     (int)sent->issuer.size, (const char *)sent->issuer.data,
                     (int)sent->nationality.size, (const char *)sent->nationality.data,
                     (int)sent->type.size, (const char *)sent->type.data);
}

/* Texts one after the other in memory of exactly their size, so that a load beyond it is seen. */
static void expect_same_packed(const struct document *sent, size_t behind)
{
    const struct bytes texts[] = {sent->type, sent->issuer, sent->nationality, sent->number};
    struct bytes packed[4];
    size_t size = behind;
    for (size_t i = 0; i < 4; i++)
        size += texts[i].size;
    uint8_t *memory = malloc(size ? size : 1);
    memset(memory, 'A', size);
    uint8_t *at = memory;
    for (size_t i = 0; i < 4; i++) {
        if (texts[i].size > 0)
            memcpy(at, texts[i].data, texts[i].size);
        packed[i] = bytes_of(texts[i].data ? at : NULL, texts[i].size);
        at += texts[i].size;
    }
    const struct document again = {packed[3], packed[1], packed[0], packed[2]};
    expect_same(bytes_of(memory, size), &again);
    free(memory);
}

static uint32_t random_below(uint32_t limit)
{
    static uint64_t state = 61124;
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (uint32_t)((state >> 33) % limit);
}

/* Mostly what numbers are made of, now and then anything. */
static struct bytes random_text(uint8_t *out, uint32_t size_max)
{
    static const char often[] = "0123456789ABDGILOQSZPNTUE0012apnux";
    uint32_t size = random_below(size_max + 1);
    uint32_t odd = random_below(4) ? 0 : 1;
    for (uint32_t i = 0; i < size; i++)
        out[i] = odd && random_below(6) == 0 ? (uint8_t)random_below(256)
                                             : (uint8_t)often[random_below(sizeof often - 1)];
    return bytes_of(random_below(20) ? out : NULL, size);
}

static struct bytes random_word(void)
{
    static const char *const words[] = {
        "PASSPORT", "P",     "ID_CARD", "VISA", "passport", "P<",       "",    "AC",
        "CREW",     "OTHER", "DE",      "DEU",  "FRA",      "SPECIMEN", "UTO", "GB",
        "D",        "D<<",   "N/A",     "none", "QQ",       " FR",      "V\0"};
    return bytes_of_text(words[random_below(sizeof words / sizeof words[0])]);
}

static void take_or_make(struct bytes *text, uint8_t *memory)
{
    *text = random_below(3) ? random_word() : random_text(memory, 10);
    if (!text->data)
        text->size = 0;
}

Test(canonical_usual, any_document_anywhere_in_its_datum)
{
    uint8_t memory[4][TEXT_SIZE_MAX];
    for (int i = 0; i < ROUNDS; i++) {
        struct document sent = {.number = random_text(memory[0], TEXT_SIZE_MAX)};
        if (!sent.number.data)
            sent.number.size = 0;
        take_or_make(&sent.issuer, memory[1]);
        take_or_make(&sent.type, memory[2]);
        take_or_make(&sent.nationality, memory[3]);
        expect_same_packed(&sent, random_below(40));
    }
}

Test(canonical_usual, texts_that_lie_elsewhere)
{
    const uint8_t datum[DATUM_SIZE] = {0};
    const struct document sent = {bytes_of_text("12AB34567"), bytes_of_text("FRA"),
                                  bytes_of_text("P"), bytes_of_text("FRA")};
    expect_same(bytes_of(datum, sizeof datum), &sent);
    expect_same(bytes_of(NULL, 0), &sent);
    expect_same(bytes_of(datum, 3), &sent);
}

Test(canonical_usual, a_word_is_its_size_too)
{
    const struct document shorter = {bytes_of_text("12AB34567"), bytes_of("DE", 2),
                                     bytes_of("P", 1), bytes_of("FR", 2)};
    const struct document longer = {bytes_of_text("12AB34567"), bytes_of("DE\0", 3),
                                    bytes_of("P\0", 2), bytes_of("FR\0", 3)};
    for (int i = 0; i < 3; i++) {
        expect_same_packed(&shorter, 20);
        expect_same_packed(&longer, 20);
    }
}

Test(canonical_usual, every_worked_case)
{
    struct vectors vectors;
    vectors_open(&vectors);
    while (vectors_next(&vectors)) {
        const struct document sent = vectors_document(&vectors);
        for (size_t behind = 0; behind < 20; behind++)
            expect_same_packed(&sent, behind);
    }
    vectors_close(&vectors);
}
