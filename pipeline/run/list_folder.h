/* list_folder.h - folders beside a store in which a command keeps a checkpoint of it for a while.
 *
 * `STORE.reader-XXXXXX` is made and locked by the command, and removed by it. What a command that
 * was killed has left is not locked: the next one, and a screening process at its start, remove it.
 */
#ifndef CHECKIT_LIST_FOLDER_H
#define CHECKIT_LIST_FOLDER_H

#include <limits.h>
#include <stdbool.h>

#include "pipeline/base/status.h"

enum { LIST_NAME_SIZE = 7 };

struct list_folder {
    char path[PATH_MAX]; /* "": none */
    int lock;
};

/* Mode 0700, of the store's owner. */
enum status list_folder_make(const char *store, struct list_folder *out,
                             struct error *err) MUST_USE;

/* The XXXXXX of it: static part of path. */
const char *list_folder_name(const struct list_folder *folder);

/* Where a checkpoint stands in the folder of that name; false: it is no such name. */
bool list_folder_checkpoint(const char *store, const char *name, char out[PATH_MAX]);

void list_folder_remove(struct list_folder *folder);

/* Removes those that nobody has locked. */
void list_folder_sweep(const char *store);

#endif
