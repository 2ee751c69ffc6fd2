/* registry_internal.h - where schemas come from, behind the table of registry.c.
 *
 *   registry.c           the table of answers, and the thread that fills it
 *   registry_folder.c    files ID.avsc
 *   registry_http.c      what a registry is asked, and what its replies mean
 *   registry_transfer.c  one question over HTTP; it alone includes libcurl
 */
#ifndef CHECKIT_REGISTRY_INTERNAL_H
#define CHECKIT_REGISTRY_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "operators/support/registry.h"
#include "pipeline/base/buffer.h"

enum { REGISTRY_REASON_SIZE = 512, REGISTRY_NAME_SIZE = 64 };

/* What asking once said. reason: of ABSENT when there is more to say than that there is no such
 * schema, and of PENDING; else empty. */
struct registry_fetched {
    enum registry_answer answer;
    char *text; /* of a found schema, with a NUL behind it; owned by whoever has this */
    size_t size;
    char reason[REGISTRY_REASON_SIZE];
};

/* Without a schema. */
struct registry_fetched registry_fetched_not(enum registry_answer answer, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* One kind of place schemas come from. fetch: on the fetch thread; id_of: on any other, before or
 * beside it. */
struct registry_source {
    const char *name; /* for logs: the folder, or the URLs; lives as long as state */
    void *state;
    struct registry_fetched (*fetch)(void *state, uint32_t id);
    enum status (*id_of)(void *state, const char *topic, const char *our_schema, uint32_t *id,
                         struct error *err);
    enum status (*latest)(void *state, const char *topic, uint32_t *id,
                          struct error *err); /* NULL: it knows no versions */
    void (*close)(void *state);
};

enum status registry_folder_open(const char *folder, struct registry_source *source,
                                 struct error *err) MUST_USE;

/* The schema with that fingerprint, of the file with the lowest id. A file that cannot be read
 * makes this no answer: it could be the one. */
struct registry_fetched registry_folder_fetch(const char *folder, uint64_t fingerprint);

/* cancelled: set when the fetch thread is to give up what it is asking; outlives the source. */
enum status registry_http_open(const struct config *config, const atomic_bool *cancelled,
                               struct registry_source *source, struct error *err) MUST_USE;

/* "Alert", for messages: the first name in a schema is its own. */
void registry_name_of(const char *schema, char out[REGISTRY_NAME_SIZE]);

/* --- one question at a time ----------------------------------------------------------------- */

struct registry_transfer;

/* status 0: no reply, and reason says why. body: with a NUL behind it, until the next question. */
struct registry_reply {
    long status;
    const char *body;
    size_t size;
    char reason[REGISTRY_REASON_SIZE]; /* URL and status, or URL and fault */
};

/* cancelled may be NULL. *out is the caller's: registry_transfer_close. */
enum status registry_transfer_open(const struct config *config, const atomic_bool *cancelled,
                                   struct registry_transfer **out, struct error *err) MUST_USE;
void registry_transfer_close(struct registry_transfer *transfer);

/* GET, or POST when there is a body: path stands behind the URL. Asks the URLs in turn until one
 * replies 200, 404, 409 or 422, which are answers; else *reply is of the last. */
void registry_transfer_ask(struct registry_transfer *transfer, const char *path, const char *body,
                           struct registry_reply *reply);

#endif
