/* http.h - answers a few fixed paths over HTTP, for probes and scrapers: the only module that
 * includes libmicrohttpd.
 *
 * GET and HEAD, and POST where a path says so (405 else), without TLS and without knowing who asks:
 * it listens where only those may connect who may know, at an address or at a Unix socket, mode
 * 0600. A connection is one request and at most 10 s, all told, after which it
 * is cut: whoever sends or reads slowly holds one of 64 places that long. A request line and header
 * together take 8 KB at most (414, 431). Answers are not cached by anyone (no-store).
 *
 * One thread of its own calls the handlers, one at a time.
 */
#ifndef CHECKIT_HTTP_H
#define CHECKIT_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/address.h"
#include "pipeline/base/buffer.h"
#include "pipeline/base/status.h"

enum { HTTP_CONNECTIONS_MAX = 64, HTTP_HEADER_BYTES_MAX = 8 * 1024, HTTP_DEADLINE_MS = 10000 };

struct http;

/* Writes the answer into an empty buffer and returns its status code, 200 or 503. */
typedef uint32_t http_handler(void *state, struct buffer *body);

/* The same with the one argument of the path, unescaped; NULL: it was not given. */
typedef uint32_t http_asked(void *state, const char *argument, struct buffer *body);

struct http_path {
    const char *path; /* "/metrics"; NULL closes the table */
    const char *content_type;
    http_handler *answer;
    http_asked *answer_asked; /* instead of answer */
    const char *argument;     /* "id" in /entry?id=E-1 */
    bool is_post;             /* POST, without a body, instead of GET and HEAD */
};

struct http_settings {
    const char *listen; /* as in address.h; port 0: any that is free */
    const char *socket; /* instead: the path of a Unix socket, gone at http_close */
    const struct http_path *paths;
    void *state;          /* for the handlers */
    uint32_t deadline_ms; /* of a connection; 0: HTTP_DEADLINE_MS */
};

/* Listens and starts the thread; settings are copied, what they point to is borrowed until
 * http_close. EX_CONFIG when it cannot listen there, in terms of the key `http.listen` or
 * `store.socket`. */
enum status http_open(const struct http_settings *settings, struct http **out,
                      struct error *err) MUST_USE;

/* Ends the thread; an answer being written is finished, none is begun. */
void http_close(struct http *http);

/* Where it listens, with the port it got; not of a Unix socket. */
void http_address(const struct http *http, char out[ADDRESS_TEXT_SIZE]);

#endif
