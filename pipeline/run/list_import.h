/* list_import.h - `checkit list import`: a store from list files. */
#ifndef CHECKIT_LIST_IMPORT_H
#define CHECKIT_LIST_IMPORT_H

#include <stddef.h>
#include <stdint.h>

#include "pipeline/run/command.h"

command_run list_import;

/* --- of who builds a store (store_import.h) --- */

enum { LIST_SORT_MB_MIN = 16, LIST_SORT_MB_MAX = 65536 };

/* The share of a lane: memory_mb is for all of them. */
size_t list_sort_bytes(uint64_t memory_mb, uint32_t lanes);

#endif
