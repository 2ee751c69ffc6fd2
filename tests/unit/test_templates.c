/* Templates by themselves: what is read, where reading ends, and what the rules ask of them. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "operators/support/templates.h"

/* The text stands alone on the heap, so that reading past its end is seen. */
static const char *parse(const char *text, struct template *out)
{
    size_t size = strlen(text);
    uint8_t *alone = malloc(size);
    cr_assert_not_null(alone);
    memcpy(alone, text, size);
    const char *fault = template_parse(bytes_of(alone, size), out);
    free(alone);
    return fault;
}

static struct templates templates_of(struct template *template, const char *text)
{
    *template = (struct template){.type = TYPE_PASSPORT};
    cr_assert_null(parse(text, template));
    return (struct templates){template, 1, UINT32_C(1) << template->size};
}

Test(templates, reading_ends_with_the_text)
{
    static const char *const cut[] = {"[", "[A", "LL[", "L{", "L{3", "LL{", "D{24"};
    struct template template = {0};
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++)
        cr_expect_not_null(parse(cut[i], &template), "%s", cut[i]);
    cr_expect_null(parse("LLD", &template));
    cr_expect_eq(template.size, 3);
}

Test(templates, count_of_a_repeat_is_of_digits)
{
    static const char *const others[] = {"L{/}LL", "L{:}LL", "L{a}LL", "L{ 3}", "L{3 }", "L{-3}"};
    struct template template = {0};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_expect_not_null(parse(others[i], &template), "%s", others[i]);
    cr_expect_null(parse("L{09}", &template));
    cr_expect_eq(template.size, 9);
}

Test(templates, a_number_is_not_foldable_to_itself)
{
    struct template template;
    struct templates templates = templates_of(&template, "LDDD");
    cr_expect_not(templates_foldable(&templates, TYPE_PASSPORT, "B123", "B123", 4));
    cr_expect(templates_foldable(&templates, TYPE_PASSPORT, "8123", "B123", 4));
    cr_expect_not(templates_foldable(&templates, TYPE_PASSPORT, "B123", "8123", 4));
}

Test(templates, type_without_templates_of_its_own_has_none)
{
    struct template template;
    struct templates templates = templates_of(&template, "LDDD");
    cr_expect(templates_apply(&templates, TYPE_PASSPORT));
    cr_expect(templates_apply(&templates, TYPE_ANY));
    cr_expect(templates_apply(&templates, TYPE_OTHER));
    cr_expect_not(templates_apply(&templates, TYPE_ID_CARD));
}
