/* config_tree.h - the YAML of a configuration as a tree that remembers lines: internal to config.
 *
 * Only config_tree.c includes libyaml. Of YAML just what a configuration needs is taken: mappings
 * with plain keys, lists, texts. Anchors, aliases, tags, merge keys and further documents are
 * refused, and size, nesting and count are bounded, so a file cannot grow while it is read.
 */
#ifndef CHECKIT_CONFIG_TREE_H
#define CHECKIT_CONFIG_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/memory.h"
#include "pipeline/base/status.h"

enum {
    CONFIG_BYTES_MAX = 1024 * 1024, /* of the file */
    CONFIG_NESTING_MAX = 8,         /* mappings and lists open at once */
    CONFIG_NODES_MAX = 16384,
    CONFIG_KEY_SIZE = 256 /* of a key's full name in messages */
};

enum config_node_kind { CONFIG_NODE_TEXT, CONFIG_NODE_MAPPING, CONFIG_NODE_LIST };

struct config_node {
    enum config_node_kind kind;
    bool is_fallback; /* not in the file: a default */
    bool is_null;     /* a text that says nothing: empty without quotes, ~ or null */
    uint32_t index;   /* in a list */
    uint32_t line;    /* from 1; of the key, in a mapping */
    const char *key;  /* in a mapping; else NULL */
    const char *text; /* of a text; else NULL */
    const struct config_node *parent;
    struct config_node *first; /* of a mapping or list */
    struct config_node *next;  /* of the same parent, in file order */
};

struct config_tree {
    const char *name; /* of the file; borrowed */
    struct config_node *nodes;
    uint32_t nodes_count;
};

/* The root, nodes[0], is a mapping. Texts are copied to the arena, which has room for
 * config_tree_texts_size(size). The caller closes the tree, also after a failure. */
enum status config_tree_open(const char *name, const char *text, size_t size, struct arena *texts,
                             struct config_tree *tree, struct error *err) MUST_USE;
void config_tree_close(struct config_tree *tree);

size_t config_tree_texts_size(size_t size);

/* The child of a mapping with that key, or NULL. node may be NULL. */
const struct config_node *config_tree_find(const struct config_node *node, const char *key);

/* EX_CONFIG: "FILE:LINE: KEY: why", KEY being the node's full name (inputs[1].topic) with child,
 * which may be NULL, behind it. */
enum status config_tree_fault(const struct config_tree *tree, const struct config_node *node,
                              const char *child, struct error *err, const char *format, ...)
    PRINTF_LIKE(5, 6);

/* The node's full name; "" for the root. Returns out. */
const char *config_tree_name(const struct config_node *node, char out[CONFIG_KEY_SIZE]);

#endif
