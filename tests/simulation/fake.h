/* fake.h - a broker, a clock and a registry that live in the test and obey its seed.
 *
 * fake_kafka.c, fake_clock.c and fake_registry.c stand in for the product's own by being linked
 * before them; everything else of the process is the real code. One thread.
 */
#ifndef CHECKIT_TESTS_FAKE_H
#define CHECKIT_TESTS_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "operators/support/kafka.h"
#include "pipeline/base/random.h"

enum { FAKE_TOPICS_MAX = 8, FAKE_PARTITIONS_MAX = 8, FAKE_QUEUE_MAX = 64 };

/* A record as it lies in the log. marker: a transaction marker, which no consumer is given. */
struct fake_message {
    uint8_t *key;
    size_t key_size;
    uint8_t *payload; /* NULL: a null value */
    size_t payload_size;
    int64_t timestamp_ms;
    struct kafka_header_field *headers;
    uint32_t headers_count;
    bool marker;
    char reason[32]; /* of a dead letter: where it came from, by its headers */
    char topic[32];
    int32_t partition;
    int64_t offset;
    bool bare; /* a dead letter that says by a hash what it is without */
};

void fake_reset(uint64_t seed);
void fake_close(void);
struct random *fake_random(void);

void fake_topic(const char *name, uint32_t partitions); /* again: it has so many from now on */
uint32_t fake_partitions(const char *topic);
int64_t fake_append(const char *topic, int32_t partition, struct bytes key, struct bytes payload);
int64_t fake_append_with(const char *topic, int32_t partition, struct bytes key,
                         struct bytes payload, const struct kafka_header_field *headers,
                         uint32_t headers_count);
void fake_append_marker(const char *topic, int32_t partition);
int64_t fake_end(const char *topic, int32_t partition);
const struct fake_message *fake_message(const char *topic, int32_t partition, int64_t offset);
int64_t fake_committed(const char *topic, int32_t partition); /* 0 when never */
bool fake_is_committed(const char *topic, int32_t partition); /* ever */

/* Told of every accepted commit, of every message that reaches a log, and of every record that a
 * consumer of a group is given. */
struct fake_hooks {
    void *state;
    void (*given)(void *state, const char *topic, int32_t partition, int64_t offset);
    void (*committed)(void *state, const char *topic, int32_t partition, int64_t offset);
    void (*arrived)(void *state, const char *topic, const struct fake_message *message);
};
void fake_set_hooks(const struct fake_hooks *hooks);

/* Nothing is left to chance: a poll gives all there is, and what is sent arrives at the next poll
 * of the producer, in order, in partition 0. */
void fake_set_calm(bool calm);

/* The log begins there; what was before is gone. */
void fake_delete_before(const char *topic, int32_t partition, int64_t offset);
void fake_recreate(const char *topic); /* empty logs under another id; consumers, commits stay */

/* What becomes of commits: all accepted at once; or the seed decides when they are, whether they
 * fail, and whether the answer is lost; or all refused. */
enum fake_commits { FAKE_COMMITS_GOOD, FAKE_COMMITS_UNRELIABLE, FAKE_COMMITS_REFUSED };
void fake_set_commits(enum fake_commits commits);

enum { FAKE_BATCH_USUAL = 0, FAKE_BATCH_NONE = INT32_MAX };
void fake_set_batch(uint32_t records);  /* a poll gives up to so many of each partition; 0: usual */
void fake_set_answers(bool answers);    /* whether questions about topics are answered */
void fake_refuse_delivery(bool refuse); /* the next message that would arrive is refused for good */
void fake_fail(bool fail); /* what is sent is reported as failed, and does not arrive */
void fake_give_up(void);   /* the next message of a transaction that would arrive fails with it */
void fake_fence(uint32_t worker);                  /* another process opens its transactional id */
void fake_forget(struct kafka_producer *producer); /* what it has on its way is never reported */
void fake_block(bool blocked);                     /* nothing produced arrives or is reported */
void fake_set_message_max(const char *topic, size_t bytes); /* larger: too large; 0: no limit */
void fake_rebalance(void);                                  /* partitions move among the members */
void fake_give(const char *topic, int32_t partition, uint32_t worker); /* at the next polls */
void fake_lose(void); /* one member's partitions, without asking it */

/* The next close of this consumer or producer is a crash: nothing is said or committed, and what is
 * on its way arrives or does not, as the seed says. */
void fake_crash_all(bool crash);

void fake_clock_advance_ms(uint64_t ms);
void fake_clock_reset(void);
void fake_clock_set_ms(uint64_t ms); /* since the reset */

/* Schemas exist once they are given; until then the registry is pending, or says no. */
void fake_registry_give(uint32_t id, const char *schema);
void fake_registry_deny(uint32_t id, bool deny);
/* By fingerprint; without a text it is pending. */
void fake_registry_give_object(uint32_t place, uint64_t fingerprint, const char *schema);
void fake_registry_reset(void);

#endif
