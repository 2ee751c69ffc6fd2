/* checkit list: looks after the list on disk; the table of what there is. */
#include "pipeline/run/arguments.h"
#include "pipeline/run/command.h"

static const struct subcommand commands[] = {{0}};

enum status command_list(int argc, char **argv, struct error *err)
{
    return arguments_dispatch("list", commands, argc, argv, err);
}
