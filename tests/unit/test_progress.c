#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/base/clock.h"
#include "pipeline/run/progress.h"

/* --- a clock that goes when told --- */

static uint64_t now_ns;

uint64_t clock_monotonic_ns(void)
{
    return now_ns;
}

int64_t clock_wall_ms(void)
{
    return 0;
}

uint64_t clock_process_cpu_ns(void)
{
    return 0;
}

void clock_sleep_ms(uint32_t ms)
{
    (void)ms;
}

/* --- fixture --- */

static const struct progress_task sending = {"sending", "changes", 1, 3000000};

struct written {
    struct progress progress;
    char *text;
    size_t size;
};

static void begin(struct written *written, bool is_terminal, const struct progress_task *task)
{
    *written = (struct written){0};
    now_ns = 5000000000;
    progress_init(&written->progress, open_memstream(&written->text, &written->size), is_terminal);
    progress_begin(&written->progress, task);
}

static void tell_at(struct written *written, uint64_t ms, uint64_t done)
{
    now_ns = 5000000000 + ms * 1000000;
    progress_tell(&written->progress, done);
}

static void expect(struct written *written, const char *text)
{
    progress_end(&written->progress);
    cr_assert_eq(fclose(written->progress.out), 0);
    cr_assert_str_eq(written->text, text);
    free(written->text);
}

/* --- tests --- */

Test(progress, short_tasks_say_nothing)
{
    for (int is_terminal = 0; is_terminal < 2; is_terminal++) {
        struct written written;
        begin(&written, is_terminal, &sending);
        tell_at(&written, 0, 0);
        tell_at(&written, 1999, 2999999);
        expect(&written, "");
    }
}

Test(progress, lines_come_every_ten_seconds)
{
    struct written written;
    begin(&written, false, &sending);
    tell_at(&written, 2000, 500000);
    tell_at(&written, 11999, 900000);
    tell_at(&written, 12000, 1200000);
    tell_at(&written, 21999, 2000000);
    tell_at(&written, 30000, 3000000);
    expect(&written, "sending: 500,000 of 3,000,000 changes, 250,000 a second, 11 s left\n"
                     "sending: 1,200,000 of 3,000,000 changes, 100,000 a second, 19 s left\n"
                     "sending: 3,000,000 of 3,000,000 changes, 100,000 a second\n");
}

Test(progress, a_terminal_has_one_line_rewritten_and_removed)
{
    struct written written;
    begin(&written, true, &sending);
    tell_at(&written, 2000, 10);
    tell_at(&written, 2999, 11);
    tell_at(&written, 3000, 2999999);
    expect(&written, "\r\x1B[Ksending: 10 of 3,000,000 changes, 5 a second, 9999 min left"
                     "\r\x1B[Ksending: 2,999,999 of 3,000,000 changes, 999,999 a second, 1 s left"
                     "\r\x1B[K");
}

Test(progress, units_and_unknown_totals)
{
    struct written written;
    begin(&written, false, &(struct progress_task){"reading", "MB", 1000000, 0});
    tell_at(&written, 2000, 12999999);
    expect(&written, "reading: 12 MB, 6 a second\n");
    begin(&written, false, &(struct progress_task){"reading", "MB", 1000000, 24000000});
    tell_at(&written, 2000, 0);
    tell_at(&written, 12000, 12000000);
    expect(&written,
           "reading: 0 of 24 MB, 0 a second\nreading: 12 of 24 MB, 1 a second, 13 s left\n");
}
