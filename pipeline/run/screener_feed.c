/* The thread that follows a feed, of the list in use or of the next. */
#include <string.h>

#include "pipeline/base/log.h"
#include "pipeline/run/feed.h"
#include "pipeline/run/screener_internal.h"

/* Where it tells how far it is, once it is the main one. */
static bool take_over(struct feed_thread *thread, struct feed *feed)
{
    struct screener *screener = thread->screener;
    if (!atomic_load(&thread->is_main))
        return false;
    feed_take_over(feed, &screener->list, vitals_feed_lag(screener->vitals));
    return true;
}

static enum status follow(struct feed_thread *thread, struct error *err)
{
    struct screener *screener = thread->screener;
    struct feed_settings settings = {screener->config, screener->rules, screener->registry,
                                     thread->store, thread->list};
    struct feed *feed = NULL;
    bool is_main = false;
    enum status status = feed_open(&settings, &feed, err);
    while (status == STATUS_OK && !atomic_load(&thread->stop)) {
        is_main = is_main || take_over(thread, feed);
        if (is_main)
            vitals_round(screener->vitals, VITALS_FEED);
        status = feed_step(feed, err);
    }
    feed_close(feed);
    return status;
}

void *screener_run_feed(void *state)
{
    struct feed_thread *thread = state;
    enum status status = follow(thread, &thread->err);
    if (atomic_load(&thread->is_main))
        vitals_ended(thread->screener->vitals, VITALS_FEED);
    atomic_store(&thread->status, (int)status);
    return NULL;
}

enum status screener_start_feed_thread(struct feed_thread *thread, void *(*run)(void *state),
                                       void *state, struct error *err)
{
    atomic_store(&thread->stop, false);
    atomic_store(&thread->status, (int)STATUS_OK);
    int fault = pthread_create(&thread->id, NULL, run, state);
    if (fault)
        return error_fail(err, EX_OSERR, "cannot start the feed thread: %s", strerror(fault));
    thread->started = true;
    return STATUS_OK;
}

enum status screener_start_feed(struct screener *screener, struct error *err)
{
    struct feed_thread *thread = screener->feed;
    thread->screener = screener;
    thread->store = screener->store;
    thread->list = &screener->list;
    atomic_store(&thread->is_main, true);
    return screener_start_feed_thread(thread, screener_run_feed, thread, err);
}

void screener_stop_feed(struct feed_thread *thread)
{
    if (!thread->started)
        return;
    atomic_store(&thread->stop, true);
    (void)pthread_join(thread->id, NULL);
    thread->started = false;
}

enum status screener_take_feed_failure(const struct feed_thread *feed, struct error *err)
{
    *err = feed->err;
    if (err->exit_code == 0)
        err->exit_code = EX_SOFTWARE;
    error_prefix(err, "feed");
    return STATUS_FAIL;
}
