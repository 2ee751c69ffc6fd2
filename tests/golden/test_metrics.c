/* Metrics of a process made by hand, compared with tests/golden/metrics.txt. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/run/metrics.h"
#include "tests/unit/view_fixture.h"

enum { GOLDEN_SIZE = 256 * 1024 };

static const char golden_path[] = TESTS_FOLDER "/golden/metrics.txt";

static struct view_fixture fixture;
static struct buffer text;

static void set_up(void)
{
    view_fixture_open(&fixture);
}

static void tear_down(void)
{
    view_fixture_close(&fixture);
    buffer_close(&text);
}

TestSuite(metrics, .init = set_up, .fini = tear_down);

/* Every count another number, so that none can stand for another. */
static void count_everything(void)
{
    uint64_t *next = (uint64_t *)fixture.counters;
    for (size_t i = 0; i < offsetof(struct counters, event_to_alert_ms) / sizeof *next; i++)
        next[i] = 10000 + i;
    for (uint32_t i = 0; i < STEPS_MAX; i++)
        fixture.counters->step_ns[i] = 1234567000 + i * 1000;
    atomic_store(&fixture.list->changes_applied, 31);
    atomic_store(&fixture.list->changes_older, 32);
    atomic_store(&fixture.list->changes_skipped, 33);
    static const uint64_t values_ms[] = {0, 1, 2, 3, 4, 1023, 1024, 262143, 262144, 100000000};
    for (size_t i = 0; i < sizeof values_ms / sizeof *values_ms; i++)
        histogram_add(&fixture.counters->event_to_alert_ms, values_ms[i]);
    histogram_add(&fixture.list->change_to_effect_ms, 1500);
}

/* What differs from build to build is written as a word. */
static char *without_build(void)
{
    char *plain = memory_new(text.size + 64, 1);
    const char *found = strstr(text.data, CHECKIT_BUILD);
    cr_assert_not_null(found);
    (void)snprintf(plain, text.size + 64, "%.*sVERSION+COMMIT%s", (int)(found - text.data),
                   text.data, found + strlen(CHECKIT_BUILD));
    return plain;
}

static char *read_golden(void)
{
    char *golden = memory_new(GOLDEN_SIZE, 1);
    FILE *in = fopen(golden_path, "r");
    cr_assert_not_null(in, "%s", golden_path);
    cr_assert_lt(fread(golden, 1, GOLDEN_SIZE - 1, in), GOLDEN_SIZE - 1);
    (void)fclose(in);
    return golden;
}

static void rewrite_golden(const char *plain)
{
    FILE *out = fopen(golden_path, "w");
    cr_assert_not_null(out, "%s", golden_path);
    cr_assert(fputs(plain, out) >= 0);
    cr_assert_eq(fclose(out), 0);
}

Test(metrics, fixed_counts_give_the_golden_text)
{
    count_everything();
    fixture.workers[1].pause = WORKER_OUTPUT_BLOCKED;
    fixture.lag[1].is_held = true;
    metrics_write(&fixture.view, &text);
    char *plain = without_build();
    const char *golden_switch = getenv("CHECKIT_GOLDEN");
    if (golden_switch && strcmp(golden_switch, "rewrite") == 0)
        rewrite_golden(plain);
    char *golden = read_golden();
    const char *line = plain;
    const char *expected = golden;
    while (*line && *expected && strncmp(line, expected, strcspn(line, "\n") + 1) == 0) {
        line += strcspn(line, "\n") + 1;
        expected += strcspn(expected, "\n") + 1;
    }
    cr_assert(!*line && !*expected, "is      %.*s\ngolden  %.*s", (int)strcspn(line, "\n"), line,
              (int)strcspn(expected, "\n"), expected);
    memory_free(golden);
    memory_free(plain);
}

static void expect(const char *line)
{
    char whole[512];
    (void)snprintf(whole, sizeof whole, "\n%s\n", line);
    cr_assert_not_null(strstr(text.data, whole), "no '%s'", line);
}

static void expect_no_sample(const char *name)
{
    char begin[128];
    (void)snprintf(begin, sizeof begin, "\n%s", name);
    const char *found = strstr(text.data, begin);
    cr_assert_null(found, "%.80s", found);
    (void)snprintf(begin, sizeof begin, "\n# TYPE %s ", name);
    cr_assert_not_null(strstr(text.data, begin), "the family %s is not there", name);
}

Test(metrics, what_is_not_known_has_a_family_and_no_sample)
{
    atomic_store(&fixture.list->at_end_ms, 0);
    fixture.feed_lag[0].end = KAFKA_OFFSET_NONE;
    fixture.view.lag_count = 0;
    fixture.view.feed_offsets_count = 0;
    memset(fixture.workers, 0, FIXTURE_WORKERS * sizeof *fixture.workers);
    metrics_write(&fixture.view, &text);
    static const char *const names[] = {
        "checkit_list_age_seconds", "checkit_feed_lag_records",      "checkit_lag_records",
        "checkit_feed_position",    "checkit_worker_silent_seconds", "checkit_kafka_in_group",
        "checkit_kafka_broker_up",  "checkit_kafka_sent_bytes_total"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        expect_no_sample(names[i]);
    expect("checkit_workers 2");
    expect("checkit_ready 0");
    expect("checkit_worker_paused{worker=\"1\",reason=\"output_blocked\"} 0");
}

Test(metrics, what_one_worker_does_not_know_another_may)
{
    fixture.workers[0].consumer_is_known = false;
    metrics_write(&fixture.view, &text);
    expect("checkit_kafka_sent_bytes_total{worker=\"0\",client=\"producer\"} 1501");
    expect("checkit_kafka_sent_bytes_total{worker=\"1\",client=\"consumer\"} 2001");
    cr_assert_null(strstr(text.data, "{worker=\"0\",client=\"consumer\"}"));
}

Test(metrics, a_topic_is_quoted_as_the_format_wants_it)
{
    fixture.config->inputs[0].topic = "a\"b\\c\nd";
    metrics_write(&fixture.view, &text);
    expect("checkit_lag_records{topic=\"a\\\"b\\\\c\\nd\",partition=\"0\"} 10");
}

Test(metrics, the_clock_set_back_makes_no_negative_age)
{
    atomic_store(&fixture.list->at_end_ms, FIXTURE_NOW_S * INT64_C(1000) + 5000);
    metrics_write(&fixture.view, &text);
    expect("checkit_list_age_seconds 0.000");
}

/* Prometheus refuses a scrape with two samples of one name and the same labels. */
Test(metrics, no_sample_is_written_twice)
{
    metrics_write(&fixture.view, &text);
    for (const char *line = text.data; *line; line += strcspn(line, "\n") + 1) {
        char sample[512];
        size_t size = strcspn(line, "\n");
        while (size > 0 && line[size] != ' ')
            size--;
        (void)snprintf(sample, sizeof sample, "\n%.*s ", (int)size, line);
        const char *first = strstr(text.data, sample);
        cr_assert(line[0] == '#' || !first || !strstr(first + 1, sample), "twice: %s", sample);
    }
}
