#include "pipeline/base/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { USEC_PER_MS = 1000, DECIMAL = 10 };

/* False when text is no address of a local socket. */
static bool fill_address(const char *text, struct sockaddr_un *address, socklen_t *size)
{
    size_t length = strlen(text);
    if ((text[0] != '/' && text[0] != '@') || length < 2 || length >= sizeof address->sun_path)
        return false;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, text, length);
    if (text[0] == '@')
        address->sun_path[0] = 0;
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (text[0] == '/'));
    return true;
}

/* 0: not set, no number, or too large for one. */
static uint64_t number_in(const char *variable)
{
    const char *text = getenv(variable);
    if (!text || !*text || strspn(text, "0123456789") != strlen(text))
        return 0;
    errno = 0;
    uint64_t value = strtoull(text, NULL, DECIMAL);
    return errno == 0 ? value : 0;
}

/* What WATCHDOG_PID names is the process that is meant; another one's is not ours. */
static uint64_t find_watchdog_ms(void)
{
    bool is_ours = !getenv("WATCHDOG_PID") || number_in("WATCHDOG_PID") == (uint64_t)getpid();
    return is_ours ? number_in("WATCHDOG_USEC") / USEC_PER_MS : 0;
}

void notify_open(struct notify *notify)
{
    struct sockaddr_un address;
    socklen_t size;
    const char *text = getenv("NOTIFY_SOCKET");
    *notify = (struct notify){.fd = -1};
    if (!text || !fill_address(text, &address, &size))
        return;
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->fd >= 0 && connect(notify->fd, (const struct sockaddr *)&address, size) != 0)
        notify_close(notify);
    if (notify->fd >= 0)
        notify->watchdog_ms = find_watchdog_ms();
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        (void)close(notify->fd);
    *notify = (struct notify){.fd = -1};
}

bool notify_tell(const struct notify *notify, const char *assignments)
{
    size_t size = strlen(assignments);
    return notify->fd < 0 ||
           send(notify->fd, assignments, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}
