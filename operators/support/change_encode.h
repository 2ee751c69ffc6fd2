/* change_encode.h - writes one record of document-changes: schemas/DocumentChange.avsc behind the
 * wire prefix (wire.h). What it writes projection_change reads back to the same change. */
#ifndef CHECKIT_CHANGE_ENCODE_H
#define CHECKIT_CHANGE_ENCODE_H

#include "pipeline/base/bytes.h"
#include "pipeline/entry.h"
#include "pipeline/limits.h"

/* Room that is enough for any change whose texts together have at most `texts` bytes. */
#define CHANGE_BYTES_MAX(texts) ((texts) + 192)

/* Texts are written as they are: the caller knows that they are UTF-8, and that effective_at_ms is
 * given. An absent text is null, an absent contributor empty. The answer borrows buffer; data is
 * NULL when it does not fit. */
struct bytes change_encode(const struct change *change, uint32_t schema_id, void *buffer,
                           size_t capacity);

#endif
