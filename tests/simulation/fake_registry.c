#include <string.h>

#include "operators/support/registry.h"
#include "tests/simulation/fake.h"

enum { SCHEMAS_MAX = 16 };

static struct {
    const char *text;
    bool denied;
} schemas[SCHEMAS_MAX];

void fake_registry_reset(void)
{
    memset(schemas, 0, sizeof schemas);
}

void fake_registry_give(uint32_t id, const char *schema)
{
    schemas[id].text = schema;
}

void fake_registry_deny(uint32_t id, bool deny)
{
    schemas[id].denied = deny;
}

enum registry_answer registry_find(struct registry *registry, uint32_t id, struct bytes *schema)
{
    (void)registry;
    if (id >= SCHEMAS_MAX || schemas[id].denied)
        return REGISTRY_ABSENT;
    if (!schemas[id].text)
        return REGISTRY_PENDING;
    *schema = bytes_of_text(schemas[id].text);
    return REGISTRY_FOUND;
}

static struct {
    uint64_t fingerprint;
    const char *text;
} objects[SCHEMAS_MAX];

void fake_registry_give_object(uint32_t place, uint64_t fingerprint, const char *schema)
{
    objects[place].fingerprint = fingerprint;
    objects[place].text = schema;
}

enum registry_answer registry_find_fingerprint(struct registry *registry, uint64_t fingerprint,
                                               struct bytes *schema)
{
    (void)registry;
    for (uint32_t i = 0; i < SCHEMAS_MAX; i++) {
        if (objects[i].fingerprint != fingerprint)
            continue;
        if (!objects[i].text)
            return REGISTRY_PENDING;
        *schema = bytes_of_text(objects[i].text);
        return REGISTRY_FOUND;
    }
    return REGISTRY_ABSENT;
}
