/* Runs Criterion's tests without Criterion's runner: its sandbox maps memory where
 * ThreadSanitizer allows none (Criterion issue 274). The tests are compiled as always; this file
 * has the few functions their macros call, and a main that runs each in a child of its own, one
 * after the other. A word as argument runs only the tests whose "suite/name" contains it. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern struct criterion_test *__start_cr_tst[]; /* of the linker: the section of all tests */
extern struct criterion_test *__stop_cr_tst[];
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak)); /* none: both NULL */
extern struct criterion_suite *__stop_cr_sts[] __attribute__((weak));

struct criterion_options criterion_options;

/* Of the test this child runs. */
static struct {
    bool failed;
    void *parameter;
    bool has_parameter;
} running;

/* --- what the macros call ------------------------------------------------------------------- */

void criterion_internal_test_setup(void)
{
}

void criterion_internal_test_main(void (*test)(void))
{
    if (running.has_parameter)
        ((void (*)(void *))test)(running.parameter);
    else
        test();
}

void criterion_internal_test_teardown(void)
{
}

void cri_asserts_passed_incr(void)
{
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
    if (!stats->passed)
        (void)fprintf(stderr, "%s:%u: %s\n", stats->file, stats->line, stats->message);
}

void criterion_continue_test(void)
{
    running.failed = true;
}

void criterion_abort_test(void)
{
    (void)fflush(NULL);
    _exit(1);
}

char *cr_translate_assert_msg(int message, ...)
{
    char *text = NULL;
    va_list values;
    va_start(values, message);
    const char *first = va_arg(values, const char *);
    if (asprintf(&text, "assertion %d failed: %s", message, first) < 0)
        abort();
    va_end(values);
    return text;
}

int cr_asprintf(char **out, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int size = vasprintf(out, format, values);
    va_end(values);
    return size;
}

void cr_asprintf_free(char *text)
{
    free(text);
}

/* --- running -------------------------------------------------------------------------------- */

static const struct criterion_test_extra_data *suite_of(const struct criterion_test *test)
{
    static const struct criterion_test_extra_data none;
    for (struct criterion_suite **at = __start_cr_sts; at < __stop_cr_sts; at++)
        if (*at && strcmp((*at)->name, test->category) == 0)
            return (*at)->data;
    return &none;
}

static void call(void (*function)(void))
{
    if (function)
        function();
}

static void run_in_child(const struct criterion_test *test)
{
    call(suite_of(test)->init);
    call(test->data->init);
    test->test();
    call(test->data->fini);
    call(suite_of(test)->fini);
    (void)fflush(NULL);
    exit(running.failed ? 1 : 0); /* not _exit: the sanitizer reports at the end */
}

static bool ended_as_expected(const struct criterion_test *test, int ended)
{
    if (test->data->signal)
        return WIFSIGNALED(ended) && WTERMSIG(ended) == test->data->signal;
    return WIFEXITED(ended) && WEXITSTATUS(ended) == test->data->exit_code;
}

static bool run_one(const struct criterion_test *test)
{
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        run_in_child(test);
    int ended = 0;
    bool passed = child > 0 && waitpid(child, &ended, 0) == child && ended_as_expected(test, ended);
    if (!passed)
        (void)fprintf(stderr, "failed: %s/%s (wait status %#x)\n", test->category, test->name,
                      (unsigned)ended);
    return passed;
}

/* Returns how many failed. */
static int run_all_of(const struct criterion_test *test)
{
    running.has_parameter = test->data->kind_ == CR_TEST_PARAMETERIZED;
    if (!running.has_parameter)
        return !run_one(test);
    int failed = 0;
    struct criterion_test_params parameters = test->data->param_();
    for (size_t i = 0; i < parameters.length; i++) {
        running.parameter = (char *)parameters.params + i * parameters.size;
        failed += !run_one(test);
    }
    if (parameters.cleanup)
        parameters.cleanup(&parameters);
    return failed;
}

int main(int argc, char **argv)
{
    const char *wanted = "";
    for (int i = 1; i < argc; i++)
        if (argv[i][0] != '-')
            wanted = argv[i];
    int tests = 0;
    int failed = 0;
    for (struct criterion_test **at = __start_cr_tst; at < __stop_cr_tst; at++) {
        if (!*at || (*at)->data->disabled || !strstr((*at)->data->identifier_, wanted))
            continue;
        tests++;
        failed += run_all_of(*at);
    }
    (void)fprintf(stderr, "%d tests, %d failures\n", tests, failed);
    return failed > 0 || tests == 0;
}
