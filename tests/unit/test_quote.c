#include <criterion/criterion.h>

#include "operators/support/quote.h"

enum { CAPACITY = 16 };

static void expect_quoted(const char *text, size_t size, const char *expected, unsigned faults)
{
    uint8_t out[CAPACITY];
    unsigned found = 0;
    struct bytes quoted = quote_text(bytes_of(text, size), out, sizeof out, &found);
    cr_assert_eq(quoted.size, strlen(expected), "'%s' gave %zu bytes", expected, quoted.size);
    cr_assert_arr_eq(quoted.data, expected, quoted.size);
    cr_assert_eq(found, faults, "'%s' gave faults %u", expected, found);
}

#define EXPECT_QUOTED(text, expected, faults)                                                      \
    expect_quoted((text), sizeof(text) - 1, (expected), (faults))

Test(quote, absent_stays_absent)
{
    uint8_t out[CAPACITY];
    unsigned faults = 0;
    struct bytes quoted = quote_text((struct bytes){NULL, 0}, out, sizeof out, &faults);
    cr_assert_null(quoted.data);
    cr_assert_eq(faults, 0);
}

Test(quote, valid_text_stays_as_it_is)
{
    EXPECT_QUOTED("", "", 0);
    EXPECT_QUOTED("AB 12", "AB 12", 0);
    EXPECT_QUOTED("\x7F\xC2\x80\xDF\xBF", "\x7F\xC2\x80\xDF\xBF", 0);
    EXPECT_QUOTED("\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF",
                  "\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF", 0);
    EXPECT_QUOTED("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", 0);
}

Test(quote, earlier_faults_stay)
{
    uint8_t out[CAPACITY];
    unsigned faults = QUOTE_CUT;
    (void)quote_text(bytes_of("\xFF", 1), out, sizeof out, &faults);
    cr_assert_eq(faults, QUOTE_CUT | QUOTE_INVALID);
}

#define BAD "\xEF\xBF\xBD"

Test(quote, bytes_of_no_character_give_replacements)
{
    EXPECT_QUOTED("a\xFF"
                  "b",
                  "a" BAD "b", QUOTE_INVALID);
    EXPECT_QUOTED("\x80", BAD, QUOTE_INVALID);                 /* continuation alone */
    EXPECT_QUOTED("\xC2", BAD, QUOTE_INVALID);                 /* ends too early */
    EXPECT_QUOTED("\xE0\xA0", BAD BAD, QUOTE_INVALID);         /* the same, of three */
    EXPECT_QUOTED("\xF0\x90\x80", BAD BAD BAD, QUOTE_INVALID); /* the same, of four */
    EXPECT_QUOTED("\xC1\xBF", BAD BAD, QUOTE_INVALID);         /* overlong */
    EXPECT_QUOTED("\xE0\x9F\xBF", BAD BAD BAD, QUOTE_INVALID); /* overlong */
    EXPECT_QUOTED("\xF0\x8F\xBF\xBF", BAD BAD BAD BAD, QUOTE_INVALID);
    EXPECT_QUOTED("\xED\xA0\x80", BAD BAD BAD, QUOTE_INVALID);         /* surrogate */
    EXPECT_QUOTED("\xF4\x90\x80\x80", BAD BAD BAD BAD, QUOTE_INVALID); /* above U+10FFFF */
    EXPECT_QUOTED("\xF5\x80\x80\x80", BAD BAD BAD BAD, QUOTE_INVALID);
    EXPECT_QUOTED("\xE1"
                  "A\x80",
                  BAD "A" BAD, QUOTE_INVALID);
}

Test(quote, text_of_the_capacity_fits)
{
    EXPECT_QUOTED("0123456789ABCDEF", "0123456789ABCDEF", 0);
    EXPECT_QUOTED("0123456789ABCD\xC3\x84", "0123456789ABCD\xC3\x84", 0);
}

Test(quote, longer_text_is_cut_between_characters)
{
    EXPECT_QUOTED("0123456789ABCDEFG", "0123456789ABCDEF", QUOTE_CUT);
    EXPECT_QUOTED("0123456789ABCDE\xC3\x84", "0123456789ABCDE", QUOTE_CUT);
    EXPECT_QUOTED("0123456789ABC\xF0\x90\x80\x80", "0123456789ABC", QUOTE_CUT);
    EXPECT_QUOTED("0123456789ABCD\xFF", "0123456789ABCD", QUOTE_CUT);
}

/* Every pair and triple of bytes: what comes out is valid, and valid stays as it is. */
Test(quote, all_short_texts_come_out_stable)
{
    for (unsigned first = 0x7E; first <= 0xFF; first++) {
        for (unsigned rest = 0; rest <= 0xFFFF; rest += 7) {
            const uint8_t text[] = {(uint8_t)first, (uint8_t)(rest >> 8), (uint8_t)rest};
            uint8_t once[CAPACITY];
            uint8_t twice[CAPACITY];
            unsigned faults = 0;
            struct bytes quoted =
                quote_text(bytes_of(text, sizeof text), once, sizeof once, &faults);
            cr_assert_eq(faults != 0, !bytes_equal(quoted, bytes_of(text, sizeof text)));
            unsigned none = 0;
            struct bytes again = quote_text(quoted, twice, sizeof twice, &none);
            cr_assert_eq(none, 0);
            cr_assert(bytes_equal(again, quoted));
        }
    }
}

static void expect_line(const char *text, size_t size, const char *expected)
{
    char out[CAPACITY];
    cr_assert_str_eq(quote_line(bytes_of(text, size), out, sizeof out), expected);
}

#define EXPECT_LINE(text, expected) expect_line((text), sizeof(text) - 1, (expected))

Test(quote, line_holds_no_control_character)
{
    EXPECT_LINE("", "");
    EXPECT_LINE("E-1 \xC3\xA9", "E-1 \xC3\xA9");
    EXPECT_LINE("a\0b\n\r\x1B[0m\x7F", "a?b???[0m?");
    EXPECT_LINE("\xC2\x80\xC2\x9F\xC2\xA0", "??\xC2\xA0");
    EXPECT_LINE("\xFF\n", "\xEF\xBF\xBD?");
    expect_line(NULL, 0, "");
}

Test(quote, line_is_cut_to_what_fits)
{
    EXPECT_LINE("123456789012345", "123456789012345");
    EXPECT_LINE("1234567890123456", "123456789012345");
    EXPECT_LINE("12345678901234\xC3\xA9", "12345678901234");
    EXPECT_LINE("12345678901234\xC2", "12345678901234");
}
