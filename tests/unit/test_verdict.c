#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/run/verdict.h"

static struct verdict *verdict;

static void set_up(void)
{
    verdict = verdict_open();
}

static void tear_down(void)
{
    verdict_close(verdict);
}

TestSuite(verdict, .init = set_up, .fini = tear_down);

static void plant(const char *lines)
{
    verdict_add_truth(verdict, bytes_of_text(lines));
}

static void alert(const char *line, const char *sighting)
{
    verdict_add_alert(verdict, bytes_of_text(line), bytes_of_text(sighting));
}

static void expect(uint64_t planted, uint64_t found, uint64_t missed, uint64_t false_count)
{
    struct verdict_counts counts = verdict_count(verdict, NULL);
    cr_expect_eq(counts.planted, planted);
    cr_expect_eq(counts.found, found);
    cr_expect_eq(counts.missed, missed);
    cr_expect_eq(counts.false_count, false_count);
}

Test(verdict, nothing_is_nothing)
{
    expect(0, 0, 0, 0);
}

Test(verdict, all_that_was_planted_is_found_in_any_order)
{
    plant("t,1,a,EXACT,PAGE\nt,1,b,EXACT,PAGE\n");
    plant("");
    plant("t,2,a,TYPE_DIFFERS,REVIEW\n");
    alert("t,2,a,TYPE_DIFFERS,REVIEW", "s3");
    alert("t,1,b,EXACT,PAGE", "s2");
    alert("t,1,a,EXACT,PAGE", "s1");
    expect(3, 3, 0, 0);
}

Test(verdict, alert_of_one_sighting_counts_once)
{
    plant("t,1,a,EXACT,PAGE\n");
    alert("t,1,a,EXACT,PAGE", "s1");
    alert("t,1,a,EXACT,PAGE", "s1");
    expect(1, 1, 0, 0);
}

Test(verdict, second_sighting_of_one_hit_is_false)
{
    plant("t,1,a,EXACT,PAGE\n");
    alert("t,1,a,EXACT,PAGE", "s1");
    alert("t,1,a,EXACT,PAGE", "s2");
    expect(1, 1, 0, 1);
}

Test(verdict, other_tier_class_entry_event_or_topic_is_missed_and_false)
{
    static const char *const others[] = {"t,1,a,TYPE_DIFFERS,PAGE", "t,1,a,EXACT,REVIEW",
                                         "t,1,b,EXACT,PAGE", "t,2,a,EXACT,PAGE",
                                         "u,1,a,EXACT,PAGE"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        plant("t,1,a,EXACT,PAGE\n");
        alert(others[i], "s1");
        expect(1, 0, 1, 1);
        verdict_close(verdict);
        verdict = verdict_open();
    }
}

Test(verdict, nothing_alerted_is_all_missed_and_nothing_planted_all_false)
{
    plant("t,1,a,EXACT,PAGE\nt,1,b,EXACT,PAGE\n");
    expect(2, 0, 2, 0);
    tear_down();
    set_up();
    alert("t,1,a,EXACT,PAGE", "s1");
    alert("t,1,b,EXACT,PAGE", "s2");
    expect(0, 0, 0, 2);
}

Test(verdict, many_are_told_apart)
{
    enum { MANY = 5000 };
    char line[64];
    char sighting[16];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(line, sizeof line, "t,%d,a,EXACT,PAGE\n", i);
        if (i % 10 != 0)
            plant(line);
        line[strlen(line) - 1] = 0;
        (void)snprintf(sighting, sizeof sighting, "%d", MANY - i);
        if (i % 10 != 1)
            alert(line, sighting);
    }
    expect(MANY * 9 / 10, MANY * 8 / 10, MANY / 10, MANY / 10);
}

Test(verdict, first_few_are_told)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    plant("t,1,a,EXACT,PAGE\nt,2,a,EXACT,PAGE\nt,3,a,EXACT,PAGE\nt,4,a,EXACT,PAGE\n"
          "t,5,a,EXACT,PAGE\nt,6,a,EXACT,PAGE\n");
    alert("t,0,a,EXACT,PAGE", "s1");
    alert("t,9,a,EXACT,PAGE", "s2");
    struct verdict_counts counts = verdict_count(verdict, out);
    (void)fclose(out);
    cr_assert_eq(counts.missed, 6);
    cr_assert_str_eq(text, "false: t,0,a,EXACT,PAGE\nmissed: t,1,a,EXACT,PAGE\n"
                           "missed: t,2,a,EXACT,PAGE\nmissed: t,3,a,EXACT,PAGE\n"
                           "missed: t,4,a,EXACT,PAGE\nmissed: t,5,a,EXACT,PAGE\n"
                           "false: t,9,a,EXACT,PAGE\n");
    free(text);
}
