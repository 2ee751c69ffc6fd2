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

    char text[ERROR_TEXT_SIZE];
    memcpy(text, err->text, sizeof text);
    (void)snprintf(err->text, sizeof err->text, "%s: %.*s", prefix,
                   (int)(sizeof text - sizeof prefix - 3), text);
}
