/* What stats says, from what our own health and metrics say: nothing here knows how they are
 * written but the two that write them. */
#include <criterion/criterion.h>
#include <string.h>

#include "pipeline/run/health.h"
#include "pipeline/run/metrics.h"
#include "pipeline/run/stats_view.h"
#include "tests/unit/view_fixture.h"

static struct view_fixture fixture;
static struct stats_look before;
static struct stats_look now;

static void look(struct stats_look *out, uint64_t time_ns)
{
    struct buffer text = {0};
    struct error err = {0};
    (void)health_write_ready(&fixture.view, &text);
    cr_assert_eq(json_parse(text.data, text.size, &out->health, &err), STATUS_OK, "%s", err.text);
    buffer_reset(&text);
    metrics_write(&fixture.view, &text);
    cr_assert_eq(scrape_parse(text.data, text.size, &out->metrics, &err), STATUS_OK, "%s",
                 err.text);
    out->time_ns = time_ns;
    buffer_close(&text);
}

static void set_up(void)
{
    view_fixture_open(&fixture);
    atomic_store(&fixture.counters->records, 1000000);
    atomic_store(&fixture.counters->documents, 1500000);
    atomic_store(&fixture.counters->hits[TIER_EXACT][CLASS_PAGE], 40);
    atomic_store(&fixture.counters->hits[TIER_RANGE][CLASS_REVIEW], 2);
    atomic_store(&fixture.counters->unscreenable[UNSCREENABLE_NUMBER_INVALID], 1234);
    atomic_store(&fixture.counters->dead_letters[RECORD_DATUM_INVALID], 5);
    look(&before, 1000000000);
    atomic_store(&fixture.counters->records, 1005000);
    atomic_store(&fixture.counters->documents, 1507500);
    look(&now, 3000000000);
}

static void tear_down(void)
{
    stats_look_close(&before);
    stats_look_close(&now);
    view_fixture_close(&fixture);
}

TestSuite(stats_view, .init = set_up, .fini = tear_down);

static void expect_text(const struct stats_look *then, bool has_color, const char *expected)
{
    struct buffer out = {0};
    stats_write_text(&now, then, has_color, &out);
    cr_expect_not_null(strstr(out.data, expected), "'%s' is not in:\n%s", expected, out.data);
    buffer_close(&out);
}

Test(stats_view, figures_are_those_of_the_process)
{
    cr_expect(stats_is_ready(&now));
    expect_text(&before, false, "  ready\n  list        ok\n  workers     ok\n");
    expect_text(&before, false, "records           1,005,000  2,500 a second\n");
    expect_text(&before, false, "documents         1,507,500  3,750 a second\n");
    expect_text(&before, false, "EXACT                    40          0\n");
    expect_text(&before, false, "RANGE                     0          2\n");
    expect_text(&before, false, "all                      40          2\n");
    expect_text(&before, false, "dead letters              5  datum_invalid 5\n");
    expect_text(&before, false, "unscreenable          1,234  number_invalid 1,234\n");
}

Test(stats_view, no_rate_without_a_time_before_or_over_a_restart)
{
    expect_text(NULL, false, "records           1,005,000\n");
    atomic_store(&fixture.counters->records, 10);
    stats_look_close(&now);
    look(&now, 4000000000);
    expect_text(&before, false, "records                  10\n");
}

Test(stats_view, why_it_is_not_ready_is_told)
{
    char reason[512];
    atomic_store(&fixture.list->ready, false);
    atomic_store(&fixture.list->connected, false);
    stats_look_close(&now);
    look(&now, 4000000000);
    cr_expect_not(stats_is_ready(&now));
    stats_reason(&now, reason, sizeof reason);
    cr_expect_eq(strncmp(reason, "feed_unreachable: topic ", 24), 0, "%s", reason);
    expect_text(&before, false, "  not ready\n  list        failed  feed_unreachable: topic ");
    expect_text(&before, true, "\x1B[1;31mnot ready\x1B[0m\n");
}

Test(stats_view, json_says_the_same)
{
    struct buffer out = {0};
    struct json *json = NULL;
    struct error err = {0};
    int64_t whole = 0;
    stats_write_json(&now, &before, &out);
    cr_assert_eq(json_parse(out.data, out.size, &json, &err), STATUS_OK, "%s", err.text);
    cr_expect_eq(strchr(out.data, '\n'), out.data + out.size - 1);
    cr_expect(json_bool(json_member(json, "ready")));
    cr_expect(json_whole(json_member(json, "records"), &whole) && whole == 1005000);
    cr_expect_eq(json_number(json_member(json, "records_per_s")), 2500);
    struct json *hits = json_member(json_member(json, "hits"), "EXACT");
    cr_expect(json_whole(json_member(hits, "PAGE"), &whole) && whole == 40);
    struct json *letters = json_member(json, "dead_letters");
    cr_expect(json_whole(json_member(letters, "datum_invalid"), &whole) && whole == 5);
    cr_expect_str_eq(
        json_text(json_member(json_member(json_member(json, "checks"), "list"), "status")), "ok");
    json_close(json);
    buffer_close(&out);
}

Test(stats_view, an_answer_of_another_shape_is_taken_as_it_is)
{
    static const char health[] = "{\"ready\":\"yes\",\"checks\":{\"a\\u001b[2J\":7,\"b\":{"
                                 "\"status\":\"failed\",\"reason\":\"x\\u001b[2Jy\"}}}";
    static const char metrics[] = "checkit_records_total 1e300\ncheckit_hits_total 5\n"
                                  "checkit_dead_letters_total{reason=\"\x1B[2J\"} 3\n"
                                  "checkit_unscreenable_total NaN\ncheckit_list_entries -4\n";
    struct stats_look odd = {0};
    struct buffer out = {0};
    struct error err = {0};
    cr_assert_eq(json_parse(health, strlen(health), &odd.health, &err), STATUS_OK);
    cr_assert_eq(scrape_parse(metrics, strlen(metrics), &odd.metrics, &err), STATUS_OK);
    stats_write_text(&odd, NULL, false, &out);
    cr_expect_not(stats_is_ready(&odd));
    cr_expect_null(strchr(out.data, '\x1B'), "%s", out.data);
    cr_expect_not_null(strstr(out.data, "x?[2Jy"));
    buffer_reset(&out);
    stats_write_json(&odd, &odd, &out);
    cr_expect_not_null(strstr(out.data, "\"records\": 0"), "%s", out.data);
    buffer_close(&out);
    stats_look_close(&odd);
}
