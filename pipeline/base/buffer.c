#include "pipeline/base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/base/memory.h"

enum { CAPACITY_FIRST = 256 };

/* Room for size more bytes and the NUL. */
static void grow(struct buffer *buffer, size_t size)
{
    size_t wanted = buffer->size + size + 1;
    assert(wanted > size);
    if (wanted <= buffer->capacity)
        return;
    size_t capacity = buffer->capacity ? buffer->capacity : CAPACITY_FIRST;
    while (capacity < wanted)
        capacity *= 2;
    buffer->data = memory_resize(buffer->data, capacity, 1);
    buffer->capacity = capacity;
}

void buffer_close(struct buffer *buffer)
{
    memory_free(buffer->data);
    *buffer = (struct buffer){0};
}

void buffer_add(struct buffer *buffer, const char *data, size_t size)
{
    grow(buffer, size);
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    buffer->data[buffer->size] = 0;
}

void buffer_add_text(struct buffer *buffer, const char *text)
{
    buffer_add(buffer, text, strlen(text));
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int size = vsnprintf(NULL, 0, format, values);
    va_end(values);
    assert(size >= 0); /* our own formats */
    grow(buffer, (size_t)size);
    va_start(values, format);
    (void)vsnprintf(buffer->data + buffer->size, (size_t)size + 1, format, values);
    va_end(values);
    buffer->size += (size_t)size;
}
