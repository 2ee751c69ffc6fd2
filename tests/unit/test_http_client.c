/* The HTTP client against our own server, and against peers that are none. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "operators/support/http.h"
#include "operators/support/http_client.h"
#include "tests/unit/temp_folder.h"

enum { TIMEOUT_MS = 30000, SHORT_MS = 50, PIECE = 1024 * 1024, URL_SIZE = 128 };

static uint32_t answer_text(void *state, struct buffer *body)
{
    (void)state;
    buffer_add_text(body, "a text\n");
    return 200;
}

static uint32_t answer_sick(void *state, struct buffer *body)
{
    (void)state;
    buffer_add_text(body, "sick");
    return 503;
}

/* Pieces of 1 MB, one more than may be read when asked for too many. */
static uint32_t answer_large(struct buffer *body, int pieces)
{
    char *piece = malloc(PIECE);
    memset(piece, 'x', PIECE);
    for (int i = 0; i < pieces; i++)
        buffer_add(body, piece, PIECE);
    free(piece);
    return 200;
}

static uint32_t answer_largest(void *state, struct buffer *body)
{
    (void)state;
    return answer_large(body, HTTP_CLIENT_BYTES_MAX / PIECE);
}

static uint32_t answer_too_large(void *state, struct buffer *body)
{
    (void)answer_largest(state, body);
    buffer_add_text(body, "x");
    return 200;
}

static uint32_t answer_told(void *state, const char *argument, struct buffer *to)
{
    (void)state;
    buffer_print(to, "'%s'", argument ? argument : "nothing");
    return 404;
}

static const struct http_path paths[] = {
    {.path = "/text", .content_type = "text/plain", .answer = answer_text},
    {.path = "/sick", .content_type = "text/plain", .answer = answer_sick},
    {.path = "/largest", .content_type = "text/plain", .answer = answer_largest},
    {.path = "/too-large", .content_type = "text/plain", .answer = answer_too_large},
    {.path = "/told",
     .content_type = "text/plain",
     .answer_asked = answer_told,
     .argument = "what"},
    {.path = "/done",
     .content_type = "text/plain",
     .answer_asked = answer_told,
     .argument = "what",
     .is_post = true},
    {0}};
static struct http *server;
static struct http_client *client;
static struct buffer body;
static struct error err;

static void set_up(void)
{
    struct http_settings settings = {.listen = "127.0.0.1:0", .paths = paths};
    /* No proxy is asked, whatever is set. */
    cr_assert_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    cr_assert_eq(http_open(&settings, &server, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(http_client_open(TIMEOUT_MS, &client, &err), STATUS_OK, "%s", err.text);
}

static void tear_down(void)
{
    http_client_close(client);
    buffer_close(&body);
    http_close(server);
}

TestSuite(http_client, .init = set_up, .fini = tear_down);

static enum status get(const char *path, uint32_t *code)
{
    char address[ADDRESS_TEXT_SIZE];
    char url[URL_SIZE];
    http_address(server, address);
    (void)snprintf(url, sizeof url, "http://%s%s", address, path);
    return http_client_get(client, url, code, &body, &err);
}

Test(http_client, what_is_answered_is_read_whatever_its_code)
{
    uint32_t code = 0;
    cr_assert_eq(get("/text", &code), STATUS_OK, "%s", err.text);
    cr_expect_eq(code, 200);
    cr_expect_str_eq(body.data, "a text\n");
    cr_assert_eq(get("/sick", &code), STATUS_OK, "%s", err.text);
    cr_expect_eq(code, 503);
    cr_expect_str_eq(body.data, "sick");
    cr_assert_eq(get("/none", &code), STATUS_OK, "%s", err.text);
    cr_expect_eq(code, 404);
}

Test(http_client, the_largest_answer_is_read_and_one_byte_more_is_not)
{
    uint32_t code = 0;
    cr_assert_eq(get("/largest", &code), STATUS_OK, "%s", err.text);
    cr_expect_eq(body.size, HTTP_CLIENT_BYTES_MAX);
    cr_expect_eq(get("/too-large", &code), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
}

Test(http_client, nobody_there_is_told_with_the_address)
{
    char address[ADDRESS_TEXT_SIZE];
    char url[URL_SIZE];
    uint32_t code = 1;
    http_address(server, address);
    (void)snprintf(url, sizeof url, "http://%s/text", address);
    http_close(server);
    server = NULL;
    cr_expect_eq(http_client_get(client, url, &code, &body, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    cr_expect_not_null(strstr(err.text, address), "%s", err.text);
    cr_expect_eq(code, 0);
}

/* A listener whose connections nobody takes: the kernel does, and nothing is ever answered. */
Test(http_client, who_does_not_answer_in_time_is_given_up)
{
    struct sockaddr_in local = {.sin_family = AF_INET,
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof local;
    char url[URL_SIZE];
    uint32_t code = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&local, size) == 0 && listen(fd, 1) == 0 &&
              getsockname(fd, (struct sockaddr *)&local, &size) == 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)ntohs(local.sin_port));
    http_client_close(client);
    cr_assert_eq(http_client_open(SHORT_MS, &client, &err), STATUS_OK);
    cr_expect_eq(http_client_get(client, url, &code, &body, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_eq(close(fd), 0);
}

Test(http_client, what_is_no_address_is_wrong_use)
{
    static const char *const wrong[] = {"", "http://", "file:///etc/passwd", "gopher://127.0.0.1/",
                                        "http://a b/"};
    uint32_t code = 0;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(http_client_get(client, wrong[i], &code, &body, &err), STATUS_FAIL);
        cr_expect_eq(err.exit_code, EX_USAGE, "%s: %s", wrong[i], err.text);
    }
}

/* --- at a Unix socket --- */

static void expect_told(const char *target, bool is_post, uint32_t wanted, const char *said)
{
    char url[URL_SIZE];
    uint32_t code = 0;
    (void)snprintf(url, sizeof url, "http://anyone%s", target);
    cr_assert_eq(is_post ? http_client_post(client, url, &code, &body, &err)
                         : http_client_get(client, url, &code, &body, &err),
                 STATUS_OK, "%s", err.text);
    cr_expect_eq(code, wanted, "%s: %u", target, code);
    cr_expect_str_eq(body.data, said);
}

Test(http_client, unix_socket_is_asked_with_an_argument_and_by_post)
{
    struct temp_folder folder = temp_folder_make();
    char socket[TEMP_PATH_SIZE];
    struct http *there = NULL;
    const struct http_settings settings = {.socket = temp_path(&folder, "socket", socket),
                                           .paths = paths};
    cr_assert_eq(http_open(&settings, &there, &err), STATUS_OK, "%s", err.text);
    http_client_close(client);
    cr_assert_eq(http_client_open_unix(socket, TIMEOUT_MS, &client, &err), STATUS_OK);
    expect_told("/told?what=a%3Bb%25%20c", false, 404, "'a;b% c'");
    expect_told("/told?other=1", false, 404, "'nothing'");
    expect_told("/told", false, 404, "'nothing'");
    expect_told("/done?what=it", true, 404, "'it'");
    expect_told("/done?what=it", false, 405, "only POST is answered\n");
    expect_told("/told?what=it", true, 405, "only GET and HEAD are answered\n");
    expect_told("/text", false, 200, "a text\n");
    http_close(there);
    cr_expect_neq(access(socket, F_OK), 0);
    uint32_t code;
    cr_expect_eq(http_client_get(client, "http://anyone/text", &code, &body, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    temp_folder_remove(&folder);
}

Test(http_client, path_no_socket_may_have_is_wrong_use)
{
    char socket[400];
    memset(socket, 's', sizeof socket - 1);
    socket[sizeof socket - 1] = 0;
    http_client_close(client);
    client = NULL;
    enum status status = http_client_open_unix(socket, TIMEOUT_MS, &client, &err);
    uint32_t code;
    if (status == STATUS_OK)
        status = http_client_get(client, "http://anyone/text", &code, &body, &err);
    cr_expect_eq(status, STATUS_FAIL);
}
