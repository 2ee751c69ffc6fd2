#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/clock.h"
#include "tests/simulation/fake_internal.h"

enum { BATCH_USUAL = 12 };

struct fake_broker broker;

/* --- the broker, as the test sees it --- */

void fake_reset(uint64_t seed)
{
    memset(&broker, 0, sizeof broker);
    random_init(&broker.random, seed);
}

void fake_free_message(struct fake_message *message)
{
    for (uint32_t i = 0; i < message->headers_count; i++) {
        free((void *)message->headers[i].name);
        free((void *)message->headers[i].value.data);
    }
    free(message->headers);
    free(message->key);
    free(message->payload);
}

void fake_close(void)
{
    for (uint32_t t = 0; t < broker.topics_count; t++)
        for (uint32_t p = 0; p < broker.topics[t].partitions; p++) {
            for (int64_t i = 0; i < broker.topics[t].logs[p].count; i++)
                fake_free_message(&broker.topics[t].logs[p].messages[i]);
            free(broker.topics[t].logs[p].messages);
        }
    memset(&broker, 0, sizeof broker);
}

struct random *fake_random(void)
{
    return &broker.random;
}

void fake_set_hooks(const struct fake_hooks *hooks)
{
    broker.hooks = *hooks;
}

void fake_set_calm(bool calm)
{
    broker.calm = calm;
}

/* As many as chance would have, or as many as there may be. */
uint64_t fake_some_of(uint64_t chance, uint64_t all)
{
    return broker.calm ? all : random_below(&broker.random, chance);
}

void fake_set_commits(enum fake_commits commits)
{
    broker.commits = commits;
}

void fake_set_batch(uint32_t records)
{
    broker.batch = records;
}

void fake_set_answers(bool answers)
{
    broker.silent = !answers;
}

void fake_refuse_delivery(bool refuse)
{
    broker.refuse_delivery = refuse;
}

void fake_block(bool blocked)
{
    broker.blocked = blocked;
}

void fake_fail(bool fail)
{
    broker.fail = fail;
}

void fake_give_up(void)
{
    broker.give_up = true;
}

void fake_fence(uint32_t worker)
{
    broker.epochs[worker]++;
}

void fake_crash_all(bool crash)
{
    broker.crash = crash;
}

static struct topic *find_topic(const char *name)
{
    for (uint32_t i = 0; i < broker.topics_count; i++)
        if (strcmp(broker.topics[i].name, name) == 0)
            return &broker.topics[i];
    return NULL;
}

struct topic *fake_topic_of(const char *name)
{
    struct topic *topic = find_topic(name);
    assert(topic);
    return topic;
}

void fake_topic(const char *name, uint32_t partitions)
{
    struct topic *topic = find_topic(name);
    if (!topic)
        topic = &broker.topics[broker.topics_count++];
    (void)snprintf(topic->name, sizeof topic->name, "%s", name);
    assert(partitions >= topic->partitions && partitions <= FAKE_PARTITIONS_MAX);
    uint32_t first = topic->partitions;
    topic->partitions = partitions;
    for (uint32_t i = first; i < partitions; i++) {
        topic->logs[i] = (struct log){.committed = -1, .owner = FAKE_NOBODY, .target = FAKE_NOBODY};
    }
}

uint32_t fake_partitions(const char *topic)
{
    return fake_topic_of(topic)->partitions;
}

void fake_set_message_max(const char *topic, size_t bytes)
{
    fake_topic_of(topic)->message_max = bytes;
}

void fake_delete_before(const char *topic, int32_t partition, int64_t offset)
{
    fake_topic_of(topic)->logs[partition].low = offset;
}

void fake_recreate(const char *name)
{
    struct topic *topic = fake_topic_of(name);
    topic->created++;
    for (uint32_t p = 0; p < topic->partitions; p++) {
        struct log *log = &topic->logs[p];
        for (int64_t i = 0; i < log->count; i++)
            fake_free_message(&log->messages[i]);
        log->count = 0;
        log->low = 0;
    }
}

uint8_t *fake_copy(struct bytes bytes)
{
    if (!bytes.data)
        return NULL;
    uint8_t *to = malloc(bytes.size ? bytes.size : 1);
    if (bytes.size)
        memcpy(to, bytes.data, bytes.size);
    return to;
}

void fake_copy_headers(struct fake_message *message, const struct kafka_header_field *headers,
                       uint32_t count)
{
    message->headers_count = count;
    message->headers = count ? calloc(count, sizeof *headers) : NULL;
    for (uint32_t i = 0; i < count; i++)
        message->headers[i] = (struct kafka_header_field){
            strdup(headers[i].name), bytes_of(fake_copy(headers[i].value), headers[i].value.size)};
}

int64_t fake_append_message(struct topic *topic, int32_t partition, struct fake_message message)
{
    struct log *log = &topic->logs[partition];
    log->messages = realloc(log->messages, (size_t)(log->count + 1) * sizeof *log->messages);
    message.timestamp_ms = clock_wall_ms();
    log->messages[log->count] = message;
    if (broker.hooks.arrived && !message.marker)
        broker.hooks.arrived(broker.hooks.state, topic->name, &log->messages[log->count]);
    return log->count++;
}

int64_t fake_append_with(const char *topic, int32_t partition, struct bytes key,
                         struct bytes payload, const struct kafka_header_field *headers,
                         uint32_t headers_count)
{
    struct fake_message message = {.key = fake_copy(key),
                                   .key_size = key.size,
                                   .payload = fake_copy(payload),
                                   .payload_size = payload.size};
    fake_copy_headers(&message, headers, headers_count);
    return fake_append_message(fake_topic_of(topic), partition, message);
}

int64_t fake_append(const char *topic, int32_t partition, struct bytes key, struct bytes payload)
{
    return fake_append_with(topic, partition, key, payload, NULL, 0);
}

void fake_append_marker(const char *topic, int32_t partition)
{
    (void)fake_append_message(fake_topic_of(topic), partition,
                              (struct fake_message){.marker = true});
}

int64_t fake_end(const char *topic, int32_t partition)
{
    return fake_topic_of(topic)->logs[partition].count;
}

const struct fake_message *fake_message(const char *topic, int32_t partition, int64_t offset)
{
    return &fake_topic_of(topic)->logs[partition].messages[offset];
}

int64_t fake_committed(const char *topic, int32_t partition)
{
    int64_t committed = fake_topic_of(topic)->logs[partition].committed;
    return committed > 0 ? committed : 0;
}

bool fake_is_committed(const char *topic, int32_t partition)
{
    return fake_topic_of(topic)->logs[partition].committed >= 0;
}

/* --- the group --- */

static int random_member(void)
{
    int members[FAKE_MEMBERS_MAX];
    uint32_t count = 0;
    for (int i = 0; i < FAKE_MEMBERS_MAX; i++)
        if (broker.members[i])
            members[count++] = i;
    return count ? members[random_below(&broker.random, count)] : FAKE_NOBODY;
}

static bool is_subscribed(int member, uint32_t topic)
{
    for (uint32_t i = 0; member != FAKE_NOBODY && i < broker.members[member]->topics_count; i++)
        if (broker.members[member]->topics[i] == topic)
            return true;
    return false;
}

void fake_rebalance(void)
{
    for (uint32_t t = 0; t < broker.topics_count; t++)
        for (uint32_t p = 0; p < broker.topics[t].partitions; p++) {
            struct log *log = &broker.topics[t].logs[p];
            bool moves = log->target == FAKE_NOBODY || random_below(&broker.random, 3) == 0;
            int member = random_member();
            if (moves && is_subscribed(member, t))
                log->target = member;
        }
}

static void free_partitions_of(int member)
{
    for (uint32_t t = 0; t < broker.topics_count; t++)
        for (uint32_t p = 0; p < broker.topics[t].partitions; p++) {
            struct log *log = &broker.topics[t].logs[p];
            if (log->owner == member)
                log->owner = FAKE_NOBODY;
            if (log->target == member)
                log->target = FAKE_NOBODY;
        }
}

void fake_give(const char *topic, int32_t partition, uint32_t worker)
{
    fake_topic_of(topic)->logs[partition].target = (int)worker;
}

void fake_lose(void)
{
    int member = random_member();
    if (member == FAKE_NOBODY)
        return;
    struct kafka_consumer *consumer = broker.members[member];
    for (uint32_t t = 0; t < consumer->topics_count; t++)
        for (uint32_t p = 0; p < FAKE_PARTITIONS_MAX; p++)
            if (consumer->places[t][p].assigned)
                consumer->places[t][p].lost = true;
    free_partitions_of(member);
    fake_rebalance();
}

static struct log *log_of(const struct kafka_consumer *consumer, uint32_t topic, int32_t partition)
{
    return &broker.topics[consumer->topics[topic]].logs[partition];
}

static uint32_t partitions_of(const struct kafka_consumer *consumer, uint32_t topic)
{
    return broker.topics[consumer->topics[topic]].partitions;
}

/* First what was lost, then what is to be given up, each told at once. */
static void serve_revoked(struct kafka_consumer *consumer, bool lost)
{
    struct kafka_position gone[FAKE_TOPICS_MAX * FAKE_PARTITIONS_MAX];
    uint32_t count = 0;
    for (uint32_t t = 0; t < consumer->topics_count; t++)
        for (uint32_t p = 0; p < partitions_of(consumer, t); p++) {
            const struct place *place = &consumer->places[t][p];
            bool goes = place->assigned && place->lost == lost &&
                        (lost || log_of(consumer, t, (int32_t)p)->target != consumer->member);
            if (goes)
                gone[count++] = (struct kafka_position){(uint16_t)t, (int32_t)p, place->position};
        }
    if (count == 0)
        return;
    consumer->rebalance.revoked(consumer->rebalance.state, gone, count, lost);
    for (uint32_t i = 0; i < count; i++) {
        consumer->places[gone[i].topic][gone[i].partition] = (struct place){0};
        if (!lost)
            log_of(consumer, gone[i].topic, gone[i].partition)->owner = FAKE_NOBODY;
    }
}

static void serve_assigned(struct kafka_consumer *consumer)
{
    struct kafka_position fresh[FAKE_TOPICS_MAX * FAKE_PARTITIONS_MAX];
    uint32_t count = 0;
    for (uint32_t t = 0; t < consumer->topics_count; t++)
        for (uint32_t p = 0; p < partitions_of(consumer, t); p++) {
            struct log *log = log_of(consumer, t, (int32_t)p);
            if (log->owner != FAKE_NOBODY || log->target != consumer->member)
                continue;
            int64_t start = log->committed >= 0 ? log->committed : log->low;
            log->owner = consumer->member;
            log->generation++;
            consumer->places[t][p] = (struct place){.assigned = true, .position = start};
            fresh[count++] = (struct kafka_position){(uint16_t)t, (int32_t)p, start};
        }
    if (count > 0)
        consumer->rebalance.assigned(consumer->rebalance.state, fresh, count);
}

/* --- the consumer, as the product sees it --- */

static void add_topic(struct kafka_consumer *consumer, const char *name)
{
    consumer->topics[consumer->topics_count++] = (uint16_t)(fake_topic_of(name) - broker.topics);
}

enum status kafka_consumer_open(const struct config *config, uint32_t worker,
                                const struct kafka_rebalance *rebalance,
                                struct kafka_consumer **out, struct error *err)
{
    (void)err;
    assert(worker < FAKE_MEMBERS_MAX && !broker.members[worker]);
    struct kafka_consumer *consumer = calloc(1, sizeof *consumer);
    consumer->member = (int)worker;
    consumer->rebalance = *rebalance;
    for (uint32_t i = 0; i < config->inputs_count; i++)
        add_topic(consumer, config->inputs[i].topic);
    broker.members[worker] = consumer;
    fake_rebalance();
    *out = consumer;
    return STATUS_OK;
}

enum status kafka_reader_open(const struct config *config, const char *topic, const char *client,
                              struct kafka_consumer **out, struct error *err)
{
    (void)config;
    (void)client;
    (void)err;
    struct kafka_consumer *reader = calloc(1, sizeof *reader);
    reader->member = FAKE_NOBODY;
    add_topic(reader, topic);
    *out = reader;
    return STATUS_OK;
}

static void arrive_commits(struct kafka_consumer *consumer);

void kafka_consumer_close(struct kafka_consumer *consumer)
{
    if (!consumer)
        return;
    if (consumer->member != FAKE_NOBODY) {
        if (!broker.crash || random_below(&broker.random, 2))
            arrive_commits(consumer);
        broker.members[consumer->member] = NULL;
        free_partitions_of(consumer->member);
        fake_rebalance();
    }
    free(consumer);
}

static void skip_markers(const struct log *log, struct place *place)
{
    while (place->position >= log->low && place->position < log->count &&
           log->messages[place->position].marker)
        place->position++;
}

static void give(struct record *record, const char *name, uint32_t topic, uint32_t partition,
                 const struct log *log, int64_t offset)
{
    const struct fake_message *message = &log->messages[offset];
    struct fake_message *copied = calloc(1, sizeof *copied);
    copied->key = fake_copy(bytes_of(message->key, message->key_size));
    copied->payload = fake_copy(bytes_of(message->payload, message->payload_size));
    fake_copy_headers(copied, message->headers, message->headers_count);
    if (broker.hooks.given)
        broker.hooks.given(broker.hooks.state, name, (int32_t)partition, offset);
    *record = (struct record){
        .message = copied,
        .key = bytes_of(copied->key, message->key_size),
        .payload = bytes_of(copied->payload, message->payload_size),
        .origin = {(uint16_t)topic, (int32_t)partition, offset, message->timestamp_ms},
        .received_at_ms = clock_wall_ms(),
        .status = RECORD_OK,
    };
}

/* A position outside the log is told, paused or not, and moved to where the log begins. */
static bool give_gap(struct record *record, uint32_t topic, uint32_t partition,
                     const struct log *log, struct place *place)
{
    bool is_outside = place->position < log->low || place->position > log->count;
    if (!place->assigned || !is_outside)
        return false;
    *record = (struct record){
        .origin = {(uint16_t)topic, (int32_t)partition, place->position, -1},
        .received_at_ms = clock_wall_ms(),
        .offsets_lost = place->position < log->low ? (uint64_t)(log->low - place->position) : 0,
        .resumes_at = log->low,
        .status = RECORD_OFFSETS_LOST,
    };
    place->position = log->low;
    return true;
}

static void give_some(struct kafka_consumer *consumer, uint32_t topic, uint32_t partition,
                      struct record *out, uint32_t capacity, uint32_t *count)
{
    struct place *place = &consumer->places[topic][partition];
    const struct log *log = log_of(consumer, topic, (int32_t)partition);
    const char *name = broker.topics[consumer->topics[topic]].name;
    uint64_t some = broker.batch ? broker.batch : fake_some_of(BATCH_USUAL, capacity);
    if (broker.batch == FAKE_BATCH_NONE)
        return;
    if (some > 0 && *count < capacity)
        *count += give_gap(&out[*count], topic, partition, log, place);
    for (; place->assigned && !place->paused && some > 0 && *count < capacity; some--) {
        skip_markers(log, place);
        if (place->position >= log->count)
            break;
        give(&out[(*count)++], name, topic, partition, log, place->position++);
    }
}

enum status kafka_poll(struct kafka_consumer *consumer, struct record *out, uint32_t capacity,
                       uint32_t timeout_ms, uint32_t *count, struct error *err)
{
    (void)err;
    *count = 0;
    if (consumer->member != FAKE_NOBODY) {
        if (broker.calm || random_below(&broker.random, 2))
            arrive_commits(consumer);
        serve_revoked(consumer, true);
        serve_revoked(consumer, false);
        serve_assigned(consumer);
    }
    for (uint32_t t = 0; t < consumer->topics_count; t++)
        for (uint32_t p = 0; p < partitions_of(consumer, t); p++)
            give_some(consumer, t, p, out, capacity, count);
    if (*count == 0)
        fake_clock_advance_ms(timeout_ms);
    return STATUS_OK;
}

void kafka_release(struct record *record)
{
    if (!record->message)
        return;
    fake_free_message(record->message);
    free(record->message);
    record->message = NULL;
}

void kafka_release_all(struct kafka_consumer *consumer, struct record *records, uint32_t count)
{
    (void)consumer;
    for (uint32_t i = 0; i < count; i++)
        kafka_release(&records[i]);
}

uint32_t kafka_headers_count(const struct record *record)
{
    const struct fake_message *message = record->message;
    return message ? message->headers_count : 0;
}

struct bytes kafka_header(const struct record *record, const char *name)
{
    const struct fake_message *message = record->message;
    struct bytes value = {0};
    for (uint32_t i = 0; message && i < message->headers_count; i++)
        if (strcmp(message->headers[i].name, name) == 0)
            value = message->headers[i].value; /* the last counts */
    return value;
}

uint32_t kafka_headers(const struct record *record, struct kafka_header_field *out,
                       uint32_t capacity)
{
    const struct fake_message *message = record->message;
    uint32_t count = message ? message->headers_count : 0;
    count = count < capacity ? count : capacity;
    if (count > 0)
        memcpy(out, message->headers, count * sizeof *out);
    return count;
}

enum status kafka_position(struct kafka_consumer *consumer, struct kafka_position *positions,
                           uint32_t count, struct error *err)
{
    (void)err;
    for (uint32_t i = 0; i < count; i++) {
        struct place *place = &consumer->places[positions[i].topic][positions[i].partition];
        if (place->assigned && !place->paused)
            skip_markers(log_of(consumer, positions[i].topic, positions[i].partition), place);
        positions[i].offset = place->assigned ? place->position : KAFKA_OFFSET_NONE;
    }
    return STATUS_OK;
}

enum status kafka_assign(struct kafka_consumer *reader, const struct kafka_position *positions,
                         uint32_t count, struct error *err)
{
    (void)err;
    memset(reader->places, 0, sizeof reader->places);
    for (uint32_t i = 0; i < count; i++)
        reader->places[positions[i].topic][positions[i].partition] =
            (struct place){.assigned = true, .position = positions[i].offset};
    return STATUS_OK;
}

static void set_paused(struct kafka_consumer *consumer, const struct kafka_position *positions,
                       uint32_t count, bool paused)
{
    for (uint32_t i = 0; i < count; i++)
        consumer->places[positions[i].topic][positions[i].partition].paused = paused;
}

enum status kafka_pause(struct kafka_consumer *consumer, const struct kafka_position *positions,
                        uint32_t count, struct error *err)
{
    (void)err;
    set_paused(consumer, positions, count, true);
    return STATUS_OK;
}

enum status kafka_resume(struct kafka_consumer *consumer, const struct kafka_position *positions,
                         uint32_t count, struct error *err)
{
    (void)err;
    set_paused(consumer, positions, count, false);
    return STATUS_OK;
}

enum status kafka_seek(struct kafka_consumer *consumer, const struct kafka_position *positions,
                       uint32_t count, struct error *err)
{
    (void)err;
    for (uint32_t i = 0; i < count; i++)
        consumer->places[positions[i].topic][positions[i].partition].position = positions[i].offset;
    return STATUS_OK;
}

struct commit fake_commit_of(const struct kafka_consumer *consumer,
                             const struct kafka_position *positions, uint32_t count)
{
    struct commit commit = {.count = count};
    memcpy(commit.positions, positions, count * sizeof *positions);
    for (uint32_t i = 0; i < count; i++)
        commit.generations[i] =
            log_of(consumer, positions[i].topic, positions[i].partition)->generation;
    return commit;
}

bool fake_may_commit(const struct kafka_consumer *consumer, const struct commit *commit)
{
    for (uint32_t i = 0; i < commit->count; i++) {
        const struct kafka_position *position = &commit->positions[i];
        const struct log *log = log_of(consumer, position->topic, position->partition);
        if (log->owner != consumer->member || log->generation != commit->generations[i])
            return false;
    }
    return true;
}

bool fake_accept_commit(struct kafka_consumer *consumer, const struct commit *commit)
{
    if (!fake_may_commit(consumer, commit))
        return false;
    for (uint32_t i = 0; i < commit->count; i++) {
        const struct kafka_position *position = &commit->positions[i];
        const char *topic = broker.topics[consumer->topics[position->topic]].name;
        log_of(consumer, position->topic, position->partition)->committed = position->offset;
        if (broker.hooks.committed)
            broker.hooks.committed(broker.hooks.state, topic, position->partition,
                                   position->offset);
    }
    return true;
}

bool fake_may_fail(uint32_t once_in)
{
    return broker.commits == FAKE_COMMITS_REFUSED || (broker.commits == FAKE_COMMITS_UNRELIABLE &&
                                                      random_below(&broker.random, once_in) == 0);
}

/* In their order, as on one connection. */
static void arrive_commits(struct kafka_consumer *consumer)
{
    for (uint32_t i = 0; i < consumer->commits_count; i++)
        if (fake_may_fail(8) || !fake_accept_commit(consumer, &consumer->commits[i]))
            consumer->commit_failed = true;
    consumer->commits_count = 0;
}

uint32_t kafka_commits_waiting(const struct kafka_consumer *consumer)
{
    return consumer->commits_count;
}

bool kafka_take_commit_failure(struct kafka_consumer *consumer)
{
    bool failed = consumer->commit_failed;
    consumer->commit_failed = false;
    return failed;
}

enum status kafka_commit(struct kafka_consumer *consumer, const struct kafka_position *positions,
                         uint32_t count, uint32_t timeout_ms, struct error *err)
{
    struct commit commit = fake_commit_of(consumer, positions, count);
    if (timeout_ms == 0) {
        if (consumer->commits_count == FAKE_COMMITS_MAX ||
            broker.commits != FAKE_COMMITS_UNRELIABLE)
            arrive_commits(consumer);
        consumer->commits[consumer->commits_count++] = commit;
        if (broker.commits != FAKE_COMMITS_UNRELIABLE)
            arrive_commits(consumer);
        return STATUS_OK;
    }
    arrive_commits(consumer);
    bool is_answered = !fake_may_fail(8);
    if (is_answered && !fake_accept_commit(consumer, &commit))
        return error_set(err, STATUS_ABORT, EX_UNAVAILABLE, "the group has moved on");
    if (is_answered && !fake_may_fail(16))
        return STATUS_OK;
    fake_clock_advance_ms(timeout_ms);
    return error_set(err, STATUS_RETRY, EX_UNAVAILABLE, "no answer");
}

static enum status answer(struct error *err)
{
    return broker.silent ? error_set(err, STATUS_RETRY, EX_UNAVAILABLE, "no answer") : STATUS_OK;
}

enum status kafka_watermarks(struct kafka_consumer *consumer, uint16_t topic, int32_t partition,
                             int64_t *low, int64_t *high, struct error *err)
{
    *low = log_of(consumer, topic, partition)->low;
    *high = log_of(consumer, topic, partition)->count;
    return answer(err);
}

enum status kafka_ends(struct kafka_consumer *consumer, struct kafka_position *positions,
                       uint32_t count, uint32_t timeout_ms, struct error *err)
{
    if (broker.silent)
        fake_clock_advance_ms(timeout_ms);
    for (uint32_t i = 0; i < count; i++)
        positions[i].offset = log_of(consumer, positions[i].topic, positions[i].partition)->count;
    return answer(err);
}

enum status kafka_offsets_at(struct kafka_consumer *consumer, struct kafka_position *positions,
                             uint32_t count, int64_t time_ms, struct error *err)
{
    assert(time_ms == KAFKA_AT_BEGINNING || time_ms == KAFKA_AT_END); /* nobody asks for others */
    for (uint32_t i = 0; i < count; i++) {
        const struct log *log = log_of(consumer, positions[i].topic, positions[i].partition);
        positions[i].offset = time_ms == KAFKA_AT_END ? log->count : log->low;
    }
    return answer(err);
}

enum status kafka_committed(struct kafka_consumer *consumer, struct kafka_position *positions,
                            uint32_t count, uint32_t timeout_ms, struct error *err)
{
    (void)timeout_ms;
    (void)err;
    for (uint32_t i = 0; i < count; i++)
        positions[i].offset =
            log_of(consumer, positions[i].topic, positions[i].partition)->committed;
    return STATUS_OK;
}

enum status kafka_partitions(struct kafka_consumer *consumer, uint16_t topic, uint32_t *count,
                             struct error *err)
{
    *count = partitions_of(consumer, topic);
    return answer(err);
}

enum status kafka_cluster_id(struct kafka_consumer *consumer, const char **id, struct error *err)
{
    (void)consumer;
    *id = "simulated";
    return answer(err);
}

enum status kafka_topic_id(struct kafka_consumer *consumer, uint16_t topic, char *id,
                           uint32_t capacity, struct error *err)
{
    const struct topic *asked = &broker.topics[consumer->topics[topic]];
    (void)snprintf(id, capacity, "%s-%u", asked->name, asked->created);
    return answer(err);
}

void kafka_ask_ends(struct kafka_consumer *consumer, const struct kafka_position *positions,
                    uint32_t count)
{
    (void)consumer;
    (void)positions;
    (void)count;
}

bool kafka_take_ends(struct kafka_consumer *consumer, struct kafka_position *out, uint32_t capacity,
                     uint32_t *count)
{
    (void)consumer;
    (void)out;
    (void)capacity;
    *count = 0;
    return false;
}

bool kafka_consumer_statistics(struct kafka_consumer *consumer, struct kafka_statistics *out)
{
    (void)consumer;
    (void)out;
    return false;
}

bool kafka_producer_statistics(struct kafka_producer *producer, struct kafka_statistics *out)
{
    (void)producer;
    (void)out;
    return false;
}
