/* topic_reader.h - reads one of our own topics for a command: all partitions, without a group.
 *
 * Begins at a time, and follows; partitions added later are found within 30 s and read from their
 * beginning. Records come as they are in each partition, the partitions in no order. A schema is
 * fetched once by its id, and waited for as long as the registry gives no answer, at most 10 s.
 *
 * A broker that is away is waited for, except at open (10 s). One thread.
 */
#ifndef CHECKIT_TOPIC_READER_H
#define CHECKIT_TOPIC_READER_H

#include "operators/support/kafka.h"
#include "operators/support/projection.h"

struct topic_reader;

/* One record of the topic, for the call. */
struct topic_record {
    const struct record *record;       /* of RECORD_OFFSETS_LOST: a gap in the topic */
    const struct datum_schema *schema; /* NULL: it cannot be read */
    struct bytes datum;
    const char *reason; /* why not: no document number in it */
};

struct topic_reader_settings {
    const struct config *config; /* borrowed until close */
    const char *topic;           /* the same */
    const char *client;
    int64_t since_ms; /* as kafka_offsets_at takes it */
    void *state;
    void (*take)(void *state, const struct topic_record *record);
};

/* *out is the caller's: topic_reader_close. */
enum status topic_reader_open(const struct topic_reader_settings *settings,
                              struct topic_reader **out, struct error *err) MUST_USE;
void topic_reader_close(struct topic_reader *reader);

/* One bounded round: waits up to timeout_ms for records, then hands out what is there. */
enum status topic_reader_step(struct topic_reader *reader, uint32_t timeout_ms,
                              struct error *err) MUST_USE;

/* Whether everything was handed out that stood on the topic at open. */
bool topic_reader_is_at_end(const struct topic_reader *reader);

#endif
