/* container.h - writes an Avro object container file: our records as a file other readers take.
 *
 * Blocks of up to 64 KB, not compressed. The sync marker is made of the seed, so the same records
 * give the same file. Source: Avro 1.11 specification, "Object Container Files".
 */
#ifndef CHECKIT_CONTAINER_H
#define CHECKIT_CONTAINER_H

#include <stdint.h>

#include "pipeline/base/bytes.h"
#include "pipeline/base/file_writer.h"
#include "pipeline/base/status.h"

struct container;

/* schema: JSON text. writer is borrowed until close, and the caller's to finish. *out is the
 * caller's: container_close. */
enum status container_open(struct file_writer *writer, struct bytes schema, uint64_t seed,
                           struct container **out, struct error *err) MUST_USE;

/* What else the header says, under a name of its maker's. */
struct container_note {
    const char *name;
    struct bytes value;
};

/* The same with notes. */
enum status container_open_noted(struct file_writer *writer, struct bytes schema,
                                 const struct container_note *notes, uint32_t notes_count,
                                 uint64_t seed, struct container **out, struct error *err) MUST_USE;

/* datum: one record, without wire prefix. */
enum status container_put(struct container *container, struct bytes datum,
                          struct error *err) MUST_USE;

/* The last block; nothing may be put afterwards. */
enum status container_finish(struct container *container, struct error *err) MUST_USE;

/* container may be NULL. */
void container_close(struct container *container);

#endif
