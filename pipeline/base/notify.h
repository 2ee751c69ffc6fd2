/* notify.h - tells the service manager how this process is (sd_notify(3), systemd.service(5)): a
 * datagram to the socket that NOTIFY_SOCKET names. Where there is none, nothing is sent.
 *
 * Never waits: what the manager does not take at once is told again later. One thread.
 */
#ifndef CHECKIT_BASE_NOTIFY_H
#define CHECKIT_BASE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
    int fd;               /* -1: nobody wants to know */
    uint64_t watchdog_ms; /* the manager acts after so long without WATCHDOG=1; 0: never */
};

/* By the environment: NOTIFY_SOCKET, a path or '@' and an abstract name; WATCHDOG_USEC and
 * WATCHDOG_PID. */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

/* Assignments, one a line: "READY=1", "STATUS=..." False: it was not taken. True when nobody wants
 * to know. */
bool notify_tell(const struct notify *notify, const char *assignments);

#endif
