/* rotation.h - how a screening process is asked to go over to its list under another key, and tells
 * how far that is. Who asks (admin.h) and who does it (screener_rotate.c) meet here; any thread.
 *
 *   asked      somebody wants it; the list under the other key stands at STORE.rotated
 *   following  it is open, and a feed of its own brings it to where the one in use is
 *   switching  workers go over to it, each between two batches
 *   done       the one before is closed, the directories have changed places
 *   failed     and why; the process goes on
 */
#ifndef CHECKIT_ROTATION_H
#define CHECKIT_ROTATION_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>

#include "pipeline/base/status.h"

enum rotation_state {
    ROTATION_OFF, /* nobody screens, or not yet */
    ROTATION_IDLE,
    ROTATION_ASKED,
    ROTATION_FOLLOWING,
    ROTATION_SWITCHING,
    ROTATION_DONE,
    ROTATION_FAILED
};

struct rotation {
    pthread_mutex_t lock; /* of all that follows */
    enum rotation_state state;
    char key_path[PATH_MAX];
    char error[ERROR_TEXT_SIZE]; /* why it failed */
};

/* Where the list under the other key stands until it takes the place of the one in use. */
#define ROTATION_SUFFIX ".rotated"

void rotation_init(struct rotation *rotation);
void rotation_close(struct rotation *rotation);

/* false: it is off, or one is under way. */
bool rotation_ask(struct rotation *rotation, const char *key_path);

/* why: of a failure; may be NULL. */
enum rotation_state rotation_now(struct rotation *rotation, char why[ERROR_TEXT_SIZE]);
void rotation_put(struct rotation *rotation, enum rotation_state state);
void rotation_fail(struct rotation *rotation, const struct error *err);

/* "following"; static. */
const char *rotation_state_name(enum rotation_state state);

/* STORE.rotated; false: too long a path. */
bool rotation_path(const char *store, char out[PATH_MAX]);

#endif
