/* admin.h - what a screening process answers at its Unix socket (`store.socket`), to its own user
 * alone, for `checkit list` and `checkit key rotate`:
 *
 *   GET  /entry?id=ID          the entry as it stands now (entry_view.h); 404: never heard of
 *   GET  /memory               what the list takes in memory
 *   POST /checkpoint?name=N    makes a checkpoint in the folder a command has made (list_folder.h),
 *                              and answers its path: hard links, a moment
 *   POST /rotate?key=FILE      the list under that key, which stands at STORE.rotated, is to take
 * the place of the one in use (rotation.h) GET  /rotation             how far that is: {"state":
 * NAME}, with "error" when it failed
 *
 * JSON; a fault is {"error": TEXT}. 503: there is no store just now. One thread of its own; workers
 * and feed never wait for it. The store is read as the reader behind those of the workers.
 */
#ifndef CHECKIT_ADMIN_H
#define CHECKIT_ADMIN_H

#include "operators/support/rule_data.h"
#include "operators/support/store.h"
#include "pipeline/config.h"
#include "pipeline/run/rotation.h"

struct admin;

/* After the store was opened, so that no other process has it: what commands have left beside it is
 * removed. All is borrowed until admin_close. *out: NULL without a socket, or when nobody
 * configured its path and that is too long, which is logged. EX_CONFIG: it cannot listen there. */
enum status admin_open(const struct config *config, const struct rule_data *rules,
                       struct rotation *rotation, struct admin **out, struct error *err) MUST_USE;

/* The store, until another is shown; NULL: none. When the call returns the one before is not used
 * any more. admin may be NULL. */
void admin_show_store(struct admin *admin, struct store *store);

void admin_close(struct admin *admin); /* may be NULL */

#endif
