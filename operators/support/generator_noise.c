#include <assert.h>
#include <string.h>

#include "operators/support/generator_internal.h"

enum { PER_MILLE = 1000 };

/* One of the words, evenly. */
#define ANY_OF(random, words) ((words)[random_below((random), sizeof(words) / sizeof *(words))])

static struct bytes copy_word(const char *word, char out[GENERATED_WORD_BYTES_MAX])
{
    size_t size = strlen(word) + 1;
    assert(size <= GENERATED_WORD_BYTES_MAX);
    memcpy(out, word, size);
    return bytes_of(out, size - 1);
}

static void lower(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] - 'A' + 'a');
}

/* --- numbers ------------------------------------------------------------------------------------
 */

static char *put_code_point(char *out, uint32_t code_point)
{
    if (code_point < 0x80) {
        *out++ = (char)code_point;
        return out;
    }
    if (code_point < 0x800) {
        *out++ = (char)(0xC0 | (code_point >> 6));
    } else {
        *out++ = (char)(0xE0 | (code_point >> 12));
        *out++ = (char)(0x80 | ((code_point >> 6) & 0x3F));
    }
    *out++ = (char)(0x80 | (code_point & 0x3F));
    return out;
}

typedef char *write_number(const struct made_number *number, struct random *random, char *out);

static char *write_plain(const struct made_number *number, struct random *random, char *out)
{
    (void)random;
    memcpy(out, number->text, number->size);
    return out + number->size;
}

static char *write_lower(const struct made_number *number, struct random *random, char *out)
{
    char *end = write_plain(number, random, out);
    lower(out, number->size);
    return end;
}

/* In groups of three or four. */
static char *write_grouped(const struct made_number *number, char separator, struct random *random,
                           char *out)
{
    uint32_t group = 3 + (uint32_t)random_below(random, 2);
    for (uint32_t i = 0; i < number->size; i++) {
        if (i > 0 && i % group == 0)
            *out++ = separator;
        *out++ = number->text[i];
    }
    return out;
}

static char *write_spaced(const struct made_number *number, struct random *random, char *out)
{
    return write_grouped(number, ' ', random, out);
}

static char *write_hyphens(const struct made_number *number, struct random *random, char *out)
{
    return write_grouped(number, '-', random, out);
}

/* As in a machine-readable zone, filled up to nine. */
static char *write_filled(const struct made_number *number, struct random *random, char *out)
{
    char *end = write_plain(number, random, out);
    uint32_t fillers = number->size < 9 ? 9U - number->size : 1;
    memset(end, '<', fillers);
    return end + fillers;
}

static char *write_full_width(const struct made_number *number, struct random *random, char *out)
{
    (void)random;
    for (uint32_t i = 0; i < number->size; i++)
        out = put_code_point(out, (uint32_t)number->text[i] + 0xFEE0);
    return out;
}

/* Arabic-Indic, extended Arabic-Indic or Devanagari. */
static char *write_foreign_digits(const struct made_number *number, struct random *random,
                                  char *out)
{
    static const uint32_t zeros[] = {0x0660, 0x06F0, 0x0966};
    uint32_t zero = ANY_OF(random, zeros);
    for (uint32_t i = 0; i < number->size; i++) {
        char character = number->text[i];
        bool is_digit = character >= '0' && character <= '9';
        out = put_code_point(out,
                             is_digit ? zero + (uint32_t)(character - '0') : (uint32_t)character);
    }
    return out;
}

/* Letters as a keyboard for another script has them. */
static char *write_look_alikes(const struct made_number *number, struct random *random, char *out)
{
    static const struct {
        uint16_t cyrillic; /* 0: there is none */
        uint16_t greek;
    } look_alikes[26] = {
        ['A' - 'A'] = {0x0410, 0x0391}, ['B' - 'A'] = {0x0412, 0x0392},
        ['C' - 'A'] = {0x0421, 0},      ['E' - 'A'] = {0x0415, 0x0395},
        ['H' - 'A'] = {0x041D, 0x0397}, ['I' - 'A'] = {0x0406, 0x0399},
        ['J' - 'A'] = {0x0408, 0},      ['K' - 'A'] = {0x041A, 0x039A},
        ['M' - 'A'] = {0x041C, 0x039C}, ['N' - 'A'] = {0, 0x039D},
        ['O' - 'A'] = {0x041E, 0x039F}, ['P' - 'A'] = {0x0420, 0x03A1},
        ['S' - 'A'] = {0x0405, 0},      ['T' - 'A'] = {0x0422, 0x03A4},
        ['X' - 'A'] = {0x0425, 0x03A7}, ['Y' - 'A'] = {0x0423, 0x03A5},
        ['Z' - 'A'] = {0, 0x0396},
    };
    bool is_greek = happens(random, PER_MILLE / 2);
    for (uint32_t i = 0; i < number->size; i++) {
        uint32_t code_point = (uint32_t)number->text[i];
        if (code_point >= 'A') {
            uint32_t cyrillic = look_alikes[code_point - 'A'].cyrillic;
            uint32_t greek = look_alikes[code_point - 'A'].greek;
            uint32_t foreign = is_greek ? greek : cyrillic;
            code_point = foreign ? foreign : code_point;
        }
        out = put_code_point(out, code_point);
    }
    return out;
}

static const struct {
    write_number *write;
    uint32_t per_mille;
} writings[] = {
    {write_plain, 800}, {write_lower, 60},      {write_spaced, 50},      {write_hyphens, 30},
    {write_filled, 30}, {write_full_width, 10}, {write_look_alikes, 15}, {write_foreign_digits, 5},
};

static struct bytes put_number(const struct made_number *number, bool noise, struct random *random,
                               char out[GENERATED_NUMBER_BYTES_MAX])
{
    uint32_t drawn = noise ? (uint32_t)random_below(random, PER_MILLE) : 0;
    uint32_t way = 0;
    for (; drawn >= writings[way].per_mille; way++)
        drawn -= writings[way].per_mille;
    char *end = writings[way].write(number, random, out);
    assert(end <= out + GENERATED_NUMBER_BYTES_MAX);
    return bytes_of(out, (size_t)(end - out));
}

/* Numbers that say none (rules 2, steps 5 to 7). */
static struct bytes unscreenable_number(enum unscreenable reason, struct random *random)
{
    static const char *const missing[] = {"", " ", "-", "<<<<<<<<<", "--- ---"};
    static const char *const placeholders[] = {"000000000", "123456789",     "TBA",
                                               "unknown",   "AB0000000",     "APPLIED FOR",
                                               "TEST",      "Not Available", "XXXXXXXXX"};
    static const char *const invalid[] = {"12", "A1", "\xC3\x89T1234567", "\xD0\x96 1234567",
                                          "1234567 8901234 5678901 2345678"};
    switch (reason) {
    case UNSCREENABLE_NUMBER_MISSING:
        return bytes_of_text(ANY_OF(random, missing));
    case UNSCREENABLE_NUMBER_PLACEHOLDER:
        return bytes_of_text(ANY_OF(random, placeholders));
    case UNSCREENABLE_NUMBER_INVALID:
    case UNSCREENABLE_NO:
    case UNSCREENABLE_COUNT:
        break;
    }
    return bytes_of_text(ANY_OF(random, invalid));
}

/* --- issuers and nationalities ------------------------------------------------------------------
 */

static struct bytes put_issuer(const struct issuer_names *issuer, bool noise, struct random *random,
                               char out[GENERATED_WORD_BYTES_MAX])
{
    uint32_t drawn = noise ? (uint32_t)random_below(random, PER_MILLE) : PER_MILLE;
    if (drawn < 200)
        return copy_word(issuer->alpha_2, out);
    if (drawn < 250) {
        const char *alias = issuer->aliases[random_below(random, ISSUER_ALIASES_MAX)];
        return copy_word(alias ? alias : issuer->alpha_3, out);
    }
    struct bytes written = copy_word(issuer->alpha_3, out);
    if (drawn < 280)
        lower(out, written.size);
    else if (drawn < 290)
        out[written.size++] = '<';
    else if (drawn < 300)
        out[written.size++] = ' ';
    return written;
}

static struct bytes put_issuer_said(const struct meant *meant, bool noise, struct random *random,
                                    char out[GENERATED_WORD_BYTES_MAX])
{
    static const char *const none[] = {"", "N/A", "none", "XXX", "-"};
    static const char *const unknown[] = {"ZZZ", "QQ", "Q1", "XYZ", "ENGLAND"};
    switch (meant->issuer) {
    case ISSUER_SAID:
        break;
    case ISSUER_LEFT_OUT:
        return happens(random, PER_MILLE / 2) ? (struct bytes){0}
                                              : bytes_of_text(ANY_OF(random, none));
    case ISSUER_NOT_KNOWN:
        return bytes_of_text(ANY_OF(random, unknown));
    case ISSUER_OF_SPECIMEN:
        return bytes_of_text("UTO");
    }
    return put_issuer(meant->format->issuer, noise, random, out);
}

/* --- types --------------------------------------------------------------------------------------
 */

static struct bytes put_type(enum document_type type, bool noise, struct random *random,
                             char out[GENERATED_WORD_BYTES_MAX])
{
    static const struct {
        const char *word;
        const char *codes[3];
    } names[TYPE_COUNT] = {
        [TYPE_ANY] = {"ANY", {"", "?", "X"}},
        [TYPE_PASSPORT] = {"PASSPORT", {"P", "P<", "PD"}},
        [TYPE_ID_CARD] = {"ID_CARD", {"I", "ID", "C<"}},
        [TYPE_VISA] = {"VISA", {"V", "V<", "VS"}},
        [TYPE_CREW] = {"CREW", {"AC", "AC", "ac"}},
        [TYPE_OTHER] = {"OTHER", {"OTHER", "other", " Other"}},
    };
    uint32_t drawn = noise ? (uint32_t)random_below(random, PER_MILLE) : PER_MILLE;
    if (drawn < 300)
        return copy_word(ANY_OF(random, names[type].codes), out);
    struct bytes written = copy_word(names[type].word, out);
    if (drawn < 330)
        lower(out, written.size);
    return written;
}

/* --- interface ----------------------------------------------------------------------------------
 */

void noise_document(const struct meant *meant, bool noise, struct random *random,
                    struct generated_document *out)
{
    out->sent.number = meant->unscreenable == UNSCREENABLE_NO
                           ? put_number(&meant->number, noise, random, out->number)
                           : unscreenable_number(meant->unscreenable, random);
    out->sent.issuer = put_issuer_said(meant, noise, random, out->issuer);
    out->sent.type = put_type(meant->type, noise, random, out->type);
    out->sent.nationality = meant->nationality
                                ? put_issuer(meant->nationality, noise, random, out->nationality)
                                : (struct bytes){0};
}

void noise_entry(const struct format *format, const struct made_number *number,
                 enum document_type type, bool noise, struct random *random,
                 struct generated_entry *out)
{
    out->change.number = put_number(number, noise, random, out->number);
    out->change.issuer = put_issuer(format->issuer, noise, random, out->issuer);
    out->change.type = put_type(type, noise, random, out->type);
}
