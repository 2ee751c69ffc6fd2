#include "pipeline/run/arguments.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/nearest.h"

enum {
    HELP_COLUMN = 28,
    LABEL_SIZE = 80,
    /* What getopt_long returns: the table's index above any letter; help behind all of them. */
    INDEX_BASE = UCHAR_MAX + 1,
    HELP_RESULT = INDEX_BASE + ARGUMENTS_MAX
};

static const struct argument no_arguments[] = {{0}};

static const struct argument *arguments_of(const struct arguments_command *command)
{
    return command->arguments ? command->arguments : no_arguments;
}

static uint32_t count_arguments(const struct argument *arguments)
{
    uint32_t count = 0;
    while (arguments[count].name)
        count++;
    assert(count <= ARGUMENTS_MAX);
    return count;
}

/* --- values --------------------------------------------------------------------------------- */

/* Whether text is one of the choices "a|b|c". */
static bool is_choice(const char *choices, const char *text)
{
    size_t size = strlen(text);
    for (const char *next = choices; *next;) {
        size_t next_size = strcspn(next, "|");
        if (next_size == size && strncmp(next, text, size) == 0)
            return true;
        next += next_size + (next[next_size] == '|' ? 1 : 0);
    }
    return false;
}

static enum status parse_number(const struct arguments_command *command,
                                const struct argument *argument, const char *text, uint64_t *out,
                                struct error *err)
{
    uint64_t max = argument->max ? argument->max : UINT64_MAX;
    bool digits = *text && strspn(text, "0123456789") == strlen(text);
    errno = 0;
    unsigned long long number = digits ? strtoull(text, NULL, 10) : 0;
    if (!digits || errno == ERANGE || number < argument->min || number > max)
        return error_fail(err, EX_USAGE, "%s: --%s '%s': must be a whole number, %llu to %llu",
                          command->name, argument->name, text, (unsigned long long)argument->min,
                          (unsigned long long)max);
    *out = number;
    return STATUS_OK;
}

static enum status set_value(const struct arguments_command *command,
                             const struct argument *argument, const char *text, void *values,
                             struct error *err)
{
    void *place = (char *)values + argument->offset;
    if (argument->kind == ARGUMENT_NUMBER)
        return parse_number(command, argument, text, place, err);
    if (argument->kind == ARGUMENT_SWITCH) {
        *(bool *)place = true;
        return STATUS_OK;
    }
    if (argument->choices && !is_choice(argument->choices, text))
        return error_fail(err, EX_USAGE, "%s: --%s '%s': must be one of %s", command->name,
                          argument->name, text, argument->choices);
    *(const char **)place = text;
    return STATUS_OK;
}

static enum status set_presets(const struct arguments_command *command, void *values,
                               struct error *err)
{
    for (const struct argument *next = arguments_of(command); next->name; next++)
        if (next->preset)
            TRY(set_value(command, next, next->preset, values, err));
    return STATUS_OK;
}

/* --- options -------------------------------------------------------------------------------- */

/* The command's options in getopt's terms. */
struct getopt_tables {
    struct option longs[ARGUMENTS_MAX + 2];
    char letters[2 * ARGUMENTS_MAX + 3];
};

static void fill_tables(const struct argument *arguments, uint32_t count,
                        struct getopt_tables *tables)
{
    *tables = (struct getopt_tables){.letters = ":h"}; /* ':' tells a missing value apart */
    size_t used = strlen(tables->letters);
    for (uint32_t i = 0; i < count; i++) {
        bool takes_value = arguments[i].kind != ARGUMENT_SWITCH;
        tables->longs[i] =
            (struct option){arguments[i].name, takes_value ? required_argument : no_argument, NULL,
                            (int)(INDEX_BASE + i)};
        if (!arguments[i].letter)
            continue;
        tables->letters[used++] = arguments[i].letter;
        if (takes_value)
            tables->letters[used++] = ':';
    }
    tables->longs[count] = (struct option){"help", no_argument, NULL, HELP_RESULT};
}

/* The index of the option getopt_long found. */
static uint32_t find_argument(const struct argument *arguments, int result)
{
    if (result >= INDEX_BASE)
        return (uint32_t)(result - INDEX_BASE);
    uint32_t index = 0;
    while (arguments[index].letter != (char)result)
        index++;
    return index;
}

static enum status refuse_option(const struct arguments_command *command, const char *given,
                                 struct error *err)
{
    const char *names[ARGUMENTS_MAX + 1] = {"help"};
    size_t count = 1;
    for (const struct argument *next = arguments_of(command); next->name; next++)
        names[count++] = next->name;

    char name[NEAREST_SIZE_MAX + 1];
    size_t dashes = strspn(given, "-");
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(given + dashes, "="), given + dashes);
    const char *near = dashes == 2 ? nearest_name(name, names, count) : NULL;
    return error_fail(err, EX_USAGE, "%s: unknown option '%s'%s%s%s; see checkit %s --help",
                      command->name, given, near ? ": is --" : "", near ? near : "",
                      near ? " meant?" : "", command->name);
}

static enum status refuse_result(const struct arguments_command *command, int result, char **argv,
                                 struct error *err)
{
    const char *given = argv[optind - 1];
    bool is_long = optopt == 0 || optopt >= INDEX_BASE; /* else a letter, maybe one of several */
    char letter[] = {'-', (char)optopt, 0};
    if (result == ':')
        return error_fail(err, EX_USAGE, "%s: option '%s' needs a value", command->name,
                          is_long ? given : letter);
    if (is_long && optopt != 0)
        return error_fail(err, EX_USAGE, "%s: option '%s' takes no value", command->name, given);
    return refuse_option(command, is_long ? given : letter, err);
}

static enum status check_required(const struct arguments_command *command, const bool *given,
                                  struct error *err)
{
    const struct argument *arguments = arguments_of(command);
    for (uint32_t i = 0; arguments[i].name; i++)
        if (arguments[i].required && !given[i])
            return error_fail(err, EX_USAGE,
                              "%s: option --%s%s%s is missing; see checkit %s --help",
                              command->name, arguments[i].name, arguments[i].value ? " " : "",
                              arguments[i].value ? arguments[i].value : "", command->name);
    return STATUS_OK;
}

static enum status check_operands(const struct arguments_command *command,
                                  const struct operands *operands, struct error *err)
{
    if (operands->count < command->operands_min)
        return error_fail(err, EX_USAGE, "%s: %s is missing; see checkit %s --help", command->name,
                          command->operands, command->name);
    if (operands->count > command->operands_max)
        return error_fail(err, EX_USAGE, "%s: '%s' is one argument too many; see checkit %s --help",
                          command->name, operands->items[command->operands_max], command->name);
    return STATUS_OK;
}

enum status arguments_parse(const struct arguments_command *command, int argc, char **argv,
                            void *values, struct operands *operands, struct error *err)
{
    const struct argument *arguments = arguments_of(command);
    struct getopt_tables tables;
    fill_tables(arguments, count_arguments(arguments), &tables);
    TRY(set_presets(command, values, err));
    *operands = (struct operands){0};

    bool given[ARGUMENTS_MAX] = {0};
    opterr = 0; /* messages are ours */
    optind = 0; /* start anew: glibc's way to reset */
    for (;;) {
        int result = getopt_long(argc, argv, tables.letters, tables.longs, NULL);
        if (result == -1)
            break;
        if (result == HELP_RESULT || result == 'h') {
            arguments_write_help(command, stdout);
            operands->help_shown = true;
            return STATUS_OK;
        }
        if (result == '?' || result == ':')
            return refuse_result(command, result, argv, err);
        uint32_t index = find_argument(arguments, result);
        given[index] = true;
        TRY(set_value(command, &arguments[index], optarg, values, err));
    }
    operands->items = argv + optind;
    operands->count = (uint32_t)(argc - optind);
    TRY(check_required(command, given, err));
    return check_operands(command, operands, err);
}

/* --- help ----------------------------------------------------------------------------------- */

static void write_usage(const struct arguments_command *command, FILE *out)
{
    bool optional = false;
    fprintf(out, "Usage: checkit %s", command->name);
    for (const struct argument *next = arguments_of(command); next->name; next++) {
        optional = optional || !next->required;
        if (!next->required)
            continue;
        if (next->letter)
            fprintf(out, " -%c", next->letter);
        else
            fprintf(out, " --%s", next->name);
        if (next->value)
            fprintf(out, " %s", next->value);
    }
    fprintf(out, "%s%s%s\n", optional ? " [OPTION...]" : "", command->operands ? " " : "",
            command->operands ? command->operands : "");
}

/* Label and text in two columns; a long label has a line of its own. */
static void write_row(const char *label, const char *text, FILE *out)
{
    if (strlen(label) + 2 > HELP_COLUMN - 1)
        fprintf(out, "  %s\n%*s%s", label, HELP_COLUMN, "", text);
    else
        fprintf(out, "  %-*s%s", HELP_COLUMN - 2, label, text);
}

static void write_choices(const char *choices, FILE *out)
{
    fputs(": ", out);
    for (const char *next = choices; *next;) {
        int size = (int)strcspn(next, "|");
        fprintf(out, "%.*s%s", size, next, next[size] ? ", " : "");
        next += size + (next[size] ? 1 : 0);
    }
}

static void write_argument(const struct argument *argument, FILE *out)
{
    char label[LABEL_SIZE];
    char letter[] = {'-', argument->letter, ',', ' ', 0};
    (void)snprintf(label, sizeof label, "%s--%s%s%s", argument->letter ? letter : "    ",
                   argument->name, argument->value ? " " : "",
                   argument->value ? argument->value : "");
    write_row(label, argument->help, out);
    if (argument->choices)
        write_choices(argument->choices, out);
    if (argument->kind == ARGUMENT_NUMBER && argument->max)
        fprintf(out, ", %llu to %llu", (unsigned long long)argument->min,
                (unsigned long long)argument->max);
    if (argument->preset)
        fprintf(out, " (default %s)", argument->preset);
    fputs(argument->required ? " (required)\n" : "\n", out);
}

static void write_examples(const char *examples, FILE *out)
{
    fputs("\nExamples:\n", out);
    for (const char *line = examples; *line;) {
        int size = (int)strcspn(line, "\n");
        fprintf(out, "  %.*s\n", size, line);
        line += size + (line[size] ? 1 : 0);
    }
}

static void write_exits(const struct arguments_exit *exits, FILE *out)
{
    fputs("\nExit codes:\n  0   done\n  64  wrong use of the command line\n", out);
    for (const struct arguments_exit *next = exits; next && next->code; next++)
        fprintf(out, "  %-3d %s\n", next->code, next->meaning);
}

void arguments_write_help(const struct arguments_command *command, FILE *out)
{
    write_usage(command, out);
    fprintf(out, "\n%s\n\nOptions:\n", command->summary);
    for (const struct argument *next = arguments_of(command); next->name; next++)
        write_argument(next, out);
    write_row("-h, --help", "this text\n", out);
    if (command->examples)
        write_examples(command->examples, out);
    write_exits(command->exits, out);
}

/* --- commands of commands ------------------------------------------------------------------- */

enum { SUBCOMMANDS_MAX = 32 };

void arguments_write_subcommands(const struct subcommand *commands, FILE *out)
{
    for (const struct subcommand *next = commands; next->name; next++)
        fprintf(out, "  %-11s %s\n", next->name, next->summary);
}

static void join_names(const struct subcommand *commands, char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
    for (const struct subcommand *next = commands; next->name && used < size; next++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", next->name);
}

static enum status refuse_command(const char *parent, const struct subcommand *commands,
                                  const char *given, struct error *err)
{
    const char *names[SUBCOMMANDS_MAX];
    size_t count = 0;
    for (const struct subcommand *next = commands; next->name; next++) {
        assert(count < SUBCOMMANDS_MAX);
        names[count++] = next->name;
    }
    char all[256];
    join_names(commands, all, sizeof all);
    const char *near = nearest_name(given, names, count);
    if (near)
        return error_fail(err, EX_USAGE, "unknown command '%s%s%s': is '%s' meant?",
                          parent ? parent : "", parent ? " " : "", given, near);
    return error_fail(err, EX_USAGE, "unknown command '%s%s%s': it is one of %s",
                      parent ? parent : "", parent ? " " : "", given, all);
}

enum status arguments_dispatch(const char *parent, const struct subcommand *commands, int argc,
                               char **argv, struct error *err)
{
    if (argc < 2) {
        char all[256];
        join_names(commands, all, sizeof all);
        return error_fail(err, EX_USAGE, "%s: a command is missing: one of %s",
                          parent ? parent : "checkit", all);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        printf("Usage: checkit %s%sCOMMAND ...\n\nCommands:\n", parent ? parent : "",
               parent ? " " : "");
        arguments_write_subcommands(commands, stdout);
        printf("\nEach has its own --help.\n");
        return STATUS_OK;
    }
    for (const struct subcommand *next = commands; next->name; next++)
        if (strcmp(next->name, argv[1]) == 0)
            return next->run(argc - 1, argv + 1, err);
    return refuse_command(parent, commands, argv[1], err);
}
