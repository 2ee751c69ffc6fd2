/* A configuration read again by a running process: what it takes, and what needs a restart. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/config_internal.h"

/* --- whether two values are the same -------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_property(const struct kafka_property *a, const struct kafka_property *b)
{
    return same_text(a->name, b->name) && same_text(a->value, b->value);
}

static bool same_kafka(const struct config *a, const struct config *b)
{
    bool same = a->kafka_count == b->kafka_count;
    for (uint32_t i = 0; same && i < a->kafka_count; i++)
        same = same_property(&a->kafka[i], &b->kafka[i]);
    return same;
}

static bool same_topics(const struct config *a, const struct config *b)
{
    bool same = a->topics_count == b->topics_count;
    for (uint32_t i = 0; same && i < a->topics_count; i++)
        same = same_text(a->topics[i].topic, b->topics[i].topic) &&
               same_property(&a->topics[i].property, &b->topics[i].property);
    return same;
}

static bool same_scope(enum config_scope scope, const void *a, const void *b);

static bool same_inputs(const struct config *a, const struct config *b)
{
    uint32_t count = a->inputs_count - a->consumes_heartbeat;
    bool same = count == b->inputs_count - b->consumes_heartbeat;
    for (uint32_t i = 0; same && i < count; i++)
        same = same_scope(CONFIG_SCOPE_INPUT, &a->inputs[i], &b->inputs[i]);
    return same;
}

static bool same_documents(const struct mapping *a, const struct mapping *b)
{
    bool same = a->documents_count == b->documents_count;
    for (uint32_t i = 0; same && i < a->documents_count; i++)
        same = same_scope(CONFIG_SCOPE_DOCUMENT, &a->documents[i], &b->documents[i]);
    return same;
}

static bool same_start(const struct config *a, const struct config *b)
{
    return a->start == b->start && a->start_time_ms == b->start_time_ms;
}

static const void *place_in(const struct config_property *property, const void *source)
{
    return (const char *)source + property->offset;
}

/* a and b: the structs of the property's scope. */
static bool same_value(const struct config_property *property, const void *a, const void *b)
{
    const void *left = place_in(property, a);
    const void *right = place_in(property, b);
    switch (property->type) {
    case CONFIG_NUMBER:
        return *(const uint32_t *)left == *(const uint32_t *)right;
    case CONFIG_CHOICE:
        return *(const unsigned *)left == *(const unsigned *)right;
    case CONFIG_SWITCH:
        return *(const bool *)left == *(const bool *)right;
    case CONFIG_START:
        return same_start(a, b);
    case CONFIG_PRESET: /* its fields are compared */
        return true;
    case CONFIG_KAFKA:
        return same_kafka(a, b);
    case CONFIG_TOPICS:
        return same_topics(a, b);
    case CONFIG_INPUTS:
        return same_inputs(a, b);
    case CONFIG_DOCUMENTS:
        return same_documents(left, right);
    default:
        return same_text(*(const char *const *)left, *(const char *const *)right);
    }
}

static bool same_scope(enum config_scope scope, const void *a, const void *b)
{
    for (size_t i = 0; i < config_properties_count; i++)
        if (config_properties[i].scope == scope && !same_value(&config_properties[i], a, b))
            return false;
    return true;
}

/* --- taking --------------------------------------------------------------------------------- */

static void add_name(char *names, const struct config_property *property)
{
    size_t used = strlen(names);
    (void)snprintf(names + used, CONFIG_NAMES_SIZE - used, "%s%s%s%s", used ? ", " : "",
                   property->group ? property->group : "", property->group ? "." : "",
                   property->name);
}

/* Other threads read it meanwhile: config_number, config_switch. */
static void take_value(const struct config_property *property, struct config *running,
                       const struct config *fresh)
{
    const void *from = place_in(property, fresh);
    void *to = (char *)running + property->offset;
    switch (property->type) {
    case CONFIG_NUMBER:
    case CONFIG_CHOICE:
        __atomic_store_n((uint32_t *)to, *(const uint32_t *)from, __ATOMIC_RELAXED);
        return;
    case CONFIG_SWITCH:
        __atomic_store_n((bool *)to, *(const bool *)from, __ATOMIC_RELAXED);
        return;
    default:
        assert(property->type == CONFIG_FILE); /* what it names is the caller's to take */
    }
}

_Static_assert(sizeof(unsigned) == sizeof(uint32_t), "a choice is stored as a number is");

void config_take(struct config *running, const struct config *fresh, struct config_changes *changes)
{
    *changes = (struct config_changes){0};
    for (size_t i = 0; i < config_properties_count; i++) {
        const struct config_property *property = &config_properties[i];
        if (property->scope != CONFIG_SCOPE_TOP || same_value(property, running, fresh))
            continue;
        if (property->reloadable)
            take_value(property, running, fresh);
        if (!property->reloadable || property->type != CONFIG_FILE)
            add_name(property->reloadable ? changes->taken : changes->left, property);
    }
}
