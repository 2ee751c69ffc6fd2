#include <criterion/criterion.h>
#include <utf8proc.h>

#include "operators/support/canonical.h"

static struct rule_data *data;

static void open_data(void)
{
    struct error err;
    cr_assert_eq(rule_data_open(NULL, &data, &err), STATUS_OK, "%s", err.text);
}

static void close_data(void)
{
    rule_data_close(data);
}

TestSuite(canonical, .init = open_data, .fini = close_data);

/* --- helpers --- */

static struct canonical number_of(struct bytes sent)
{
    struct canonical form;
    memset(&form, 0xEE, sizeof form); /* nothing may be left of what was there */
    canonical_number(sent, true, &form);
    return form;
}

static void expect_padded(const struct canonical *form)
{
    for (uint32_t i = form->size; i < NUMBER_SIZE_MAX; i++) {
        cr_expect_eq(form->number[i], 0);
        cr_expect_eq(form->fold[i], 0);
    }
}

static void expect_number(struct bytes sent, const char *number, uint8_t flags)
{
    struct canonical form = number_of(sent);
    cr_expect_eq(form.unscreenable, UNSCREENABLE_NO, "%s: %s", number,
                 unscreenable_name(form.unscreenable));
    cr_expect_eq(form.size, strlen(number), "%s", number);
    cr_expect(memcmp(form.number, number, form.size) == 0, "%.*s is not %s", form.size, form.number,
              number);
    cr_expect_eq(form.flags, flags, "%s", number);
    expect_padded(&form);
}

static void expect_refused(struct bytes sent, enum unscreenable reason)
{
    struct canonical form = number_of(sent);
    cr_expect_eq(form.unscreenable, reason, "'%.*s': %s", (int)sent.size, (const char *)sent.data,
                 unscreenable_name(form.unscreenable));
    cr_expect_eq(form.size, 0);
    cr_expect_eq(form.flags, 0);
    expect_padded(&form);
}

static struct bytes utf8(uint32_t code_point, uint8_t out[4])
{
    return bytes_of(out, (size_t)utf8proc_encode_char((utf8proc_int32_t)code_point, out));
}

/* "AB1234" and the code point behind it. */
static struct bytes with_character(uint32_t code_point, uint8_t out[16])
{
    memcpy(out, "AB1234", 6);
    return bytes_of(out, 6 + utf8(code_point, out + 6).size);
}

static void expect_character(uint32_t code_point, char becomes, uint8_t flags)
{
    uint8_t sent[16];
    char number[] = {'A', 'B', '1', '2', '3', '4', becomes, 0};
    expect_number(with_character(code_point, sent), number, flags);
}

static void expect_dropped(uint32_t code_point)
{
    expect_character(code_point, 0, 0);
}

static void expect_invalid_character(uint32_t code_point)
{
    uint8_t sent[16];
    expect_refused(with_character(code_point, sent), UNSCREENABLE_NUMBER_INVALID);
}

#define SENT(text) bytes_of(text, sizeof(text) - 1)

/* --- step 1 --- */

Test(canonical, not_utf8_invalid)
{
    const struct bytes faults[] = {
        SENT("AB1234\x80"),             /* a continuation alone */
        SENT("AB1234\xBF"),             /* the last of them */
        SENT("AB1234\xC3"),             /* cut off after one of two */
        SENT("AB1234\xE2\x82"),         /* after two of three */
        SENT("AB1234\xF0\x9F\x98"),     /* after three of four */
        SENT("AB1234\xC3(1"),           /* no continuation: second byte */
        SENT("AB1234\xE2\x82(1"),       /* third */
        SENT("AB1234\xF0\x9F\x98(1"),   /* fourth */
        SENT("AB1234\xC0\xAD"),         /* overlong hyphen in two bytes */
        SENT("AB1234\xC1\xBF"),         /* overlong U+007F */
        SENT("AB1234\xE0\x80\xAD"),     /* in three */
        SENT("AB1234\xE0\x9F\xBF"),     /* overlong U+07FF */
        SENT("AB1234\xF0\x80\x80\xAD"), /* in four */
        SENT("AB1234\xF0\x8F\xBF\xBF"), /* overlong U+FFFF */
        SENT("AB1234\xED\xA0\x80"),     /* surrogate U+D800 */
        SENT("AB1234\xED\xBF\xBF"),     /* surrogate U+DFFF */
        SENT("AB1234\xF4\x90\x80\x80"), /* U+110000 */
        SENT("AB1234\xF5\x80\x80\x80"),
        SENT("AB1234\xF8\x88\x80\x80\x80"),
        SENT("AB1234\xF8\x9F\x98\x80"), /* not U+1F600 by a lead of 0xF8 */
        SENT("AB1234\xFE"),
        SENT("AB1234\xFF"),
        SENT("\x80"), /* rather invalid than missing */
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        expect_refused(faults[i], UNSCREENABLE_NUMBER_INVALID);
}

/* What stands behind the number sent is not its own, even if it would end the character. */
Test(canonical, character_cut_off_by_the_end_invalid)
{
    static const char dropped[] = "AB1234\xC2\xA0\xE2\x80\x93\xF0\x9F\x98\x80";
    const size_t ends[] = {7, 9, 10, 12, 13, 14};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        expect_refused(bytes_of(dropped, ends[i]), UNSCREENABLE_NUMBER_INVALID);
    expect_number(SENT(dropped), "AB1234", 0);
}

Test(canonical, edges_of_utf8_taken)
{
    /* Unassigned, private and control characters are dropped, so only decoding can refuse. */
    const uint32_t edges[] = {0x80, 0xE000, 0xFFFF, 0xF0000, 0x10FFFF, 0x378};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        expect_dropped(edges[i]);
    expect_invalid_character(0x7FF - 0x3F); /* U+07C0, a digit: two bytes */
    expect_invalid_character(0x0800);       /* first of three bytes, a letter */
    expect_invalid_character(0xD7FB);       /* last letter before the surrogates */
    expect_invalid_character(0x10000);      /* first of four bytes, a letter */
}

/* --- step 2 --- */

Test(canonical, full_width_as_ascii)
{
    for (uint32_t code_point = 0xFF01; code_point <= 0xFF5E; code_point++) {
        char ascii = (char)(code_point - 0xFEE0);
        if (ascii >= 'a' && ascii <= 'z')
            expect_character(code_point, (char)(ascii - 0x20), 0);
        else if ((ascii >= 'A' && ascii <= 'Z') || (ascii >= '0' && ascii <= '9'))
            expect_character(code_point, ascii, 0);
        else
            expect_dropped(code_point);
    }
    expect_dropped(0xFF00);           /* unassigned */
    expect_dropped(0xFF5F);           /* punctuation */
    expect_invalid_character(0xFF66); /* half-width katakana */
}

Test(canonical, digits_of_three_scripts_as_ascii)
{
    const uint32_t zeros[] = {0x0660, 0x06F0, 0x0966};
    for (size_t i = 0; i < sizeof zeros / sizeof zeros[0]; i++)
        for (uint32_t digit = 0; digit < 10; digit++)
            expect_character(zeros[i] + digit, (char)('0' + digit), 0);
    expect_dropped(0x066A);           /* behind them: punctuation */
    expect_invalid_character(0x06EF); /* before: a letter */
    expect_invalid_character(0x06FA); /* behind: a letter */
    expect_dropped(0x0965);
    expect_dropped(0x0970);
    expect_invalid_character(0x09E6); /* Bengali zero */
    expect_invalid_character(0x00B2); /* superscript two */
    expect_invalid_character(0x2160); /* Roman numeral one */
}

/* --- steps 3 and 4 --- */

Test(canonical, look_alike_made_latin_and_flagged)
{
    /* Rules 2, step 4, as written there; each also in lower case. */
    const struct {
        uint32_t upper;
        uint32_t lower;
        char latin;
    } pairs[] = {
        {0x0410, 0x0430, 'A'}, {0x0412, 0x0432, 'B'}, {0x0415, 0x0435, 'E'}, {0x041A, 0x043A, 'K'},
        {0x041C, 0x043C, 'M'}, {0x041D, 0x043D, 'H'}, {0x041E, 0x043E, 'O'}, {0x0420, 0x0440, 'P'},
        {0x0421, 0x0441, 'C'}, {0x0422, 0x0442, 'T'}, {0x0423, 0x0443, 'Y'}, {0x0425, 0x0445, 'X'},
        {0x0406, 0x0456, 'I'}, {0x0408, 0x0458, 'J'}, {0x0405, 0x0455, 'S'}, {0x0391, 0x03B1, 'A'},
        {0x0392, 0x03B2, 'B'}, {0x0395, 0x03B5, 'E'}, {0x0396, 0x03B6, 'Z'}, {0x0397, 0x03B7, 'H'},
        {0x0399, 0x03B9, 'I'}, {0x039A, 0x03BA, 'K'}, {0x039C, 0x03BC, 'M'}, {0x039D, 0x03BD, 'N'},
        {0x039F, 0x03BF, 'O'}, {0x03A1, 0x03C1, 'P'}, {0x03A4, 0x03C4, 'T'}, {0x03A5, 0x03C5, 'Y'},
        {0x03A7, 0x03C7, 'X'},
    };
    size_t count = sizeof pairs / sizeof pairs[0];
    for (size_t i = 0; i < count; i++) {
        expect_character(pairs[i].upper, pairs[i].latin, CANONICAL_HOMOGLYPH);
        expect_character(pairs[i].lower, pairs[i].latin, CANONICAL_HOMOGLYPH);
    }
    /* No other letter of the two scripts. */
    for (uint32_t code_point = 0x0370; code_point <= 0x04FF; code_point++) {
        bool is_listed = false;
        for (size_t i = 0; i < count; i++)
            is_listed |= code_point == pairs[i].upper || code_point == pairs[i].lower;
        utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code_point);
        if (!is_listed && category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO)
            expect_invalid_character(code_point);
    }
}

Test(canonical, final_sigma_invalid)
{
    expect_invalid_character(0x03C2);
}

Test(canonical, letters_and_digits_elsewhere_unflagged)
{
    expect_number(SENT("ab\xEF\xBC\xA3\xD9\xA1-7"), "ABC17", 0);
}

Test(canonical, look_alike_in_refused_number_unflagged)
{
    expect_refused(SENT("\xD0\x90"), UNSCREENABLE_NUMBER_INVALID);
    expect_refused(SENT("\xD0\x90\xD0\x90\xD0\x90"), UNSCREENABLE_NUMBER_PLACEHOLDER);
}

/* --- step 5 --- */

Test(canonical, other_letter_digit_or_mark_invalid)
{
    expect_invalid_character(0x00E9);  /* Ll */
    expect_invalid_character(0x00C9);  /* Lu */
    expect_invalid_character(0x01C5);  /* Lt */
    expect_invalid_character(0x02B0);  /* Lm */
    expect_invalid_character(0x4E00);  /* Lo */
    expect_invalid_character(0x0301);  /* Mn: no normalisation joins it to a letter */
    expect_invalid_character(0x0903);  /* Mc */
    expect_invalid_character(0x20DD);  /* Me */
    expect_invalid_character(0x0BE6);  /* Nd */
    expect_invalid_character(0x2170);  /* Nl */
    expect_invalid_character(0x00BD);  /* No */
    expect_invalid_character(0x1D400); /* mathematical A */
    expect_invalid_character(0x212A);  /* Kelvin: not decomposed */
}

Test(canonical, anything_else_dropped)
{
    const uint32_t others[] = {
        0x00A0, /* Zs */ 0x2028, /* Zl */ 0x2029, /* Zp */ 0x0085, /* Cc */ 0x200B, /* Cf */
        0xFEFF, /* Cf */ 0xE000, /* Co */ 0x0378, /* Cn */ 0xFFFE, /* Cn */ 0x203F, /* Pc */
        0x2010, /* Pd */ 0x2045, /* Ps */ 0x2046, /* Pe */ 0x00AB, /* Pi */ 0x00BB, /* Pf */
        0x00B7, /* Po */ 0x00D7, /* Sm */ 0x20AC, /* Sc */ 0x00B4, /* Sk */ 0x1F600 /* So */,
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        expect_dropped(others[i]);
}

Test(canonical, ascii_upper_cased_kept_or_dropped)
{
    for (uint32_t byte = 0; byte < 0x80; byte++) {
        if (byte >= 'a' && byte <= 'z')
            expect_character(byte, (char)(byte - 0x20), 0);
        else if ((byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9'))
            expect_character(byte, (char)byte, 0);
        else
            expect_dropped(byte);
    }
}

Test(canonical, drops_anywhere_leave_no_trace)
{
    expect_number(SENT("<<AB 12/34\0-7<"), "AB12347", 0);
    expect_number(SENT("\xC2\xA0"
                       "AB\xE2\x80\x8B"
                       "1"),
                  "AB1", 0);
}

Test(canonical, leading_zeros_stay)
{
    expect_number(SENT("000123"), "000123", 0);
}

/* --- step 6 --- */

Test(canonical, nothing_left_missing)
{
    expect_refused((struct bytes){0}, UNSCREENABLE_NUMBER_MISSING);
    expect_refused(SENT(""), UNSCREENABLE_NUMBER_MISSING);
    expect_refused(SENT(" -<./ \t"), UNSCREENABLE_NUMBER_MISSING);
    expect_refused(SENT("------------------------------------------------------------"),
                   UNSCREENABLE_NUMBER_MISSING);
    expect_refused(SENT("\xC2\xA0\xE2\x80\x94"), UNSCREENABLE_NUMBER_MISSING);
}

Test(canonical, size_at_limits_taken_beyond_invalid)
{
    expect_refused(SENT("A1"), UNSCREENABLE_NUMBER_INVALID);
    expect_number(SENT("A12"), "A12", 0);
    expect_number(SENT("ABCDEFGHIJKLMNOPQRSTUVW1"), "ABCDEFGHIJKLMNOPQRSTUVW1", 0);
    expect_refused(SENT("ABCDEFGHIJKLMNOPQRSTUVWX1"), UNSCREENABLE_NUMBER_INVALID);
    /* the same through Unicode, and counted after dropping */
    expect_refused(SENT("\xD0\x90\x31"), UNSCREENABLE_NUMBER_INVALID);
    expect_number(SENT("\xD0\x90"
                       "BCDEFGHIJKLMNOPQRSTUVW1"),
                  "ABCDEFGHIJKLMNOPQRSTUVW1", CANONICAL_HOMOGLYPH);
    expect_refused(SENT("\xD0\x90"
                        "BCDEFGHIJKLMNOPQRSTUVWX1"),
                   UNSCREENABLE_NUMBER_INVALID);
    expect_number(SENT("AB-CD-EF-GH-IJ-KL-MN-OP-QR-ST-UV-W1-"), "ABCDEFGHIJKLMNOPQRSTUVW1", 0);
}

Test(canonical, long_input_taken_for_what_is_left)
{
    static uint8_t sent[1024 * 1024];
    memset(sent, ' ', sizeof sent);
    memcpy(sent, "AB1", 3);
    sent[sizeof sent - 1] = '7';
    expect_number(bytes_of(sent, sizeof sent), "AB17", 0);
    memset(sent, 'A', sizeof sent);
    expect_refused(bytes_of(sent, sizeof sent), UNSCREENABLE_NUMBER_INVALID);
}

/* --- step 7 --- */

Test(canonical, equal_characters_placeholder)
{
    expect_refused(SENT("AAA"), UNSCREENABLE_NUMBER_PLACEHOLDER);
    expect_refused(SENT("00-00-00"), UNSCREENABLE_NUMBER_PLACEHOLDER);
    expect_refused(SENT("999999999999999999999999"), UNSCREENABLE_NUMBER_PLACEHOLDER);
    expect_number(SENT("AAB"), "AAB", 0);
    expect_number(SENT("ABB"), "ABB", 0);
    expect_number(SENT("0O0"), "0O0", 0); /* equal as fold only */
    expect_number(SENT("999999999999999999999998"), "999999999999999999999998", 0);
}

Test(canonical, letters_and_three_zeros_placeholder)
{
    expect_refused(SENT("A000"), UNSCREENABLE_NUMBER_PLACEHOLDER);
    expect_refused(SENT("AB0000000"), UNSCREENABLE_NUMBER_PLACEHOLDER);
    expect_refused(SENT("ABCDEFGHIJKLMNOPQRSTU000"), UNSCREENABLE_NUMBER_PLACEHOLDER);
    expect_refused(SENT("O00000"), UNSCREENABLE_NUMBER_PLACEHOLDER);
    expect_number(SENT("A00"), "A00", 0);
    expect_number(SENT("1000"), "1000", 0);
    expect_number(SENT("AB0001"), "AB0001", 0);
    expect_number(SENT("AB1000"), "AB1000", 0);
    expect_number(SENT("A000B"), "A000B", 0);
    expect_number(SENT("A0B000"), "A0B000", 0);
    expect_number(SENT("ABOOO"), "ABOOO", 0); /* letters, not zeros */
}

Test(canonical, placeholder_words_and_what_folds_like_them)
{
    const char *const words[] = {
        "APPLIED",   "APPLIEDFOR",   "NONE",      "NOTAVAILABLE", "NOTKNOWN",    "NULL",
        "PASSPORT",  "PENDING",      "TBA",       "TBD",          "TEST",        "UNKNOWN",
        "1234567",   "12345678",     "123456789", "1234567890",   "applied for", "APPL1ED",
        "N0NE",      "N0TAVA1LA8LE", "NQTKNDWN",  "NU11",         "PA55P0RT",    "PEN01N6",
        "T8A",       "T80",          "TE5T",      "UNKN0WN",      "IZ34S67",     "LZ34567B",
        "l2345G789", "I23456789O"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        expect_refused(bytes_of_text(words[i]), UNSCREENABLE_NUMBER_PLACEHOLDER);
}

Test(canonical, near_placeholder_words_taken)
{
    const char *const words[] = {"APPLY",       "APPLIEDF", "NONE5",    "NOTAVAILABL", "NOTKNOWN1",
                                 "NUL",         "PASSP",    "PASS",     "PENDIN",      "TBC",
                                 "TBAA",        "TEST7",    "UNKNOWN7", "123456",      "12345679",
                                 "12345678901", "0123456"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        expect_number(bytes_of_text(words[i]), words[i], 0);
}

Test(canonical, placeholder_not_asked_for_taken)
{
    struct canonical form;
    canonical_number(SENT("AB000000"), false, &form);
    cr_expect_eq(form.unscreenable, UNSCREENABLE_NO);
    cr_expect_eq(form.size, 8);
}

/* --- fold, shape --- */

Test(canonical, letters_with_a_counterpart_folded)
{
    struct canonical form = number_of(SENT("ABCDEFGHIJKLMNOPQRSTUVWX"));
    cr_expect_arr_eq(form.fold, "A8C0EF6H1JK1MN0P0R5TUVWX", NUMBER_SIZE_MAX);
    form = number_of(SENT("yz0123456789"));
    cr_expect_arr_eq(form.fold, "Y20123456789\0\0\0\0\0\0\0\0\0\0\0\0", NUMBER_SIZE_MAX);
    form = number_of(SENT("\xD0\x92\xCE\x96\xEF\xBC\xB3"
                          "1")); /* not on the ASCII path */
    cr_expect_arr_eq(form.fold, "8251", 5);
}

Test(canonical, shapes_equal_only_for_equal_shapes)
{
    cr_expect_eq(canonical_shape("AB1234", 6), canonical_shape("ZX0987", 6));
    cr_expect_neq(canonical_shape("AB1234", 6), canonical_shape("A11234", 6));
    cr_expect_neq(canonical_shape("AB1234", 6), canonical_shape("AB12345", 7));
    cr_expect_neq(canonical_shape("123", 3), canonical_shape("1234", 4));
    cr_expect_eq(canonical_shape("A1B", 3), 3U << 24 | 5U);
    cr_expect_eq(canonical_shape("ABCDEFGHIJKLMNOPQRSTUVWX", 24), 24U << 24 | 0xFFFFFFU);
}

/* --- types --- */

static void expect_type(struct bytes sent, enum document_type type)
{
    cr_expect_eq(canonical_type(sent), type, "'%.*s' is not %s", (int)sent.size,
                 (const char *)sent.data, document_type_name(type));
}

Test(canonical, type_words_in_any_case)
{
    expect_type(SENT("PASSPORT"), TYPE_PASSPORT);
    expect_type(SENT("Id_Card"), TYPE_ID_CARD);
    expect_type(SENT("visa"), TYPE_VISA);
    expect_type(SENT("\t\n\v\f\r Crew \r"), TYPE_CREW);
    expect_type(SENT("OTHER"), TYPE_OTHER);
    expect_type(SENT("any"), TYPE_ANY);
    /* not the words */
    expect_type(SENT("PASS PORT"), TYPE_ANY);
    expect_type(SENT("PASSPORTS"), TYPE_ANY);
    expect_type(SENT("ID-CARD"), TYPE_ANY);
    expect_type(SENT("\0VISA"), TYPE_ANY);
}

Test(canonical, type_codes_of_one_or_two_letters)
{
    expect_type(SENT("P"), TYPE_PASSPORT);
    expect_type(SENT("P<"), TYPE_PASSPORT);
    expect_type(SENT("pd"), TYPE_PASSPORT);
    expect_type(SENT("V"), TYPE_VISA);
    expect_type(SENT("VC"), TYPE_VISA);
    expect_type(SENT("AC"), TYPE_CREW);
    expect_type(SENT("a<c"), TYPE_CREW);
    expect_type(SENT("A"), TYPE_ID_CARD);
    expect_type(SENT("AB"), TYPE_ID_CARD);
    expect_type(SENT("C"), TYPE_ID_CARD);
    expect_type(SENT("CA"), TYPE_ID_CARD);
    expect_type(SENT("I"), TYPE_ID_CARD);
    expect_type(SENT("ID"), TYPE_ID_CARD);
    expect_type(SENT("-1p9."), TYPE_PASSPORT); /* whatever is no letter is dropped */
    expect_type(SENT("P\0"), TYPE_PASSPORT);
    expect_type(SENT("  v  "), TYPE_VISA);
    expect_type(SENT("[P{D"), TYPE_PASSPORT); /* they stand behind Z and z */
    expect_type(SENT("`a@c"), TYPE_CREW);     /* before a and A */
}

Test(canonical, any_other_type_any)
{
    expect_type((struct bytes){0}, TYPE_ANY);
    expect_type(SENT(""), TYPE_ANY);
    expect_type(SENT("<<"), TYPE_ANY);
    expect_type(SENT("PAS"), TYPE_ANY); /* three letters */
    expect_type(SENT("X"), TYPE_ANY);
    expect_type(SENT("BP"), TYPE_ANY);
    expect_type(SENT("P\xC3\xA9"), TYPE_ANY);
    expect_type(SENT("\xC2\xA0P"), TYPE_ANY);
    expect_type(SENT("\xEF\xBC\xB0"), TYPE_ANY); /* full-width P */
}

/* --- documents --- */

static struct canonical document_of(const char *number, const char *issuer, const char *type,
                                    const char *nationality)
{
    struct document sent = {bytes_of_text(number), bytes_of_text(issuer), bytes_of_text(type),
                            bytes_of_text(nationality)};
    struct canonical form;
    memset(&form, 0xEE, sizeof form);
    canonical_document(data, &sent, &form);
    return form;
}

static void expect_issuer(struct issuer issuer, const char *code)
{
    cr_expect(issuer_equal(issuer, (struct issuer){{code[0], code[1], code[2]}}), "%.3s is not %s",
              issuer.code, code);
}

static const char no_issuer[3];

Test(canonical, document_whole_form)
{
    struct canonical form = document_of("ab-123456", "de", "p<", "D");
    cr_expect_arr_eq(form.number, "AB123456", 9);
    cr_expect_arr_eq(form.fold, "A8123456", 9);
    cr_expect_eq(form.size, 8);
    cr_expect_eq(form.type, TYPE_PASSPORT);
    cr_expect_eq(form.unscreenable, UNSCREENABLE_NO);
    cr_expect_eq(form.flags, 0);
    expect_issuer(form.issuer, "DEU");
    expect_issuer(form.nationality, "DEU");
}

Test(canonical, document_with_nothing_but_number)
{
    struct canonical form = document_of("AB123456", NULL, NULL, NULL);
    cr_expect_eq(form.flags, 0);
    cr_expect_eq(form.type, TYPE_ANY);
    expect_issuer(form.issuer, no_issuer);
    expect_issuer(form.nationality, no_issuer);
}

Test(canonical, unknown_codes_flagged_each)
{
    struct canonical form = document_of("AB123456", "QQQ", "P", "FRA");
    cr_expect_eq(form.flags, CANONICAL_ISSUER_UNKNOWN);
    expect_issuer(form.issuer, no_issuer);
    expect_issuer(form.nationality, "FRA");
    form = document_of("AB123456", "FRA", "P", "SPECIMEN");
    cr_expect_eq(form.flags, CANONICAL_NATIONALITY_UNKNOWN);
    expect_issuer(form.nationality, no_issuer);
    form = document_of("\xD0\x90\x42"
                       "123456",
                       "1", "P", "F\xC3\x89");
    cr_expect_eq(form.flags,
                 CANONICAL_HOMOGLYPH | CANONICAL_ISSUER_UNKNOWN | CANONICAL_NATIONALITY_UNKNOWN);
}

Test(canonical, specimen_issuer_flagged_nationality_none)
{
    struct canonical form = document_of("AB123456", "UTO", "P", "FRA");
    cr_expect_eq(form.flags, CANONICAL_SPECIMEN);
    cr_expect_not(canonical_is_screened(&form));
    expect_issuer(form.issuer, no_issuer);
    form = document_of("AB123456", "FRA", "P", "UTO");
    cr_expect_eq(form.flags, 0);
    expect_issuer(form.nationality, no_issuer);
    cr_expect(canonical_is_screened(&form));
}

Test(canonical, unscreenable_decided_before_specimen)
{
    const char *const numbers[] = {NULL, "A1", "TEST"};
    for (uint32_t i = 0; i < 3; i++) {
        struct canonical form = document_of(numbers[i], "UTO", "P", "QQQ");
        cr_expect_eq(form.unscreenable, UNSCREENABLE_NUMBER_MISSING + i);
        cr_expect_eq(form.flags, CANONICAL_NATIONALITY_UNKNOWN);
    }
}

/* --- entries --- */

static struct change change_of(const char *id, const char *number, const char *number_to,
                               const char *issuer)
{
    return (struct change){
        .entry_id = bytes_of_text(id),
        .op = CHANGE_UPSERT,
        .revision = 7,
        .number = bytes_of_text(number),
        .number_to = bytes_of_text(number_to),
        .issuer = bytes_of_text(issuer),
        .type = bytes_of_text("P"),
        .loss = LOSS_STOLEN,
        .flags = ENTRY_DISPUTED | ENTRY_TEST,
        .contributor = bytes_of_text("bureau-1"),
        .national_ref = bytes_of_text("ref-9"),
        .reported_on = 1,
        .lost_on = 2,
        .expiry = 3,
        .review_on = DATE_NONE,
        .effective_at_ms = 4,
    };
}

static void expect_rejected(struct change change, enum rejection reason)
{
    struct entry entry;
    struct entry empty = {0};
    memset(&entry, 0xEE, sizeof entry);
    enum rejection actual = canonical_entry(data, &change, &entry);
    cr_expect_eq(actual, reason, "%s, expected %s", rejection_name(actual), rejection_name(reason));
    if (actual != REJECTION_NO)
        cr_expect_arr_eq(&entry, &empty, sizeof empty);
}

Test(canonical, point_entry_filled)
{
    struct change change = change_of("E-1", "ab-123456", "", "d");
    struct entry entry;
    memset(&entry, 0xEE, sizeof entry);
    cr_assert_eq(canonical_entry(data, &change, &entry), REJECTION_NO);
    cr_expect(bytes_equal_text(entry_id(&entry), "E-1"));
    cr_expect_eq(entry.revision, 7);
    cr_expect_eq(entry.size, 8);
    cr_expect_arr_eq(entry.number, "AB123456\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", NUMBER_SIZE_MAX);
    cr_expect_arr_eq(entry.number_to, (char[NUMBER_SIZE_MAX]){0}, NUMBER_SIZE_MAX);
    expect_issuer(entry.issuer, "DEU");
    cr_expect_eq(entry.type, TYPE_PASSPORT);
    cr_expect_eq(entry.loss, LOSS_STOLEN);
    cr_expect_eq(entry.flags, ENTRY_DISPUTED | ENTRY_TEST);
    cr_expect(bytes_equal_text(bytes_of(entry.contributor, entry.contributor_size), "bureau-1"));
    cr_expect(bytes_equal_text(bytes_of(entry.national_ref, entry.national_ref_size), "ref-9"));
    cr_expect_eq(entry.reported_on, 1);
    cr_expect_eq(entry.lost_on, 2);
    cr_expect_eq(entry.expiry, 3);
    cr_expect_eq(entry.review_on, DATE_NONE);
    cr_expect_eq(entry.effective_at_ms, 4);
    cr_expect(entry.is_live);
    cr_expect_not(entry.is_range);
}

Test(canonical, texts_of_one_character_filled)
{
    struct change change = change_of("E", "AB1234", NULL, "FRA");
    struct entry entry;
    change.contributor = SENT("b");
    change.national_ref = SENT("r");
    cr_assert_eq(canonical_entry(data, &change, &entry), REJECTION_NO);
    cr_expect(bytes_equal_text(bytes_of(entry.contributor, entry.contributor_size), "b"));
    cr_expect(bytes_equal_text(bytes_of(entry.national_ref, entry.national_ref_size), "r"));
}

Test(canonical, range_entry_filled)
{
    struct change change = change_of("E-1", "ab 000000", "AB-000999", "UKR");
    struct entry entry;
    cr_assert_eq(canonical_entry(data, &change, &entry), REJECTION_NO);
    cr_expect(entry.is_range);
    cr_expect_eq(entry.size, 8);
    cr_expect_arr_eq(entry.number, "AB000000", 9); /* a range may start at a placeholder */
    cr_expect_arr_eq(entry.number_to, "AB000999", 9);
}

Test(canonical, withdrawal_needs_only_its_id)
{
    struct change change = change_of("E-1", "!", "AB1", "QQQ");
    change.op = CHANGE_WITHDRAW;
    struct entry entry;
    struct entry expected = {.revision = 7, .id = "E-1", .id_size = 3};
    memset(&entry, 0xEE, sizeof entry);
    cr_assert_eq(canonical_entry(data, &change, &entry), REJECTION_NO);
    cr_expect(bytes_equal(entry_id(&entry), entry_id(&expected)));
    cr_expect_eq(entry.revision, 7);
    cr_expect_not(entry.is_live);
    cr_expect_eq(entry.size, 0);
    cr_expect_eq(entry.contributor_size, 0);
    change.entry_id = SENT("a:b");
    expect_rejected(change, REJECTION_ID_INVALID);
}

Test(canonical, id_at_limits)
{
    char id[ENTRY_ID_SIZE_MAX + 2] = {0};
    memset(id, 'x', ENTRY_ID_SIZE_MAX);
    expect_rejected(change_of(id, "AB1234", NULL, "FRA"), REJECTION_NO);
    id[ENTRY_ID_SIZE_MAX] = 'x';
    expect_rejected(change_of(id, "AB1234", NULL, "FRA"), REJECTION_ID_INVALID);
    expect_rejected(change_of("", "AB1234", NULL, "FRA"), REJECTION_ID_INVALID);
    expect_rejected(change_of(NULL, "AB1234", NULL, "FRA"), REJECTION_ID_INVALID);
    struct change change = change_of("", "AB1234", NULL, "FRA");
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint8_t one = (uint8_t)byte;
        bool is_refused = byte < 0x20 || byte == 0x7F || byte == ';' || byte == '=' || byte == ':';
        change.entry_id = bytes_of(&one, 1);
        expect_rejected(change, is_refused ? REJECTION_ID_INVALID : REJECTION_NO);
    }
}

Test(canonical, number_reasons_reject)
{
    expect_rejected(change_of("E", NULL, NULL, "FRA"), REJECTION_NUMBER_MISSING);
    expect_rejected(change_of("E", "!!", NULL, "FRA"), REJECTION_NUMBER_MISSING);
    expect_rejected(change_of("E", "A1", NULL, "FRA"), REJECTION_NUMBER_INVALID);
    expect_rejected(change_of("E", "\xFF", NULL, "FRA"), REJECTION_NUMBER_INVALID);
    expect_rejected(change_of("E", "AB0000", NULL, "FRA"), REJECTION_NUMBER_PLACEHOLDER);
    /* either end of a range */
    expect_rejected(change_of("E", "--", "AB1234", "FRA"), REJECTION_NUMBER_MISSING);
    expect_rejected(change_of("E", "AB1234", "--", "FRA"), REJECTION_NUMBER_MISSING);
    expect_rejected(change_of("E", "AB1234", "A1", "FRA"), REJECTION_NUMBER_INVALID);
    expect_rejected(change_of("E", "TEST", "TEST", "FRA"), REJECTION_NO);
}

Test(canonical, issuer_reasons_reject)
{
    expect_rejected(change_of("E", "AB1234", NULL, NULL), REJECTION_ISSUER_MISSING);
    expect_rejected(change_of("E", "AB1234", NULL, "n/a"), REJECTION_ISSUER_MISSING);
    expect_rejected(change_of("E", "AB1234", NULL, "XXA"), REJECTION_ISSUER_MISSING);
    expect_rejected(change_of("E", "AB1234", NULL, "QQQ"), REJECTION_ISSUER_UNKNOWN);
    expect_rejected(change_of("E", "AB1234", NULL, "UTO"), REJECTION_ISSUER_SPECIMEN);
}

Test(canonical, range_reasons_reject)
{
    expect_rejected(change_of("E", "AB1234", "AB12345", "FRA"), REJECTION_RANGE_LENGTH);
    expect_rejected(change_of("E", "AB1234", "A11234", "FRA"), REJECTION_RANGE_SHAPE);
    expect_rejected(change_of("E", "AB1234", "AB1233", "FRA"), REJECTION_RANGE_ORDER);
    expect_rejected(change_of("E", "BA1234", "AB9999", "FRA"), REJECTION_RANGE_ORDER);
    expect_rejected(change_of("E", "0000000", "1000000", "FRA"), REJECTION_RANGE_TOO_WIDE);
    expect_rejected(change_of("E", "AB1234", "AB1234", "FRA"), REJECTION_NO);
}

Test(canonical, range_width_at_limit)
{
    expect_rejected(change_of("E", "AA000000", "AA999999", "FRA"), REJECTION_NO);
    expect_rejected(change_of("E", "AA000000", "AB000000", "FRA"), REJECTION_RANGE_TOO_WIDE);
    /* carries: the difference of a prefix is 1, of the whole 1 000 000 numbers */
    expect_rejected(change_of("E", "AA500000", "AB499999", "FRA"), REJECTION_NO);
    expect_rejected(change_of("E", "AA500000", "AB500000", "FRA"), REJECTION_RANGE_TOO_WIDE);
    expect_rejected(change_of("E", "199999999999999999999999", "200000000000000000000000", "FRA"),
                    REJECTION_NO);
    /* mixed radix: 26 * 26 * 10 * 26 * 10 = 1 757 600 numbers from AA0A0 to ZZ9Z9 */
    expect_rejected(change_of("E", "AA0A0", "OU6D9", "FRA"), REJECTION_NO);
    expect_rejected(change_of("E", "AA0A0", "OU6E0", "FRA"), REJECTION_RANGE_TOO_WIDE);
}

Test(canonical, widest_range_rejected_without_overflow)
{
    expect_rejected(change_of("E", "AAAAAAAAAAAAAAAAAAAAAAAA", "ZZZZZZZZZZZZZZZZZZZZZZZZ", "FRA"),
                    REJECTION_RANGE_TOO_WIDE);
    expect_rejected(change_of("E", "000000000000000000000000", "999999999999999999999999", "FRA"),
                    REJECTION_RANGE_TOO_WIDE);
    expect_rejected(change_of("E", "AZZZZZZZZZZZZZZZZZZZZZZZ", "BAAAAAAAAAAAAAAAAAAAAAAA", "FRA"),
                    REJECTION_NO); /* two neighbours */
}

Test(canonical, texts_at_limits)
{
    char text[ENTRY_TEXT_SIZE_MAX + 1];
    memset(text, 'x', sizeof text);
    struct change change = change_of("E", "AB1234", NULL, "FRA");
    change.contributor = bytes_of(text, ENTRY_TEXT_SIZE_MAX);
    change.national_ref = bytes_of(text, ENTRY_TEXT_SIZE_MAX);
    expect_rejected(change, REJECTION_NO);
    change.contributor.size++;
    expect_rejected(change, REJECTION_TEXT_TOO_LONG);
    change.contributor = (struct bytes){0};
    expect_rejected(change, REJECTION_NO);
    change.national_ref.size++;
    expect_rejected(change, REJECTION_TEXT_TOO_LONG);
}

Test(canonical, first_failing_test_gives_the_reason)
{
    char text[ENTRY_TEXT_SIZE_MAX + 1];
    memset(text, 'x', sizeof text);
    struct change change = change_of(";", "A1", "AB12345", "QQQ");
    change.contributor = bytes_of(text, sizeof text);
    expect_rejected(change, REJECTION_ID_INVALID);
    change.entry_id = SENT("E");
    expect_rejected(change, REJECTION_NUMBER_INVALID);
    change.number = SENT("9B1234");
    change.number_to = SENT("\x80");
    expect_rejected(change, REJECTION_NUMBER_INVALID);
    change.number_to = SENT("AB12345");
    expect_rejected(change, REJECTION_ISSUER_UNKNOWN);
    change.issuer = SENT("FRA");
    expect_rejected(change, REJECTION_RANGE_LENGTH);
    change.number_to = SENT("AB1234");
    expect_rejected(change, REJECTION_RANGE_SHAPE);
    change.number_to = SENT("8C1234");
    expect_rejected(change, REJECTION_RANGE_ORDER);
    change.number = SENT("1C000000");
    change.number_to = SENT("9C000000");
    expect_rejected(change, REJECTION_RANGE_TOO_WIDE);
    change.number_to = SENT("1C000001");
    expect_rejected(change, REJECTION_TEXT_TOO_LONG);
    change.contributor = (struct bytes){0};
    expect_rejected(change, REJECTION_NO);
}

Test(canonical, flags_beyond_ours_left_out)
{
    struct change change = change_of("E", "AB1234", NULL, "FRA");
    struct entry entry;
    change.flags = 0xFFFFFFFF;
    cr_assert_eq(canonical_entry(data, &change, &entry), REJECTION_NO);
    cr_expect_eq(entry.flags, ENTRY_SILENT | ENTRY_DISPUTED | ENTRY_TEST);
}

Test(canonical, unicode_version_named)
{
    cr_expect_str_eq(canonical_unicode_version(), utf8proc_version());
}

Test(canonical, shape_of_a_form_is_that_of_its_number)
{
    static const char *const numbers[] = {"123",
                                          "ABC",
                                          "A1B2C3D4E5F6",
                                          "Z99999999999999999999999",
                                          "123456789012345678901ABC",
                                          "AAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct canonical form = {0};
        canonical_number(bytes_of_text(numbers[i]), false, &form);
        cr_expect_eq(canonical_form_shape(&form), canonical_shape(form.number, form.size), "%s",
                     numbers[i]);
    }
}
