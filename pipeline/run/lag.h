/* lag.h - how far one thread is behind in the partitions it reads, told once a second to whoever
 * watches.
 *
 * The reading thread adds where it stands in each and publishes; where they end is asked of the
 * broker beside that, so it is known of paused partitions too, and is up to two seconds old. The
 * watcher takes a copy under a lock for which the reading thread never waits: it tells later.
 */
#ifndef CHECKIT_LAG_H
#define CHECKIT_LAG_H

#include <stdbool.h>
#include <stdint.h>

#include "operators/support/kafka.h"

struct lag;

struct lag_partition {
    uint16_t input; /* as in struct kafka_position */
    bool is_held;
    int32_t partition;
    int64_t position; /* next offset to read */
    int64_t end;      /* not below position; KAFKA_OFFSET_NONE: not known yet */
};

/* For up to capacity partitions at a time. */
struct lag *lag_open(uint32_t capacity);
void lag_close(struct lag *lag);

/* --- the reading thread --- */

/* Whether it is time to tell: then every partition is added, end unset, and published. */
bool lag_begin(struct lag *lag);
void lag_add(struct lag *lag, const struct lag_partition *partition);
void lag_publish(struct lag *lag, struct kafka_consumer *consumer);

/* --- any thread --- */

/* What was published last, up to capacity. */
uint32_t lag_read(struct lag *lag, struct lag_partition *out, uint32_t capacity);

#endif
