/* kafka_internal.h - what the parts of the Kafka client share; private to kafka_*.c and its tests.
 */
#ifndef CHECKIT_KAFKA_INTERNAL_H
#define CHECKIT_KAFKA_INTERNAL_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "operators/support/kafka.h"

/* Nothing but where log lines and errors go; the caller's. */
rd_kafka_conf_t *kafka_new_settings(void);

/* Settings of design 6 and 7, the configuration's on top. client ends the client.id. *out is the
 * caller's (kafka_client_open takes it). */
enum status kafka_consumer_settings(const struct config *config, const char *client,
                                    rd_kafka_conf_t **out, struct error *err) MUST_USE;
/* transactional_id NULL: without transactions. */
enum status kafka_producer_settings(const struct config *config, const char *client,
                                    const char *transactional_id, rd_kafka_conf_t **out,
                                    struct error *err) MUST_USE;

/* How long the broker lets a transaction be open (transaction.timeout.ms). */
uint32_t kafka_transaction_timeout_ms(const struct config *config);

/* Takes the settings in any case. What librdkafka refuses is EX_CONFIG. */
enum status kafka_client_open(rd_kafka_type_t type, rd_kafka_conf_t *settings, rd_kafka_t **out,
                              struct error *err) MUST_USE;

/* A topic with what `topics` says of it. *out is the caller's: rd_kafka_topic_destroy. */
enum status kafka_topic_open(rd_kafka_t *client, const struct config *config, const char *topic,
                             rd_kafka_topic_t **out, struct error *err) MUST_USE;

/* What a failed call means: STATUS_ABORT when the group has moved on, STATUS_FAIL when asking again
 * cannot help, else STATUS_RETRY. Sets the error: "kafka: <what>: <reason>". */
enum status kafka_call_failed(struct error *err, rd_kafka_resp_err_t code,
                              const char *what) MUST_USE;

/* STATUS_FAIL once the client can do nothing any more. */
enum status kafka_check_fatal(rd_kafka_t *client, struct error *err) MUST_USE;

/* --- statistics: kafka_watch.c --- */

/* The client's thread leaves the newest text, whoever watches takes and reads it. */
struct kafka_told {
    char *_Atomic text;           /* librdkafka's; NULL: nothing new */
    struct kafka_statistics last; /* the watcher's */
    bool is_known;
};

/* The text is taken: a statistics callback that calls this returns 1. */
void kafka_keep_told(struct kafka_told *told, char *text);
bool kafka_read_told(struct kafka_told *told, struct kafka_statistics *out);

/* Once the client calls back no more. */
void kafka_forget_told(struct kafka_told *told);

/* --- messages freed by a thread of their own: kafka_release.c --- */

/* NULL: there is no thread to be had. */
struct kafka_releaser *kafka_releaser_open(void);

/* All are free when it returns. releaser may be NULL. */
void kafka_releaser_close(struct kafka_releaser *releaser);

/* --- inside the consumer --- */

struct kafka_topic {
    char *name;
    rd_kafka_topic_t *handle; /* held, so that the address of a message's topic names this one */
    /* By partition: where it was made to stand; KAFKA_OFFSET_NONE when it is not assigned. */
    int64_t *stands;
    int32_t stands_count;
};

struct kafka_consumer {
    rd_kafka_t *client;
    rd_kafka_queue_t *events; /* the client's own: rebalances, answers to commits, errors */
    /* Assigned partitions deliver here and not on the consumer's own queue, so that a batch is
     * taken without a rebalance being served in its middle: librdkafka would hand out records of
     * partitions just given up and count them as read. */
    rd_kafka_queue_t *records;
    struct kafka_topic *topics;
    uint32_t topics_count;
    struct kafka_rebalance rebalance;
    enum start_at start;
    int64_t start_time_ms;
    bool in_group;
    uint32_t assign_ms; /* for offsets of new partitions, all attempts together */
    bool closing;
    /* Partitions whose position the broker does not have (design 6), until resolved. */
    rd_kafka_topic_partition_list_t *outside;
    uint64_t outside_retry_ns;
    enum status callback_status; /* of the last rebalance */
    struct error callback_error;
    bool commit_failed;       /* one in the background, since last asked */
    uint32_t commits_waiting; /* in the background, for their answer */
    char *cluster_id;
    rd_kafka_queue_t *ends; /* where the answer to kafka_ask_ends comes */
    bool ends_asked;
    struct kafka_releaser *releaser; /* owned; NULL: what is released is freed at once */
    struct kafka_told told;
    rd_kafka_message_t *messages[BATCH_RECORDS_MAX];
};

/* kafka_positions.c. NULL when no such topic was asked for. */
const struct kafka_topic *kafka_topic_named(const struct kafka_consumer *consumer, const char *name,
                                            uint16_t *index);

/* Where a partition stands until a record of it is read; KAFKA_OFFSET_NONE: not assigned. */
void kafka_stand_at(struct kafka_consumer *consumer, const char *name, int32_t partition,
                    int64_t offset);
int64_t kafka_stands_at(const struct kafka_consumer *consumer, uint16_t index, int32_t partition);

/* The caller's: rd_kafka_topic_partition_list_destroy. only_offsets: without those that have none.
 */
rd_kafka_topic_partition_list_t *kafka_list_of(const struct kafka_consumer *consumer,
                                               const struct kafka_position *positions,
                                               uint32_t count, bool only_offsets);
rd_kafka_resp_err_t kafka_first_error(const rd_kafka_topic_partition_list_t *list);
rd_kafka_resp_err_t kafka_take_code(rd_kafka_error_t *error);

/* kafka_assignment.c */
void kafka_on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t code,
                        rd_kafka_topic_partition_list_t *list, void *opaque);
enum status kafka_add_partitions(struct kafka_consumer *consumer,
                                 const rd_kafka_topic_partition_list_t *list,
                                 struct error *err) MUST_USE;
enum status kafka_remove_partitions(struct kafka_consumer *consumer,
                                    const rd_kafka_topic_partition_list_t *list,
                                    struct error *err) MUST_USE;
enum status kafka_restart_at(struct kafka_consumer *consumer, const char *topic, int32_t partition,
                             int64_t offset, struct error *err) MUST_USE;

/* Puts partitions with a position outside their log back on it, with a record for every gap. */
enum status kafka_close_gaps(struct kafka_consumer *consumer, struct record *out, uint32_t capacity,
                             uint32_t *count, struct error *err) MUST_USE;

/* --- inside the producer --- */

enum kafka_stage {
    KAFKA_STAGE_NONE,       /* no transaction is open */
    KAFKA_STAGE_OPEN,       /* begun: messages go into it */
    KAFKA_STAGE_COMMITTING, /* it has its offsets, and gets no more messages */
    KAFKA_STAGE_ABORTING,
    KAFKA_STAGE_BEGINNING, /* the client is new: what one before it left is not settled yet */
};

struct kafka_producer {
    rd_kafka_t *client;
    struct kafka_reports reports;
    /* Those of `topics`: what is produced to them by name then has their settings. */
    rd_kafka_topic_t *topics[TOPIC_PROPERTIES_MAX];
    uint32_t topics_count;
    bool closing;
    struct kafka_told told;
    /* Messages too large even for the queue: accepted, and reported by the next poll. */
    uint64_t *refused;
    uint32_t refused_count;
    uint32_t refused_capacity;

    /* With transactions alone. */
    char *transactional_id; /* NULL: without */
    const struct config *config;
    char *name;
    enum kafka_stage stage;
    bool is_in_doubt;  /* a commit was sent, and not answered */
    uint64_t began_ns; /* the transaction */
};

/* The client of a producer, whose other fields stand: kafka_producer.c. Ended without reports. */
enum status kafka_producer_start(struct kafka_producer *producer, const struct config *config,
                                 const char *name, struct error *err) MUST_USE;
void kafka_producer_end(struct kafka_producer *producer);

/* The caller's: kafka_producer_close. Without a client yet. */
struct kafka_producer *kafka_producer_new(const struct kafka_reports *reports);

/* Whether a message that failed so goes with its transaction, and may come with the next. */
bool kafka_transaction_gives_up(rd_kafka_resp_err_t code);

/* kafka_transactions.c, as kafka_check_fatal: STATUS_ABORT where a new client helps. */
enum status kafka_transaction_check(struct kafka_producer *producer, struct error *err) MUST_USE;

/* Opens a transaction unless one is. */
enum status kafka_transaction_join(struct kafka_producer *producer, struct error *err) MUST_USE;

/* For tests: the broker behind the mock, and the client behind a consumer or producer. */
rd_kafka_mock_cluster_t *kafka_mock_cluster(const struct kafka_mock *mock);
rd_kafka_t *kafka_consumer_client(const struct kafka_consumer *consumer);
rd_kafka_t *kafka_producer_client(const struct kafka_producer *producer);

#endif
