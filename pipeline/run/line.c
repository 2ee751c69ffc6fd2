#include "pipeline/run/line.h"

#include <assert.h>

#include "operators/alert.h"
#include "operators/canonical.h"
#include "operators/decode.h"
#include "operators/match.h"
#include "operators/sink.h"
#include "operators/source.h"
#include "pipeline/base/clock.h"
#include "pipeline/counters.h"

static const struct operator_step *const steps[LINE_STEPS] = {
    &source_step, &decode_step, &canonical_step, &match_step, &alert_step, &sink_step,
};

_Static_assert((int)LINE_STEPS <= (int)STEPS_MAX, "counters have a place for every step");

enum status line_open(struct line *line, const struct environment *environment, struct error *err)
{
    *line = (struct line){.counters = environment->counters};
    for (; line->opened < LINE_STEPS; line->opened++) {
        enum status status =
            steps[line->opened]->open(environment, &line->states[line->opened], err);
        if (status != STATUS_OK) {
            error_prefix(err, "step %s", steps[line->opened]->name);
            line_close(line);
            return status;
        }
    }
    return STATUS_OK;
}

void line_close(struct line *line)
{
    while (line->opened > 0) {
        line->opened--;
        steps[line->opened]->close(line->states[line->opened]);
    }
}

/* They keep the environment, or what they made with its key. */
static bool reads_store(const struct operator_step *step)
{
    return step == &match_step || step == &alert_step;
}

enum status line_take_store(struct line *line, const struct environment *environment,
                            struct error *err)
{
    for (uint32_t i = 0; i < LINE_STEPS; i++) {
        void *fresh = NULL;
        if (!reads_store(steps[i]))
            continue;
        TRY(steps[i]->open(environment, &fresh, err));
        steps[i]->close(line->states[i]);
        line->states[i] = fresh;
    }
    return STATUS_OK;
}

static enum status run_from(struct line *line, uint32_t first, struct batch *batch,
                            struct error *err)
{
    assert(line->opened == LINE_STEPS);
    uint64_t began_ns = clock_monotonic_ns();
    for (uint32_t i = first; i < LINE_STEPS; i++) {
        enum status status = steps[i]->process(line->states[i], batch, err);
        uint64_t now_ns = clock_monotonic_ns();
        counters_add(&line->counters->step_ns[i], now_ns - began_ns);
        began_ns = now_ns;
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status line_round(struct line *line, struct batch *batch, struct error *err)
{
    return run_from(line, 0, batch, err);
}

enum status line_drain(struct line *line, struct batch *batch, struct error *err)
{
    return run_from(line, 1, batch, err);
}

const char *line_step_name(uint32_t step)
{
    assert(step < LINE_STEPS);
    return steps[step]->name;
}
