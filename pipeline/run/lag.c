#include "pipeline/run/lag.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"

static const uint64_t interval_ns = UINT64_C(1000000000);

struct lag {
    uint32_t capacity;
    /* The reading thread's. */
    uint64_t began_ns;
    struct lag_partition *next;
    uint32_t next_count;
    struct kafka_position *asked; /* scratch */
    struct kafka_position *ends;  /* the last answer, in the order of compare */
    uint32_t ends_count;
    /* Under the lock. */
    pthread_mutex_t lock;
    struct lag_partition *told;
    uint32_t told_count;
};

struct lag *lag_open(uint32_t capacity)
{
    struct lag *lag = memory_new(1, sizeof *lag);
    lag->capacity = capacity;
    lag->next = memory_new(capacity, sizeof *lag->next);
    lag->asked = memory_new(capacity, sizeof *lag->asked);
    lag->ends = memory_new(capacity, sizeof *lag->ends);
    lag->told = memory_new(capacity, sizeof *lag->told);
    (void)pthread_mutex_init(&lag->lock, NULL);
    return lag;
}

void lag_close(struct lag *lag)
{
    if (!lag)
        return;
    (void)pthread_mutex_destroy(&lag->lock);
    memory_free(lag->told);
    memory_free(lag->ends);
    memory_free(lag->asked);
    memory_free(lag->next);
    memory_free(lag);
}

bool lag_begin(struct lag *lag)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (lag->began_ns != 0 && now_ns - lag->began_ns < interval_ns)
        return false;
    lag->began_ns = now_ns;
    lag->next_count = 0;
    return true;
}

void lag_add(struct lag *lag, const struct lag_partition *partition)
{
    assert(lag->next_count < lag->capacity);
    lag->next[lag->next_count++] = *partition;
}

static int compare(const void *left, const void *right)
{
    const struct kafka_position *a = left;
    const struct kafka_position *b = right;
    if (a->topic != b->topic)
        return a->topic < b->topic ? -1 : 1;
    return (a->partition > b->partition) - (a->partition < b->partition);
}

static int64_t end_of(const struct lag *lag, const struct lag_partition *partition)
{
    struct kafka_position key = {partition->input, partition->partition, 0};
    const struct kafka_position *end =
        lag->ends_count ? bsearch(&key, lag->ends, lag->ends_count, sizeof key, compare) : NULL;
    if (!end)
        return KAFKA_OFFSET_NONE;
    return end->offset > partition->position ? end->offset : partition->position;
}

/* An answer that does not come leaves the last one, so that what is behind stays in sight. */
static void ask_ends(struct lag *lag, struct kafka_consumer *consumer)
{
    uint32_t count;
    if (kafka_take_ends(consumer, lag->asked, lag->capacity, &count)) {
        memcpy(lag->ends, lag->asked, count * sizeof *lag->ends);
        lag->ends_count = count;
        if (count > 0)
            qsort(lag->ends, count, sizeof *lag->ends, compare);
    }
    for (uint32_t i = 0; i < lag->next_count; i++)
        lag->asked[i] =
            (struct kafka_position){lag->next[i].input, lag->next[i].partition, KAFKA_OFFSET_NONE};
    kafka_ask_ends(consumer, lag->asked, lag->next_count);
}

void lag_publish(struct lag *lag, struct kafka_consumer *consumer)
{
    ask_ends(lag, consumer);
    for (uint32_t i = 0; i < lag->next_count; i++)
        lag->next[i].end = end_of(lag, &lag->next[i]);
    if (pthread_mutex_trylock(&lag->lock) != 0)
        return;
    memcpy(lag->told, lag->next, lag->next_count * sizeof *lag->told);
    lag->told_count = lag->next_count;
    (void)pthread_mutex_unlock(&lag->lock);
}

uint32_t lag_read(struct lag *lag, struct lag_partition *out, uint32_t capacity)
{
    (void)pthread_mutex_lock(&lag->lock);
    uint32_t count = lag->told_count < capacity ? lag->told_count : capacity;
    memcpy(out, lag->told, count * sizeof *out);
    (void)pthread_mutex_unlock(&lag->lock);
    return count;
}
