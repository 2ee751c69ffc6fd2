#include "operators/support/quote.h"

static const uint8_t replacement[] = {0xEF, 0xBF, 0xBD}; /* U+FFFD */

static bool is_continuation(struct bytes text, size_t at)
{
    return at < text.size && (text.data[at] & 0xC0) == 0x80;
}

/* Bytes of the character that starts there; 0 when none does (RFC 3629, section 4). */
static size_t character_size(struct bytes text, size_t at)
{
    uint8_t first = text.data[at];
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4 || !is_continuation(text, at + 1))
        return 0;
    if (first < 0xE0)
        return 2;
    uint8_t second = text.data[at + 1];
    bool is_overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
    bool is_surrogate = first == 0xED && second > 0x9F;
    bool is_too_high = first == 0xF4 && second > 0x8F;
    if (is_overlong || is_surrogate || is_too_high || !is_continuation(text, at + 2))
        return 0;
    if (first < 0xF0)
        return 3;
    return is_continuation(text, at + 3) ? 4 : 0;
}

struct bytes quote_text(struct bytes text, uint8_t *out, size_t capacity, unsigned *faults)
{
    if (!text.data)
        return text;
    size_t used = 0;
    size_t at = 0;
    while (at < text.size) {
        size_t size = character_size(text, at);
        struct bytes piece =
            size ? bytes_of(text.data + at, size) : bytes_of(replacement, sizeof replacement);
        if (piece.size > capacity - used) {
            *faults |= QUOTE_CUT;
            break;
        }
        if (size == 0)
            *faults |= QUOTE_INVALID;
        memcpy(out + used, piece.data, piece.size);
        used += piece.size;
        at += size ? size : 1;
    }
    return bytes_of(out, used);
}

const char *quote_line(struct bytes text, char *out, size_t out_size)
{
    unsigned faults = 0;
    size_t size = quote_text(text, (uint8_t *)out, out_size - 1, &faults).size;
    size_t used = 0;
    for (size_t at = 0; at < size; at++) {
        uint8_t byte = (uint8_t)out[at];
        /* U+0080 to U+009F are controls of two bytes. */
        bool is_wide = byte == 0xC2 && (uint8_t)out[at + 1] < 0xA0;
        bool is_control = byte < 0x20 || byte == 0x7F || is_wide;
        out[used++] = (char)(is_control ? '?' : byte);
        at += is_wide;
    }
    out[used] = 0;
    return out;
}
