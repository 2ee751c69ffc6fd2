/* http_server.h - a small HTTP server for tests of a client: it says what the test tells it to, and
 * remembers what it was asked. One thread, one connection at a time, each for one question.
 */
#ifndef CHECKIT_TESTS_HTTP_SERVER_H
#define CHECKIT_TESTS_HTTP_SERVER_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVER_ROUTES_MAX = 128, SERVER_QUESTIONS_MAX = 256, SERVER_QUESTION_SIZE = 16384 };

enum server_manner {
    SERVER_REPLIES,
    SERVER_IS_SILENT,      /* until the client gives up */
    SERVER_HANGS_UP,       /* without a word */
    SERVER_STOPS_EARLY,    /* promises more bytes than it sends */
    SERVER_IS_ENDLESS,     /* sends until the client has had enough */
    SERVER_TALKS_OTHERWISE /* what it sends is no HTTP */
};

struct server_route {
    const char *question; /* "GET /a"; borrowed */
    int status;
    const char *body; /* borrowed; of a redirection, where it leads */
    enum server_manner manner;
};

struct http_server {
    int socket;
    uint16_t port;
    char url[64];
    pthread_t thread;
    pthread_mutex_t mutex; /* everything below */
    struct server_route routes[SERVER_ROUTES_MAX];
    uint32_t routes_count;
    char *questions[SERVER_QUESTIONS_MAX]; /* whole, headers and body included */
    uint32_t questions_count;
};

static inline void server_send(int connection, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(connection, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data += sent;
        size -= (size_t)sent;
    }
}

/* Reads head and body; false: the client has gone. */
static inline bool server_read(int connection, char *question)
{
    size_t used = 0;
    size_t wanted = SERVER_QUESTION_SIZE - 1;
    while (used < wanted) {
        ssize_t got = recv(connection, question + used, wanted - used, 0);
        if (got <= 0)
            return false;
        used += (size_t)got;
        question[used] = 0;
        const char *end = strstr(question, "\r\n\r\n");
        const char *length = strcasestr(question, "\r\nContent-Length:");
        if (end)
            wanted = (size_t)(end - question) + 4 + (length ? strtoul(length + 17, NULL, 10) : 0);
        if (wanted > SERVER_QUESTION_SIZE - 1)
            wanted = SERVER_QUESTION_SIZE - 1;
    }
    return true;
}

static inline struct server_route server_route_of(struct http_server *server, const char *question)
{
    struct server_route route = {"", 404, "{\"error_code\": 404}", SERVER_REPLIES};
    (void)pthread_mutex_lock(&server->mutex);
    for (uint32_t i = 0; i < server->routes_count; i++) {
        size_t size = strlen(server->routes[i].question);
        if (strncmp(question, server->routes[i].question, size) == 0 && question[size] == ' ')
            route = server->routes[i];
    }
    cr_assert_lt(server->questions_count, SERVER_QUESTIONS_MAX);
    server->questions[server->questions_count++] = strdup(question);
    (void)pthread_mutex_unlock(&server->mutex);
    return route;
}

static inline void server_reply(int connection, const struct server_route *route)
{
    char head[512];
    size_t size = strlen(route->body);
    bool leads_on = route->status / 100 == 3;
    int head_size =
        snprintf(head, sizeof head,
                 "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n%s%s\r\n"
                 "\r\n",
                 route->status, leads_on ? 0 : size + (route->manner == SERVER_STOPS_EARLY),
                 leads_on ? "Location: " : "X: ", leads_on ? route->body : "x");
    server_send(connection, head, (size_t)head_size);
    if (!leads_on)
        server_send(connection, route->body, size);
}

static inline void server_be_endless(int connection)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    static char spaces[65536];
    memset(spaces, ' ', sizeof spaces);
    server_send(connection, head, sizeof head - 1);
    while (send(connection, spaces, sizeof spaces, MSG_NOSIGNAL) > 0)
        ;
}

static inline void server_answer(struct http_server *server, int connection)
{
    static const char other[] = "SSH-2.0-x\r\n";
    char *question = calloc(1, SERVER_QUESTION_SIZE);
    char byte;
    if (server_read(connection, question)) {
        struct server_route route = server_route_of(server, question);
        if (route.manner == SERVER_REPLIES || route.manner == SERVER_STOPS_EARLY)
            server_reply(connection, &route);
        if (route.manner == SERVER_IS_ENDLESS)
            server_be_endless(connection);
        if (route.manner == SERVER_TALKS_OTHERWISE)
            server_send(connection, other, sizeof other - 1);
        if (route.manner == SERVER_IS_SILENT)
            (void)recv(connection, &byte, 1, 0);
    }
    free(question);
    (void)close(connection);
}

static inline void *server_run(void *state)
{
    struct http_server *server = state;
    int connection;
    while ((connection = accept(server->socket, NULL, NULL)) >= 0)
        server_answer(server, connection);
    return NULL;
}

static inline void server_open(struct http_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    *server = (struct http_server){.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    cr_assert_eq(bind(server->socket, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(server->socket, 16), 0);
    cr_assert_eq(getsockname(server->socket, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    (void)snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u", server->port);
    (void)pthread_mutex_init(&server->mutex, NULL);
    cr_assert_eq(pthread_create(&server->thread, NULL, server_run, server), 0);
}

static inline void server_close(struct http_server *server)
{
    (void)shutdown(server->socket, SHUT_RDWR); /* ends accept */
    (void)pthread_join(server->thread, NULL);
    (void)close(server->socket);
    for (uint32_t i = 0; i < server->questions_count; i++)
        free(server->questions[i]);
    (void)pthread_mutex_destroy(&server->mutex);
}

/* What it says from now on; a later route of the same question wins. */
static inline void server_route(struct http_server *server, struct server_route route)
{
    (void)pthread_mutex_lock(&server->mutex);
    cr_assert_lt(server->routes_count, SERVER_ROUTES_MAX);
    server->routes[server->routes_count++] = route;
    (void)pthread_mutex_unlock(&server->mutex);
}

static inline uint32_t server_questions(struct http_server *server)
{
    (void)pthread_mutex_lock(&server->mutex);
    uint32_t count = server->questions_count;
    (void)pthread_mutex_unlock(&server->mutex);
    return count;
}

/* The index-th question, until the server closes. */
static inline const char *server_question(struct http_server *server, uint32_t index)
{
    (void)pthread_mutex_lock(&server->mutex);
    cr_assert_lt(index, server->questions_count);
    const char *question = server->questions[index];
    (void)pthread_mutex_unlock(&server->mutex);
    return question;
}

#endif
