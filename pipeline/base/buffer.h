/* buffer.h - a text that grows as it is written, for answers whose length is not known before.
 *
 * It is kept when emptied, so writing the same again allocates nothing. Not for the line of steps:
 * those use arenas.
 */
#ifndef CHECKIT_BASE_BUFFER_H
#define CHECKIT_BASE_BUFFER_H

#include <stddef.h>

#include "pipeline/base/status.h"

/* All zero is an empty buffer. data: NULL until something was written, then size bytes and a NUL;
 * valid until the next write. */
struct buffer {
    char *data; /* owned: buffer_close */
    size_t size;
    size_t capacity;
};

void buffer_close(struct buffer *buffer);
void buffer_add(struct buffer *buffer, const char *data, size_t size);
void buffer_add_text(struct buffer *buffer, const char *text);
void buffer_print(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

static inline void buffer_reset(struct buffer *buffer)
{
    buffer->size = 0;
    if (buffer->data)
        buffer->data[0] = 0;
}

#endif
