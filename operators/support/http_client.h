/* http_client.h - asks one address after another over HTTP. One thread.
 *
 * Directly, whatever proxy the environment names; redirects are not followed; an answer of more
 * than HTTP_CLIENT_BYTES_MAX is a fault.
 */
#ifndef CHECKIT_HTTP_CLIENT_H
#define CHECKIT_HTTP_CLIENT_H

#include <stdint.h>

#include "pipeline/base/buffer.h"
#include "pipeline/base/status.h"

enum { HTTP_CLIENT_BYTES_MAX = 16 * 1024 * 1024 };

struct http_client;

/* *out is the caller's: http_client_close. */
enum status http_client_open(uint32_t timeout_ms, struct http_client **out,
                             struct error *err) MUST_USE;

/* The same for one that asks whoever listens at a Unix socket; the host in a url counts for
 * nothing. EX_USAGE: socket is longer than a path of one may be. */
enum status http_client_open_unix(const char *socket, uint32_t timeout_ms, struct http_client **out,
                                  struct error *err) MUST_USE;
void http_client_close(struct http_client *client);

/* url: http: or https:. *code: the answer's status code; body: what it holds, replaced. Without an
 * answer in time EX_UNAVAILABLE, with the reason; no such url: EX_USAGE. */
enum status http_client_get(struct http_client *client, const char *url, uint32_t *code,
                            struct buffer *body, struct error *err) MUST_USE;

/* The same with POST, and no body. */
enum status http_client_post(struct http_client *client, const char *url, uint32_t *code,
                             struct buffer *body, struct error *err) MUST_USE;

#endif
