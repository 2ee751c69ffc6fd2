/* What probes are told, of a process made by hand. */
#include <criterion/criterion.h>
#include <string.h>

#include "operators/support/json.h"
#include "pipeline/run/health.h"
#include "tests/unit/view_fixture.h"

static struct view_fixture fixture;

static void set_up(void)
{
    view_fixture_open(&fixture);
}

static void tear_down(void)
{
    view_fixture_close(&fixture);
}

TestSuite(ready, .init = set_up, .fini = tear_down);
TestSuite(live, .init = set_up, .fini = tear_down);

typedef uint32_t writer(const struct view *view, struct buffer *out);

/* The answer, parsed; the caller's. It ends with its only newline. */
static struct json *answer_of(writer *write, uint32_t *code)
{
    struct buffer buffer = {0};
    struct json *json = NULL;
    struct error err = {0};
    *code = write(&fixture.view, &buffer);
    cr_assert_eq(strchr(buffer.data, '\n'), buffer.data + buffer.size - 1);
    cr_assert_eq(json_parse(buffer.data, buffer.size, &json, &err), STATUS_OK, "%s", err.text);
    cr_assert_str_eq(json_text(json_member(json, "instance")), "one");
    buffer_close(&buffer);
    return json;
}

static const struct json *check_of(const struct json *answer, const char *check)
{
    const struct json *found = json_member(json_member(answer, "checks"), check);
    cr_assert_not_null(found);
    return found;
}

/* reason NULL: the check is ok. text: a part of the detail. */
static void expect(const char *check, const char *status, const char *reason, const char *text)
{
    uint32_t code;
    struct json *answer = answer_of(health_write_ready, &code);
    const struct json *found = check_of(answer, check);
    cr_assert_str_eq(json_text(json_member(found, "status")), status);
    const char *told = json_text(json_member(found, "reason"));
    const char *detail = json_text(json_member(found, "detail"));
    if (reason) {
        cr_assert_str_eq(told, reason);
        cr_assert_not_null(strstr(detail, text), "%s", detail);
    } else {
        cr_assert_null(told);
        cr_assert_null(detail);
    }
    bool fails = strcmp(status, "failed") == 0;
    cr_assert_eq(code, fails ? 503 : 200);
    cr_assert_eq(json_bool(json_member(answer, "ready")), !fails);
    cr_assert_str_eq(json_text(json_member(answer, "status")), status);
    cr_assert_eq(health_is_ready(&fixture.view), !fails);
    json_close(answer);
}

/* --- heartbeat ------------------------------------------------------------------------------ */

Test(ready, heartbeat_that_does_not_come_through_degrades_and_never_fails)
{
    int64_t now_ms = fixture.view.now_ms;
    expect("heartbeat", "ok", NULL, NULL);
    atomic_store(&fixture.heartbeat.last_success_ms, now_ms - 180000);
    expect("heartbeat", "ok", NULL, NULL);
    atomic_store(&fixture.heartbeat.last_success_ms, now_ms - 181000);
    expect("heartbeat", "degraded", "heartbeat_late", "for 181 s");
    atomic_store(&fixture.heartbeat.last_success_ms, 0);
    atomic_store(&fixture.heartbeat.began_ms, now_ms - 1000);
    expect("heartbeat", "ok", NULL, NULL);
    atomic_store(&fixture.heartbeat.is_on, false);
    atomic_store(&fixture.heartbeat.last_success_ms, 1);
    expect("heartbeat", "ok", NULL, NULL);
    fixture.view.heartbeat = NULL;
    expect("heartbeat", "ok", NULL, NULL);
}

Test(ready, what_a_heartbeat_lacks_is_told_with_the_command)
{
    static const struct {
        enum heartbeat_trouble trouble;
        const char *reason;
        const char *command;
    } troubles[] = {
        {HEARTBEAT_NO_TOPIC, "no_topic", "checkit config topics -c FILE --create"},
        {HEARTBEAT_NO_TEST_TOPIC, "no_test_topic", "checkit config topics -c FILE --create"},
        {HEARTBEAT_NO_ENTRY, "no_test_entry", "checkit feed --test-entry -c FILE"},
        {HEARTBEAT_NO_CLIENT, "no_client", "the log says why"},
    };
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
        atomic_store(&fixture.heartbeat.trouble, (int)troubles[i].trouble);
        expect("heartbeat", "degraded", troubles[i].reason, troubles[i].command);
    }
}

/* --- ready ---------------------------------------------------------------------------------- */

Test(ready, all_well_is_ok_with_figures)
{
    expect("list", "ok", NULL, NULL);
    expect("workers", "ok", NULL, NULL);
    expect("partitions", "ok", NULL, NULL);
    uint32_t code;
    struct json *answer = answer_of(health_write_ready, &code);
    const struct json *list = check_of(answer, "list");
    cr_assert_eq(json_number(json_member(list, "age_seconds")), 1.5);
    cr_assert_eq(json_number(json_member(list, "entries")), 5);
    cr_assert_eq(json_number(json_member(list, "changes_behind")), 1);
    cr_assert_eq(json_kind_of(json_member(list, "stale")), JSON_KIND_BOOL);
    cr_assert_eq(json_number(json_member(check_of(answer, "workers"), "reading")), 2);
    const struct json *partitions = check_of(answer, "partitions");
    cr_assert_eq(json_number(json_member(partitions, "assigned")), 3);
    cr_assert_eq(json_number(json_member(partitions, "records_behind")), 10);
    cr_assert_eq(json_items(json_member(partitions, "first_held")), 0);
    json_close(answer);
}

/* Before anything else is there. */
Test(ready, a_process_that_opens_its_store_waits_for_the_feed)
{
    atomic_store(&fixture.list->ready, false);
    atomic_store(&fixture.list->connected, false);
    atomic_store(&fixture.list->at_end_ms, 0);
    fixture.view.has_store = false;
    fixture.view.feed_lag_count = 0;
    fixture.view.lag_count = 0;
    memset(fixture.workers, 0, FIXTURE_WORKERS * sizeof *fixture.workers);
    expect("list", "failed", "feed_unreachable", "topic changes cannot be read");
    expect("workers", "failed", "workers_waiting", "0 of 2 workers are open: they wait");
    expect("partitions", "failed", "joining_group", "0 of 2 workers");
    uint32_t code;
    struct json *answer = answer_of(health_write_ready, &code);
    cr_assert_null(json_member(check_of(answer, "list"), "age_seconds"));
    cr_assert_null(json_member(check_of(answer, "list"), "entries"));
    json_close(answer);
}

Test(ready, a_list_that_is_read_for_the_first_time_tells_what_is_to_go)
{
    atomic_store(&fixture.list->ready, false);
    atomic_store(&fixture.list->at_end_ms, 0);
    fixture.feed_lag[0].end = 111;
    expect("list", "failed", "list_not_read", "100 changes to go");
}

Test(ready, a_feed_lost_for_a_moment_degrades)
{
    atomic_store(&fixture.list->connected, false);
    expect("list", "degraded", "feed_unreachable", "topic changes");
}

Test(ready, a_stale_list_degrades_where_screening_goes_on)
{
    atomic_store(&fixture.list->connected, false);
    atomic_store(&fixture.list->stale, true);
    atomic_store(&fixture.list->at_end_ms, FIXTURE_NOW_S * INT64_C(1000) - 99000);
    expect("list", "degraded", "list_stale", "last reached 99 s ago: alerts are marked stale");
    atomic_store(&fixture.list->at_end_ms, 0);
    expect("list", "degraded", "list_stale", "not reached since the start");
}

Test(ready, a_stale_list_fails_where_records_are_held)
{
    atomic_store(&fixture.list->stale, true);
    fixture.config->feed_hold_when_stale = true;
    expect("list", "failed", "list_stale", "records are held");
}

Test(ready, a_worker_not_open_fails)
{
    fixture.workers[1].is_open = false;
    expect("workers", "failed", "workers_starting", "1 of 2 workers are open");
}

Test(ready, blocked_output_fails_once_it_lasts)
{
    fixture.workers[1].pause = WORKER_OUTPUT_BLOCKED;
    fixture.workers[1].since_pause_ms = HEALTH_BLOCKED_MS - 1;
    expect("workers", "ok", NULL, NULL);
    fixture.workers[1].since_pause_ms = HEALTH_BLOCKED_MS;
    expect("workers", "failed", "output_blocked", "worker 1 cannot deliver");
    uint32_t code;
    struct json *answer = answer_of(health_write_ready, &code);
    cr_assert_eq(json_number(json_member(check_of(answer, "workers"), "reading")), 1);
    cr_assert_eq(json_number(json_member(check_of(answer, "workers"), "output_blocked")), 1);
    json_close(answer);
}

/* That is told by the list's check, not twice. */
Test(ready, a_worker_that_holds_for_a_stale_list_is_no_fault_of_its_own)
{
    fixture.workers[0].pause = WORKER_LIST_STALE;
    fixture.workers[0].since_pause_ms = 10 * HEALTH_BLOCKED_MS;
    expect("workers", "ok", NULL, NULL);
}

Test(ready, a_silent_worker_fails)
{
    fixture.workers[0].thread.since_round_ms = HEALTH_SILENT_MS - 1;
    expect("workers", "ok", NULL, NULL);
    fixture.workers[0].thread.since_round_ms = HEALTH_SILENT_MS;
    expect("workers", "failed", "worker_silent", "worker 0 waits since 30 s");
    fixture.workers[0].thread.is_running = false; /* it has ended, as the process is about to */
    expect("workers", "ok", NULL, NULL);
}

Test(ready, a_worker_without_its_share_fails)
{
    fixture.workers[1].has_share = false;
    expect("partitions", "failed", "joining_group",
           "1 of 2 workers have their share of the "
           "partitions in group screeners");
}

Test(ready, a_share_of_nothing_is_ready)
{
    fixture.view.lag_count = 0;
    expect("partitions", "ok", NULL, NULL);
}

Test(ready, held_partitions_degrade_and_all_of_them_fail)
{
    fixture.lag[1].is_held = true;
    expect("partitions", "degraded", "partitions_held", "1 of 3 partitions wait for a schema");
    uint32_t code;
    struct json *answer = answer_of(health_write_ready, &code);
    const struct json *held = json_member(check_of(answer, "partitions"), "first_held");
    cr_assert_eq(json_items(held), 1);
    cr_assert_str_eq(json_text(json_member(json_item(held, 0), "topic")), "bookings");
    cr_assert_eq(json_number(json_member(json_item(held, 0), "partition")), 1);
    cr_assert_eq(json_number(json_member(json_item(held, 0), "offset")), 50);
    json_close(answer);
    fixture.lag[0].is_held = true;
    fixture.lag[2].is_held = true;
    expect("partitions", "failed", "all_held", "3 of 3");
}

Test(ready, not_more_than_sixteen_held_partitions_are_named)
{
    enum { HELD = 40 };
    static struct lag_partition lag[HELD];
    for (int32_t i = 0; i < HELD; i++)
        lag[i] = (struct lag_partition){0, true, i, 5, 6};
    fixture.view.lag = lag;
    fixture.view.lag_count = HELD;
    uint32_t code;
    struct json *answer = answer_of(health_write_ready, &code);
    const struct json *partitions = check_of(answer, "partitions");
    cr_assert_eq(json_number(json_member(partitions, "held")), HELD);
    cr_assert_eq(json_items(json_member(partitions, "first_held")), 16);
    json_close(answer);
}

/* The worst of the checks decides. */
Test(ready, one_degraded_and_one_failed_is_failed)
{
    fixture.lag[1].is_held = true;
    fixture.workers[0].is_open = false;
    uint32_t code;
    struct json *answer = answer_of(health_write_ready, &code);
    cr_assert_eq(code, 503);
    cr_assert_str_eq(json_text(json_member(answer, "status")), "failed");
    cr_assert_str_eq(json_text(json_member(check_of(answer, "partitions"), "status")), "degraded");
    json_close(answer);
}

/* --- live ----------------------------------------------------------------------------------- */

static void expect_live(bool is_live, uint32_t threads, const char *hangs)
{
    uint32_t code;
    struct json *answer = answer_of(health_write_live, &code);
    cr_assert_eq(code, is_live ? 200 : 503);
    cr_assert_eq(json_bool(json_member(answer, "live")), is_live);
    const struct json *list = json_member(answer, "threads");
    cr_assert_eq(json_items(list), threads);
    const char *found = NULL;
    for (uint32_t i = 0; i < threads; i++) {
        const char *status = json_text(json_member(json_item(list, i), "status"));
        if (strcmp(status, "hangs") == 0)
            found = json_text(json_member(json_item(list, i), "thread"));
    }
    cr_assert_eq(found == NULL, hangs == NULL);
    if (hangs)
        cr_assert_str_eq(found, hangs);
    json_close(answer);
}

Test(live, all_threads_come_round)
{
    expect_live(true, 3, NULL);
    uint32_t code;
    struct json *answer = answer_of(health_write_live, &code);
    const struct json *feed = json_item(json_member(answer, "threads"), 0);
    cr_assert_str_eq(json_text(json_member(feed, "thread")), "feed");
    cr_assert_eq(json_number(json_member(feed, "seconds_since_round")), 0.015);
    json_close(answer);
}

Test(live, a_thread_that_hangs_is_named)
{
    fixture.workers[1].thread.since_round_ms = HEALTH_LIVE_MS - 1;
    expect_live(true, 3, NULL);
    fixture.workers[1].thread.since_round_ms = HEALTH_LIVE_MS;
    expect_live(false, 3, "worker 1");
    fixture.workers[1].thread.since_round_ms = 0;
    fixture.view.feed.since_round_ms = HEALTH_LIVE_MS;
    expect_live(false, 3, "feed");
}

/* The store is being opened, or the process stops: nothing hangs. */
Test(live, threads_that_do_not_run_are_left_out)
{
    fixture.view.feed = (struct view_thread){0};
    fixture.workers[0].thread.is_running = false;
    fixture.workers[0].thread.since_round_ms = HEALTH_LIVE_MS;
    expect_live(true, 1, NULL);
}

/* Health is for the orchestrator, which must not restart what only waits. */
Test(live, what_is_not_ready_is_alive)
{
    atomic_store(&fixture.list->ready, false);
    fixture.workers[0].pause = WORKER_OUTPUT_BLOCKED;
    fixture.workers[0].since_pause_ms = HEALTH_LIVE_MS;
    cr_assert_not(health_is_ready(&fixture.view));
    expect_live(true, 3, NULL);
}
