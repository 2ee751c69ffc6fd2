/* checkit list: looks after the list on disk; the table of what there is. */
#include "pipeline/run/arguments.h"
#include "pipeline/run/command.h"
#include "pipeline/run/list_import.h"

static const struct subcommand commands[] = {
    {"import", list_import, "make the store from files, without Kafka"},
    {"get", command_list_get, "show one entry"},
    {"stat", command_list_stat, "what the list is made of, and what it takes"},
    {"export", command_list_export, "write the list to a file"},
    {"verify", command_list_verify, "whether all of the store agrees"},
    {"snapshot", command_list_snapshot, "keep a copy of the store as it stands"},
    {"restore", command_list_restore, "put a snapshot in the store's place"},
    {0}};

enum status command_list(int argc, char **argv, struct error *err)
{
    return arguments_dispatch("list", commands, argc, argv, err);
}
