#include "pipeline/run/demo_live.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/demo_view.h"
#include "pipeline/run/screener.h"
#include "pipeline/run/signals.h"
#include "pipeline/run/terminal.h"

enum {
    DRAW_MS = 200,
    LINE_MS = 1000,
    TURN_MS = 10,      /* of sending, until the screener is looked after again */
    TURN_EVENTS = 256, /* between looks at the clock */
    SAMPLES = 5        /* rates are over so many drawings or lines back */
};

static const uint64_t ns_per_ms = 1000000;
static const uint64_t ns_per_s = 1000000000;

/* What comes after what. */
enum phase { PHASE_LOADING, PHASE_JOINING, PHASE_SENDING, PHASE_FINISHING };

static const char *const phase_names[] = {"loading the list", "joining", "screening", "finishing"};

struct sample {
    uint64_t time_ns;
    uint64_t records;
    uint64_t documents;
};

struct live {
    const struct demo_live_settings *settings;
    struct screener *screener;
    struct output *outputs[DEMO_KINDS];
    enum phase phase;
    uint64_t sent;
    uint64_t began_ns; /* the sending */
    bool is_interrupted;
    enum status status; /* of what was done in a turn */
    struct error *err;
    struct terminal terminal;
    struct buffer text;
    uint64_t shown_ns;
    struct sample samples[SAMPLES];
    uint32_t samples_count; /* ever taken */
};

/* --- showing -------------------------------------------------------------------------------- */

static void count_now(struct live *live)
{
    memset(live->settings->counters, 0, sizeof *live->settings->counters);
    screener_count(live->screener, live->settings->counters);
}

/* Against the oldest sample there is. */
static void take_rates(struct live *live, struct demo_view *view)
{
    const struct counters *counters = live->settings->counters;
    struct sample now = {clock_monotonic_ns(), counters_get(&counters->records),
                         counters_get(&counters->documents)};
    uint32_t count = live->samples_count;
    const struct sample *then = &live->samples[count < SAMPLES ? 0 : count % SAMPLES];
    if (count > 0 && now.time_ns > then->time_ns) {
        double seconds = (double)(now.time_ns - then->time_ns) / 1e9;
        view->records_per_s = (double)(now.records - then->records) / seconds;
        view->documents_per_s = (double)(now.documents - then->documents) / seconds;
    }
    live->samples[count % SAMPLES] = now;
    live->samples_count++;
}

static struct demo_view view_of(struct live *live)
{
    const struct demo_live_settings *settings = live->settings;
    int64_t at_end_ms = atomic_load(&screener_list(live->screener)->at_end_ms);
    int64_t now_ms = clock_wall_ms();
    uint64_t elapsed_ns = live->began_ns > 0 ? clock_monotonic_ns() - live->began_ns : 0;
    struct demo_view view = {
        .doing = phase_names[live->phase],
        .elapsed_s = elapsed_ns / ns_per_s,
        .seconds = settings->seconds,
        .events = settings->events,
        .sent = live->sent,
        .counters = settings->counters,
        .entries = screener_entries(live->screener),
        .list_age_ms = at_end_ms == 0       ? -1
                       : now_ms > at_end_ms ? now_ms - at_end_ms
                                            : 0,
        .alerts = settings->alerts,
    };
    count_now(live);
    take_rates(live, &view);
    return view;
}

static void show(struct live *live)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t interval_ms = live->terminal.is_open ? DRAW_MS : LINE_MS;
    if (live->shown_ns > 0 && now_ns - live->shown_ns < interval_ms * ns_per_ms)
        return;
    live->shown_ns = now_ns;
    struct demo_view view = view_of(live);
    buffer_reset(&live->text);
    if (live->terminal.is_open) {
        demo_view_write(&view, terminal_size(&live->terminal), live->terminal.has_color,
                        &live->text);
        terminal_draw(&live->terminal, &live->text);
        return;
    }
    if (live->phase != PHASE_SENDING)
        return;
    demo_view_write_line(&view, &live->text);
    (void)fputs(live->text.data, stdout);
    (void)fflush(stdout);
}

/* --- turns ---------------------------------------------------------------------------------- */

static enum status finish_sending(struct live *live)
{
    live->phase = PHASE_FINISHING;
    for (uint32_t kind = 0; kind < DEMO_KINDS; kind++)
        TRY(output_finish(live->outputs[kind], live->err));
    return STATUS_OK;
}

/* What is due by now, evenly over the whole time. */
static enum status send_due(struct live *live)
{
    const struct demo_live_settings *settings = live->settings;
    uint64_t turn_began_ns = clock_monotonic_ns();
    uint64_t elapsed_ns = turn_began_ns - live->began_ns;
    double part = (double)elapsed_ns / (double)(settings->seconds * ns_per_s);
    uint64_t due = part < 1 ? (uint64_t)(part * (double)settings->events) : settings->events;
    while (live->sent < due) {
        enum event_kind kind = live->sent % DEMO_KINDS == 0 ? EVENT_BANKING : EVENT_BOOKING;
        TRY(demo_events_put(settings->source, kind, live->sent / DEMO_KINDS, live->outputs[kind],
                            live->err));
        if (++live->sent % TURN_EVENTS == 0 &&
            clock_monotonic_ns() - turn_began_ns > TURN_MS * ns_per_ms)
            break;
    }
    if (live->sent < settings->events && part < 1)
        return STATUS_OK;
    return finish_sending(live);
}

static bool has_joined(struct live *live)
{
    count_now(live);
    return counters_get(&live->settings->counters->rebalances) > 0;
}

static bool all_is_screened(struct live *live)
{
    count_now(live);
    return counters_get(&live->settings->counters->records) >= live->sent;
}

/* *is_over: nothing more is to come. */
static enum status take_turn(struct live *live, bool *is_over)
{
    uint32_t count;
    if (live->phase == PHASE_LOADING && atomic_load(&screener_list(live->screener)->ready))
        live->phase = PHASE_JOINING;
    if (live->phase == PHASE_JOINING && has_joined(live)) {
        live->phase = PHASE_SENDING;
        live->began_ns = clock_monotonic_ns();
    }
    if (live->phase == PHASE_SENDING)
        TRY(send_due(live));
    TRY(demo_alerts_step(live->settings->alerts, 0, &count, live->err));
    show(live);
    *is_over = live->phase == PHASE_FINISHING && all_is_screened(live);
    return STATUS_OK;
}

static enum status take_signal(struct live *live)
{
    if (live->is_interrupted || live->sent == 0)
        return error_fail(live->err, EX_INTERRUPTED, "demo: interrupted");
    live->is_interrupted = true;
    return live->phase == PHASE_SENDING ? finish_sending(live) : STATUS_OK;
}

/* A screener_wait. */
static bool wait_in_turns(void *state, uint32_t ms)
{
    struct live *live = state;
    bool is_over = false;
    live->status = take_turn(live, &is_over);
    if (live->status == STATUS_OK && !is_over && signals_wait(NULL, ms))
        live->status = take_signal(live);
    return is_over || live->status != STATUS_OK;
}

/* --- interface ------------------------------------------------------------------------------ */

static enum status run(struct live *live, struct error *err)
{
    const struct demo_live_settings *settings = live->settings;
    for (uint32_t kind = 0; kind < DEMO_KINDS; kind++)
        TRY(demo_events_open(settings->source, (enum event_kind)kind, &live->outputs[kind], err));
    TRY(screener_open(settings->config, &live->screener, err));
    if (settings->on_terminal)
        terminal_open(&live->terminal, STDOUT_FILENO);
    struct error turn_err = {0};
    live->err = &turn_err;
    enum status status =
        screener_run(live->screener, SCREENER_UNTIL_STOPPED, wait_in_turns, live, err);
    count_now(live);
    if (live->status == STATUS_OK)
        return status;
    *err = turn_err;
    return STATUS_FAIL;
}

enum status demo_live_run(const struct demo_live_settings *settings, uint64_t *sent,
                          struct error *err)
{
    struct live *live = memory_new(1, sizeof *live);
    live->settings = settings;
    enum status status = run(live, err);
    *sent = live->sent;
    terminal_close(&live->terminal);
    screener_close(live->screener);
    for (uint32_t kind = 0; kind < DEMO_KINDS; kind++)
        output_close(live->outputs[kind]);
    buffer_close(&live->text);
    memory_free(live);
    return status;
}
