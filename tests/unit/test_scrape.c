#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/base/memory.h"
#include "pipeline/run/scrape.h"

static struct scrape *parse(const char *text)
{
    struct scrape *scrape = NULL;
    struct error err = {0};
    cr_assert_eq(scrape_parse(text, strlen(text), &scrape, &err), STATUS_OK, "%s", err.text);
    return scrape;
}

static void expect_fault(const char *text, const char *fault)
{
    struct scrape *scrape = NULL;
    struct error err = {0};
    cr_assert_eq(scrape_parse(text, strlen(text), &scrape, &err), STATUS_FAIL, "%s", text);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect_str_eq(err.text, fault);
}

Test(scrape, samples_are_summed_by_name)
{
    struct scrape *scrape = parse("# HELP a A count.\n# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} "
                                  "0.5\n\nb 7 1700000000000\nab 100");
    cr_expect_eq(scrape_sum(scrape, "a"), 2.5);
    cr_expect_eq(scrape_sum(scrape, "b"), 7);
    cr_expect_eq(scrape_sum(scrape, "ab"), 100);
    cr_expect_eq(scrape_sum(scrape, "c"), 0);
    cr_expect(scrape_has(scrape, "b"));
    cr_expect_not(scrape_has(scrape, "c"));
    scrape_close(scrape);
}

Test(scrape, labels_are_found_by_name_and_unescaped)
{
    struct scrape *scrape =
        parse("a{one=\"x\",quoted=\"a\\\"}b\\\\ c\\n\",two=\"one=\\\"z\\\"\",three=\"\"} 1\n");
    struct scrape_place place = {0};
    char text[SCRAPE_LABEL_SIZE];
    cr_assert(scrape_next(scrape, "a", &place));
    cr_expect_eq(place.value, 1);
    cr_expect(scrape_label(place.labels, "one", text));
    cr_expect_str_eq(text, "x");
    cr_expect(scrape_label(place.labels, "quoted", text));
    cr_expect_str_eq(text, "a\"}b\\ c\n");
    cr_expect(scrape_label(place.labels, "two", text));
    cr_expect_str_eq(text, "one=\"z\"");
    cr_expect(scrape_label(place.labels, "three", text));
    cr_expect_str_eq(text, "");
    cr_expect_not(scrape_label(place.labels, "thre", text));
    cr_expect_not(scrape_label(place.labels, "z", text));
    cr_expect_not(scrape_next(scrape, "a", &place));
    scrape_close(scrape);
}

Test(scrape, labels_of_an_odd_form_end_the_search)
{
    static const char *const odd[] = {"", "a", "a=", "a=b", "a=\"b", "=\"\",a\"", "a=\"\\"};
    char text[SCRAPE_LABEL_SIZE];
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        cr_expect_not(scrape_label(odd[i], "a", text), "%s", odd[i]);
        cr_expect_str_eq(text, "");
    }
}

Test(scrape, a_label_is_cut_to_what_fits)
{
    char labels[SCRAPE_LABEL_SIZE + 64];
    char text[SCRAPE_LABEL_SIZE];
    (void)snprintf(labels, sizeof labels, "a=\"%0*d\",b=\"2\"", SCRAPE_LABEL_SIZE, 7);
    cr_expect(scrape_label(labels, "a", text));
    cr_expect_eq(strlen(text), SCRAPE_LABEL_SIZE - 1);
    cr_expect(scrape_label(labels, "b", text));
    cr_expect_str_eq(text, "2");
}

Test(scrape, what_is_no_metric_is_named_by_its_line)
{
    expect_fault("a", "line 1 is no metric");
    expect_fault("a 1\nb\n", "line 2 is no metric");
    expect_fault("a x\n", "line 1 is no metric");
    expect_fault("a 1x\n", "line 1 is no metric");
    expect_fault("a \n", "line 1 is no metric");
    expect_fault("{a=\"b\"} 1\n", "line 1 is no metric");
    expect_fault("a{b=\"} 1\n", "line 1 is no metric");
    expect_fault("a{b=\"\\\"} 1\n", "line 1 is no metric");
    expect_fault("a{b=\"c\"}1\n", "line 1 is no metric");
    expect_fault("<html>\n", "line 1 is no metric");
}

Test(scrape, there_is_a_limit_to_their_number)
{
    enum { LINE = 4 };
    size_t size = (size_t)(SCRAPE_SAMPLES_MAX + 1) * LINE;
    char *text = memory_new(size + 1, 1);
    for (size_t i = 0; i <= SCRAPE_SAMPLES_MAX; i++)
        memcpy(text + i * LINE, "a 1\n", LINE);
    struct scrape *scrape = NULL;
    struct error err = {0};
    cr_expect_eq(scrape_parse(text, size, &scrape, &err), STATUS_FAIL);
    cr_expect_str_eq(err.text, "more than 65536 metrics");
    cr_assert_eq(scrape_parse(text, size - LINE, &scrape, &err), STATUS_OK);
    cr_expect_eq(scrape_sum(scrape, "a"), SCRAPE_SAMPLES_MAX);
    scrape_close(scrape);
    memory_free(text);
}

static double quantile(const char *text, double value)
{
    struct scrape *scrape = parse(text);
    double found = scrape_quantile(scrape, "h", value);
    scrape_close(scrape);
    return found;
}

Test(scrape, a_quantile_lies_within_its_bucket)
{
    static const char text[] = "h_bucket{le=\"1\"} 0\nh_bucket{le=\"2\"} 50\nh_bucket{le=\"4\"} "
                               "90\nh_bucket{le=\"+Inf\"} 100\nh_sum 1\nh_count 100\n";
    cr_expect_float_eq(quantile(text, 0.25), 1.5, 1e-9);
    cr_expect_float_eq(quantile(text, 0.5), 2, 1e-9);
    cr_expect_float_eq(quantile(text, 0.7), 3, 1e-9);
    cr_expect_float_eq(quantile(text, 0.99), 4, 1e-9); /* beyond is not known */
}

Test(scrape, no_quantile_of_nothing)
{
    cr_expect_eq(quantile("a 1\n", 0.5), -1);
    cr_expect_eq(quantile("h_bucket{le=\"+Inf\"} 0\nh_count 0\n", 0.5), -1);
    cr_expect_eq(quantile("h_bucket{x=\"1\"} 5\nh_count 5\n", 0.5), -1);
    cr_expect_eq(quantile("h_bucket{le=\"1\"} 1\nh_count 5\n", 0.5), -1);
}
