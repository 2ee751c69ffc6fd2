/* world.h - everything around a worker in a simulation: topics at the fake broker, keys, rules, a
 * store in memory and the feed that fills it, and what events and changes look like.
 *
 * Inputs: "in" with 3 partitions. Outputs: "alerts", "receipts", "dead". The list: "changes".
 * Entry n is listed under number n (world_number); numbers of entries not listed are nobody's.
 * Where there are heartbeats, "heartbeat" with 2 partitions is an input too, and alerts of the TEST
 * entry go to "alerts.test". One world at a time.
 */
#ifndef CHECKIT_TESTS_WORLD_H
#define CHECKIT_TESTS_WORLD_H

#include "operators/support/keys.h"
#include "operators/support/rule_data.h"
#include "operators/support/store.h"
#include "pipeline/run/feed.h"
#include "pipeline/run/heartbeat.h"
#include "pipeline/run/worker.h"
#include "tests/simulation/fake.h"

enum {
    WORLD_PARTITIONS = 3,
    WORLD_HEARTBEAT_PARTITIONS = 2,
    WORLD_HEARTBEAT_S = 1, /* between two */
    WORLD_DOCUMENTS_MAX = 5 * BATCH_SUBJECTS_MAX,
    WORLD_NOBODYS = 1000000, /* entries from here are not listed */
    WORLD_WORKERS = 2,
    WORLD_DEAD_LETTER_MAX = 60, /* bytes of a value that "dead" takes; larger is too large */
    SCHEMA_EVENT = 1,
    SCHEMA_LATE = 2,   /* the registry learns of it with world_give_late */
    SCHEMA_DENIED = 3, /* it never does, and says so */
    SCHEMA_CHANGE = 4,
    SCHEMA_ALERT = 5,
    SCHEMA_RECEIPT = 6,
    SCHEMA_BOOKING = 7, /* of heartbeats */
};

struct world {
    uint64_t seed;
    struct config config;
    struct rule_data *rules;
    struct store_key *store_key;
    struct identity *identity;
    struct store *store;
    struct list_state list;
    struct feed *feed;
    struct heartbeat *heartbeat; /* NULL: there are none */
    struct heartbeat_state beats;
    struct worker_settings settings;
    struct worker *workers[WORLD_WORKERS];
    int64_t revision;
};

void world_open(struct world *world, uint64_t seed);
void world_close(struct world *world); /* workers too, those that are open */

/* Before the list and the workers: heartbeats are an input too, and the list has their entry. */
void world_open_heartbeats(struct world *world);
void world_beat(struct world *world); /* one round of who sends them and looks for their alerts */
void world_crash_heartbeat(struct world *world); /* as after kill -9; another one begins */

void world_start(struct world *world, uint32_t worker);
void world_step(struct world *world, uint32_t worker);      /* must succeed */
void world_step_times(struct world *world, uint32_t count); /* the first worker */
void world_step_feed(struct world *world);

/* A worker's end: as after kill -9. */
void world_crash(struct world *world, uint32_t worker);

/* Gracefully, in 4 s; the worker is closed in any case. */
enum status world_stop(struct world *world, uint32_t worker, struct error *err);

void world_number(uint32_t entry, char number[16]);
void world_change(struct world *world, uint32_t entry, const char *number, bool withdraw);

/* Entries 0 to count are listed, and the list is ready. */
void world_list(struct world *world, uint32_t count);

void world_give_late(void);

/* An event that names these entries' documents; its offset. */
int64_t world_event(int32_t partition, uint32_t schema_id, const uint32_t *entries, uint32_t count);

/* An event of so many documents, up to WORLD_DOCUMENTS_MAX: of the entries from 0 on as many as are
 * to be listed, then of WORLD_NOBODYS. */
int64_t world_event_of(int32_t partition, uint32_t count, uint32_t listed);

/* Whether everything in the inputs is committed. */
bool world_is_committed(const struct world *world);

#endif
