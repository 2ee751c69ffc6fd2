/* http_client.h - an HTTP client that sends what it is told, for tests of servers. */
#ifndef CHECKIT_TESTS_HTTP_CLIENT_H
#define CHECKIT_TESTS_HTTP_CLIENT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pipeline/base/address.h"
#include "pipeline/base/memory.h"

enum {
    HTTP_ANSWER_SIZE = 256 * 1024,
    HTTP_PATIENCE_S = 30, /* only a failing test waits so long */
};

static inline int http_connect(const struct address *to)
{
    int fd = socket(to->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0);
    struct timeval patience = {HTTP_PATIENCE_S, 0};
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&to->socket, to->size), 0, "%s",
                 strerror(errno));
    return fd;
}

static inline void http_send(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the server had enough: what it answered is read all the same */
        data += sent;
        size -= (size_t)sent;
    }
}

static inline void http_send_text(int fd, const char *text)
{
    http_send(fd, text, strlen(text));
}

/* A wait that has a limit ends with EINTR where the process was stopped and goes on. */
static inline ssize_t http_receive(int fd, char *out, size_t size)
{
    ssize_t got;
    do
        got = recv(fd, out, size, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Everything until the server closes; closes too. False when it did not close in time. */
static inline bool http_read_to_end(int fd, char *out, size_t *size)
{
    ssize_t got = 0;
    *size = 0;
    while (*size < HTTP_ANSWER_SIZE - 1 &&
           (got = http_receive(fd, out + *size, HTTP_ANSWER_SIZE - 1 - *size)) > 0)
        *size += (size_t)got;
    out[*size] = 0;
    bool is_patient = got == 0 || errno == ECONNRESET;
    (void)close(fd);
    return is_patient;
}

/* The whole answer, the caller's: memory_free. */
static inline char *http_ask(const struct address *to, const char *request, size_t request_size)
{
    char *answer = memory_new(HTTP_ANSWER_SIZE, 1);
    size_t size;
    int fd = http_connect(to);
    http_send(fd, request, request_size);
    cr_assert(http_read_to_end(fd, answer, &size), "the server did not close");
    return answer;
}

#endif
