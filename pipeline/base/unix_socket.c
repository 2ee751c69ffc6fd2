#include "pipeline/base/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOCKET_MODE = 0600 };

_Static_assert(UNIX_SOCKET_PATH_MAX + 1 == sizeof((struct sockaddr_un){0}.sun_path),
               "the longest path and its NUL");

bool unix_socket_fits(const char *path)
{
    return strlen(path) <= UNIX_SOCKET_PATH_MAX;
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    return address;
}

enum unix_socket_state unix_socket_probe(const char *path)
{
    if (!unix_socket_fits(path))
        return UNIX_SOCKET_SILENT;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return UNIX_SOCKET_DENIED;
    struct sockaddr_un address = address_of(path);
    int result = connect(fd, (const struct sockaddr *)&address, sizeof address);
    int fault = errno;
    (void)close(fd);
    if (result == 0 || fault == EAGAIN) /* with as many waiting as may, it listens */
        return UNIX_SOCKET_LIVE;
    return fault == EACCES || fault == EPERM ? UNIX_SOCKET_DENIED : UNIX_SOCKET_SILENT;
}

static enum status clear_place(const char *path, struct error *err)
{
    struct stat info;
    if (!unix_socket_fits(path))
        return error_fail(
            err, EX_CONFIG,
            "store.socket: '%s' is longer than %d bytes, the most a socket's path may "
            "have: configure a shorter one",
            path, UNIX_SOCKET_PATH_MAX);
    if (lstat(path, &info) != 0)
        return STATUS_OK; /* if not because it is absent, bind tells */
    if (!S_ISSOCK(info.st_mode))
        return error_fail(err, EX_CONFIG, "store.socket: '%s' is there and is no socket", path);
    if (unix_socket_probe(path) != UNIX_SOCKET_SILENT)
        return error_fail(err, EX_CONFIG,
                          "store.socket: another process answers at '%s': configure another path",
                          path);
    (void)unlink(path);
    return STATUS_OK;
}

/* Nobody connects before it listens, so its mode is right before anyone could. */
static bool bind_and_listen(int fd, const char *path, int backlog)
{
    struct sockaddr_un address = address_of(path);
    return bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
           chmod(path, SOCKET_MODE) == 0 && listen(fd, backlog) == 0;
}

enum status unix_socket_listen(const char *path, int backlog, int *fd, struct error *err)
{
    TRY(clear_place(path, err));
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd >= 0 && bind_and_listen(*fd, path, backlog))
        return STATUS_OK;
    enum status status = error_fail(err, EX_CONFIG, "store.socket: '%s' cannot be listened at: %s",
                                    path, strerror(errno));
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    return status;
}
