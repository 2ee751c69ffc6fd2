#include "operators/support/http_client.h"

#include <curl/curl.h>

#include "pipeline/base/memory.h"

struct http_client {
    CURL *curl;
    char reason[CURL_ERROR_SIZE];
};

/* A curl_write_callback: taking less than there is ends the transfer. */
static size_t take(char *data, size_t size, size_t count, void *state)
{
    struct buffer *body = state;
    if (count > (HTTP_CLIENT_BYTES_MAX - body->size) / size)
        return 0;
    buffer_add(body, data, size * count);
    return size * count;
}

static bool set_up(struct http_client *client, uint32_t timeout_ms)
{
    CURL *curl = client->curl;
    return curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->reason) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take) == CURLE_OK;
}

enum status http_client_open(uint32_t timeout_ms, struct http_client **out, struct error *err)
{
    struct http_client *client = memory_new(1, sizeof *client);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        client->curl = curl_easy_init();
    if (!client->curl || !set_up(client, timeout_ms)) {
        http_client_close(client);
        return error_fail(err, EX_SOFTWARE, "libcurl cannot be set up");
    }
    *out = client;
    return STATUS_OK;
}

enum status http_client_open_unix(const char *socket, uint32_t timeout_ms, struct http_client **out,
                                  struct error *err)
{
    TRY(http_client_open(timeout_ms, out, err));
    if (curl_easy_setopt((*out)->curl, CURLOPT_UNIX_SOCKET_PATH, socket) == CURLE_OK)
        return STATUS_OK;
    http_client_close(*out);
    *out = NULL;
    return error_fail(err, EX_USAGE, "'%s' is no path of a Unix socket", socket);
}

void http_client_close(struct http_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    curl_global_cleanup();
    memory_free(client);
}

static enum status ask(struct http_client *client, const char *url, uint32_t *code,
                       struct buffer *body, struct error *err)
{
    long answered = 0;
    buffer_reset(body);
    client->reason[0] = 0;
    (void)curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, body);
    CURLcode result = curl_easy_setopt(client->curl, CURLOPT_URL, url);
    if (result == CURLE_OK)
        result = curl_easy_perform(client->curl);
    if (result == CURLE_OK)
        result = curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answered);
    *code = (uint32_t)answered;
    if (result == CURLE_OK)
        return STATUS_OK;
    bool is_url = result != CURLE_URL_MALFORMAT && result != CURLE_UNSUPPORTED_PROTOCOL;
    return error_fail(err, is_url ? EX_UNAVAILABLE : EX_USAGE, "%s: %s", url,
                      client->reason[0] ? client->reason : curl_easy_strerror(result));
}

enum status http_client_get(struct http_client *client, const char *url, uint32_t *code,
                            struct buffer *body, struct error *err)
{
    (void)curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
    return ask(client, url, code, body, err);
}

enum status http_client_post(struct http_client *client, const char *url, uint32_t *code,
                             struct buffer *body, struct error *err)
{
    (void)curl_easy_setopt(client->curl, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, "");
    return ask(client, url, code, body, err);
}
