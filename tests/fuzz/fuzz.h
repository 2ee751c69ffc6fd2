/* fuzz.h - what the fuzz targets share. A target is one file with one LLVMFuzzerTestOneInput; it
 * must not crash, hang, leak or fail a CHECK, whatever the bytes. */
#ifndef CHECKIT_TESTS_FUZZ_H
#define CHECKIT_TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);    \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* What stands before the first separator; *input is what stands behind it, empty when there is
 * none.
 */
static inline struct bytes fuzz_take(struct bytes *input, uint8_t separator)
{
    const uint8_t *end = input->size ? memchr(input->data, separator, input->size) : NULL;
    size_t size = end ? (size_t)(end - input->data) : input->size;
    struct bytes taken = bytes_of(input->data, size);
    size_t passed = end ? size + 1 : size;
    *input = bytes_of(input->data + passed, input->size - passed);
    return taken;
}

static inline uint8_t fuzz_take_byte(struct bytes *input)
{
    if (input->size == 0)
        return 0;
    uint8_t byte = *input->data;
    *input = bytes_of(input->data + 1, input->size - 1);
    return byte;
}

/* The same bytes in memory of their very size, so that a sanitizer sees a read beyond them. The
 * caller's: free. */
static inline uint8_t *fuzz_copy(struct bytes bytes)
{
    uint8_t *copy = malloc(bytes.size ? bytes.size : 1);
    CHECK(copy);
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    return copy;
}

/* Reads every byte; an absent text has none. */
static inline void fuzz_touch(struct bytes bytes)
{
    volatile uint8_t sum = 0;
    CHECK(bytes.data || bytes.size == 0);
    for (size_t i = 0; i < bytes.size; i++)
        sum = (uint8_t)(sum + bytes.data[i]);
}

#endif
