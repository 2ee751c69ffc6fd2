#include "pipeline/run/progress.h"

#include "pipeline/base/clock.h"
#include "pipeline/run/figures.h"

enum {
    QUIET_MS = 2000,
    TERMINAL_MS = 1000,
    LINES_MS = 10000,
    NS_PER_MS = 1000000,
    MINUTE_S = 60,
    MINUTES_FROM_S = 120, /* less is told in seconds */
};

static void write_left(const struct progress *progress, uint64_t done, uint64_t elapsed_ms)
{
    uint64_t left = progress->task.total - done;
    double seconds = done > 0 ? (double)left / (double)done * (double)elapsed_ms / 1000 : 0;
    uint64_t left_s = (uint64_t)seconds + 1;
    if (done == 0 || left == 0)
        return;
    if (left_s >= MINUTES_FROM_S)
        (void)fprintf(progress->out, ", %llu min left", (unsigned long long)(left_s / MINUTE_S));
    else
        (void)fprintf(progress->out, ", %llu s left", (unsigned long long)left_s);
}

static void write_state(const struct progress *progress, uint64_t done, uint64_t elapsed_ms)
{
    const struct progress_task *task = &progress->task;
    char number[FIGURE_SIZE];
    double per_s = (double)done / (double)task->unit_size * 1000 / (double)elapsed_ms;
    (void)fprintf(progress->out, "%s: %s", task->what,
                  figure_whole(done / task->unit_size, number));
    if (task->total > 0)
        (void)fprintf(progress->out, " of %s", figure_whole(task->total / task->unit_size, number));
    (void)fprintf(progress->out, " %s, %s a second", task->unit,
                  figure_whole((uint64_t)per_s, number));
    if (task->total > done)
        write_left(progress, done, elapsed_ms);
}

void progress_init(struct progress *progress, FILE *out, bool is_terminal)
{
    *progress = (struct progress){.out = out, .is_terminal = is_terminal};
}

void progress_begin(struct progress *progress, const struct progress_task *task)
{
    progress->task = *task;
    progress->began_ns = clock_monotonic_ns();
    progress->told_ns = 0;
}

void progress_tell(struct progress *progress, uint64_t done)
{
    if (!progress->out)
        return;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t elapsed_ms = (now_ns - progress->began_ns) / NS_PER_MS;
    uint64_t interval_ms = progress->is_terminal ? TERMINAL_MS : LINES_MS;
    if (elapsed_ms < QUIET_MS ||
        (progress->told_ns && now_ns - progress->told_ns < interval_ms * NS_PER_MS))
        return;
    progress->told_ns = now_ns;
    if (progress->is_terminal)
        (void)fputs("\r\x1B[K", progress->out);
    write_state(progress, done, elapsed_ms);
    if (!progress->is_terminal)
        (void)putc('\n', progress->out);
    (void)fflush(progress->out);
    progress->is_written = progress->is_terminal;
}

void progress_end(struct progress *progress)
{
    if (!progress->is_written)
        return;
    (void)fputs("\r\x1B[K", progress->out);
    (void)fflush(progress->out);
    progress->is_written = false;
}
