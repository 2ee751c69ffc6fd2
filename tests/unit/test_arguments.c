/* The command line: what each option takes, what each fault says, and the help. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/run/arguments.h"

struct options {
    const char *config;
    const char *profile;
    uint64_t count;
    uint64_t seed;
    bool until_end;
    bool quiet;
};

#define AT(member) .offset = offsetof(struct options, member)

static const struct argument table[] = {
    {.name = "config",
     .letter = 'c',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .required = true,
     AT(config),
     .help = "the configuration"},
    {.name = "profile",
     .letter = 'p',
     .kind = ARGUMENT_TEXT,
     .value = "NAME",
     .choices = "airline|border|stress",
     .preset = "airline",
     AT(profile),
     .help = "how many hits"},
    {.name = "count",
     .letter = 'n',
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = 1,
     .max = 100,
     .preset = "10",
     AT(count),
     .help = "how many events"},
    {.name = "seed", .kind = ARGUMENT_NUMBER, .value = "N", AT(seed), .help = "seed"},
    {.name = "until-end", .kind = ARGUMENT_SWITCH, AT(until_end), .help = "stop at the end"},
    {.name = "quiet", .letter = 'q', .kind = ARGUMENT_SWITCH, AT(quiet), .help = "say nothing"},
    {0}};
static const struct arguments_exit exits[] = {{EX_CONFIG, "a fault in FILE"}, {0}};
static const struct arguments_command command = {.name = "try",
                                                 .summary = "Tries.",
                                                 .arguments = table,
                                                 .operands = "FILE [FILE]",
                                                 .operands_min = 1,
                                                 .operands_max = 2,
                                                 .examples = "checkit try -c a b\ncheckit try",
                                                 .exits = exits};
static const struct argument required_switch[] = {
    {.name = "offline", .kind = ARGUMENT_SWITCH, .required = true, AT(quiet), .help = "ask nobody"},
    {0}};
static const struct arguments_command strict = {
    .name = "strict", .summary = "Must be told.", .arguments = required_switch};
static const struct arguments_command bare = {.name = "bare", .summary = "Takes nothing."};

enum { WORDS_MAX = 24 };

/* Splits at blanks; getopt may reorder what it is given, so every call has an array of its own. */
static enum status parse(const struct arguments_command *what, const char *line,
                         struct options *options, struct operands *operands, struct error *err)
{
    static char text[256]; /* operands borrow from it */
    static char *words[WORDS_MAX + 1];
    int count = 0;
    char *rest = text;
    (void)snprintf(text, sizeof text, "%s", line);
    while (rest && count < WORDS_MAX)
        words[count++] = strsep(&rest, " ");
    words[count] = NULL;
    *options = (struct options){0};
    return arguments_parse(what, count, words, options, operands, err);
}

static void expect(const struct arguments_command *what, const char *line, const char *fault)
{
    struct options options;
    struct operands operands;
    struct error err = {0};
    cr_assert_eq(parse(what, line, &options, &operands, &err), STATUS_FAIL, "%s", line);
    cr_assert_eq(err.exit_code, EX_USAGE);
    cr_assert_str_eq(err.text, fault);
}

Test(arguments, every_option_is_read_in_each_way_it_can_be_written)
{
    static const char *const lines[] = {
        "try --config c.yaml --profile border --count 7 --seed 9 --until-end --quiet one two",
        "try --config=c.yaml --profile=border --count=7 --seed=9 --until-end --quiet one two",
        "try -c c.yaml -p border -n 7 --seed 9 --until-end -q one two",
        "try -cc.yaml -pborder -qn7 --seed 9 --until-end one two",
        "try one -c c.yaml two -p border -n 7 --seed 9 --until-end -q",
        "try -n 3 -n 7 -c x -c c.yaml -p border --seed 9 --until-end -q -- one two",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct options options;
        struct operands operands;
        struct error err = {0};
        cr_assert_eq(parse(&command, lines[i], &options, &operands, &err), STATUS_OK, "%s: %s",
                     lines[i], err.text);
        cr_assert_str_eq(options.config, "c.yaml");
        cr_assert_str_eq(options.profile, "border");
        cr_assert_eq(options.count, 7);
        cr_assert_eq(options.seed, 9);
        cr_assert(options.until_end);
        cr_assert(options.quiet);
        cr_assert_eq(operands.count, 2);
        cr_assert_str_eq(operands.items[0], "one");
        cr_assert_str_eq(operands.items[1], "two");
        cr_assert_not(operands.help_shown);
    }
}

Test(arguments, absent_options_have_their_preset_or_stay_zero)
{
    struct options options;
    struct operands operands;
    struct error err;
    cr_assert_eq(parse(&command, "try -c x one", &options, &operands, &err), STATUS_OK);
    cr_assert_str_eq(options.profile, "airline");
    cr_assert_eq(options.count, 10);
    cr_assert_eq(options.seed, 0);
    cr_assert_not(options.until_end);
    cr_assert_eq(operands.count, 1);
}

Test(arguments, what_follows_two_dashes_is_an_operand)
{
    struct options options;
    struct operands operands;
    struct error err;
    cr_assert_eq(parse(&command, "try -c x -- --seed -h", &options, &operands, &err), STATUS_OK);
    cr_assert_eq(operands.count, 2);
    cr_assert_str_eq(operands.items[0], "--seed");
    cr_assert_str_eq(operands.items[1], "-h");
}

Test(arguments, numbers_are_taken_at_their_limits_and_refused_beyond)
{
    struct options options;
    struct operands operands;
    struct error err;
    cr_assert_eq(parse(&command, "try -c x -n 1 f", &options, &operands, &err), STATUS_OK);
    cr_assert_eq(parse(&command, "try -c x -n 100 f", &options, &operands, &err), STATUS_OK);
    cr_assert_eq(options.count, 100);
    expect(&command, "try -c x -n 0 f", "try: --count '0': must be a whole number, 1 to 100");
    expect(&command, "try -c x -n 101 f", "try: --count '101': must be a whole number, 1 to 100");
    cr_assert_eq(
        parse(&command, "try -c x --seed 18446744073709551615 f", &options, &operands, &err),
        STATUS_OK);
    cr_assert_eq(options.seed, UINT64_MAX);
    expect(&command, "try -c x --seed 18446744073709551616 f",
           "try: --seed '18446744073709551616': must be a whole number, 0 to "
           "18446744073709551615");
}

Test(arguments, each_fault_names_the_option)
{
    static const struct {
        const char *line;
        const char *fault;
    } faults[] = {
        {"try one", "try: option --config FILE is missing; see checkit try --help"},
        {"try -c x", "try: FILE [FILE] is missing; see checkit try --help"},
        {"try -c x a b c", "try: 'c' is one argument too many; see checkit try --help"},
        {"try -c", "try: option '-c' needs a value"},
        {"try a --config", "try: option '--config' needs a value"},
        {"try --until-end=now a", "try: option '--until-end=now' takes no value"},
        {"try --help=now a", "try: option '--help=now' takes no value"},
        {"try -x", "try: unknown option '-x'; see checkit try --help"},
        {"try --config=x -qx", "try: unknown option '-x'; see checkit try --help"},
        {"try --confg x", "try: unknown option '--confg': is --config meant?; see checkit try "
                          "--help"},
        {"try --unti-lend", "try: unknown option '--unti-lend': is --until-end meant?; see checkit "
                            "try --help"},
        {"try --conifg=x", "try: unknown option '--conifg=x': is --config meant?; see checkit try "
                           "--help"},
        {"try --colour", "try: unknown option '--colour'; see checkit try --help"},
        {"try -n 5x -c x a", "try: --count '5x': must be a whole number, 1 to 100"},
        {"try -n -5 -c x a", "try: --count '-5': must be a whole number, 1 to 100"},
        {"try -n= -c x a", "try: --count '=': must be a whole number, 1 to 100"},
        {"try --count= -c x a", "try: --count '': must be a whole number, 1 to 100"},
        {"try -p hotel -c x a", "try: --profile 'hotel': must be one of airline|border|stress"},
        {"try -p air -c x a", "try: --profile 'air': must be one of airline|border|stress"},
        {"try --profile= -c x a", "try: --profile '': must be one of airline|border|stress"},
        {"try -p border|stress -c x a",
         "try: --profile 'border|stress': must be one of airline|border|stress"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        expect(&command, faults[i].line, faults[i].fault);
    expect(&bare, "bare a", "bare: 'a' is one argument too many; see checkit bare --help");
    expect(&bare, "bare --hlep",
           "bare: unknown option '--hlep': is --help meant?; see checkit bare "
           "--help");
}

Test(arguments, a_fault_leaves_the_next_parse_alone)
{
    struct options options;
    struct operands operands;
    struct error err;
    expect(&command, "try -qx -c y a", "try: unknown option '-x'; see checkit try --help");
    cr_assert_eq(parse(&command, "try -c x one", &options, &operands, &err), STATUS_OK);
    cr_assert_str_eq(options.config, "x");
    cr_assert_not(options.quiet);
}

/* --- help ----------------------------------------------------------------------------------- */

static void expect_help(const struct arguments_command *what, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    arguments_write_help(what, out);
    cr_assert_eq(fclose(out), 0);
    cr_assert_str_eq(text, expected);
    free(text);
}

Test(arguments, help_tells_all_that_the_table_knows)
{
    expect_help(&command,
                "Usage: checkit try -c FILE [OPTION...] FILE [FILE]\n"
                "\n"
                "Tries.\n"
                "\n"
                "Options:\n"
                "  -c, --config FILE         the configuration (required)\n"
                "  -p, --profile NAME        how many hits: airline, border, stress (default "
                "airline)\n"
                "  -n, --count N             how many events, 1 to 100 (default 10)\n"
                "      --seed N              seed\n"
                "      --until-end           stop at the end\n"
                "  -q, --quiet               say nothing\n"
                "  -h, --help                this text\n"
                "\n"
                "Examples:\n"
                "  checkit try -c a b\n"
                "  checkit try\n"
                "\n"
                "Exit codes:\n"
                "  0   done\n"
                "  64  wrong use of the command line\n"
                "  78  a fault in FILE\n");
    expect_help(&bare, "Usage: checkit bare\n"
                       "\n"
                       "Takes nothing.\n"
                       "\n"
                       "Options:\n"
                       "  -h, --help                this text\n"
                       "\n"
                       "Exit codes:\n"
                       "  0   done\n"
                       "  64  wrong use of the command line\n");
}

Test(arguments, a_switch_that_is_required_has_no_value)
{
    expect_help(&strict, "Usage: checkit strict --offline\n"
                         "\n"
                         "Must be told.\n"
                         "\n"
                         "Options:\n"
                         "      --offline             ask nobody (required)\n"
                         "  -h, --help                this text\n"
                         "\n"
                         "Exit codes:\n"
                         "  0   done\n"
                         "  64  wrong use of the command line\n");
    expect(&strict, "strict", "strict: option --offline is missing; see checkit strict --help");
}

Test(arguments, help_is_shown_whatever_else_is_missing, .init = cr_redirect_stdout)
{
    struct options options;
    struct operands operands;
    struct error err;
    cr_assert_eq(parse(&command, "try --help", &options, &operands, &err), STATUS_OK);
    cr_assert(operands.help_shown);
    cr_assert_eq(parse(&command, "try -qh a b c d", &options, &operands, &err), STATUS_OK);
    cr_assert(operands.help_shown);
}

/* --- commands of commands ------------------------------------------------------------------- */

static enum status run_one(int argc, char **argv, struct error *err)
{
    cr_assert_eq(argc, 2);
    cr_assert_str_eq(argv[0], "one");
    return error_fail(err, EX_DATAERR, "one was given %s", argv[1]);
}

static enum status run_two(int argc, char **argv, struct error *err)
{
    (void)argc;
    (void)argv;
    (void)err;
    return STATUS_OK;
}

static const struct subcommand subcommands[] = {
    {"one", run_one, "the first"}, {"second", run_two, "the second"}, {0}};

static enum status dispatch(const char *parent, const char *first, const char *second,
                            struct error *err)
{
    char program[] = "checkit";
    char *words[] = {program, (char *)first, (char *)second, NULL};
    return arguments_dispatch(parent, subcommands, first ? second ? 3 : 2 : 1, words, err);
}

Test(arguments, dispatch_runs_the_command_that_is_named)
{
    struct error err = {0};
    cr_assert_eq(dispatch("key", "one", "this", &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_DATAERR);
    cr_assert_str_eq(err.text, "one was given this");
    cr_assert_eq(dispatch(NULL, "second", NULL, &err), STATUS_OK);
}

Test(arguments, dispatch_says_what_there_is)
{
    static const struct {
        const char *parent;
        const char *given;
        const char *fault;
    } faults[] = {
        {NULL, NULL, "checkit: a command is missing: one of one, second"},
        {"key", NULL, "key: a command is missing: one of one, second"},
        {NULL, "secnd", "unknown command 'secnd': is 'second' meant?"},
        {"key", "secnd", "unknown command 'key secnd': is 'second' meant?"},
        {NULL, "nothing", "unknown command 'nothing': it is one of one, second"},
        {"key", "", "unknown command 'key ': it is one of one, second"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct error err = {0};
        cr_assert_eq(dispatch(faults[i].parent, faults[i].given, NULL, &err), STATUS_FAIL);
        cr_assert_eq(err.exit_code, EX_USAGE);
        cr_assert_str_eq(err.text, faults[i].fault);
    }
}
