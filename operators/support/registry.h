/* registry.h - schemas by id: from a folder of files named ID.avsc, or from a schema registry that
 * speaks Confluent's API (`schemas.folder`, `schemas.registry`).
 *
 * One thread a process fetches; workers only ask, and never wait. A schema once found stays for
 * ever; a definite no is remembered for 30 s; no answer is asked again with back-off (100 ms to
 * 5 s) while the records of that schema are held (design 3).
 *
 *   folder    no such file                             absent; so is one above SCHEMA_BYTES_MAX
 *             folder gone, file unreadable or empty    no answer: a file being written is held
 *   registry  404 with error_code 40403                absent; so is a schema beyond the limits
 *             no reply within 2 s, any other status,   no answer
 *             a body that is not what was asked for
 *
 * Id 0 is absent in both. Of absent ids the last 1,024 are remembered, so that ids read from
 * garbage do not fill memory. Of several URLs the one that answered last is asked first, the others
 * when it does not answer. A redirection is followed to the same host and port only. References of
 * a schema are fetched too and written into its text: at most REGISTRY_REFERENCES_MAX, nested at
 * most REGISTRY_REFERENCES_NESTING_MAX deep, and none that lead back to where they came from.
 *
 * Source: Confluent Schema Registry API reference.
 */
#ifndef CHECKIT_REGISTRY_H
#define CHECKIT_REGISTRY_H

#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"

struct config;
struct registry;

enum { REGISTRY_REFERENCES_MAX = 64, REGISTRY_REFERENCES_NESTING_MAX = 16 };

enum registry_answer {
    REGISTRY_FOUND,
    REGISTRY_ABSENT,  /* there is no such id */
    REGISTRY_PENDING, /* not known yet: ask again after other work */
};

/* What the configuration names; starts the fetch thread, asks nothing yet. EX_CONFIG when the
 * folder, or a file for TLS, cannot be read. *out is the caller's: registry_close. config outlives
 * it. */
enum status registry_open(const struct config *config, struct registry **out,
                          struct error *err) MUST_USE;

/* The same for a folder. */
enum status registry_open_folder(const char *folder, struct registry **out,
                                 struct error *err) MUST_USE;
void registry_close(struct registry *registry);

/* Any thread. *schema is JSON text with a NUL behind it, valid until registry_close. */
enum registry_answer registry_find(struct registry *registry, uint32_t id, struct bytes *schema);

/* The same by CRC-64-AVRO, always out of the folder, where all files are looked through. */
enum registry_answer registry_find_fingerprint(struct registry *registry, uint64_t fingerprint,
                                               struct bytes *schema);

/* The id of the latest version under the subject TOPIC-value, on the caller's thread; 0 when there
 * is none, and of a folder always. EX_UNAVAILABLE when there is no answer. */
enum status registry_latest_id(struct registry *registry, const char *topic, uint32_t *id,
                               struct error *err) MUST_USE;

/* The id of a schema of ours that is written to the topic, asked once at start, on the caller's
 * thread. Of a folder: of a file equal to it, white space aside; of several the lowest, so that all
 * processes agree. Of a registry: under the subject TOPIC-value, where it is registered first when
 * it is missing, the configuration allows it and it is compatible with the latest version there.
 * EX_CONFIG when there is none, saying what to do; EX_UNAVAILABLE when there is no answer. */
enum status registry_id_of(struct registry *registry, const char *topic, const char *our_schema,
                           uint32_t *id, struct error *err) MUST_USE;

#endif
