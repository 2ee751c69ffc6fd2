/* fake_internal.h - what the parts of the fake Kafka share. */
#ifndef CHECKIT_TESTS_FAKE_INTERNAL_H
#define CHECKIT_TESTS_FAKE_INTERNAL_H

#include "tests/simulation/fake.h"

enum { FAKE_MEMBERS_MAX = 4, FAKE_NOBODY = -1, FAKE_COMMITS_MAX = 8 };

struct log {
    struct fake_message *messages;
    int64_t count;
    int64_t low;
    int64_t committed;   /* -1: never */
    uint32_t generation; /* counts its owners: a commit of an earlier one is refused */
    int owner;           /* member that holds it, or FAKE_NOBODY */
    int target;          /* member that is to hold it */
};

struct topic {
    char name[32];
    uint32_t created; /* how often it was */
    uint32_t partitions;
    size_t message_max;
    struct log logs[FAKE_PARTITIONS_MAX];
};

/* What one consumer holds of one partition. */
struct place {
    bool assigned;
    bool paused;
    bool lost; /* taken away without its having been told */
    int64_t position;
};

/* A commit on its way. */
struct commit {
    struct kafka_position positions[FAKE_TOPICS_MAX * FAKE_PARTITIONS_MAX];
    uint32_t generations[FAKE_TOPICS_MAX * FAKE_PARTITIONS_MAX];
    uint32_t count;
};
struct kafka_consumer {
    int member; /* FAKE_NOBODY: a reader */
    struct commit commits[FAKE_COMMITS_MAX];
    uint32_t commits_count;
    bool commit_failed;
    struct kafka_rebalance rebalance;
    uint16_t topics[FAKE_TOPICS_MAX]; /* its topic index -> the broker's */
    uint32_t topics_count;
    struct place places[FAKE_TOPICS_MAX][FAKE_PARTITIONS_MAX];
};

struct queued {
    char topic[32];
    struct fake_message message;
    uint64_t opaque;
};

struct kafka_producer {
    struct kafka_reports reports;
    struct queued queue[FAKE_QUEUE_MAX];
    uint32_t queued;

    /* With transactions: who it is, and what has come of the open one. */
    bool is_transactional;
    uint32_t id;
    uint32_t epoch;
    bool is_settled; /* an abort has ended what was before it */
    bool is_open;
    bool is_committing;
    bool is_committed; /* which it was not told yet */
    bool has_failed;
    struct queued *pending; /* visible to nobody before the commit */
    uint32_t pending_count;
};

struct fake_broker {
    struct random random;
    struct topic topics[FAKE_TOPICS_MAX];
    uint32_t topics_count;
    struct kafka_consumer *members[FAKE_MEMBERS_MAX];
    struct fake_hooks hooks;
    bool calm;
    enum fake_commits commits;
    uint32_t batch;
    bool silent; /* no answers */
    bool refuse_delivery;
    bool blocked;
    bool fail;
    bool crash;
    bool give_up;
    uint32_t epochs[FAKE_MEMBERS_MAX]; /* of transactional ids: the newest producer's */
};
extern struct fake_broker broker;

struct topic *fake_topic_of(const char *name); /* it must be there */
uint64_t fake_some_of(uint64_t chance, uint64_t all);
bool fake_may_fail(uint32_t once_in); /* a commit */
uint8_t *fake_copy(struct bytes bytes);
void fake_copy_headers(struct fake_message *message, const struct kafka_header_field *headers,
                       uint32_t count);
void fake_free_message(struct fake_message *message);
int64_t fake_append_message(struct topic *topic, int32_t partition, struct fake_message message);

/* False: it is not the member's any more, and nothing is committed. */
bool fake_may_commit(const struct kafka_consumer *consumer, const struct commit *commit);
bool fake_accept_commit(struct kafka_consumer *consumer, const struct commit *commit);

/* Of positions as the consumer holds them now. */
struct commit fake_commit_of(const struct kafka_consumer *consumer,
                             const struct kafka_position *positions, uint32_t count);

#endif
