#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/process.h"

enum { MORE_BYTES = 64 * 1024 * 1024, FILES = 5, DAY_MS = 24 * 60 * 60 * 1000 };

Test(process, open_files_are_counted)
{
    uint64_t before = process_look().open_fds;
    cr_assert(before >= 3);
    int files[FILES];
    for (int i = 0; i < FILES; i++)
        cr_assert((files[i] = open("/dev/null", O_RDONLY)) >= 0);
    cr_assert_eq(process_look().open_fds, before + FILES);
    for (int i = 0; i < FILES; i++)
        (void)close(files[i]);
    cr_assert_eq(process_look().open_fds, before);
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert_eq(process_look().max_fds, limit.rlim_cur);
}

Test(process, memory_grows_by_what_is_touched)
{
    struct process_figures before = process_look();
    char *memory = memory_new(MORE_BYTES, 1);
    memset(memory, 1, MORE_BYTES);
    struct process_figures after = process_look();
    cr_assert(after.resident_bytes >= before.resident_bytes + MORE_BYTES / 2);
    cr_assert(after.virtual_bytes >= after.resident_bytes);
    memory_free(memory);
}

static void *wait_to_end(void *state)
{
    (void)pthread_mutex_lock(state);
    (void)pthread_mutex_unlock(state);
    return NULL;
}

Test(process, threads_are_counted)
{
    uint64_t before = process_look().threads;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    (void)pthread_mutex_lock(&lock);
    cr_assert_eq(pthread_create(&thread, NULL, wait_to_end, &lock), 0);
    cr_assert_eq(process_look().threads, before + 1);
    (void)pthread_mutex_unlock(&lock);
    (void)pthread_join(thread, NULL);
}

static void *put_behind(void *niceness)
{
    process_put_behind();
    *(int *)niceness = getpriority(PRIO_PROCESS, 0);
    return NULL;
}

Test(process, only_the_thread_that_asks_is_put_behind)
{
    int before = getpriority(PRIO_PROCESS, 0);
    int niceness = before;
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, put_behind, &niceness), 0);
    (void)pthread_join(thread, NULL);
    cr_expect_eq(niceness, 19);
    cr_expect_eq(getpriority(PRIO_PROCESS, 0), before);
}

Test(process, start_lies_in_the_near_past_and_cpu_time_was_used)
{
    struct process_figures figures = process_look();
    int64_t now_ms = clock_wall_ms();
    cr_assert(figures.started_ms > now_ms - DAY_MS && figures.started_ms <= now_ms + 1000);
    cr_assert(figures.cpu_ns > 0);
    cr_assert(figures.cpu_ns <= clock_process_cpu_ns());
}
