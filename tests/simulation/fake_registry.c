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

/* There is one, and it is nobody's. */
enum status registry_open(const struct config *config, struct registry **out, struct error *err)
{
    (void)config;
    (void)err;
    *out = NULL;
    return STATUS_OK;
}

void registry_close(struct registry *registry)
{
    (void)registry;
}

enum status registry_id_of(struct registry *registry, const char *topic, const char *our_schema,
                           uint32_t *id, struct error *err)
{
    (void)registry;
    (void)topic;
    for (uint32_t i = 0; i < SCHEMAS_MAX; i++)
        if (schemas[i].text && strcmp(schemas[i].text, our_schema) == 0) {
            *id = i;
            return STATUS_OK;
        }
    return error_fail(err, EX_CONFIG, "no such schema");
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
