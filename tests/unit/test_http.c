/* The HTTP server as clients meet it: over sockets, the odd and the hostile ones too. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "operators/support/http.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/process.h"
#include "tests/unit/http_client.h"

enum {
    BIG_SIZE = 200 * 1024,
    DEADLINE_MS = 300,         /* where nobody is answered */
    SERVED_DEADLINE_MS = 3000, /* where somebody is, who may be slow on a busy machine */
};

/* --- a server with three paths --- */

struct served {
    _Atomic uint32_t calls;
    _Atomic uint32_t inside;
    _Atomic uint32_t inside_max;
};

static struct served served;
static struct http *server;
static struct address address;

static uint32_t answer_plain(void *state, struct buffer *body)
{
    struct served *to = state;
    uint32_t inside = atomic_fetch_add(&to->inside, 1) + 1;
    if (inside > atomic_load(&to->inside_max))
        atomic_store(&to->inside_max, inside);
    buffer_print(body, "call %u\n", atomic_fetch_add(&to->calls, 1) + 1);
    atomic_fetch_sub(&to->inside, 1);
    return 200;
}

static uint32_t answer_sick(void *state, struct buffer *body)
{
    (void)state;
    buffer_add_text(body, "sick\n");
    return 503;
}

static uint32_t answer_big(void *state, struct buffer *body)
{
    (void)state;
    for (int i = 0; i < BIG_SIZE / 10; i++)
        buffer_add_text(body, "123456789\n");
    return 200;
}

static uint32_t answer_empty(void *state, struct buffer *body)
{
    (void)state, (void)body;
    return 200;
}

static const struct http_path paths[] = {
    {.path = "/plain", .content_type = "text/plain", .answer = answer_plain},
    {.path = "/sick", .content_type = "application/json", .answer = answer_sick},
    {.path = "/big", .content_type = "text/plain", .answer = answer_big},
    {.path = "/empty", .content_type = "text/plain", .answer = answer_empty},
    {0}};

static enum status open_at(const char *listen, uint32_t deadline_ms, struct http **out,
                           struct error *err)
{
    struct http_settings settings = {
        .listen = listen, .paths = paths, .state = &served, .deadline_ms = deadline_ms};
    return http_open(&settings, out, err);
}

static void start_at(const char *listen, uint32_t deadline_ms)
{
    struct error err = {0};
    char text[ADDRESS_TEXT_SIZE];
    cr_assert_eq(open_at(listen, deadline_ms, &server, &err), STATUS_OK, "%s", err.text);
    http_address(server, text);
    cr_assert(address_parse(text, &address), "%s", text);
}

static void set_up(void)
{
    start_at("127.0.0.1:0", 0);
}

static void tear_down(void)
{
    http_close(server);
}

TestSuite(http, .init = set_up, .fini = tear_down);
TestSuite(http_apart, .fini = tear_down);

/* --- a client --- */

/* Without the NUL. */
static void put(char *out, const char *text)
{
    memcpy(out, text, strlen(text));
}

static char *ask(const char *request)
{
    return http_ask(&address, request, strlen(request));
}

static void expect(const char *request, const char *begins, const char *ends)
{
    char *answer = ask(request);
    cr_assert_eq(strncmp(answer, begins, strlen(begins)), 0, "%s", answer);
    cr_assert(strlen(answer) >= strlen(ends) &&
                  strcmp(answer + strlen(answer) - strlen(ends), ends) == 0,
              "%s", answer);
    memory_free(answer);
}

static void expect_line(const char *answer, const char *line)
{
    char text[256];
    (void)snprintf(text, sizeof text, "\r\n%s\r\n", line);
    cr_assert_not_null(strstr(answer, text), "no '%s' in %s", line, answer);
}

/* --- answers --- */

Test(http, get_is_answered_by_the_path_and_closed)
{
    char *answer = ask("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17), 0, "%s", answer);
    expect_line(answer, "Content-Type: text/plain");
    expect_line(answer, "Content-Length: 7");
    expect_line(answer, "Connection: close");
    expect_line(answer, "Cache-Control: no-store");
    expect_line(answer, "X-Content-Type-Options: nosniff");
    cr_assert_str_eq(strstr(answer, "\r\n\r\n") + 4, "call 1\n");
    memory_free(answer);
    expect("GET /plain?a=b&c=%00 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\ncall 2\n");
    expect("GET /plain HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\ncall 3\n");
}

Test(http, the_status_is_the_handlers)
{
    expect("GET /sick HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 503 ", "\r\n\r\nsick\n");
    expect("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\n");
}

Test(http, head_is_the_same_without_the_body)
{
    char *answer = ask("HEAD /sick HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(strncmp(answer, "HTTP/1.1 503 ", 13), 0, "%s", answer);
    expect_line(answer, "Content-Length: 5");
    cr_assert_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    memory_free(answer);
}

Test(http, a_large_answer_arrives_whole)
{
    char *answer = ask("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(strlen(strstr(answer, "\r\n\r\n") + 4), BIG_SIZE);
    memory_free(answer);
}

Test(http, an_unknown_path_names_those_there_are)
{
    static const char body[] = "\r\n\r\nnot found; there are: /plain /sick /big /empty\n";
    expect("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", body);
    expect("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", body);
    expect("GET /plain/ HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", body);
    expect("GET /../plain HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", body);
    cr_assert_eq(atomic_load(&served.calls), 0);
}

Test(http, other_methods_are_refused)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char request[128];
        (void)snprintf(request, sizeof request,
                       "%s /plain HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", methods[i]);
        char *answer = ask(request);
        cr_assert_eq(strncmp(answer, "HTTP/1.1 405 ", 13), 0, "%s", answer);
        expect_line(answer, "Allow: GET, HEAD");
        memory_free(answer);
    }
    cr_assert_eq(atomic_load(&served.calls), 0);
}

Test(http, a_body_is_not_waited_for)
{
    expect("GET /plain HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", "HTTP/1.1 200 ",
           "call 1\n");
}

/* --- hostile input: an answer of 4xx or none at all, and the next client is served --- */

static void expect_refused(const char *request, size_t size)
{
    char *answer = http_ask(&address, request, size);
    cr_assert(!answer[0] || strncmp(answer, "HTTP/1.1 4", 10) == 0 ||
                  strncmp(answer, "HTTP/1.0 4", 10) == 0 ||
                  strncmp(answer, "HTTP/1.1 505", 12) == 0,
              "%.200s -> %.200s", request, answer);
    memory_free(answer);
}

Test(http_apart, what_is_no_request_is_refused)
{
    start_at("127.0.0.1:0", SERVED_DEADLINE_MS); /* some it takes for the begin of more */
    static const char *const requests[] = {
        "\r\n\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /plain\r\n\r\n",
        "/plain HTTP/1.1\r\n\r\n",
        "GET /plain HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET /plain HTTP/1.1\r\n\r\n",
        "GET /plain HTTP/1.1\r\nHost x\r\n\r\n",
        "GET /plain HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET /plain HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "\x16\x03\x01\x02\x01\x01\xfc\x03\x03 not TLS here\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        /* What is incomplete is ended by the client. */
        int fd = http_connect(&address);
        char *answer = memory_new(HTTP_ANSWER_SIZE, 1);
        size_t size;
        http_send_text(fd, requests[i]);
        (void)shutdown(fd, SHUT_WR);
        cr_assert(http_read_to_end(fd, answer, &size), "%zu", i);
        cr_assert(strncmp(answer, "HTTP/1.1 200", 12) != 0, "%zu: %s", i, answer);
        memory_free(answer);
    }
    cr_assert_eq(atomic_load(&served.calls), 0);
    expect("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "call 1\n");
}

Test(http, a_header_beyond_the_limit_is_refused)
{
    enum { HUGE_SIZE = 1024 * 1024 };
    char *request = memory_new(HUGE_SIZE, 1);
    memset(request, 'a', HUGE_SIZE);
    put(request, "GET /plain HTTP/1.1\r\nHost: x\r\nX: ");
    expect_refused(request, HUGE_SIZE);
    memset(request, 'a', HUGE_SIZE);
    put(request, "GET /plain");
    expect_refused(request, HUGE_SIZE);
    for (size_t i = 0; i + 4 < HUGE_SIZE; i += 4) /* many small ones */
        put(request + i, "a:\r\n");
    put(request, "GET /plain HTTP/1.1\r\n");
    expect_refused(request, HUGE_SIZE);
    memory_free(request);
    cr_assert_eq(atomic_load(&served.calls), 0);
    expect("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "call 1\n");
}

Test(http, a_header_of_half_the_limit_is_taken)
{
    char request[HTTP_HEADER_BYTES_MAX / 2 + 1];
    memset(request, 'a', sizeof request);
    put(request, "GET /plain HTTP/1.1\r\nHost: x\r\nX: ");
    put(request + sizeof request - 5, "\r\n\r\n");
    request[sizeof request - 1] = 0;
    expect(request, "HTTP/1.1 200 ", "call 1\n");
}

/* --- slow and many clients --- */

static bool is_cut(int fd)
{
    char *answer = memory_new(HTTP_ANSWER_SIZE, 1);
    size_t size;
    bool is_closed = http_read_to_end(fd, answer, &size);
    memory_free(answer);
    return is_closed && size == 0;
}

Test(http_apart, who_says_nothing_is_cut)
{
    start_at("127.0.0.1:0", DEADLINE_MS);
    cr_assert(is_cut(http_connect(&address)));
}

/* A byte now and then would begin an idle limit anew each time. */
Test(http_apart, who_sends_slowly_is_cut)
{
    start_at("127.0.0.1:0", DEADLINE_MS);
    int fd = http_connect(&address);
    http_send_text(fd, "GET /plain HTTP/1.1\r\nX: ");
    struct timeval moment = {0, 20000};
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment), 0);
    char byte;
    ssize_t got;
    do
        http_send_text(fd, "a");
    while ((got = http_receive(fd, &byte, 1)) < 0 && errno == EAGAIN);
    cr_assert(got == 0 || errno == ECONNRESET || errno == EPIPE, "%zd %s", got, strerror(errno));
    (void)close(fd);
    cr_assert_eq(atomic_load(&served.calls), 0);
}

/* The answer does not fit into what the sockets buffer, and nobody reads. */
Test(http_apart, who_reads_nothing_is_cut)
{
    start_at("127.0.0.1:0", SERVED_DEADLINE_MS);
    uint64_t before = process_look().open_fds;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int small = 1024;
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&address.socket, address.size), 0);
    http_send_text(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    /* The server's end is among this process's files until it is closed. */
    while (process_look().open_fds > before + 1)
        (void)usleep(10000);
    (void)close(fd);
    expect("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "call 1\n");
}

/* More than there are places: those beyond wait until the first ones are cut. */
Test(http_apart, idle_clients_do_not_keep_others_out)
{
    enum { IDLE = HTTP_CONNECTIONS_MAX + 20 };
    start_at("127.0.0.1:0", SERVED_DEADLINE_MS);
    int idle[IDLE];
    for (int i = 0; i < IDLE; i++)
        idle[i] = http_connect(&address);
    expect("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "call 1\n");
    for (int i = 0; i < IDLE; i++)
        cr_assert(is_cut(idle[i]));
}

static void *ask_often(void *state)
{
    enum { TIMES = 25 };
    _Atomic uint32_t *good = state;
    for (int i = 0; i < TIMES; i++) {
        char *answer = ask(i % 2 ? "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"
                                 : "HEAD /plain HTTP/1.1\r\nHost: x\r\n\r\n");
        atomic_fetch_add(good, strncmp(answer, "HTTP/1.1 200 ", 13) == 0);
        memory_free(answer);
    }
    return NULL;
}

Test(http, many_at_once_are_all_answered_one_by_one)
{
    enum { CLIENTS = 16, ALL = CLIENTS * 25 };
    pthread_t clients[CLIENTS];
    _Atomic uint32_t good = 0;
    for (int i = 0; i < CLIENTS; i++)
        cr_assert_eq(pthread_create(&clients[i], NULL, ask_often, (void *)&good), 0);
    for (int i = 0; i < CLIENTS; i++)
        (void)pthread_join(clients[i], NULL);
    cr_assert_eq(atomic_load(&good), ALL);
    cr_assert_eq(atomic_load(&served.calls), ALL);
    cr_assert_eq(atomic_load(&served.inside_max), 1);
}

/* --- where it listens --- */

static bool has_ip6(void)
{
    struct address any;
    cr_assert(address_parse("[::1]:0", &any));
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_bound = fd >= 0 && bind(fd, (const struct sockaddr *)&any.socket, any.size) == 0;
    if (fd >= 0)
        (void)close(fd);
    return is_bound;
}

Test(http_apart, ip6_is_served)
{
    if (!has_ip6())
        return; /* nor has the machine */
    start_at("[::1]:0", 0);
    expect("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "call 1\n");
}

Test(http_apart, every_ip6_address_is_every_ip4_address_too)
{
    if (!has_ip6())
        return; /* nor has the machine */
    start_at("[::]:0", 0);
    uint16_t port = ((const struct sockaddr_in6 *)&address.socket)->sin6_port;
    cr_assert(address_parse("127.0.0.1:1", &address));
    ((struct sockaddr_in *)&address.socket)->sin_port = port;
    expect("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "call 1\n");
}

static void expect_config_fault(const char *listen, const char *fault)
{
    struct http *none = NULL;
    struct error err = {0};
    cr_assert_eq(open_at(listen, 0, &none, &err), STATUS_FAIL);
    cr_assert_null(none);
    cr_assert_eq(err.exit_code, EX_CONFIG);
    cr_assert_str_eq(err.text, fault);
}

Test(http, a_taken_port_is_told_with_the_remedy)
{
    char listen[ADDRESS_TEXT_SIZE];
    char fault[256];
    http_address(server, listen);
    (void)snprintf(fault, sizeof fault,
                   "http.listen: %s: another process listens there: give another port, or 'off'",
                   listen);
    expect_config_fault(listen, fault);
}

Test(http, an_address_of_another_machine_is_told)
{
    expect_config_fault("192.0.2.1:0", "http.listen: 192.0.2.1:0: not an address of this machine: "
                                       "give one, or 0.0.0.0 or [::] for all, or 'off'");
    expect_config_fault("example", "http.listen: 'example' is not an address and port");
}

Test(http, closed_it_gives_back_every_file)
{
    uint64_t before = process_look().open_fds;
    for (int i = 0; i < 3; i++) {
        struct http *other = NULL;
        struct error err = {0};
        cr_assert_eq(open_at("127.0.0.1:0", 0, &other, &err), STATUS_OK, "%s", err.text);
        cr_assert(process_look().open_fds > before);
        http_close(other);
        cr_assert_eq(process_look().open_fds, before);
    }
    http_close(NULL);
}

Test(http_apart, closed_while_a_client_is_connected_it_ends_all_the_same)
{
    start_at("127.0.0.1:0", 0);
    int fd = http_connect(&address);
    http_send_text(fd, "GET /pl");
    http_close(server);
    server = NULL;
    cr_assert(is_cut(fd));
}
