/* config_internal.h - what the files of config share while one file is read: internal to config. */
#ifndef CHECKIT_CONFIG_INTERNAL_H
#define CHECKIT_CONFIG_INTERNAL_H

#include "pipeline/config.h"
#include "pipeline/config_table.h"
#include "pipeline/config_tree.h"

enum {
    CONFIG_TOPICS_MAX = INPUTS_MAX + 6,
    CONFIG_URLS_MAX = 16,
    CONFIG_SECRET_SIZE = 4096, /* of one, with its NUL */
    CONFIG_SECRETS_MAX = 32,   /* held elsewhere, in one file */
};

/* A topic and where it was named, to find one used twice. */
struct config_topic {
    const char *topic;
    uint32_t line; /* 0: by default */
    char key[CONFIG_KEY_SIZE];
};

struct config_reader {
    struct config *config;
    struct config_tree tree;
    struct arena *texts; /* lives as long as config */
    struct config_topic topics[CONFIG_TOPICS_MAX];
    uint32_t topics_count;
    uint32_t secrets_count;
};

/* One value: node is a text, not a null. place: where the property's offset points. Faults name
 * the node and what is allowed. Not for the types that are lists or mappings. */
enum status config_value_read(struct config_reader *reader, const struct config_property *property,
                              const struct config_node *node, void *place,
                              struct error *err) MUST_USE;

/* A text that may be held elsewhere: "file:PATH", "env:NAME". *value lives as long as the texts.
 * may_have_lines: as PEM does; a line end at the end is never part of it. What is at fault is said,
 * what was read is not. */
enum status config_value_held(struct config_reader *reader, const struct config_node *node,
                              bool may_have_lines, const char **value, struct error *err) MUST_USE;

/* "a number, 1 to 64": what may stand there, for messages and the reference. */
void config_value_describe(const struct config_property *property, char *out, size_t size);

/* Why a path of mapping.h is malformed, static text; NULL when it is not. */
const char *config_field_fault(const char *path);

enum { CONFIG_DESCRIPTION_SIZE = 256, CONFIG_TIME_SIZE = 32 };

/* "2026-01-31T00:00:00Z" and back, whole seconds, 1970 to 9999. */
bool config_time_parse(const char *text, int64_t *ms);
void config_time_format(int64_t ms, char out[CONFIG_TIME_SIZE]);

#endif
