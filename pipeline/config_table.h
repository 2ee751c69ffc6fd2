/* config_table.h - every key of the configuration, in one table: internal to config.
 *
 * The parser (config.c), `config show` and the reference (config_write.c) all walk this table, so a
 * key exists in all of them or in none. A new key is one row here and one field in config.h.
 */
#ifndef CHECKIT_CONFIG_TABLE_H
#define CHECKIT_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a value is, and what stands at the row's offset. */
enum config_type {
    CONFIG_TEXT,      /* const char * */
    CONFIG_TOPIC,     /* const char *: a Kafka topic; each may be used once in a file */
    CONFIG_NUMBER,    /* uint32_t, min to max */
    CONFIG_CHOICE,    /* an enum: the index of the choice */
    CONFIG_SWITCH,    /* bool: false is the first of two choices, true the second */
    CONFIG_WORD,      /* const char *: one of the choices */
    CONFIG_START,     /* enum start_at; start_time_ms is set with it */
    CONFIG_FILE,      /* const char *: a path, made relative to the configuration's folder */
    CONFIG_LISTEN,    /* const char *: an address and port (base/address.h), NULL when off */
    CONFIG_URLS,      /* const char *: http or https URLs, separated by commas */
    CONFIG_SECRET,    /* const char *: as it stands, or out of file:PATH or env:NAME */
    CONFIG_FIELD,     /* const char *: a path of mapping.h */
    CONFIG_ROOT,      /* const char *: the same, and "" is where the path begins */
    CONFIG_PRESET,    /* struct mapping: filled with the preset of that name */
    CONFIG_KAFKA,     /* struct config */
    CONFIG_TOPICS,    /* struct config */
    CONFIG_INPUTS,    /* struct config */
    CONFIG_DOCUMENTS, /* struct mapping */
    CONFIG_TYPES
};

/* Where a key may stand; its offset counts from that scope's struct. */
enum config_scope {
    CONFIG_SCOPE_TOP,      /* struct config */
    CONFIG_SCOPE_INPUT,    /* struct input: one of `inputs` */
    CONFIG_SCOPE_DOCUMENT, /* struct document_mapping: one of an input's `documents` */
    CONFIG_SCOPES
};

struct config_property {
    enum config_scope scope;
    const char *group; /* the mapping the key stands in, or NULL */
    const char *name;
    enum config_type type;
    bool required;
    uint32_t min;
    uint32_t max;
    const char *choices;  /* "a|b" */
    const char *fallback; /* when the key is absent; NULL: the struct stays zero */
    /* Writes a fallback that depends on the machine; `fallback` then only describes it. */
    void (*fallback_now)(char *out, size_t size);
    size_t offset;
    bool reloadable;  /* a running process takes it on SIGHUP */
    const char *unit; /* of a number, for the reference */
    const char *help; /* one sentence */
};

enum { CONFIG_FALLBACK_SIZE = 256 };

/* In the order they are read and written: an input's preset before what overrides it. */
extern const struct config_property config_properties[];
extern const size_t config_properties_count;

/* Copies the index-th of "a|b|c" to out; false when there are fewer. */
bool config_choice(const char *choices, uint32_t index, char *out, size_t size);

#endif
