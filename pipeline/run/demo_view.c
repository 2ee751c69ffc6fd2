#include "pipeline/run/demo_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/run/figures.h"

enum {
    ROWS_WITH_TIERS = 22, /* below that hits are told by class only */
    CLOCK_OFFSET = 11,    /* of "2026-01-31T12:00:00.000Z" */
    CLOCK_SIZE = 8
};

/* One line, and how many there are so far. */
struct page {
    struct buffer *out;
    bool has_color;
    uint32_t rows;
};

static void end_line(struct page *page)
{
    buffer_add_text(page->out, "\n");
    page->rows++;
}

static void add_title(struct page *page, const char *text)
{
    terminal_add_style(page->has_color, STYLE_BOLD, page->out);
    buffer_add_text(page->out, text);
    terminal_add_style(page->has_color, STYLE_PLAIN, page->out);
}

static uint64_t sum_of_class(const struct counters *counters, uint32_t alert_class)
{
    uint64_t sum = 0;
    for (uint32_t tier = TIER_EXACT; tier < TIER_COUNT; tier++)
        sum += counters_get(&counters->hits[tier][alert_class]);
    return sum;
}

static uint64_t sum_unscreenable(const struct counters *counters)
{
    uint64_t sum = 0;
    for (uint32_t i = UNSCREENABLE_NO + 1; i < UNSCREENABLE_COUNT; i++)
        sum += counters_get(&counters->unscreenable[i]);
    return sum;
}

static uint64_t lag_of(const struct demo_view *view)
{
    uint64_t records = counters_get(&view->counters->records);
    return view->sent > records ? view->sent - records : 0;
}

static uint64_t whole(double value)
{
    return value > 0 ? (uint64_t)(value + 0.5) : 0;
}

/* --- the parts ------------------------------------------------------------------------------ */

static void write_head(const struct demo_view *view, struct page *page)
{
    add_title(page, "checkit demo");
    buffer_print(page->out, "  %s, %" PRIu64 " s of %" PRIu64 "; Ctrl-C ends it", view->doing,
                 view->elapsed_s, view->seconds);
    end_line(page);
    end_line(page);
}

static void write_flow(const struct demo_view *view, struct page *page)
{
    char done[FIGURE_SIZE];
    char of[FIGURE_SIZE + 4];
    char figure[FIGURE_SIZE];
    const struct counters *counters = view->counters;
    (void)snprintf(of, sizeof of, " of %s", figure_whole(view->events, figure));
    buffer_print(page->out, "events     %9s%s  %9s a second  lag %" PRIu64,
                 figure_whole(counters_get(&counters->records), done), of,
                 figure_whole(whole(view->records_per_s), figure), lag_of(view));
    end_line(page);
    buffer_print(page->out, "documents  %9s%*s  %9s a second  unscreenable %" PRIu64,
                 figure_whole(counters_get(&counters->documents), done), (int)strlen(of), "",
                 figure_whole(whole(view->documents_per_s), figure), sum_unscreenable(counters));
    end_line(page);
}

static void write_list(const struct demo_view *view, struct page *page)
{
    char entries[FIGURE_SIZE];
    buffer_print(page->out, "list       %9s entries", figure_whole(view->entries, entries));
    if (view->list_age_ms >= 0)
        buffer_print(page->out, ", %" PRId64 ".%" PRId64 " s old", view->list_age_ms / 1000,
                     view->list_age_ms % 1000 / 100);
    end_line(page);
    const struct histogram *latency = &view->counters->event_to_alert_ms;
    buffer_print(page->out,
                 "to alert   p50 %" PRIu64 " ms, p99 %" PRIu64 " ms from an event's time stamp",
                 histogram_quantile(latency, 0.5), histogram_quantile(latency, 0.99));
    end_line(page);
    end_line(page);
}

static void write_tiers(const struct demo_view *view, struct page *page)
{
    for (uint32_t tier = TIER_EXACT; tier < TIER_COUNT; tier++) {
        uint64_t page_hits = counters_get(&view->counters->hits[tier][CLASS_PAGE]);
        uint64_t review_hits = counters_get(&view->counters->hits[tier][CLASS_REVIEW]);
        bool is_faint = page_hits + review_hits == 0;
        terminal_add_style(page->has_color && is_faint, STYLE_FAINT, page->out);
        buffer_print(page->out, "%-18s %9" PRIu64 "  %9" PRIu64, tier_name((enum tier)tier),
                     page_hits, review_hits);
        terminal_add_style(page->has_color && is_faint, STYLE_PLAIN, page->out);
        end_line(page);
    }
}

static void write_hits(const struct demo_view *view, bool by_tier, struct page *page)
{
    char text[64];
    uint64_t page_hits = sum_of_class(view->counters, CLASS_PAGE);
    uint64_t review_hits = sum_of_class(view->counters, CLASS_REVIEW);
    if (!by_tier) {
        (void)snprintf(text, sizeof text, "hits  PAGE %" PRIu64 "  REVIEW %" PRIu64, page_hits,
                       review_hits);
        add_title(page, text);
        end_line(page);
        end_line(page);
        return;
    }
    (void)snprintf(text, sizeof text, "%-18s %9s  %9s", "hits", "PAGE", "REVIEW");
    add_title(page, text);
    end_line(page);
    write_tiers(view, page);
    (void)snprintf(text, sizeof text, "%-18s %9" PRIu64 "  %9" PRIu64, "all", page_hits,
                   review_hits);
    add_title(page, text);
    end_line(page);
    end_line(page);
}

static void write_alert(const struct alert_view *alert, struct page *page)
{
    bool is_page = strcmp(alert->alert_class, alert_class_name(CLASS_PAGE)) == 0;
    const char *clock = strlen(alert->received_at) >= CLOCK_OFFSET + CLOCK_SIZE
                            ? alert->received_at + CLOCK_OFFSET
                            : "";
    buffer_print(page->out, "%.*s  ", CLOCK_SIZE, clock);
    terminal_add_style(page->has_color, is_page ? STYLE_BAD : STYLE_WARN, page->out);
    buffer_print(page->out, "%-6s", alert->alert_class);
    terminal_add_style(page->has_color, STYLE_PLAIN, page->out);
    buffer_print(page->out, "  %-15s  %-3s  %-12s  %-9s  %-12s  %-12s  %s", alert->tier,
                 alert->issuer, alert->number, alert->type, alert->loss, alert->partner,
                 alert->stage);
    end_line(page);
}

static void write_alerts(const struct demo_view *view, uint32_t rows, struct page *page)
{
    char text[64];
    (void)snprintf(text, sizeof text, "alerts, the latest first (%" PRIu64 ")",
                   demo_alerts_count(view->alerts));
    add_title(page, text);
    end_line(page);
    const struct alert_view *alert = demo_alerts_latest(view->alerts, 0);
    for (uint32_t i = 1; alert && page->rows < rows; i++) {
        write_alert(alert, page);
        alert = demo_alerts_latest(view->alerts, i);
    }
}

/* --- interface ------------------------------------------------------------------------------ */

void demo_view_write(const struct demo_view *view, struct terminal_size size, bool has_color,
                     struct buffer *out)
{
    struct page page = {.out = out, .has_color = has_color};
    write_head(view, &page);
    write_flow(view, &page);
    write_list(view, &page);
    write_hits(view, size.rows >= ROWS_WITH_TIERS, &page);
    write_alerts(view, size.rows, &page);
}

void demo_view_write_line(const struct demo_view *view, struct buffer *out)
{
    buffer_print(out,
                 "%-10s%3" PRIu64 " s: %" PRIu64 " events, %" PRIu64 " a second, lag %" PRIu64
                 ", hits %" PRIu64 " PAGE %" PRIu64 " REVIEW, alerts %" PRIu64 "\n",
                 view->doing, view->elapsed_s, counters_get(&view->counters->records),
                 whole(view->records_per_s), lag_of(view), sum_of_class(view->counters, CLASS_PAGE),
                 sum_of_class(view->counters, CLASS_REVIEW), demo_alerts_count(view->alerts));
}
