#include "pipeline/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Digits only, 0 to 65535. */
static bool parse_port(const char *text, uint16_t *port)
{
    uint32_t value = 0;
    size_t size = strlen(text);
    if (size == 0 || size > 5 || strspn(text, "0123456789") != size)
        return false;
    for (size_t i = 0; i < size; i++)
        value = value * 10 + (uint32_t)(text[i] - '0');
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

static bool parse_ip4(const char *host, uint16_t port, struct address *out)
{
    struct sockaddr_in *socket = (struct sockaddr_in *)&out->socket;
    socket->sin_family = AF_INET;
    socket->sin_port = htons(port);
    out->size = sizeof *socket;
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    return inet_pton(AF_INET, host, &socket->sin_addr) == 1;
}

static bool parse_ip6(const char *host, uint16_t port, struct address *out)
{
    struct sockaddr_in6 *socket = (struct sockaddr_in6 *)&out->socket;
    socket->sin6_family = AF_INET6;
    socket->sin6_port = htons(port);
    out->size = sizeof *socket;
    return inet_pton(AF_INET6, host, &socket->sin6_addr) == 1;
}

bool address_parse(const char *text, struct address *out)
{
    *out = (struct address){0};
    char host[ADDRESS_TEXT_SIZE];
    const char *colon = strrchr(text, ':');
    size_t size = colon ? (size_t)(colon - text) : 0;
    uint16_t port;
    if (size == 0 || size >= sizeof host || !parse_port(colon + 1, &port))
        return false;
    memcpy(host, text, size);
    host[size] = 0;
    if (host[0] != '[')
        return parse_ip4(host, port, out);
    if (host[size - 1] != ']')
        return false;
    host[size - 1] = 0;
    return parse_ip6(host + 1, port, out);
}

void address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->socket.ss_family == AF_INET6) {
        const struct sockaddr_in6 *socket = (const struct sockaddr_in6 *)&address->socket;
        (void)inet_ntop(AF_INET6, &socket->sin6_addr, host, sizeof host);
        (void)snprintf(out, ADDRESS_TEXT_SIZE, "[%s]:%u", host, (unsigned)ntohs(socket->sin6_port));
        return;
    }
    const struct sockaddr_in *socket = (const struct sockaddr_in *)&address->socket;
    (void)inet_ntop(AF_INET, &socket->sin_addr, host, sizeof host);
    (void)snprintf(out, ADDRESS_TEXT_SIZE, "%s:%u", host, (unsigned)ntohs(socket->sin_port));
}
