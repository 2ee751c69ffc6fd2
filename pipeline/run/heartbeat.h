/* heartbeat.h - silence is proven healthy: each `heartbeat.interval_s` an event of our own that
 * names the TEST entry goes to `heartbeat.topic`, is screened by whoever of the group reads it, and
 * its alert is read back from `outputs.alerts_test`, without a group. So each beat seen proves the
 * whole way: producer, consumer group, decode, list, alert, delivery.
 *
 * Of the alerts only those of this process's own events count. A heartbeat never ends the process:
 * what it lacks it tells, and it tries again. heartbeat_step is one bounded round; only Kafka
 * waits.
 */
#ifndef CHECKIT_HEARTBEAT_H
#define CHECKIT_HEARTBEAT_H

#include <stdatomic.h>
#include <stdint.h>

#include "pipeline/config.h"
#include "pipeline/entry.h"

struct registry;
struct store;

/* The entry that `checkit feed --test-entry` writes: of an issuer that ISO assigned and that issues
 * no documents (Antarctica), and no template or gate is near its number. */
#define TEST_ENTRY_ID "checkit-test"
#define TEST_ENTRY_NUMBER "CHECKITHEARTBEAT1"
#define TEST_ENTRY_ISSUER "ATA"

/* Why no beat can be made. */
enum heartbeat_trouble {
    HEARTBEAT_WELL,
    HEARTBEAT_NO_TOPIC,      /* heartbeat.topic does not exist */
    HEARTBEAT_NO_TEST_TOPIC, /* outputs.alerts_test does not exist */
    HEARTBEAT_NO_ENTRY,      /* the list has no TEST entry */
    HEARTBEAT_NO_CLIENT,     /* schema or broker: the log says more */
    HEARTBEAT_TROUBLES
};

/* What it tells; any thread reads. */
struct heartbeat_state {
    _Atomic bool is_on;
    _Atomic int trouble;             /* enum heartbeat_trouble */
    _Atomic int64_t began_ms;        /* wall clock */
    _Atomic int64_t last_success_ms; /* wall clock; 0: none yet */
    _Atomic uint64_t beats;
    _Atomic uint64_t failures; /* not seen before the next was due */
};

/* Milliseconds since the last success, or since it began; 0 when it is off. */
int64_t heartbeat_age_ms(const struct heartbeat_state *state, int64_t now_ms);

/* Everything is borrowed until close. */
struct heartbeat_settings {
    const struct config *config;
    struct registry *registry;
    struct store *store;
    struct heartbeat_state *state;
};

/* Their topic, as an input behind those of the file. Once. */
void heartbeat_add_input(struct config *config);

struct heartbeat;

/* Opens nothing yet; that it is on, and since when, the caller has told the state. The caller's:
 * heartbeat_close. */
struct heartbeat *heartbeat_open(const struct heartbeat_settings *settings);
void heartbeat_close(struct heartbeat *heartbeat);

void heartbeat_step(struct heartbeat *heartbeat);

/* Any thread: when it returns the store before is not used any more. heartbeat may be NULL. */
void heartbeat_show_store(struct heartbeat *heartbeat, struct store *store);

/* The event of a beat, behind the wire prefix; borrows buffer. data NULL: it does not fit. */
struct bytes heartbeat_encode(const char *event_id, const char *journey, int64_t time_ms,
                              uint32_t schema_id, void *buffer, size_t capacity);

#endif
