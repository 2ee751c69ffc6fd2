/* registry.h - schemas by id. In this version from a folder of files named ID.avsc.
 *
 * One thread a process fetches; workers only ask, and never wait. A schema once found stays for
 * ever; a definite no is remembered for 30 s; no answer (an unreadable folder) is asked again with
 * back-off (100 ms to 5 s) while the records of that schema are held (design 3).
 *
 *   no such file                              absent; so is one above SCHEMA_BYTES_MAX, and id 0
 *   folder gone, file unreadable or empty     no answer: a file being written is held, not refused
 *
 * Of absent ids the last 1,024 are remembered, so that ids read from garbage do not fill memory.
 */
#ifndef CHECKIT_REGISTRY_H
#define CHECKIT_REGISTRY_H

#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"

struct registry;

enum registry_answer {
    REGISTRY_FOUND,
    REGISTRY_ABSENT,  /* there is no such id */
    REGISTRY_PENDING, /* not known yet: ask again after other work */
};

/* Starts the fetch thread. *out is the caller's: registry_close. */
enum status registry_open_folder(const char *folder, struct registry **out,
                                 struct error *err) MUST_USE;
void registry_close(struct registry *registry);

/* Any thread. *schema is JSON text with a NUL behind it, valid until registry_close. */
enum registry_answer registry_find(struct registry *registry, uint32_t id, struct bytes *schema);

/* The id of a schema equal to ours, white space aside, asked once at start for what we write; of
 * several the lowest, so that all processes agree. Reads the folder on the caller's thread.
 * EX_CONFIG when there is none, saying which file to add. */
enum status registry_id_of(struct registry *registry, const char *our_schema, uint32_t *id,
                           struct error *err) MUST_USE;

#endif
