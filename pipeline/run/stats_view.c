#include "pipeline/run/stats_view.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/quote.h"
#include "pipeline/hit.h"
#include "pipeline/run/figures.h"
#include "pipeline/run/terminal.h"

enum { TEXT_SIZE = 512, LABEL_WIDTH = 14 };

static const char records_name[] = "checkit_records_total";
static const char documents_name[] = "checkit_documents_total";
static const char hits_name[] = "checkit_hits_total";
static const char latency_name[] = "checkit_event_to_alert_seconds";

void stats_look_close(struct stats_look *look)
{
    json_close(look->health);
    scrape_close(look->metrics);
    *look = (struct stats_look){0};
}

/* --- reading it ----------------------------------------------------------------------------- */

/* As a whole number: what is none, as a hostile answer may say, is 0. */
static uint64_t whole(double value)
{
    return value > 0 && value < 1e18 ? (uint64_t)(value + 0.5) : 0;
}

static uint64_t count_of(const struct stats_look *look, const char *name)
{
    return whole(scrape_sum(look->metrics, name));
}

/* -1: not known. */
static double rate_of(const struct stats_look *now, const struct stats_look *before,
                      const char *name)
{
    if (!before || now->time_ns <= before->time_ns)
        return -1;
    double more = scrape_sum(now->metrics, name) - scrape_sum(before->metrics, name);
    if (more < 0)
        return -1; /* it was started anew */
    return more / ((double)(now->time_ns - before->time_ns) / 1e9);
}

static uint64_t hits_of(const struct stats_look *look, const char *tier, const char *alert_class)
{
    char text[SCRAPE_LABEL_SIZE];
    uint64_t sum = 0;
    struct scrape_place place = {0};
    while (scrape_next(look->metrics, hits_name, &place)) {
        bool is_tier = !tier || (scrape_label(place.labels, "tier", text) && !strcmp(text, tier));
        if (is_tier && scrape_label(place.labels, "class", text) && !strcmp(text, alert_class))
            sum += whole(place.value);
    }
    return sum;
}

static uint64_t list_entries(const struct stats_look *look)
{
    char state[SCRAPE_LABEL_SIZE];
    struct scrape_place place = {0};
    while (scrape_next(look->metrics, "checkit_list_entries", &place))
        if (scrape_label(place.labels, "state", state) && strcmp(state, "live") == 0)
            return whole(place.value);
    return 0;
}

static const char *line_of(const struct json *object, const char *name, char out[TEXT_SIZE])
{
    return quote_line(bytes_of_text(json_text(json_member(object, name))), out, TEXT_SIZE);
}

bool stats_is_ready(const struct stats_look *look)
{
    return json_bool(json_member(look->health, "ready"));
}

void stats_reason(const struct stats_look *look, char *out, size_t out_size)
{
    char status[TEXT_SIZE];
    char reason[TEXT_SIZE];
    char detail[TEXT_SIZE];
    struct json_place place = {0};
    (void)snprintf(out, out_size, "no reason is given");
    while (json_next(json_member(look->health, "checks"), &place)) {
        if (strcmp(line_of(place.value, "status", status), "failed") != 0)
            continue;
        (void)snprintf(out, out_size, "%.100s: %.400s", line_of(place.value, "reason", reason),
                       line_of(place.value, "detail", detail));
        return;
    }
}

/* --- as text -------------------------------------------------------------------------------- */

static enum terminal_style style_of(const char *status)
{
    if (strcmp(status, "ok") == 0)
        return STYLE_GOOD;
    return strcmp(status, "degraded") == 0 ? STYLE_WARN : STYLE_BAD;
}

static void add_styled(bool has_color, enum terminal_style style, const char *text,
                       struct buffer *out)
{
    terminal_add_style(has_color, style, out);
    buffer_add_text(out, text);
    terminal_add_style(has_color, STYLE_PLAIN, out);
}

static void write_health(const struct stats_look *look, bool has_color, struct buffer *out)
{
    char text[TEXT_SIZE];
    bool is_ready = stats_is_ready(look);
    struct json_place place = {0};
    add_styled(has_color, STYLE_BOLD, line_of(look->health, "instance", text), out);
    buffer_print(out, "  %s  ", line_of(look->health, "build", text));
    add_styled(has_color, is_ready ? STYLE_GOOD : STYLE_BAD, is_ready ? "ready" : "not ready", out);
    buffer_add_text(out, "\n");
    while (json_next(json_member(look->health, "checks"), &place)) {
        const char *name = quote_line(bytes_of_text(place.name), text, sizeof text);
        buffer_print(out, "  %-*s", LABEL_WIDTH - 2, name);
        const char *status = line_of(place.value, "status", text);
        add_styled(has_color, style_of(status), status, out);
        if (json_text(json_member(place.value, "reason")))
            buffer_print(out, "  %s", line_of(place.value, "reason", text));
        if (json_text(json_member(place.value, "detail")))
            buffer_print(out, ": %s", line_of(place.value, "detail", text));
        buffer_add_text(out, "\n");
    }
    buffer_add_text(out, "\n");
}

static void write_rate(const char *what, uint64_t count, double rate, struct buffer *out)
{
    char figure[FIGURE_SIZE];
    buffer_print(out, "%-*s%13s", LABEL_WIDTH, what, figure_whole(count, figure));
    if (rate >= 0)
        buffer_print(out, "  %s a second", figure_whole(whole(rate), figure));
    buffer_add_text(out, "\n");
}

static void write_latency(const struct stats_look *now, struct buffer *out)
{
    double p50 = scrape_quantile(now->metrics, latency_name, 0.5);
    double p99 = scrape_quantile(now->metrics, latency_name, 0.99);
    if (p50 < 0)
        buffer_print(out, "%-*s%13s\n", LABEL_WIDTH, "to alert", "-");
    else
        buffer_print(out, "%-*s%10.0f ms  p50, %.0f ms p99, about\n", LABEL_WIDTH, "to alert",
                     p50 * 1000, p99 * 1000);
}

static void write_figures(const struct stats_look *now, const struct stats_look *before,
                          struct buffer *out)
{
    char figure[FIGURE_SIZE];
    write_rate("records", count_of(now, records_name), rate_of(now, before, records_name), out);
    write_rate("documents", count_of(now, documents_name), rate_of(now, before, documents_name),
               out);
    write_rate("lag", count_of(now, "checkit_lag_records"), -1, out);
    buffer_print(out, "%-*s%13s  entries", LABEL_WIDTH, "list",
                 figure_whole(list_entries(now), figure));
    if (scrape_has(now->metrics, "checkit_list_age_seconds"))
        buffer_print(out, ", %.1f s old", scrape_sum(now->metrics, "checkit_list_age_seconds"));
    buffer_print(out, ", %s changes behind\n",
                 figure_whole(count_of(now, "checkit_feed_lag_records"), figure));
    write_latency(now, out);
}

static void write_hits(const struct stats_look *now, bool has_color, struct buffer *out)
{
    char text[TEXT_SIZE];
    const char *page = alert_class_name(CLASS_PAGE);
    const char *review = alert_class_name(CLASS_REVIEW);
    (void)snprintf(text, sizeof text, "%-18s%9s  %9s", "hits", page, review);
    buffer_add_text(out, "\n");
    add_styled(has_color, STYLE_BOLD, text, out);
    buffer_add_text(out, "\n");
    for (uint32_t tier = TIER_EXACT; tier < TIER_COUNT; tier++) {
        const char *name = tier_name((enum tier)tier);
        buffer_print(out, "%-18s%9" PRIu64 "  %9" PRIu64 "\n", name, hits_of(now, name, page),
                     hits_of(now, name, review));
    }
    buffer_print(out, "%-18s%9" PRIu64 "  %9" PRIu64 "\n\n", "all", hits_of(now, NULL, page),
                 hits_of(now, NULL, review));
}

/* The sum, and what is not 0 of it by reason. */
static void write_reasons(const struct stats_look *now, const char *what, const char *name,
                          struct buffer *out)
{
    char reason[SCRAPE_LABEL_SIZE];
    char line[SCRAPE_LABEL_SIZE];
    char figure[FIGURE_SIZE];
    struct scrape_place place = {0};
    buffer_print(out, "%-*s%13s", LABEL_WIDTH, what, figure_whole(count_of(now, name), figure));
    while (scrape_next(now->metrics, name, &place))
        if (whole(place.value) > 0 && scrape_label(place.labels, "reason", reason))
            buffer_print(out, "  %s %s", quote_line(bytes_of_text(reason), line, sizeof line),
                         figure_whole(whole(place.value), figure));
    buffer_add_text(out, "\n");
}

void stats_write_text(const struct stats_look *now, const struct stats_look *before, bool has_color,
                      struct buffer *out)
{
    write_health(now, has_color, out);
    write_figures(now, before, out);
    write_hits(now, has_color, out);
    write_reasons(now, "dead letters", "checkit_dead_letters_total", out);
    write_reasons(now, "unscreenable", "checkit_unscreenable_total", out);
}

/* --- as JSON -------------------------------------------------------------------------------- */

static void put_checks(const struct stats_look *now, struct json *object)
{
    static const char *const texts[] = {"status", "reason", "detail"};
    struct json *checks = json_new_object();
    struct json_place place = {0};
    while (json_next(json_member(now->health, "checks"), &place)) {
        struct json *check = json_new_object();
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            const char *text = json_text(json_member(place.value, texts[i]));
            if (text)
                json_put_text(check, texts[i], text);
        }
        json_put(checks, place.name, check);
    }
    json_put(object, "checks", checks);
}

static void put_text_of(const struct json *from, const char *name, struct json *object)
{
    const char *text = json_text(json_member(from, name));
    json_put_text(object, name, text ? text : "");
}

static void put_count(const struct stats_look *now, const char *metric, const char *name,
                      struct json *object)
{
    json_put_whole(object, name, (int64_t)count_of(now, metric));
}

/* What is not known is left out. */
static void put_if_known(double value, const char *name, struct json *object)
{
    if (value >= 0 && isfinite(value))
        json_put_number(object, name, value);
}

static void put_list(const struct stats_look *now, struct json *object)
{
    struct json *list = json_new_object();
    json_put_whole(list, "entries", (int64_t)list_entries(now));
    if (scrape_has(now->metrics, "checkit_list_age_seconds"))
        put_if_known(scrape_sum(now->metrics, "checkit_list_age_seconds"), "age_seconds", list);
    put_count(now, "checkit_feed_lag_records", "feed_lag_records", list);
    json_put(object, "list", list);
}

static void put_hits(const struct stats_look *now, struct json *object)
{
    struct json *hits = json_new_object();
    for (uint32_t tier = TIER_EXACT; tier < TIER_COUNT; tier++) {
        struct json *classes = json_new_object();
        for (uint32_t i = 0; i < CLASS_COUNT; i++) {
            const char *name = alert_class_name((enum alert_class)i);
            json_put_whole(classes, name, (int64_t)hits_of(now, tier_name((enum tier)tier), name));
        }
        json_put(hits, tier_name((enum tier)tier), classes);
    }
    json_put(object, "hits", hits);
}

static void put_reasons(const struct stats_look *now, const char *metric, const char *name,
                        struct json *object)
{
    char reason[SCRAPE_LABEL_SIZE];
    struct json *reasons = json_new_object();
    struct scrape_place place = {0};
    while (scrape_next(now->metrics, metric, &place))
        if (scrape_label(place.labels, "reason", reason))
            json_put_whole(reasons, reason, (int64_t)whole(place.value));
    json_put(object, name, reasons);
}

void stats_write_json(const struct stats_look *now, const struct stats_look *before,
                      struct buffer *out)
{
    struct json *object = json_new_object();
    json_put_bool(object, "ready", stats_is_ready(now));
    put_text_of(now->health, "status", object);
    put_text_of(now->health, "instance", object);
    put_text_of(now->health, "build", object);
    put_checks(now, object);
    put_count(now, records_name, "records", object);
    put_count(now, documents_name, "documents", object);
    put_if_known(rate_of(now, before, records_name), "records_per_s", object);
    put_if_known(rate_of(now, before, documents_name), "documents_per_s", object);
    put_count(now, "checkit_lag_records", "lag_records", object);
    put_list(now, object);
    put_hits(now, object);
    put_reasons(now, "checkit_dead_letters_total", "dead_letters", object);
    put_reasons(now, "checkit_unscreenable_total", "unscreenable", object);
    struct json *latency = json_new_object();
    put_if_known(scrape_quantile(now->metrics, latency_name, 0.5), "p50", latency);
    put_if_known(scrape_quantile(now->metrics, latency_name, 0.99), "p99", latency);
    json_put(object, "event_to_alert_seconds", latency);
    json_write(object, out);
    buffer_add_text(out, "\n");
    json_close(object);
}
