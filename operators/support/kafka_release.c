#include <assert.h>
#include <pthread.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/base/memory.h"

/* Fewer are freed at once: waking the thread would cost more. */
enum { HANDED_MIN = 256 };

struct handed {
    rd_kafka_message_t *messages[BATCH_RECORDS_MAX];
    uint32_t count;
};

struct kafka_releaser {
    pthread_t id;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct handed *waiting; /* one batch at most */
    struct handed *freed;   /* the thread's */
    bool stop;
};

static void free_all(struct handed *handed)
{
    for (uint32_t i = 0; i < handed->count; i++)
        rd_kafka_message_destroy(handed->messages[i]);
    handed->count = 0;
}

/* Ends when nothing is left. */
static void *run(void *state)
{
    struct kafka_releaser *releaser = state;
    for (;;) {
        (void)pthread_mutex_lock(&releaser->lock);
        while (releaser->waiting->count == 0 && !releaser->stop)
            (void)pthread_cond_wait(&releaser->changed, &releaser->lock);
        struct handed *taken = releaser->waiting;
        releaser->waiting = releaser->freed;
        releaser->freed = taken;
        (void)pthread_mutex_unlock(&releaser->lock);
        if (taken->count == 0)
            return NULL;
        free_all(taken);
    }
}

static void destroy(struct kafka_releaser *releaser)
{
    (void)pthread_cond_destroy(&releaser->changed);
    (void)pthread_mutex_destroy(&releaser->lock);
    memory_free(releaser->waiting);
    memory_free(releaser->freed);
    memory_free(releaser);
}

struct kafka_releaser *kafka_releaser_open(void)
{
    struct kafka_releaser *releaser = memory_new(1, sizeof *releaser);
    releaser->waiting = memory_new(1, sizeof *releaser->waiting);
    releaser->freed = memory_new(1, sizeof *releaser->freed);
    (void)pthread_mutex_init(&releaser->lock, NULL);
    (void)pthread_cond_init(&releaser->changed, NULL);
    if (pthread_create(&releaser->id, NULL, run, releaser) == 0)
        return releaser;
    destroy(releaser);
    return NULL;
}

void kafka_releaser_close(struct kafka_releaser *releaser)
{
    if (!releaser)
        return;
    (void)pthread_mutex_lock(&releaser->lock);
    releaser->stop = true;
    (void)pthread_cond_signal(&releaser->changed);
    (void)pthread_mutex_unlock(&releaser->lock);
    (void)pthread_join(releaser->id, NULL);
    destroy(releaser);
}

/* false: the thread still has the batch before. */
static bool hand_over(struct kafka_releaser *releaser, struct record *records, uint32_t count)
{
    assert(count <= BATCH_RECORDS_MAX);
    (void)pthread_mutex_lock(&releaser->lock);
    struct handed *waiting = releaser->waiting;
    bool is_free = waiting->count == 0;
    for (uint32_t i = 0; is_free && i < count; i++) {
        waiting->messages[waiting->count] = records[i].message;
        waiting->count += records[i].message != NULL;
        records[i].message = NULL;
    }
    if (is_free)
        (void)pthread_cond_signal(&releaser->changed);
    (void)pthread_mutex_unlock(&releaser->lock);
    return is_free;
}

void kafka_release_all(struct kafka_consumer *consumer, struct record *records, uint32_t count)
{
    if (count >= HANDED_MIN && consumer->releaser && hand_over(consumer->releaser, records, count))
        return;
    for (uint32_t i = 0; i < count; i++)
        kafka_release(&records[i]);
}
