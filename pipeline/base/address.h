/* address.h - where to listen: "127.0.0.1:10644", "[::1]:10644", "localhost:10644".
 *
 * Numeric addresses only: a name could be another machine tomorrow, and asking for one can block.
 * localhost is 127.0.0.1.
 */
#ifndef CHECKIT_BASE_ADDRESS_H
#define CHECKIT_BASE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

enum { ADDRESS_TEXT_SIZE = 80 };

struct address {
    struct sockaddr_storage socket;
    socklen_t size;
};

/* Port 0 to 65535; 0 is any that is free. False when text is no address. */
bool address_parse(const char *text, struct address *out);

/* As address_parse reads it. */
void address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE]);

#endif
