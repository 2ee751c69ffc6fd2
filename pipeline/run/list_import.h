/* list_import.h - `checkit list import`: a store from list files, for command_list.c. */
#ifndef CHECKIT_LIST_IMPORT_H
#define CHECKIT_LIST_IMPORT_H

#include "pipeline/run/command.h"

command_run list_import;

#endif
