#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "operators/support/registry_internal.h"
#include "pipeline/base/memory.h"
#include "pipeline/config.h"
#include "pipeline/limits.h"

enum {
    TIMEOUT_MS = 2000,
    URLS_MAX = 16,
    REDIRECTIONS_MAX = 3,
    REPLY_BYTES_MAX = 4 * SCHEMA_BYTES_MAX, /* a schema in a JSON text, quotes escaped */
};

struct registry_transfer {
    CURL *handle;
    struct curl_slist *headers;
    const atomic_bool *cancelled;
    char *urls[URLS_MAX]; /* owned, without '/' at their ends */
    uint32_t urls_count;
    uint32_t first; /* the one that answered last */
    struct buffer url;
    struct buffer body;
    char fault[CURL_ERROR_SIZE];
};

/* --- what libcurl calls --------------------------------------------------------------------- */

static size_t take_body(char *data, size_t size, size_t count, void *state)
{
    struct registry_transfer *transfer = state;
    size_t bytes = size * count;
    if (transfer->body.size + bytes > REPLY_BYTES_MAX) {
        (void)snprintf(transfer->fault, sizeof transfer->fault, "a reply of more than %d bytes",
                       (int)REPLY_BYTES_MAX);
        return CURL_WRITEFUNC_ERROR;
    }
    buffer_add(&transfer->body, data, bytes);
    return bytes;
}

static int is_cancelled(void *state, curl_off_t to_get, curl_off_t got, curl_off_t to_send,
                        curl_off_t sent)
{
    const struct registry_transfer *transfer = state;
    (void)to_get;
    (void)got;
    (void)to_send;
    (void)sent;
    return transfer->cancelled && atomic_load(transfer->cancelled);
}

/* --- one question --------------------------------------------------------------------------- */

/* "https://host:port" at the start of a URL. */
static size_t origin_size(const char *url)
{
    const char *host = strstr(url, "://");
    size_t before = host ? (size_t)(host - url) + 3 : 0;
    return before + strcspn(url + before, "/?#\\");
}

static bool is_same_origin(const char *a, const char *b)
{
    size_t size = origin_size(a);
    return size == origin_size(b) && strncasecmp(a, b, size) == 0;
}

/* The status; 0: no reply, and fault says why. */
static long ask_once(struct registry_transfer *transfer, const char *url, const char *body)
{
    CURL *handle = transfer->handle;
    buffer_reset(&transfer->body);
    buffer_add_text(&transfer->body, "");
    transfer->fault[0] = 0;
    (void)curl_easy_setopt(handle, CURLOPT_URL, url);
    if (body) {
        (void)curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body);
        (void)curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
    } else {
        (void)curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
    }
    CURLcode code = curl_easy_perform(handle);
    long status = 0;
    if (code == CURLE_OK)
        (void)curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    else if (!transfer->fault[0])
        (void)snprintf(transfer->fault, sizeof transfer->fault, "%s", curl_easy_strerror(code));
    return status;
}

/* Where a redirection leads, when it may be followed; else NULL, and fault says why. */
static const char *redirection(struct registry_transfer *transfer, const char *url)
{
    const char *next = NULL;
    (void)curl_easy_getinfo(transfer->handle, CURLINFO_REDIRECT_URL, &next);
    if (next && is_same_origin(url, next))
        return next;
    (void)snprintf(transfer->fault, sizeof transfer->fault,
                   "redirected to another host, which is not followed");
    return NULL;
}

/* What one URL says. Redirections are followed here, not by libcurl, which would go to any host. */
static void ask_url(struct registry_transfer *transfer, const char *base, const char *path,
                    const char *body, struct registry_reply *reply)
{
    buffer_reset(&transfer->url);
    buffer_print(&transfer->url, "%s%s", base, path);
    reply->status = ask_once(transfer, transfer->url.data, body);
    for (int i = 0; !body && reply->status / 100 == 3 && i < REDIRECTIONS_MAX; i++) {
        const char *next = redirection(transfer, base);
        if (!next)
            break;
        buffer_reset(&transfer->url);
        buffer_add_text(&transfer->url, next);
        reply->status = ask_once(transfer, transfer->url.data, body);
    }
    reply->body = transfer->body.data;
    reply->size = transfer->body.size;
    if (transfer->fault[0])
        (void)snprintf(reply->reason, sizeof reply->reason, "%s: %s", base, transfer->fault);
    else
        (void)snprintf(reply->reason, sizeof reply->reason, "%s: HTTP status %ld", base,
                       reply->status);
}

static bool is_answer(long status)
{
    enum { OK = 200, NOT_FOUND = 404, CONFLICT = 409, UNPROCESSABLE = 422 };
    return status == OK || status == NOT_FOUND || status == CONFLICT || status == UNPROCESSABLE;
}

void registry_transfer_ask(struct registry_transfer *transfer, const char *path, const char *body,
                           struct registry_reply *reply)
{
    for (uint32_t i = 0; i < transfer->urls_count; i++) {
        uint32_t place = (transfer->first + i) % transfer->urls_count;
        ask_url(transfer, transfer->urls[place], path, body, reply);
        if (is_answer(reply->status)) {
            transfer->first = place;
            return;
        }
    }
}

/* --- open and close ------------------------------------------------------------------------- */

static enum status take_urls(struct registry_transfer *transfer, const char *list,
                             struct error *err)
{
    while (*list) {
        list += strspn(list, ", ");
        size_t size = strcspn(list, ", ");
        size_t used = size;
        while (used > 0 && list[used - 1] == '/')
            used--;
        if (used > 0 && transfer->urls_count == URLS_MAX)
            return error_fail(err, EX_CONFIG, "schemas.registry names more than %d URLs",
                              (int)URLS_MAX);
        if (used > 0)
            transfer->urls[transfer->urls_count++] = memory_copy_text(list, used);
        list += size;
    }
    if (transfer->urls_count > 0)
        return STATUS_OK;
    return error_fail(err, EX_CONFIG, "schemas.registry names no URL");
}

static void set_text(CURL *handle, CURLoption option, const char *text)
{
    if (text)
        (void)curl_easy_setopt(handle, option, text);
}

static void set_options(struct registry_transfer *transfer, const struct config *config)
{
    static const char *const headers[] = {
        "Accept: application/vnd.schemaregistry.v1+json, application/json",
        "Content-Type: application/vnd.schemaregistry.v1+json", "Expect:"};
    CURL *handle = transfer->handle;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        transfer->headers = curl_slist_append(transfer->headers, headers[i]);
    (void)curl_easy_setopt(handle, CURLOPT_HTTPHEADER, transfer->headers);
    (void)curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L); /* timeouts by signal kill threads */
    (void)curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    (void)curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)TIMEOUT_MS);
    (void)curl_easy_setopt(handle, CURLOPT_USERAGENT, "checkit/" CHECKIT_VERSION);
    (void)curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, transfer->fault);
    (void)curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
    (void)curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, is_cancelled);
    (void)curl_easy_setopt(handle, CURLOPT_XFERINFODATA, transfer);
    (void)curl_easy_setopt(handle, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    set_text(handle, CURLOPT_USERNAME, config->schemas_user);
    set_text(handle, CURLOPT_PASSWORD, config->schemas_password);
    set_text(handle, CURLOPT_CAINFO, config->schemas_ca);
    set_text(handle, CURLOPT_SSLCERT, config->schemas_certificate);
    set_text(handle, CURLOPT_SSLKEY, config->schemas_key);
}

/* libcurl would say so only at the first question, and with less. */
static enum status check_file(const char *key, const char *path, struct error *err)
{
    FILE *file = path ? fopen(path, "re") : NULL;
    if (path && !file)
        return error_fail(err, EX_CONFIG, "schemas.%s: '%s' cannot be read: %s", key, path,
                          strerrordesc_np(errno));
    if (file)
        (void)fclose(file);
    return STATUS_OK;
}

enum status registry_transfer_open(const struct config *config, const atomic_bool *cancelled,
                                   struct registry_transfer **out, struct error *err)
{
    TRY(check_file("ca", config->schemas_ca, err));
    TRY(check_file("certificate", config->schemas_certificate, err));
    TRY(check_file("key", config->schemas_key, err));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) /* counted: each open has its close */
        return error_fail(err, EX_SOFTWARE, "libcurl cannot be started");
    struct registry_transfer *transfer = memory_new(1, sizeof *transfer);
    transfer->cancelled = cancelled;
    transfer->handle = curl_easy_init();
    enum status status = transfer->handle ? take_urls(transfer, config->schemas_registry, err)
                                          : error_fail(err, EX_SOFTWARE, "libcurl gives no handle");
    if (status != STATUS_OK) {
        registry_transfer_close(transfer);
        return status;
    }
    set_options(transfer, config);
    *out = transfer;
    return STATUS_OK;
}

void registry_transfer_close(struct registry_transfer *transfer)
{
    if (!transfer)
        return;
    curl_easy_cleanup(transfer->handle);
    curl_slist_free_all(transfer->headers);
    for (uint32_t i = 0; i < transfer->urls_count; i++)
        memory_free(transfer->urls[i]);
    buffer_close(&transfer->url);
    buffer_close(&transfer->body);
    memory_free(transfer);
    curl_global_cleanup();
}
