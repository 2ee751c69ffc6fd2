/* arguments.h - the command line: one table of options makes a command's parser and its --help.
 *
 * A command states what it takes in constant tables, and its values land in a struct of its own:
 *
 *     struct options {
 *         const char *config;
 *         uint64_t count;
 *         bool until_end;
 *     };
 *     static const struct argument arguments[] = {
 *         {.name = "config", .letter = 'c', .kind = ARGUMENT_TEXT, .value = "FILE",
 *          .required = true, .offset = offsetof(struct options, config),
 *          .help = "the configuration"},
 *         {.name = "count", .letter = 'n', .kind = ARGUMENT_NUMBER, .value = "N", .min = 1,
 *          .max = 1000000, .preset = "1000", .offset = offsetof(struct options, count),
 *          .help = "how many events to make"},
 *         {.name = "until-end", .kind = ARGUMENT_SWITCH,
 *          .offset = offsetof(struct options, until_end), .help = "stop at the end"},
 *         {0}};
 *     static const struct arguments_exit exits[] = {{EX_CONFIG, "a fault in FILE"}, {0}};
 *     static const struct arguments_command command = {
 *         .name = "screen", .summary = "Screens ...", .arguments = arguments, .exits = exits};
 *
 *     struct options options = {0};
 *     struct operands operands;
 *     TRY(arguments_parse(&command, argc, argv, &options, &operands, err));
 *     if (operands.help_shown)
 *         return STATUS_OK;
 *
 * Options may stand before or after operands; `--` ends them. --help (-h) is added to every
 * command; it prints to standard output. An option given twice keeps its last value. Every fault is
 * EX_USAGE and names the option. One thread: getopt keeps its place in a global.
 */
#ifndef CHECKIT_ARGUMENTS_H
#define CHECKIT_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "pipeline/base/status.h"
#include "pipeline/run/command.h"

enum { ARGUMENTS_MAX = 32 };

/* What stands at the offset of an option in the command's struct. */
enum argument_kind {
    ARGUMENT_SWITCH, /* bool: given or not */
    ARGUMENT_TEXT,   /* const char *: borrowed from argv, or the preset; NULL: not given */
    ARGUMENT_NUMBER, /* uint64_t: digits only */
};

struct argument {
    const char *name; /* long name without dashes; NULL closes the table */
    char letter;      /* short name; 0: none */
    enum argument_kind kind;
    bool required;
    const char *value;   /* what --help calls its value: FILE, N; not for a switch */
    const char *choices; /* for a text: all it may be, "airline|border|stress"; NULL: anything */
    uint64_t min;        /* of a number */
    uint64_t max;        /* of a number; 0: as many as fit */
    const char *preset;  /* value when it is not given, told by --help; NULL: none */
    size_t offset;
    const char *help; /* one line, small first letter, no full stop */
};

/* An exit code besides 0 and 64, and what it means; code 0 closes the table. */
struct arguments_exit {
    int code;
    const char *meaning;
};

struct arguments_command {
    const char *name;    /* after "checkit": "screen", "key new" */
    const char *summary; /* what it does: sentences, lines broken by hand at 80 columns */
    const struct argument *arguments; /* NULL: none but --help */
    const char *operands;             /* "FILE", "[FILE...]"; NULL: none allowed */
    uint32_t operands_min;
    uint32_t operands_max;
    const char *examples;               /* one a line, each starting with "checkit"; may be NULL */
    const struct arguments_exit *exits; /* may be NULL */
};

/* What is left when the options are taken. Borrowed from argv. */
struct operands {
    char *const *items;
    uint32_t count;
    bool help_shown; /* --help was given and is printed: the command has nothing more to do */
};

/* argv[0] is skipped. values: the command's own struct, zeroed; presets are filled in first. */
enum status arguments_parse(const struct arguments_command *command, int argc, char **argv,
                            void *values, struct operands *operands, struct error *err) MUST_USE;

/* The text of --help. */
void arguments_write_help(const struct arguments_command *command, FILE *out);

/* --- commands that are a choice of further ones (`key new`, `config check`) ------------------ */

struct subcommand {
    const char *name; /* NULL closes the table */
    command_run *run;
    const char *summary; /* a few words */
};

/* Runs the one that argv[1] names, with argv[0] its name. `parent` stands in messages: "key", or
 * NULL for checkit itself. --help lists them; none, or an unknown one, is EX_USAGE. */
enum status arguments_dispatch(const char *parent, const struct subcommand *commands, int argc,
                               char **argv, struct error *err) MUST_USE;

/* "  name  summary" a line. */
void arguments_write_subcommands(const struct subcommand *commands, FILE *out);

#endif
