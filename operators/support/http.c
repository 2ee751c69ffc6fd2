#include "operators/support/http.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/unix_socket.h"

enum {
    BACKLOG = 128,
    CHECK_MS = 100, /* between looks for connections that are past their deadline */
    IDLE_MS = 1000,
    NO_FD = -1,
};

/* A connection, from when it was accepted until it is closed. */
struct connection {
    int fd; /* NO_FD: the place is free */
    uint64_t began_ns;
};

struct http {
    struct http_settings settings;
    struct address address;
    struct MHD_Daemon *daemon;
    int listen_fd; /* the daemon's once it runs */
    int wake_fd;
    int epoll_fd; /* the daemon's */
    pthread_t id;
    bool started;
    _Atomic bool stop;
    /* The thread's alone. */
    struct buffer body;
    struct connection connections[HTTP_CONNECTIONS_MAX];
    uint32_t connections_count;
};

/* --- answers --- */

/* allowed: with code 405, what would have been. */
static enum MHD_Result send_answer(struct MHD_Connection *to, uint32_t code, const char *type,
                                   const char *allowed, const struct buffer *body)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body->size, body->data, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO; /* closes the connection */
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_X_CONTENT_TYPE_OPTIONS, "nosniff");
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (allowed)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allowed);
    enum MHD_Result result = MHD_queue_response(to, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_paths(struct http *http, struct MHD_Connection *to)
{
    buffer_add_text(&http->body, "not found; there are:");
    for (const struct http_path *path = http->settings.paths; path->path; path++)
        buffer_print(&http->body, " %s", path->path);
    buffer_add_text(&http->body, "\n");
    return send_answer(to, MHD_HTTP_NOT_FOUND, "text/plain; charset=utf-8", NULL, &http->body);
}

static enum MHD_Result refuse_method(struct http *http, struct MHD_Connection *to, bool is_post)
{
    const char *allowed = is_post ? "POST" : "GET, HEAD";
    buffer_print(&http->body, "only %s %s answered\n", is_post ? "POST" : "GET and HEAD",
                 is_post ? "is" : "are");
    return send_answer(to, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", allowed,
                       &http->body);
}

static enum MHD_Result answer_path(struct http *http, const struct http_path *path,
                                   struct MHD_Connection *to)
{
    void *state = http->settings.state;
    uint32_t code;
    if (path->answer_asked)
        code = path->answer_asked(
            state, MHD_lookup_connection_value(to, MHD_GET_ARGUMENT_KIND, path->argument),
            &http->body);
    else
        code = path->answer(state, &http->body);
    return send_answer(to, code, path->content_type, NULL, &http->body);
}

/* Called once the header is there; a body is not waited for. */
static enum MHD_Result on_request(void *state, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, /* NOLINT(readability-non-const-parameter): MHD's */
                                  void **context)
{
    (void)version, (void)data, (void)size, (void)context;
    struct http *http = state;
    bool is_get =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    bool is_post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    buffer_reset(&http->body);
    for (const struct http_path *path = http->settings.paths; path->path; path++) {
        if (strcmp(url, path->path) != 0)
            continue;
        return (path->is_post ? is_post : is_get) ? answer_path(http, path, connection)
                                                  : refuse_method(http, connection, path->is_post);
    }
    return is_get ? send_paths(http, connection) : refuse_method(http, connection, false);
}

/* --- connections --- */

static void on_connection(void *state, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = state;
    struct connection *place = *context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED && place) {
        place->fd = NO_FD;
        http->connections_count--;
    }
    if (code == MHD_CONNECTION_NOTIFY_CLOSED)
        return;
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    for (uint32_t i = 0; i < HTTP_CONNECTIONS_MAX && !*context; i++)
        if (http->connections[i].fd == NO_FD)
            *context = &http->connections[i];
    if (!*context) { /* the daemon has the same limit, so there is always one */
        (void)shutdown(fd, SHUT_RDWR);
        return;
    }
    place = *context;
    *place = (struct connection){fd, clock_monotonic_ns()};
    http->connections_count++;
}

/* The daemon sees an end of the stream, and closes. Its own time limit would begin anew with every
 * byte that comes. */
static void cut_connections(struct http *http)
{
    uint64_t now_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        struct connection *connection = &http->connections[i];
        if (connection->fd != NO_FD &&
            now_ns - connection->began_ns >= http->settings.deadline_ms * UINT64_C(1000000))
            (void)shutdown(connection->fd, SHUT_RDWR);
    }
}

/* Until something is to be done. */
static void wait_for_work(struct http *http)
{
    MHD_UNSIGNED_LONG_LONG due_ms;
    int wait_ms = http->connections_count > 0 ? CHECK_MS : IDLE_MS;
    if (MHD_get_timeout(http->daemon, &due_ms) == MHD_YES && due_ms < (unsigned)wait_ms)
        wait_ms = (int)due_ms;
    struct pollfd fds[] = {{.fd = http->epoll_fd, .events = POLLIN},
                           {.fd = http->wake_fd, .events = POLLIN}};
    (void)poll(fds, sizeof fds / sizeof *fds, wait_ms);
}

/* Once more when a connection was closed: with all places taken the daemon had stopped to listen,
 * and it begins again only when it is run. */
static void serve(struct http *http)
{
    uint32_t before;
    do {
        before = http->connections_count;
        (void)MHD_run(http->daemon);
    } while (http->connections_count < before);
}

static void *run(void *state)
{
    struct http *http = state;
    while (!atomic_load(&http->stop)) {
        wait_for_work(http);
        serve(http);
        cut_connections(http);
    }
    return NULL;
}

/* --- opening --- */

static void on_log(void *state, const char *format, va_list values) PRINTF_LIKE(2, 0);

/* What hostile input makes it say is worth no more than a debug line. */
static void on_log(void *state, const char *format, va_list values)
{
    (void)state;
    char text[256];
    (void)vsnprintf(text, sizeof text, format, values);
    text[strcspn(text, "\r\n")] = 0;
    LOG_DEBUG("http", "libmicrohttpd", LOG_TEXT("text", text));
}

static enum status listen_fails(const struct http *http, struct error *err)
{
    int fault = errno;
    const char *why = strerror(fault);
    if (fault == EADDRINUSE)
        why = "another process listens there: give another port";
    if (fault == EADDRNOTAVAIL)
        why = "not an address of this machine: give one, or 0.0.0.0 or [::] for all";
    if (fault == EACCES)
        why = "not permitted: give a port above 1023";
    return error_fail(err, EX_CONFIG, "http.listen: %s: %s, or 'off'", http->settings.listen, why);
}

static enum status start_listening(struct http *http, struct error *err)
{
    if (http->settings.socket)
        return unix_socket_listen(http->settings.socket, BACKLOG, &http->listen_fd, err);
    if (!address_parse(http->settings.listen, &http->address))
        return error_fail(err, EX_CONFIG, "http.listen: '%s' is not an address and port",
                          http->settings.listen);
    const struct sockaddr *address = (const struct sockaddr *)&http->address.socket;
    http->listen_fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (http->listen_fd < 0)
        return listen_fails(http, err);
    int on = 1;
    int off = 0;
    (void)setsockopt(http->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->sa_family == AF_INET6) /* [::] is then every address, as 0.0.0.0 is */
        (void)setsockopt(http->listen_fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(http->listen_fd, address, http->address.size) != 0 ||
        listen(http->listen_fd, BACKLOG) != 0 ||
        getsockname(http->listen_fd, (struct sockaddr *)&http->address.socket,
                    &http->address.size) != 0)
        return listen_fails(http, err);
    return STATUS_OK;
}

static enum status start(struct http *http, struct error *err)
{
    TRY(start_listening(http, err));
    http->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (http->wake_fd < 0)
        return error_fail(err, EX_OSERR, "http: no eventfd: %s", strerror(errno));
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, http,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, http->listen_fd,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_HEADER_BYTES_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    http->listen_fd = NO_FD;
    if (!http->daemon)
        return error_fail(err, EX_OSERR, "http: cannot be started");
    http->epoll_fd = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int fault = pthread_create(&http->id, NULL, run, http);
    if (fault)
        return error_fail(err, EX_OSERR, "http: cannot start its thread: %s", strerror(fault));
    http->started = true;
    return STATUS_OK;
}

enum status http_open(const struct http_settings *settings, struct http **out, struct error *err)
{
    struct http *http = memory_new(1, sizeof *http);
    http->settings = *settings;
    if (http->settings.deadline_ms == 0)
        http->settings.deadline_ms = HTTP_DEADLINE_MS;
    http->listen_fd = NO_FD;
    http->wake_fd = NO_FD;
    for (uint32_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        http->connections[i].fd = NO_FD;
    enum status status = start(http, err);
    if (status == STATUS_OK)
        *out = http;
    else
        http_close(http);
    return status;
}

void http_close(struct http *http)
{
    if (!http)
        return;
    atomic_store(&http->stop, true);
    if (http->started) {
        uint64_t one = 1;
        ssize_t written = write(http->wake_fd, &one, sizeof one);
        assert(written == sizeof one);
        (void)pthread_join(http->id, NULL);
    }
    if (http->daemon && http->settings.socket)
        (void)unlink(http->settings.socket); /* before it is closed: nobody finds it dead */
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    if (http->listen_fd != NO_FD)
        (void)close(http->listen_fd);
    if (http->wake_fd != NO_FD)
        (void)close(http->wake_fd);
    buffer_close(&http->body);
    memory_free(http);
}

void http_address(const struct http *http, char out[ADDRESS_TEXT_SIZE])
{
    address_format(&http->address, out);
}
