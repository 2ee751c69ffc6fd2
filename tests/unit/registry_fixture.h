/* registry_fixture.h - a registry that is asked until it answers. */
#ifndef CHECKIT_TESTS_REGISTRY_FIXTURE_H
#define CHECKIT_TESTS_REGISTRY_FIXTURE_H

#include <criterion/criterion.h>
#include <sched.h>

#include "operators/support/registry.h"

static struct registry *registry; /* the test opens and closes it */

static inline enum registry_answer find_now(uint32_t id)
{
    struct bytes schema;
    return registry_find(registry, id, &schema);
}

static inline enum registry_answer wait_for_answer(uint32_t id, struct bytes *schema)
{
    enum registry_answer answer;
    while ((answer = registry_find(registry, id, schema)) == REGISTRY_PENDING)
        (void)sched_yield();
    return answer;
}

static inline void expect_found(uint32_t id, const char *text)
{
    struct bytes schema;
    cr_assert_eq(wait_for_answer(id, &schema), REGISTRY_FOUND);
    cr_assert(bytes_equal_text(schema, text), "%s", (const char *)schema.data);
    cr_assert_eq(schema.data[schema.size], 0, "a NUL is behind it");
}

static inline void expect_absent(uint32_t id)
{
    struct bytes schema;
    cr_assert_eq(wait_for_answer(id, &schema), REGISTRY_ABSENT);
    cr_assert_null(schema.data);
}

#endif
