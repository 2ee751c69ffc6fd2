/* kafka.h - the Kafka client: the only module that includes librdkafka.
 *
 * Settings are those of design 6 and 7; what the configuration passes through (`kafka:`) wins, save
 * those the guarantees rest on, which are refused (EX_CONFIG): enable.auto.commit,
 * enable.auto.offset.store, auto.offset.reset, acks, enable.idempotence, isolation.level,
 * enable.partition.eof, message.timeout.ms, partitioner, allow.auto.create.topics, group.id,
 * group.instance.id, group.protocol, partition.assignment.strategy, transactional.id,
 * delivery.report.only.error, enabled_events, log.queue, and the aliases of these.
 *
 * What waits for a broker returns STATUS_RETRY when there was no answer in time (10 s where nothing
 * else is said) or a passing one; the error tells why. STATUS_FAIL: asking again cannot help.
 *
 * Tests link another kafka.c behind this header and drive the same line from a seeded scheduler.
 */
#ifndef CHECKIT_KAFKA_H
#define CHECKIT_KAFKA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"
#include "pipeline/config.h"
#include "pipeline/record.h"

struct kafka_consumer;
struct kafka_producer;
struct kafka_mock;

enum { KAFKA_OFFSET_NONE = -1 };

/* One partition and a place in it. topic: index into the topics given at open. */
struct kafka_position {
    uint16_t topic;
    int32_t partition;
    int64_t offset; /* next to read, or KAFKA_OFFSET_NONE */
};

/* Whether librdkafka takes every property of the configuration; asks no broker and opens no file.
 * EX_CONFIG names the line of the first it does not. */
enum status kafka_check_settings(const struct config *config, struct error *err) MUST_USE;

/* --- consumer: one thread ------------------------------------------------------------------- */

/* Called from inside kafka_poll, on the same thread, between batches: no record of a partition is
 * handed out before assigned or after revoked. Not called by kafka_consumer_close. */
struct kafka_rebalance {
    void *state;
    /* Newly assigned, none paused; the offset each starts at (resolved already: committed, else
     * `start`). The call may pause and seek. */
    void (*assigned)(void *state, const struct kafka_position *positions, uint32_t count);
    /* Given up when the call returns: commit now (kafka_commit). lost: someone else may have them
     * already. */
    void (*revoked)(void *state, const struct kafka_position *positions, uint32_t count, bool lost);
    /* May be NULL. Set by any thread when the consumer is to be closed: a poll that asks for the
     * offsets of new partitions then gives up within 2 s, without having taken them. */
    const _Atomic bool *stop;
};

/* In a group: subscribes to the configured inputs. worker names the client. config is not kept. */
enum status kafka_consumer_open(const struct config *config, uint32_t worker,
                                const struct kafka_rebalance *rebalance,
                                struct kafka_consumer **out, struct error *err) MUST_USE;

/* Without a group: one topic, nothing assigned yet (kafka_assign). For the feed and for tools. It
 * carries the configured group's name, since librdkafka wants one, and never joins or commits. */
enum status kafka_reader_open(const struct config *config, const char *topic, const char *client,
                              struct kafka_consumer **out, struct error *err) MUST_USE;

/* A reader of all configured inputs that is never assigned anything: for questions below, which on
 * a consumer that reads may wait 500 ms behind a fetch (fetch.wait.max.ms). */
enum status kafka_inputs_open(const struct config *config, const char *client,
                              struct kafka_consumer **out, struct error *err) MUST_USE;

/* Leaves the group, if brokers let it in 6 s: what is left of the client then ends with the
 * process. Every message must have been released. */
void kafka_consumer_close(struct kafka_consumer *consumer);

/* Waits up to timeout_ms for a first message, then takes what is there, up to capacity. Fills
 * message, key, payload, origin and received_at_ms of each record; status is RECORD_OK, or
 * RECORD_OFFSETS_LOST for a gap (no message; origin.offset is the first lost offset, offsets_lost
 * how many; reading goes on at resumes_at, the low watermark). offsets_lost is 0 when the log ends
 * before the position origin.offset, as when the topic was created anew: what there is comes again.
 * Serves rebalances; offsets of new partitions may take 60 s, with exactly_once as long again as a
 * transaction may be open. STATUS_FAIL, and no record, on errors
 * that do not pass: fatal, not authorized, or a record that cannot be read (broken checksum). */
enum status kafka_poll(struct kafka_consumer *consumer, struct record *out, uint32_t capacity,
                       uint32_t timeout_ms, uint32_t *count, struct error *err) MUST_USE;

/* Gives the message of a record back; a record without one is left alone. */
void kafka_release(struct record *record);

/* Those of a batch, BATCH_RECORDS_MAX at most; of a member of a group, a thread of its own frees
 * them. consumer may be NULL where there are none. */
void kafka_release_all(struct kafka_consumer *consumer, struct record *records, uint32_t count);

struct kafka_header_field {
    const char *name;
    struct bytes value;
};

/* A header of a record's message; data NULL when absent. */
struct bytes kafka_header(const struct record *record, const char *name);

/* How many headers a record's message has. */
uint32_t kafka_headers_count(const struct record *record);

/* All headers in their order, as many as fit; borrowed from the message. Returns how many. */
uint32_t kafka_headers(const struct record *record, struct kafka_header_field *out,
                       uint32_t capacity);

/* Where the consumer stands: the offset after the last record handed out (or skipped, such as
 * transaction markers); before the first, where it was assigned or sought; after a gap, where
 * reading goes on. KAFKA_OFFSET_NONE when the partition is not assigned. */
enum status kafka_position(struct kafka_consumer *consumer, struct kafka_position *positions,
                           uint32_t count, struct error *err) MUST_USE;

/* Replaces the assignment of a reader; offset is where each partition starts. */
enum status kafka_assign(struct kafka_consumer *reader, const struct kafka_position *positions,
                         uint32_t count, struct error *err) MUST_USE;

/* Pause or resume fetching. Paused partitions still count as assigned. After a pause or a seek no
 * record fetched before is handed out. Seek: to positions[].offset, paused or not; at most 5 s. */
enum status kafka_pause(struct kafka_consumer *consumer, const struct kafka_position *positions,
                        uint32_t count, struct error *err) MUST_USE;
enum status kafka_resume(struct kafka_consumer *consumer, const struct kafka_position *positions,
                         uint32_t count, struct error *err) MUST_USE;
enum status kafka_seek(struct kafka_consumer *consumer, const struct kafka_position *positions,
                       uint32_t count, struct error *err) MUST_USE;

/* Commits, leaving out positions without an offset, and waits for the broker's answer up to
 * timeout_ms (then STATUS_RETRY). 0: in the background; whether one failed since last asked is
 * told by kafka_take_commit_failure once a poll has served the answer. A commit refused since the
 * group rebalances is made again in that time, unless the partitions are lost. STATUS_ABORT: they
 * are, or it was refused to the end. */
enum status kafka_commit(struct kafka_consumer *consumer, const struct kafka_position *positions,
                         uint32_t count, uint32_t timeout_ms, struct error *err) MUST_USE;
bool kafka_take_commit_failure(struct kafka_consumer *consumer);

/* How many commits in the background have no answer yet, as far as polls have served them. */
uint32_t kafka_commits_waiting(const struct kafka_consumer *consumer);

/* Low and high (with read_committed: last stable) offsets now; waits for the broker. */
enum status kafka_watermarks(struct kafka_consumer *consumer, uint16_t topic, int32_t partition,
                             int64_t *low, int64_t *high, struct error *err) MUST_USE;

/* The high of many partitions, by one question to each broker: fills offset. Waits at most
 * timeout_ms for all of them. */
enum status kafka_ends(struct kafka_consumer *consumer, struct kafka_position *positions,
                       uint32_t count, uint32_t timeout_ms, struct error *err) MUST_USE;

/* The first offset of each partition whose record is of that time or later, the end where there is
 * none; also KAFKA_AT_BEGINNING, KAFKA_AT_END. Fills offset. */
enum { KAFKA_AT_END = -1, KAFKA_AT_BEGINNING = -2 };
enum status kafka_offsets_at(struct kafka_consumer *consumer, struct kafka_position *positions,
                             uint32_t count, int64_t time_ms, struct error *err) MUST_USE;

/* Committed offsets of the group; KAFKA_OFFSET_NONE where there is none. Waits for the broker, at
 * most timeout_ms. */
enum status kafka_committed(struct kafka_consumer *consumer, struct kafka_position *positions,
                            uint32_t count, uint32_t timeout_ms, struct error *err) MUST_USE;

/* How many partitions a topic has; 0 when it does not exist. Waits for the broker. */
enum status kafka_partitions(struct kafka_consumer *consumer, uint16_t topic, uint32_t *count,
                             struct error *err) MUST_USE;

/* The cluster's id; the text lives as long as the consumer. Waits for the broker. */
enum status kafka_cluster_id(struct kafka_consumer *consumer, const char **id,
                             struct error *err) MUST_USE;

/* The id of a topic, as text: another one once it was deleted and created again. Empty where the
 * broker has none (before Kafka 2.8). Waits for the broker. */
enum status kafka_topic_id(struct kafka_consumer *consumer, uint16_t topic, char *id,
                           uint32_t capacity, struct error *err) MUST_USE;

/* The largest message each of the topics takes, by its configuration; -1 where the broker does not
 * tell (no such topic, no permission, the embedded one). Waits for the broker. */
enum status kafka_largest_messages(struct kafka_consumer *consumer, const char *const *topics,
                                   uint32_t count, int64_t *bytes, struct error *err) MUST_USE;

/* --- for whoever watches -------------------------------------------------------------------- */

/* Asks where partitions end (the last stable offset), paused ones too, and does not wait: the
 * answer comes to kafka_take_ends. Nothing is asked while an earlier question has none. */
void kafka_ask_ends(struct kafka_consumer *consumer, const struct kafka_position *positions,
                    uint32_t count);

/* The answer to the last question, once; false: none yet. Up to capacity partitions, in any order,
 * without those no broker answered for. */
bool kafka_take_ends(struct kafka_consumer *consumer, struct kafka_position *out, uint32_t capacity,
                     uint32_t *count);

enum { KAFKA_BROKERS_MAX = 64, KAFKA_BROKER_NAME_SIZE = 256 };

/* What a client says of one broker. */
struct kafka_broker_statistics {
    char name[KAFKA_BROKER_NAME_SIZE]; /* "HOST:PORT/ID" */
    bool is_up;
    double rtt_avg_s; /* of requests, over the last interval; 0 when there were none */
    double rtt_p99_s;
};

/* What a client says of itself, summed over brokers and partitions; counts are since its start. */
struct kafka_statistics {
    uint64_t sent_bytes;
    uint64_t received_bytes;
    uint64_t requests;
    uint64_t request_errors; /* sent or answered wrongly */
    uint64_t request_retries;
    uint64_t request_timeouts;
    uint64_t queued_messages; /* a producer's: not delivered yet */
    uint64_t queued_bytes;
    uint64_t fetched_messages; /* a consumer's: read ahead of the worker */
    uint64_t fetched_bytes;
    bool is_in_group; /* a consumer's: it has its share of the partitions, which may be none */
    struct kafka_broker_statistics brokers[KAFKA_BROKERS_MAX];
    uint32_t brokers_count; /* of further ones nothing is told */
};

/* The newest, made each `statistics.interval.ms` (5 s, unless configured otherwise; 0: none) while
 * `http.listen` is on; false when there is none yet. Any thread, one at a time. */
bool kafka_consumer_statistics(struct kafka_consumer *consumer, struct kafka_statistics *out);
bool kafka_producer_statistics(struct kafka_producer *producer, struct kafka_statistics *out);

/* --- topics and rights, as the brokers have them: for commands; all wait for the broker ------- */

/* Bits of what a client may do. A broker that has no access lists grants everything. */
enum { KAFKA_MAY_READ = 1, KAFKA_MAY_WRITE = 2, KAFKA_MAY_DESCRIBE = 4 };

struct kafka_topic_state {
    bool exists;
    uint32_t partitions;
    uint32_t replicas; /* of its first partition */
    bool is_rights_told;
    uint32_t rights;
};

/* No such topic is no failure, and neither is one we may not know of: that looks the same. */
enum status kafka_topic_state(struct kafka_consumer *consumer, const char *topic,
                              struct kafka_topic_state *out, struct error *err) MUST_USE;

enum { KAFKA_SETTING_SIZE = 64 };

/* A setting of a topic by its name; value: in effect, empty where the broker does not tell. */
struct kafka_setting {
    const char *name;
    char value[KAFKA_SETTING_SIZE];
};

enum status kafka_topic_settings(struct kafka_consumer *consumer, const char *topic,
                                 struct kafka_setting *settings, uint32_t count,
                                 struct error *err) MUST_USE;

/* Everything is borrowed for the call. replicas 0: as many as the broker makes by itself. */
struct kafka_new_topic {
    const char *name;
    uint32_t partitions;
    uint32_t replicas;
    const struct kafka_property *settings;
    uint32_t settings_count;
};

/* *is_made is false when it was there; it is then as it was. */
enum status kafka_create_topic(struct kafka_consumer *consumer, const struct kafka_new_topic *topic,
                               bool *is_made, struct error *err) MUST_USE;

/* What we may do in a group; *is_told is false where the broker does not say. */
enum status kafka_group_rights(struct kafka_consumer *consumer, const char *group, bool *is_told,
                               uint32_t *rights, struct error *err) MUST_USE;

/* --- producer: one thread ------------------------------------------------------------------- */

/* What is to be sent. Everything is copied by the call. opaque comes back with the report. */
struct kafka_message {
    const char *topic;
    struct bytes key;     /* data NULL: none */
    struct bytes payload; /* data NULL: a null value */
    const struct kafka_header_field *headers;
    uint32_t headers_count;
    int32_t partition; /* -1: by the key (murmur2_random) */
    uint64_t opaque;
};

/* KAFKA_GIVEN_UP: with transactions alone; the message's is to be aborted, the next may do. */
enum kafka_delivery { KAFKA_DELIVERED, KAFKA_TOO_LARGE, KAFKA_DELIVERY_FAILED, KAFKA_GIVEN_UP };

struct kafka_reports {
    void *state;
    /* Called from inside kafka_producer_poll and kafka_flush, on the producer's thread; it may call
     * kafka_produce. reason is valid for the call. */
    void (*report)(void *state, enum kafka_delivery delivery, uint64_t opaque, const char *reason);
};

enum status kafka_producer_open(const struct config *config, const char *client,
                                const struct kafka_reports *reports, struct kafka_producer **out,
                                struct error *err) MUST_USE;
/* Purges what is still queued, without reports: flush first. */
void kafka_producer_close(struct kafka_producer *producer);

/* STATUS_RETRY: the queue is full; poll and come again. KAFKA_TOO_LARGE is reported like any
 * delivery, so every accepted message has exactly one report. */
enum status kafka_produce(struct kafka_producer *producer, const struct kafka_message *message,
                          struct error *err) MUST_USE;

/* Serves reports. STATUS_FAIL on a fatal error of the producer. */
enum status kafka_producer_poll(struct kafka_producer *producer, uint32_t timeout_ms,
                                struct error *err) MUST_USE;

/* Waits until everything has its report, at most timeout_ms: STATUS_RETRY when not all have. */
enum status kafka_flush(struct kafka_producer *producer, uint32_t timeout_ms,
                        struct error *err) MUST_USE;

/* --- transactions: a producer with a transactional id ----------------------------------------
 *
 * What it is given to produce is seen by read_committed readers once the transaction is committed,
 * together with the positions of the consumer, or never. One begins with the first message after
 * the last has ended. What kafka_producer_* and kafka_produce return: STATUS_ABORT, besides, when
 * the transaction cannot be committed any more and is to be aborted; STATUS_FAIL when it is not
 * ours any more: the broker has given the transactional id to another process (EX_UNAVAILABLE, the
 * error names the id). Each call below is one attempt of at most about timeout_ms; while the
 * group's coordinator is down a commit may wait for it longer (librdkafka #5456).
 */

enum { KAFKA_TRANSACTIONAL_ID_SIZE = 512 };

/* PREFIX-INSTANCE-WORKER: id has KAFKA_TRANSACTIONAL_ID_SIZE bytes. EX_CONFIG: it does not fit. */
enum status kafka_transactional_id(const struct config *config, const char *worker, char *id,
                                   struct error *err) MUST_USE;

/* Whether the brokers give us transactions under such ids, tried with one of its own,
 * PREFIX-INSTANCE-check, which fences nobody. STATUS_FAIL: they do not, the error tells why. Waits
 * for the broker. */
enum status kafka_transaction_try(const struct config *config, struct error *err) MUST_USE;

/* Asks nothing of a broker: before anything is produced, kafka_transaction_abort has to succeed,
 * which ends what a predecessor of this id has left open, and fences it. config is borrowed. */
enum status kafka_transactional_open(const struct config *config, const char *worker,
                                     const struct kafka_reports *reports,
                                     struct kafka_producer **out, struct error *err) MUST_USE;

bool kafka_transaction_is_open(const struct kafka_producer *producer);

/* For how long one may be open before the broker ends it and the producer with it. */
uint32_t kafka_transaction_lasts_ms(const struct kafka_producer *producer);

/* Commits positions, those without an offset left out, and what was produced, whose reports all
 * come meanwhile. Without positions and messages nothing is asked. STATUS_RETRY: call again with
 * the same, and produce nothing meanwhile. STATUS_ABORT: it has not been committed, or that cannot
 * be known: abort. */
enum status kafka_transaction_commit(struct kafka_producer *producer,
                                     struct kafka_consumer *consumer,
                                     const struct kafka_position *positions, uint32_t count,
                                     uint32_t timeout_ms, struct error *err) MUST_USE;

/* Ends the transaction, if there is one, without its messages. Reports of those come meanwhile, or
 * never. One whose commit was not answered may have been committed all the same: kafka_committed
 * tells, now that it is settled. STATUS_RETRY: call again. */
enum status kafka_transaction_abort(struct kafka_producer *producer, uint32_t timeout_ms,
                                    struct error *err) MUST_USE;

/* --- embedded broker (librdkafka's mock cluster): for the demo and fast tests ---------------- */

/* A member that joins a group that has others, or had them a moment ago, waits there for the whole
 * session timeout. Its clients should set session.timeout.ms well below socket.timeout.ms (10 s):
 * what they ask meanwhile would time out, they would connect again, and to a member that joins on
 * two connections the broker answers with an abort. *out is the caller's: kafka_mock_close. */
enum status kafka_mock_open(struct kafka_mock **out, struct error *err) MUST_USE;
void kafka_mock_close(struct kafka_mock *mock);
const char *kafka_mock_bootstrap(const struct kafka_mock *mock);
enum status kafka_mock_topic(struct kafka_mock *mock, const char *topic, uint32_t partitions,
                             struct error *err) MUST_USE;

#endif
