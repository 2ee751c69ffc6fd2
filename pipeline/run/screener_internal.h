/* screener_internal.h - what the parts of a screening process share; private to screener*.c. */
#ifndef CHECKIT_SCREENER_INTERNAL_H
#define CHECKIT_SCREENER_INTERNAL_H

#include <pthread.h>

#include "operators/support/kafka.h"
#include "operators/support/keys.h"
#include "operators/support/registry.h"
#include "operators/support/rule_data.h"
#include "operators/support/store.h"
#include "pipeline/run/admin.h"
#include "pipeline/run/heartbeat.h"
#include "pipeline/run/rotation.h"
#include "pipeline/run/screener.h"
#include "pipeline/run/service.h"
#include "pipeline/run/vitals.h"
#include "pipeline/run/worker.h"

enum { CLUSTER_ID_SIZE = 128 };

struct thread {
    struct screener *screener;
    pthread_t id;
    uint32_t index;
    bool started;
    struct worker *_Atomic worker; /* set once open; closed after the thread ended */
    enum status status;
    struct error err;
};

/* A feed, and the store that it keeps current. */
struct feed_thread {
    struct screener *screener;
    struct store *store;
    struct list_state *list; /* that it tells until it is the main one */
    pthread_t id;
    bool started;
    _Atomic bool stop;
    _Atomic bool is_main; /* it tells workers and watchers */
    _Atomic int status;   /* enum status, set when the thread ended */
    struct error err;
};

/* The list under another key, first beside the one in use, then in its place. */
struct next_list {
    struct feed_thread feed;
    struct list_state list; /* what its feed tells at first */
    struct store_key *key;
    struct store *store;       /* opened by the feed's thread */
    struct worker_store taken; /* what workers are given */
};

/* What was screened and used up to a moment; time_ns 0: it has not come. */
struct mark {
    uint64_t records;
    uint64_t time_ns;
    uint64_t cpu_ns;
};

struct screener {
    struct config *config;
    struct rule_data *rules;
    struct store_key *store_key;
    struct identity *identity;
    struct registry *registry;
    struct store *store;
    struct list_state list;
    struct kafka_consumer *asker; /* of the inputs; reads nothing, so no question waits */
    struct vitals *vitals;
    struct admin *admin; /* NULL: without a socket */
    struct heartbeat_state heartbeat_state;
    struct heartbeat *heartbeat;
    pthread_t heartbeat_id;
    bool heartbeat_started;
    struct service service;
    char cluster_id[CLUSTER_ID_SIZE];
    uint32_t alert_schema_id;
    uint32_t receipt_schema_id;

    struct feed_thread own_feed; /* of the list as it was opened */
    struct feed_thread *feed;    /* of the list in use: own_feed, or that of taken */
    struct rotation rotation;
    struct next_list *next;  /* owned; NULL: no rotation is under way */
    struct next_list *taken; /* owned; the list in use, NULL: as it was opened */
    const struct worker_store *_Atomic next_store; /* workers go over to it */

    struct worker_settings settings;
    struct worker_end *ends; /* NULL without --until-end */
    struct thread workers[WORKERS_MAX];
    _Atomic uint32_t workers_failed; /* ended with a failure */
    _Atomic bool stop;
    _Atomic uint64_t stop_deadline_ns;
    uint64_t cpu_began_ns;
    uint64_t to_read;  /* with --until-end: records in the topics at the start */
    struct mark tenth; /* when a tenth of them was screened: from there on it is measured */
};

/* Everybody outside the workers who reads the store reads this one from now on; NULL: none. */
void screener_show_store(struct screener *screener, struct store *store);

/* --- screener_feed.c: the thread that follows a feed --- */

/* Of the list in use. */
enum status screener_start_feed(struct screener *screener, struct error *err) MUST_USE;

/* run(state) on a thread of its own: screener_run_feed, or what ends in it. */
enum status screener_start_feed_thread(struct feed_thread *thread, void *(*run)(void *state),
                                       void *state, struct error *err) MUST_USE;

/* Until it is stopped or fails. thread: a struct feed_thread, whose store is open. NULL. */
void *screener_run_feed(void *thread);

/* Ends it and waits for it; nothing when it was not started. */
void screener_stop_feed(struct feed_thread *thread);

/* Why it ended, as the reason why the process does. */
enum status screener_take_feed_failure(const struct feed_thread *feed, struct error *err) MUST_USE;

/* --- screener_rotate.c: going over to the list under another key --- */

/* One turn; a failure ends the process. */
enum status screener_rotate(struct screener *screener, struct error *err) MUST_USE;

/* Once nobody uses it any more, or before anybody did; may be NULL. */
void screener_close_list(struct next_list *next);

#endif
