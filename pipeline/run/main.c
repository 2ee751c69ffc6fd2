/* checkit: the table of commands. Only here does the process get its exit code. */
#include <stdio.h>
#include <string.h>

#include "pipeline/run/arguments.h"
#include "pipeline/run/command.h"

enum { HELP_WORDS_MAX = 3 };

static const struct subcommand commands[] = {
    {"screen", command_screen, "screen the input topics against the list"},
    {"feed", command_feed, "put list entries from a CSV file on the feed"},
    {"match", command_match, "match documents of a file, without Kafka"},
    {"list", command_list, "look after the list on disk"},
    {"key", command_key, "make key files"},
    {"schemas", command_schemas, "write our Avro schemas to a folder"},
    {"config", command_config, "check, show or explain the configuration"},
    {"alerts", command_alerts, "show alerts as they come"},
    {"stats", command_stats, "show a running process: ready, rates, lag, hits"},
    {"receipts", command_receipts, "prove that nothing went unscreened"},
    {"generate", command_generate, "make up a list and events, with the truth"},
    {"demo", command_demo, "see it work, with an embedded broker"},
    {0}};

static void write_usage(FILE *out)
{
    fputs("Usage: checkit COMMAND ...\n\n"
          "Screens the travel documents named in streams of events on Kafka against a\n"
          "list of stolen and lost ones.\n\nCommands:\n",
          out);
    arguments_write_subcommands(commands, out);
    fputs("  help        the help of a command: checkit help key new\n"
          "\nOptions:\n"
          "  --help      this text; behind a command: that command's\n"
          "  --version   version, build and rules\n"
          "\nExit codes: 0 done, 64 wrong use, 65 bad data, 69 unavailable, 70 internal fault,\n"
          "75 not ready, 78 configuration.\n",
          out);
}

/* `help key new` is `key new --help`. */
static enum status help(int argc, char **argv, struct error *err)
{
    char option[] = "--help";
    char *words[HELP_WORDS_MAX + 2] = {argv[0]};
    int count = 1;
    if (argc < 2) {
        write_usage(stdout);
        return STATUS_OK;
    }
    if (argc - 1 > HELP_WORDS_MAX)
        return error_fail(err, EX_USAGE, "help: '%s' is one argument too many",
                          argv[HELP_WORDS_MAX + 1]);
    for (int i = 1; i < argc; i++)
        words[count++] = argv[i];
    words[count++] = option;
    return arguments_dispatch(NULL, commands, count, words, err);
}

static enum status run(int argc, char **argv, struct error *err)
{
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("checkit %s\nbuild %s\nrules %s\n", CHECKIT_VERSION, CHECKIT_BUILD,
               CHECKIT_RULES_VERSION);
        return STATUS_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        write_usage(stdout);
        return STATUS_OK;
    }
    if (strcmp(argv[1], "help") == 0)
        return help(argc - 1, argv + 1, err);
    return arguments_dispatch(NULL, commands, argc, argv, err);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        write_usage(stderr);
        return EX_USAGE;
    }
    struct error err = {.exit_code = EX_SOFTWARE};
    enum status status = run(argc, argv, &err);
    if (fflush(stdout) != 0 && status == STATUS_OK)
        status = error_fail(&err, EX_UNAVAILABLE, "standard output cannot be written");
    if (status == STATUS_OK)
        return EX_OK;
    if (err.text[0])
        (void)fprintf(stderr, "checkit: %s\n", err.text);
    return err.exit_code;
}
