/* command.h - the subcommands of checkit: one function each, in a file of its own. */
#ifndef CHECKIT_COMMAND_H
#define CHECKIT_COMMAND_H

#include "pipeline/base/status.h"

/* Runs with argv[0] the command's name; returns the process's exit code by way of err: STATUS_OK is
 * 0, a failure is err->exit_code after err->text was printed. --help prints to standard output. */
typedef enum status command_run(int argc, char **argv, struct error *err);

command_run command_screen;        /* screen -c FILE [--until-end] */
command_run command_generate;      /* generate list|bookings|banking ... */
command_run command_feed;          /* feed -c FILE CSV */
command_run command_list;          /* list import|get|stat|export ... */
command_run command_list_get;      /* list get -c FILE ID */
command_run command_list_stat;     /* list stat -c FILE */
command_run command_list_export;   /* list export -c FILE --out FILE */
command_run command_list_verify;   /* list verify -c FILE */
command_run command_list_snapshot; /* list snapshot -c FILE DIR */
command_run command_list_restore;  /* list restore -c FILE DIR */
command_run command_key;           /* key new -c FILE | --store-key FILE --identity-key FILE */
command_run command_key_rotate;    /* key rotate -c FILE --new-store-key FILE */
command_run command_match;         /* match --entries FILE --in FILE */
command_run command_schemas;       /* schemas DIR: our contracts as ID.avsc */
command_run command_config; /* config check -c FILE [--offline] | config show | config reference */
command_run command_config_topics; /* config topics -c FILE [--create] */
command_run command_alerts;        /* alerts -c FILE [--since TIME] ... */
command_run command_stats;         /* stats -c FILE | --url URL [--watch] [--json] */
command_run command_receipts;      /* receipts verify -c FILE */
command_run command_demo;          /* demo */

#endif
