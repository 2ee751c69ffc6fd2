#include "operators/support/canonical.h"

#include <endian.h>

#include "pipeline/base/hash.h"
#include "pipeline/base/memory.h"

/* Texts are loaded whole, with what follows them in the datum, and the rest is masked away: so
 * there is no loop over characters, whose end the processor would guess wrong at every other
 * document. */
enum { WORD_SIZE = 8, LANES = 16, MEANING_BITS = 12, MEANINGS = 1 << MEANING_BITS };

/* What a text of up to eight bytes was found to mean. */
struct meaning {
    uint64_t word;        /* the text, zero padded */
    uint8_t size;         /* of the text */
    uint8_t value;        /* enum document_type, or enum issuer_kind */
    struct issuer issuer; /* of an issuer */
};

struct canonical_memo {
    struct meaning types[MEANINGS];
    struct meaning issuers[MEANINGS];
};

struct canonical_memo *canonical_memo_open(void)
{
    struct canonical_memo *memo = memory_new(1, sizeof *memo);
    for (uint32_t i = 0; i < MEANINGS; i++) {
        memo->types[i].size = UINT8_MAX; /* no text is so long */
        memo->issuers[i].size = UINT8_MAX;
    }
    return memo;
}

void canonical_memo_close(struct canonical_memo *memo)
{
    memory_free(memo);
}

/* Where in a datum a text may begin so that LANES bytes from there on are the datum's. */
struct loadable {
    uintptr_t from;
    uintptr_t offsets; /* 0: none */
};

static inline struct loadable loadable_of(struct bytes datum)
{
    return (struct loadable){(uintptr_t)datum.data,
                             datum.size < LANES ? 0 : datum.size - LANES + 1};
}

static inline bool is_loadable(struct bytes text, struct loadable loadable)
{
    return (uintptr_t)text.data - loadable.from < loadable.offsets;
}

/* --- types, issuers: the senders' words are few --- */

/* Up to eight bytes. */
static inline uint64_t load_word(struct bytes text)
{
    static const uint8_t none[WORD_SIZE];
    uint64_t word;
    memcpy(&word, text.size > 0 ? text.data : none, sizeof word);
    unsigned unused = 8 * (unsigned)(WORD_SIZE - text.size);
    return text.size > 0 ? le64toh(word) << unused >> unused : 0;
}

static inline struct meaning *meaning_of(struct meaning *meanings, uint64_t word)
{
    return &meanings[hash_fibonacci(word, MEANING_BITS)];
}

static inline bool has_word(struct bytes text, struct loadable loadable)
{
    return text.size == 0 || (text.size <= WORD_SIZE && is_loadable(text, loadable));
}

static __attribute__((noinline)) void learn_type(struct meaning *meaning, struct bytes sent,
                                                 uint64_t word)
{
    *meaning = (struct meaning){
        .word = word, .size = (uint8_t)sent.size, .value = (uint8_t)canonical_type(sent)};
}

static inline uint8_t type_of(struct canonical_memo *memo, struct loadable loadable,
                              struct bytes sent)
{
    if (!has_word(sent, loadable))
        return (uint8_t)canonical_type(sent);
    uint64_t word = load_word(sent);
    struct meaning *meaning = meaning_of(memo->types, word);
    if (meaning->word != word || meaning->size != sent.size)
        learn_type(meaning, sent, word);
    return meaning->value;
}

static __attribute__((noinline)) void learn_issuer(const struct rule_data *data,
                                                   struct meaning *meaning, struct bytes sent,
                                                   uint64_t word)
{
    meaning->word = word;
    meaning->size = (uint8_t)sent.size;
    meaning->value = (uint8_t)rule_data_find_issuer(data, sent, &meaning->issuer);
}

static inline uint8_t issuer_of(const struct rule_data *data, struct canonical_memo *memo,
                                struct loadable loadable, struct bytes sent, struct issuer *out)
{
    if (!has_word(sent, loadable))
        return (uint8_t)rule_data_find_issuer(data, sent, out);
    uint64_t word = load_word(sent);
    struct meaning *meaning = meaning_of(memo->issuers, word);
    if (meaning->word != word || meaning->size != sent.size)
        learn_issuer(data, meaning, sent, word);
    *out = meaning->issuer;
    return meaning->value;
}

/* --- numbers --- */

typedef uint8_t lanes __attribute__((vector_size(LANES)));
typedef uint64_t halves __attribute__((vector_size(LANES)));

static inline lanes all_lanes(uint8_t value)
{
    return value - (lanes){0};
}

/* All ones where from <= text <= to. */
static inline lanes is_within(lanes text, uint8_t from, uint8_t to)
{
    return (lanes)(text - all_lanes(from) <= all_lanes(to - from)); /* below `from` wraps round */
}

/* The fold of one character. */
static inline lanes exchange(lanes text, lanes fold, uint8_t character, uint8_t folded)
{
    return fold ^ ((lanes)(text == all_lanes(character)) & all_lanes(character ^ folded));
}

/* fold(n) of rules 4, every character at once. */
static inline lanes fold_of(lanes text)
{
    lanes fold = text;
    fold = exchange(text, fold, 'B', '8');
    fold = exchange(text, fold, 'D', '0');
    fold = exchange(text, fold, 'G', '6');
    fold = exchange(text, fold, 'I', '1');
    fold = exchange(text, fold, 'L', '1');
    fold = exchange(text, fold, 'O', '0');
    fold = exchange(text, fold, 'Q', '0');
    fold = exchange(text, fold, 'S', '5');
    return exchange(text, fold, 'Z', '2');
}

static inline bool is_all_zero(lanes text)
{
    halves both = (halves)text;
    return (both[0] | both[1]) == 0;
}

/* The number as sent in upper case, if it has nothing but letters and digits of ASCII, and no more
 * than LANES of them; whether it has. */
static inline bool take_usual(struct bytes sent, lanes *text, lanes *inside)
{
    static const lanes places = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    memcpy(text, sent.data, sizeof *text);
    *inside = (lanes)(places < all_lanes((uint8_t)sent.size));
    *text &= *inside;
    lanes is_letter = is_within(*text | all_lanes('a' - 'A'), 'a', 'z');
    lanes is_usual = is_within(*text, '0', '9') | is_letter;
    *text &= ~(is_letter & all_lanes('a' - 'A'));
    return is_all_zero(*inside & ~is_usual);
}

static inline void number_of(struct loadable loadable, struct bytes sent, struct canonical *out)
{
    lanes text;
    lanes inside;
    bool is_usual = sent.size >= NUMBER_SIZE_MIN && sent.size <= LANES &&
                    is_loadable(sent, loadable) && take_usual(sent, &text, &inside);
    if (is_usual) {
        lanes fold = fold_of(text);
        memset(out->number, 0, sizeof out->number);
        memset(out->fold, 0, sizeof out->fold);
        memcpy(out->number, &text, sizeof text);
        memcpy(out->fold, &fold, sizeof fold);
        out->size = (uint8_t)sent.size;
        out->unscreenable = UNSCREENABLE_NO;
        out->flags = 0;
        bool is_one_character = is_all_zero((text ^ all_lanes(text[0])) & inside);
        if (!is_one_character && !canonical_may_be_placeholder(out))
            return;
    }
    canonical_number(sent, true, out);
}

static inline void document_of(const struct rule_data *data, struct canonical_memo *memo,
                               struct bytes datum, const struct document *sent,
                               struct canonical *out)
{
    struct loadable loadable = loadable_of(datum);
    number_of(loadable, sent->number, out);
    out->type = type_of(memo, loadable, sent->type);
    uint8_t issuer = issuer_of(data, memo, loadable, sent->issuer, &out->issuer);
    uint8_t nationality = issuer_of(data, memo, loadable, sent->nationality, &out->nationality);
    canonical_flag(out, (enum issuer_kind)issuer, (enum issuer_kind)nationality);
}

void canonical_documents(const struct rule_data *data, struct canonical_memo *memo,
                         const struct canonical_documents *documents)
{
    struct canonical_documents all = *documents; /* forms are bytes, which might be anything's */
    for (uint32_t i = 0; i < all.count; i++)
        document_of(data, memo, all.records[all.named_by[i]].datum, &all.sent[i], &all.forms[i]);
}
