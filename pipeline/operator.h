/* operator.h - the one interface of a step of the line.
 *
 * A step reads and writes the batch and knows nothing of its neighbours. A bad record gets a status
 * and does not stop the others. The caller (pipeline/run/line.c) times and counts every step.
 *
 *   open     takes what it needs from the environment and allocates once; may fail
 *   process  one bounded round over the batch; STATUS_RETRY: output is blocked, the cursors hold
 *            the place, come again; STATUS_FAIL: the process ends
 *   close    releases; never fails
 *
 * A step belongs to one worker: one thread calls all three.
 */
#ifndef CHECKIT_OPERATOR_H
#define CHECKIT_OPERATOR_H

#include <stdint.h>

#include "pipeline/base/status.h"
#include "pipeline/batch.h"

struct config;
struct counters;
struct dead_letters;
struct identity;
struct kafka_consumer;
struct kafka_producer;
struct ledger;
struct list_state;
struct registry;
struct rule_data;
struct store;
struct store_key;

/* What a worker gives its steps. Everything is borrowed and outlives the line. */
struct environment {
    const struct config *config;
    const struct rule_data *rules;
    struct store *store;               /* shared by all workers */
    const struct store_key *store_key; /* of that store */
    struct registry *registry;         /* shared by all workers */
    const struct identity *identity;   /* the identity key: ids and tokens */
    struct kafka_consumer *consumer;   /* this worker's */
    struct kafka_producer *producer;   /* this worker's */
    struct dead_letters *dead_letters; /* this worker's */
    struct ledger *ledger;             /* this worker's */
    struct counters *counters;         /* this worker's */
    const struct list_state *list;
    const char *cluster_id;
    uint32_t alert_schema_id; /* of schemas/Alert.avsc at the registry */
    uint32_t worker;          /* index, below WORKERS_MAX */
};

struct operator_step {
    const char *name;
    enum status (*open)(const struct environment *environment, void **state, struct error *err);
    enum status (*process)(void *state, struct batch *batch, struct error *err);
    void (*close)(void *state);
};

#endif
