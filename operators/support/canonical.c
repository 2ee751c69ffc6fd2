#include "operators/support/canonical.h"

#include <assert.h>
#include <utf8proc.h>

/* --- characters --- */

/* What becomes of an ASCII byte in a number: upper-cased and folded (rules 4); zero: dropped. */
struct character {
    char number;
    char fold;
};

#define LETTER(upper, lower, fold) [upper] = {upper, fold}, [lower] = {upper, fold}
#define DIGIT(digit) [digit] = {digit, digit}

static const struct character characters[256] = {
    DIGIT('0'),
    DIGIT('1'),
    DIGIT('2'),
    DIGIT('3'),
    DIGIT('4'),
    DIGIT('5'),
    DIGIT('6'),
    DIGIT('7'),
    DIGIT('8'),
    DIGIT('9'),
    LETTER('A', 'a', 'A'),
    LETTER('B', 'b', '8'),
    LETTER('C', 'c', 'C'),
    LETTER('D', 'd', '0'),
    LETTER('E', 'e', 'E'),
    LETTER('F', 'f', 'F'),
    LETTER('G', 'g', '6'),
    LETTER('H', 'h', 'H'),
    LETTER('I', 'i', '1'),
    LETTER('J', 'j', 'J'),
    LETTER('K', 'k', 'K'),
    LETTER('L', 'l', '1'),
    LETTER('M', 'm', 'M'),
    LETTER('N', 'n', 'N'),
    LETTER('O', 'o', '0'),
    LETTER('P', 'p', 'P'),
    LETTER('Q', 'q', '0'),
    LETTER('R', 'r', 'R'),
    LETTER('S', 's', '5'),
    LETTER('T', 't', 'T'),
    LETTER('U', 'u', 'U'),
    LETTER('V', 'v', 'V'),
    LETTER('W', 'w', 'W'),
    LETTER('X', 'x', 'X'),
    LETTER('Y', 'y', 'Y'),
    LETTER('Z', 'z', '2'),
};

/* Of a canonical number: A-Z and 0-9 are all there is. */
static bool is_digit(char character)
{
    return character <= '9';
}

static bool is_letter(char character)
{
    return character >= 'A';
}

/* Rules 2, step 2. */
static uint32_t to_ascii(uint32_t code_point)
{
    if (code_point >= 0xFF01 && code_point <= 0xFF5E) /* full-width forms */
        return code_point - 0xFEE0;
    if (code_point >= 0x0660 && code_point <= 0x0669) /* Arabic-Indic digits */
        return code_point - 0x0660 + '0';
    if (code_point >= 0x06F0 && code_point <= 0x06F9) /* extended Arabic-Indic digits */
        return code_point - 0x06F0 + '0';
    if (code_point >= 0x0966 && code_point <= 0x096F) /* Devanagari digits */
        return code_point - 0x0966 + '0';
    return code_point;
}

/* Rules 2, step 3, but for a-z, which characters[] makes upper case. */
static uint32_t to_upper(uint32_t code_point)
{
    if (code_point >= 0x03B1 && code_point <= 0x03C9 && code_point != 0x03C2) /* not final sigma */
        return code_point - 0x20;
    if (code_point >= 0x0430 && code_point <= 0x044F)
        return code_point - 0x20;
    if (code_point >= 0x0450 && code_point <= 0x045F)
        return code_point - 0x50;
    return code_point;
}

/* Rules 2, step 4: Cyrillic 04xx, Greek 03xx. */
static uint32_t to_latin(uint32_t code_point)
{
    static const struct {
        uint32_t code_point;
        char latin;
    } look_alikes[] = {
        {0x0410, 'A'}, {0x0412, 'B'}, {0x0415, 'E'}, {0x041A, 'K'}, {0x041C, 'M'}, {0x041D, 'H'},
        {0x041E, 'O'}, {0x0420, 'P'}, {0x0421, 'C'}, {0x0422, 'T'}, {0x0423, 'Y'}, {0x0425, 'X'},
        {0x0406, 'I'}, {0x0408, 'J'}, {0x0405, 'S'}, {0x0391, 'A'}, {0x0392, 'B'}, {0x0395, 'E'},
        {0x0396, 'Z'}, {0x0397, 'H'}, {0x0399, 'I'}, {0x039A, 'K'}, {0x039C, 'M'}, {0x039D, 'N'},
        {0x039F, 'O'}, {0x03A1, 'P'}, {0x03A4, 'T'}, {0x03A5, 'Y'}, {0x03A7, 'X'},
    };
    if (code_point < 0x80) /* nearly all of a number with one of them */
        return code_point;
    for (size_t i = 0; i < sizeof look_alikes / sizeof look_alikes[0]; i++)
        if (look_alikes[i].code_point == code_point)
            return (uint32_t)look_alikes[i].latin;
    return code_point;
}

/* Unicode L*, N* or M*. */
static bool is_letter_digit_or_mark(uint32_t code_point)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code_point);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

/* One character as in RFC 3629; its size, or 0 when the bytes are none. left is above 0. */
static size_t decode_utf8(const uint8_t *at, size_t left, uint32_t *code_point)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000}; /* by size: no overlong form */
    uint8_t lead = at[0];
    if (lead < 0x80) {
        *code_point = lead;
        return 1;
    }
    size_t size = lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 0;
    if (size == 0 || size > left)
        return 0;
    uint32_t value = lead & (0x7FU >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (at[i] & 0x3FU);
    }
    bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (value < smallest[size] || value > 0x10FFFF || is_surrogate)
        return 0;
    *code_point = value;
    return size;
}

/* --- numbers --- */

static void refuse(struct canonical *out, enum unscreenable reason)
{
    memset(out->number, 0, sizeof out->number);
    memset(out->fold, 0, sizeof out->fold);
    out->size = 0;
    out->flags = 0;
    out->unscreenable = (uint8_t)reason;
}

/* Steps 1 to 5 where every byte is ASCII and no more than NUMBER_SIZE_MAX were sent. No branch in
 * the loop: every byte writes its character at the next free place, and a dropped one writes zero
 * there and leaves it free. False: a byte was not ASCII, and what was written means nothing. */
static bool take_ascii(struct bytes sent, struct canonical *out)
{
    uint32_t size = 0;
    uint8_t all = 0;
    for (size_t i = 0; i < sent.size; i++) {
        uint8_t byte = sent.data[i];
        struct character character = characters[byte];
        all |= byte;
        out->number[size] = character.number;
        out->fold[size] = character.fold;
        size += character.number != 0;
    }
    out->size = (uint8_t)size;
    return all < 0x80;
}

/* Steps 1 to 5 for anything. False: number_invalid; more than NUMBER_SIZE_MAX is already that,
 * whatever follows. */
static bool take_unicode(struct bytes sent, struct canonical *out)
{
    uint32_t size = 0;
    uint32_t code_point = 0;
    for (size_t at = 0; at < sent.size;) {
        size_t bytes = decode_utf8(sent.data + at, sent.size - at, &code_point);
        if (bytes == 0)
            return false;
        at += bytes;
        uint32_t upper = to_upper(to_ascii(code_point));
        uint32_t latin = to_latin(upper);
        if (latin != upper)
            out->flags = CANONICAL_HOMOGLYPH;
        struct character character = latin < 0x80 ? characters[latin] : (struct character){0, 0};
        if (character.number == 0) {
            if (is_letter_digit_or_mark(latin))
                return false;
            continue;
        }
        if (size == NUMBER_SIZE_MAX)
            return false;
        out->number[size] = character.number;
        out->fold[size] = character.fold;
        size++;
    }
    out->size = (uint8_t)size;
    return true;
}

/* The folds of APPLIED, APPLIEDFOR, NONE, NOTAVAILABLE, NOTKNOWN, NULL, PASSPORT, PENDING, TBA,
 * TBD, TEST, UNKNOWN, 1234567, 12345678, 123456789 and 1234567890. */
static bool is_placeholder_word(const struct canonical *form)
{
    static const char folds[][NUMBER_SIZE_MAX] = {
        "APP11E0",  "APP11E0F0R", "N0NE",      "N0TAVA11A81E", "N0TKN0WN", "NU11",
        "PA55P0RT", "PEN01N6",    "T8A",       "T80",          "TE5T",     "UNKN0WN",
        "1234567",  "12345678",   "123456789", "1234567890",
    };
    for (size_t i = 0; i < sizeof folds / sizeof folds[0]; i++)
        if (memcmp(folds[i], form->fold, NUMBER_SIZE_MAX) == 0)
            return true;
    return false;
}

/* One or more letters, then three or more zeros, and nothing else. */
static bool is_letters_and_zeros(const struct canonical *form)
{
    uint32_t letters = 0;
    while (letters < form->size && is_letter(form->number[letters]))
        letters++;
    for (uint32_t i = letters; i < form->size; i++)
        if (form->number[i] != '0')
            return false;
    return letters > 0 && form->size >= letters + 3;
}

/* Rules 2, step 7. form->size is at least NUMBER_SIZE_MIN. */
static bool is_placeholder(const struct canonical *form)
{
    const char *number = form->number;
    uint32_t last = form->size - 1U;
    if (number[0] == number[1] && memcmp(number, number + 1, last) == 0)
        return true;
    return canonical_may_be_placeholder(form) &&
           (is_letters_and_zeros(form) || is_placeholder_word(form));
}

void canonical_number(struct bytes sent, bool refuse_placeholders, struct canonical *out)
{
    refuse(out, UNSCREENABLE_NO); /* all zero, so far */
    bool is_taken = sent.size <= NUMBER_SIZE_MAX && take_ascii(sent, out);
    if (!is_taken) {
        refuse(out, UNSCREENABLE_NO);
        is_taken = take_unicode(sent, out);
    }
    if (is_taken && out->size == 0)
        refuse(out, UNSCREENABLE_NUMBER_MISSING);
    else if (out->size < NUMBER_SIZE_MIN) /* 0 when it could not be taken */
        refuse(out, UNSCREENABLE_NUMBER_INVALID);
    else if (refuse_placeholders && is_placeholder(out))
        refuse(out, UNSCREENABLE_NUMBER_PLACEHOLDER);
}

void canonical_fold(const char *number, uint8_t size, char out[NUMBER_SIZE_MAX])
{
    memset(out, 0, NUMBER_SIZE_MAX);
    for (uint32_t i = 0; i < size; i++)
        out[i] = characters[(uint8_t)number[i]].fold;
}

uint32_t canonical_shape(const char *number, uint8_t size)
{
    assert(size <= NUMBER_SIZE_MAX);
    uint32_t shape = (uint32_t)size << SHAPE_SIZE_SHIFT;
    for (uint32_t i = 0; i < size; i++)
        if (is_letter(number[i]))
            shape |= 1U << i;
    return shape;
}

/* --- types --- */

/* ICAO document code: what is left of the text are one or two letters. */
static enum document_type type_of_code(struct bytes text)
{
    uint8_t letters[2] = {0};
    uint32_t count = 0;
    uint8_t all = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        all |= byte;
        uint32_t letter = (byte | 0x20U) - 'a';
        if (letter >= 26)
            continue;
        if (count == sizeof letters)
            return TYPE_ANY;
        letters[count++] = (uint8_t)('A' + letter);
    }
    if (all >= 0x80)
        return TYPE_ANY;
    switch (letters[0]) {
    case 'P':
        return TYPE_PASSPORT;
    case 'V':
        return TYPE_VISA;
    case 'A':
        return letters[1] == 'C' ? TYPE_CREW : TYPE_ID_CARD;
    case 'C':
    case 'I':
        return TYPE_ID_CARD;
    default:
        return TYPE_ANY;
    }
}

#define WORD(text)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

enum document_type canonical_type(struct bytes sent)
{
    static const struct {
        struct bytes word;
        enum document_type type;
    } words[] = {
        {RULE_DATA_WORD("PASSPORT"), TYPE_PASSPORT}, {RULE_DATA_WORD("ID_CARD"), TYPE_ID_CARD},
        {RULE_DATA_WORD("VISA"), TYPE_VISA},         {RULE_DATA_WORD("CREW"), TYPE_CREW},
        {RULE_DATA_WORD("OTHER"), TYPE_OTHER},       {RULE_DATA_WORD("ANY"), TYPE_ANY},
    };
    struct bytes trimmed = rule_data_trim(sent);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (rule_data_is_word(trimmed, words[i].word))
            return words[i].type;
    return type_of_code(trimmed);
}

/* --- documents --- */

void canonical_document(const struct rule_data *data, const struct document *sent,
                        struct canonical *out)
{
    canonical_number(sent->number, true, out);
    out->type = (uint8_t)canonical_type(sent->type);
    enum issuer_kind issuer = rule_data_find_issuer(data, sent->issuer, &out->issuer);
    enum issuer_kind nationality =
        rule_data_find_issuer(data, sent->nationality, &out->nationality);
    canonical_flag(out, issuer, nationality);
}

/* --- entries --- */

static bool is_id_valid(struct bytes id)
{
    if (id.size == 0 || id.size > ENTRY_ID_SIZE_MAX)
        return false;
    for (size_t i = 0; i < id.size; i++) {
        uint8_t byte = id.data[i];
        if (byte < 0x20 || byte == 0x7F || byte == ';' || byte == '=' || byte == ':')
            return false;
    }
    return true;
}

static enum rejection rejection_of_number(const struct canonical *form)
{
    switch ((enum unscreenable)form->unscreenable) {
    case UNSCREENABLE_NO:
        return REJECTION_NO;
    case UNSCREENABLE_NUMBER_MISSING:
        return REJECTION_NUMBER_MISSING;
    case UNSCREENABLE_NUMBER_PLACEHOLDER:
        return REJECTION_NUMBER_PLACEHOLDER;
    case UNSCREENABLE_NUMBER_INVALID:
    case UNSCREENABLE_COUNT:
        break;
    }
    return REJECTION_NUMBER_INVALID;
}

/* Fills size, number and, for a range, number_to. */
static enum rejection take_numbers(const struct change *change, struct entry *out, uint8_t *size_to)
{
    struct canonical form;
    out->is_range = change->number_to.size > 0;
    canonical_number(change->number, !out->is_range, &form);
    out->size = form.size;
    memcpy(out->number, form.number, sizeof out->number);
    if (form.unscreenable != UNSCREENABLE_NO || !out->is_range)
        return rejection_of_number(&form);

    canonical_number(change->number_to, false, &form);
    *size_to = form.size;
    memcpy(out->number_to, form.number, sizeof out->number_to);
    return rejection_of_number(&form);
}

static enum rejection take_issuer(const struct rule_data *data, const struct change *change,
                                  struct entry *out)
{
    switch (rule_data_find_issuer(data, change->issuer, &out->issuer)) {
    case ISSUER_KNOWN:
        return REJECTION_NO;
    case ISSUER_NONE:
        return REJECTION_ISSUER_MISSING;
    case ISSUER_SPECIMEN:
        return REJECTION_ISSUER_SPECIMEN;
    case ISSUER_UNKNOWN:
        break;
    }
    return REJECTION_ISSUER_UNKNOWN;
}

/* Whether a range of one shape, from <= to, has at most RANGE_WIDTH_MAX numbers. */
static bool is_width_allowed(const struct entry *range)
{
    int64_t between = 0; /* never below 0, as every beginning of from is <= that of to */
    for (uint32_t i = 0; i < range->size; i++) {
        int64_t radix = is_digit(range->number[i]) ? 10 : 26;
        between = between * radix + (range->number_to[i] - range->number[i]);
        /* What follows takes away less than one of these: so it stays too wide. */
        if (between > RANGE_WIDTH_MAX)
            return false;
    }
    return between + 1 <= RANGE_WIDTH_MAX;
}

static enum rejection check_range(const struct entry *range, uint8_t size_to)
{
    if (!range->is_range)
        return REJECTION_NO;
    if (range->size != size_to)
        return REJECTION_RANGE_LENGTH;
    if (canonical_shape(range->number, range->size) != canonical_shape(range->number_to, size_to))
        return REJECTION_RANGE_SHAPE;
    if (memcmp(range->number, range->number_to, range->size) > 0)
        return REJECTION_RANGE_ORDER;
    return is_width_allowed(range) ? REJECTION_NO : REJECTION_RANGE_TOO_WIDE;
}

static bool take_text(struct bytes text, char out[ENTRY_TEXT_SIZE_MAX], uint8_t *size)
{
    if (text.size > ENTRY_TEXT_SIZE_MAX)
        return false;
    if (text.size > 0)
        memcpy(out, text.data, text.size);
    *size = (uint8_t)text.size;
    return true;
}

static void take_plain(const struct change *change, struct entry *out)
{
    out->type = (uint8_t)canonical_type(change->type);
    out->loss = (uint8_t)change->loss;
    out->flags = (uint8_t)(change->flags & (ENTRY_SILENT | ENTRY_DISPUTED | ENTRY_TEST));
    out->reported_on = change->reported_on;
    out->lost_on = change->lost_on;
    out->expiry = change->expiry;
    out->review_on = change->review_on;
    out->effective_at_ms = change->effective_at_ms;
    out->is_live = true;
}

/* Everything but the id, in the order of the reasons. */
static enum rejection take_upsert(const struct rule_data *data, const struct change *change,
                                  struct entry *out)
{
    uint8_t size_to = 0;
    enum rejection reason = take_numbers(change, out, &size_to);
    if (reason == REJECTION_NO)
        reason = take_issuer(data, change, out);
    if (reason == REJECTION_NO)
        reason = check_range(out, size_to);
    if (reason != REJECTION_NO)
        return reason;
    if (!take_text(change->contributor, out->contributor, &out->contributor_size) ||
        !take_text(change->national_ref, out->national_ref, &out->national_ref_size))
        return REJECTION_TEXT_TOO_LONG;
    take_plain(change, out);
    return REJECTION_NO;
}

enum rejection canonical_entry(const struct rule_data *data, const struct change *change,
                               struct entry *out)
{
    memset(out, 0, sizeof *out);
    if (!is_id_valid(change->entry_id))
        return REJECTION_ID_INVALID;
    out->revision = change->revision;
    out->id_size = (uint8_t)change->entry_id.size;
    memcpy(out->id, change->entry_id.data, change->entry_id.size);
    if (change->op == CHANGE_WITHDRAW)
        return REJECTION_NO;

    enum rejection reason = take_upsert(data, change, out);
    if (reason != REJECTION_NO)
        memset(out, 0, sizeof *out);
    return reason;
}

const char *canonical_unicode_version(void)
{
    return utf8proc_version();
}
