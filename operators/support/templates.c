#include "operators/support/templates.h"

#define DIGITS UINT64_C(0x3FF)
#define LETTERS (UINT64_C(0x3FFFFFF) << 10)

/* The character's bit, or 0. */
static uint64_t bit_of(uint8_t character)
{
    if (character >= '0' && character <= '9')
        return UINT64_C(1) << (character - '0');
    if (character >= 'A' && character <= 'Z')
        return UINT64_C(1) << (character - 'A' + 10);
    return 0;
}

/* --- reading one --- */

/* The element's characters, *at moved behind it; 0: no element. */
static uint64_t parse_element(struct bytes text, size_t *at)
{
    uint8_t first = text.data[(*at)++];
    if (first == 'L')
        return LETTERS;
    if (first == 'D')
        return DIGITS;
    if (first == 'A')
        return LETTERS | DIGITS;
    if (first != '[')
        return 0;
    uint64_t allowed = 0;
    for (; *at < text.size && text.data[*at] != ']'; (*at)++) {
        uint64_t bit = bit_of(text.data[*at]);
        if (bit == 0)
            return 0;
        allowed |= bit;
    }
    bool is_closed = *at < text.size;
    (*at)++;
    return is_closed ? allowed : 0;
}

/* How often the element before *at stands: {n}, or 1 without; 0: not a count. */
static uint32_t parse_repeat(struct bytes text, size_t *at)
{
    if (*at == text.size || text.data[*at] != '{')
        return 1;
    uint32_t count = 0;
    for ((*at)++; *at < text.size && text.data[*at] != '}'; (*at)++) {
        uint8_t digit = text.data[*at];
        if (digit < '0' || digit > '9')
            return 0;
        count = count * 10 + (uint32_t)(digit - '0');
        if (count > NUMBER_SIZE_MAX)
            return 0;
    }
    bool is_closed = *at < text.size;
    (*at)++;
    return is_closed ? count : 0;
}

const char *template_parse(struct bytes text, struct template *out)
{
    uint32_t size = 0;
    for (size_t at = 0; at < text.size;) {
        uint64_t allowed = parse_element(text, &at);
        if (allowed == 0)
            return "is not a template: elements are L, D, A and [..]";
        uint32_t count = parse_repeat(text, &at);
        if (count == 0)
            return "is not a template: {n} repeats 1 to 24 times";
        if (size + count > NUMBER_SIZE_MAX)
            return "is a template of more than 24 characters";
        for (uint32_t i = 0; i < count; i++)
            out->allowed[size++] = allowed;
    }
    if (size < NUMBER_SIZE_MIN)
        return "is a template of fewer than 3 characters";
    out->size = (uint8_t)size;
    return NULL;
}

/* --- one template --- */

/* Of its issuer is settled already. A type without templates of its own has none. */
static bool applies(const struct template *template, enum document_type type)
{
    return template->type == type || type == TYPE_ANY || type == TYPE_OTHER;
}

static bool allows(const struct template *template, uint32_t at, char character)
{
    return (template->allowed[at] & bit_of((uint8_t)character)) != 0;
}

static bool fits(const struct template *template, const char *n, uint8_t size)
{
    if (template->size != size)
        return false;
    for (uint32_t i = 0; i < size; i++)
        if (!allows(template, i, n[i]))
            return false;
    return true;
}

/* 0: it has none. */
static char counterpart(char character)
{
    static const char counterparts[128] = {
        ['O'] = '0', ['Q'] = '0', ['D'] = '0', ['I'] = '1', ['L'] = '1',
        ['Z'] = '2', ['S'] = '5', ['B'] = '8', ['G'] = '6', ['0'] = 'O',
        ['1'] = 'I', ['2'] = 'Z', ['5'] = 'S', ['8'] = 'B', ['6'] = 'G',
    };
    return counterparts[(uint8_t)character & 0x7F];
}

/* Whether m is what the template makes of n: each character kept where it is allowed, else its
 * counterpart. */
static bool repairs(const struct template *template, const char *n, const char *m, uint8_t size)
{
    if (template->size != size)
        return false;
    for (uint32_t i = 0; i < size; i++) {
        char wanted = n[i];
        if (!allows(template, i, wanted))
            wanted = counterpart(wanted);
        if (m[i] != wanted || !allows(template, i, wanted))
            return false;
    }
    return true;
}

/* --- all that apply --- */

bool templates_apply(const struct templates *templates, enum document_type type)
{
    for (uint32_t i = 0; i < templates->count; i++)
        if (applies(&templates->items[i], type))
            return true;
    return false;
}

bool templates_fit(const struct templates *templates, enum document_type type, const char *n,
                   uint8_t size)
{
    for (uint32_t i = 0; i < templates->count; i++)
        if (applies(&templates->items[i], type) && fits(&templates->items[i], n, size))
            return true;
    return false;
}

bool templates_repair(const struct templates *templates, enum document_type type, const char *n,
                      const char *m, uint8_t size)
{
    if (templates_fit(templates, type, n, size))
        return false;
    for (uint32_t i = 0; i < templates->count; i++)
        if (applies(&templates->items[i], type) && repairs(&templates->items[i], n, m, size))
            return true;
    return false;
}

bool templates_show_repaired(const struct templates *templates, enum document_type type,
                             const char *n, uint8_t size, uint32_t index, char out[NUMBER_SIZE_MAX])
{
    const struct template *template = &templates->items[index];
    if (!applies(template, type) || template->size != size ||
        templates_fit(templates, type, n, size))
        return false;
    for (uint32_t i = 0; i < size; i++) {
        out[i] = n[i];
        if (!allows(template, i, out[i]))
            out[i] = counterpart(out[i]);
    }
    return repairs(template, n, out, size);
}

bool templates_foldable(const struct templates *templates, enum document_type type, const char *n,
                        const char *m, uint8_t size)
{
    if (memcmp(n, m, size) == 0)
        return false;
    if (!templates_fit(templates, type, n, size)) /* or none applies */
        return true;
    for (uint32_t i = 0; i < templates->count; i++) {
        const struct template *template = &templates->items[i];
        if (applies(template, type) && fits(template, n, size) && fits(template, m, size))
            return true;
    }
    return false;
}

bool templates_strip(const struct templates *templates, enum document_type type, const char *n,
                     uint8_t size)
{
    uint8_t rest = (uint8_t)(size - 1);
    if (!templates_may_strip(templates, n, size) || n[rest] != check_digit(n, rest))
        return false;
    if (!templates_apply(templates, type))
        return size == STRIPPED_SIZE_WITHOUT_TEMPLATES;
    return !templates_fit(templates, type, n, size) && templates_fit(templates, type, n, rest);
}

char check_digit(const char *number, uint32_t size)
{
    static const uint32_t weights[] = {7, 3, 1};
    uint32_t sum = 0;
    for (uint32_t i = 0; i < size; i++) {
        bool is_digit = number[i] <= '9';
        uint32_t value = (uint32_t)(is_digit ? number[i] - '0' : number[i] - 'A' + 10);
        sum += value * weights[i % 3];
    }
    return (char)('0' + sum % 10);
}
