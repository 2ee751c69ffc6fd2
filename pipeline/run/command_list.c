/* checkit list: looks after the list on disk; the table of what there is. */
#include "pipeline/run/arguments.h"
#include "pipeline/run/command.h"
#include "pipeline/run/list_import.h"

static const struct subcommand commands[] = {
    {"import", list_import, "make the store from files, without Kafka"}, {0}};

enum status command_list(int argc, char **argv, struct error *err)
{
    return arguments_dispatch("list", commands, argc, argv, err);
}
