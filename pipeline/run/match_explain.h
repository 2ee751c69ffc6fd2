/* match_explain.h - why a document is a hit or not, in words an officer understands.
 *
 * Looks the document up as the match step does, place by place, and tells every entry it meets on
 * the way, what its tier rests on, and why the lines of the rules before that one do not apply. For
 * a person at a terminal: it tells numbers.
 */
#ifndef CHECKIT_MATCH_EXPLAIN_H
#define CHECKIT_MATCH_EXPLAIN_H

#include "operators/support/keys.h"
#include "operators/support/rule_data.h"
#include "operators/support/store.h"
#include "pipeline/base/buffer.h"

/* Everything is borrowed. */
struct match_explain_settings {
    const struct rule_data *rules;
    struct store *store;
    struct key_prf *prf;
    uint32_t reader;
};

/* Adds the text to *out. */
enum status match_explain(const struct match_explain_settings *settings,
                          const struct document *document, struct buffer *out,
                          struct error *err) MUST_USE;

#endif
