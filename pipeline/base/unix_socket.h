/* unix_socket.h - Unix sockets by their path: a process answers there, and only its user may ask.
 */
#ifndef CHECKIT_BASE_UNIX_SOCKET_H
#define CHECKIT_BASE_UNIX_SOCKET_H

#include <stdbool.h>

#include "pipeline/base/status.h"

enum { UNIX_SOCKET_PATH_MAX = 107 };

/* Whether a path is short enough for the system. */
bool unix_socket_fits(const char *path);

enum unix_socket_state {
    UNIX_SOCKET_SILENT, /* nothing is there, or nobody listens any more */
    UNIX_SOCKET_LIVE,
    UNIX_SOCKET_DENIED /* someone may listen: we may not ask */
};
enum unix_socket_state unix_socket_probe(const char *path);

/* Listens there, mode 0600, in place of a socket nobody listens at any more. *fd: non-blocking, the
 * caller's, who unlinks the path too. EX_CONFIG: too long, someone listens there, or something else
 * than a socket is there. */
enum status unix_socket_listen(const char *path, int backlog, int *fd, struct error *err) MUST_USE;

#endif
