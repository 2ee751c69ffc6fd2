/* list_room.h - whether a disk has room for what a command makes beside a store. */
#ifndef CHECKIT_LIST_ROOM_H
#define CHECKIT_LIST_ROOM_H

#include <stdint.h>

#include "pipeline/base/status.h"

/* Asked before anything is written. EX_UNAVAILABLE: the disk of the folder in which `store` stands,
 * or is to stand, has not so many bytes free. what: begins the message, in the plural; advice: ends
 * it. */
enum status list_check_room(const char *what, const char *store, uint64_t wanted,
                            const char *advice, struct error *err) MUST_USE;

#endif
