#include "pipeline/base/status.h"

#include <stdio.h>
#include <string.h>

static void write_text(struct error *err, int exit_code, const char *format, va_list arguments)
{
    if (!err)
        return;
    err->exit_code = exit_code;
    (void)vsnprintf(err->text, sizeof err->text, format, arguments);
}

enum status error_fail(struct error *err, int exit_code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_text(err, exit_code, format, arguments);
    va_end(arguments);
    return STATUS_FAIL;
}

enum status error_set(struct error *err, enum status status, int exit_code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_text(err, exit_code, format, arguments);
    va_end(arguments);
    return status;
}

void error_prefix(struct error *err, const char *format, ...)
{
    if (!err)
        return;
    char prefix[ERROR_TEXT_SIZE / 2];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(prefix, sizeof prefix, format, arguments);
    va_end(arguments);

    size_t size = strlen(prefix);
    memmove(err->text + size + 2, err->text, sizeof err->text - size - 2);
    memcpy(err->text, prefix, size);
    memcpy(err->text + size, ": ", 2);
    err->text[sizeof err->text - 1] = 0;
}
