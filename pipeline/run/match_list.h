/* match_list.h - the list that `checkit match` looks documents up in: the store of `screen`.
 *
 * Either one that is there, opened for reading alone beside the process that keeps it current, or
 * one of a file's entries, in a folder of its own under $TMPDIR, else /tmp, which is removed when
 * it is closed; its key is made for it and goes with it. Entries are those of match_csv.h or, when
 * the first row names a column entry_id, a list file as `checkit feed` takes it. What is rejected
 * is counted, not an error. Signals must be blocked (signals.h), so that one takes the folder
 * along.
 */
#ifndef CHECKIT_MATCH_LIST_H
#define CHECKIT_MATCH_LIST_H

#include <pthread.h>
#include <stdatomic.h>

#include "operators/support/change_csv.h"
#include "operators/support/store.h"
#include "pipeline/run/progress.h"

/* Everything is borrowed until match_list_close. */
struct match_list_settings {
    const struct rule_data *rules;
    const char *entries; /* path, "-" for standard input; NULL: store */
    const char *store;
    const char *store_key;
    uint32_t readers;
    struct progress *progress;
};

struct match_list {
    struct store *store;
    struct store_key *key;
    char *folder;      /* owned; NULL: none was made */
    uint64_t entries;  /* live ones */
    uint64_t rejected; /* of the file */
    pthread_t watcher;
    bool is_watched;
    atomic_bool is_closing;
};

/* *list: zeroed, and not moved until it is closed, which it is to be even when this fails. */
enum status match_list_open(const struct match_list_settings *settings, struct match_list *list,
                            struct error *err) MUST_USE;
void match_list_close(struct match_list *list);

#endif
