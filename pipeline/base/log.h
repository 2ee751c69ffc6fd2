/* log.h - one line for one thing that happened: time, level, where, message, key=value.
 *
 * Nothing is logged per record on the good path. Each place in the code may write LOG_BURST lines
 * in a row and then one a second; what was held back is told in the next line (suppressed=N).
 * Never a document number, a name or a locator: say topic, partition, offset.
 * Lines go to standard error, whole, from any thread.
 */
#ifndef CHECKIT_BASE_LOG_H
#define CHECKIT_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

enum { LOG_BURST = 10 };

enum log_kind { LOG_KIND_TEXT, LOG_KIND_INTEGER };

struct log_field {
    const char *key;
    enum log_kind kind;
    const char *text; /* borrowed for the call */
    int64_t integer;
};

#define LOG_TEXT(key, value) ((struct log_field){(key), LOG_KIND_TEXT, (value), 0})
#define LOG_INTEGER(key, value)                                                                    \
    ((struct log_field){(key), LOG_KIND_INTEGER, NULL, (int64_t)(value)})

/* The rate limit of one place in the code; zero at start. */
struct log_place {
    _Atomic uint64_t window_start_ns;
    _Atomic uint32_t written;
    _Atomic uint32_t suppressed;
};

/* Process-wide, from any thread: lowest level written, and logfmt or JSON. */
void log_configure(enum log_level lowest, bool json);

/* "debug", "info", "warn", "error"; false for anything else. */
bool log_parse_level(const char *text, enum log_level *level);

void log_write(struct log_place *place, enum log_level level, const char *where,
               const char *message, const struct log_field *fields, size_t count);

/* where: the module. message: a few words without values. Then fields: LOG_TEXT, LOG_INTEGER. */
#define LOG_AT(level, where, message, ...)                                                         \
    do {                                                                                           \
        static struct log_place log_place_;                                                        \
        const struct log_field log_fields_[] = {{0} __VA_OPT__(, ) __VA_ARGS__};                   \
        log_write(&log_place_, (level), (where), (message), log_fields_ + 1,                       \
                  sizeof log_fields_ / sizeof *log_fields_ - 1);                                   \
    } while (0)
#define LOG_DEBUG(where, ...) LOG_AT(LOG_LEVEL_DEBUG, where, __VA_ARGS__)
#define LOG_INFO(where, ...) LOG_AT(LOG_LEVEL_INFO, where, __VA_ARGS__)
#define LOG_WARN(where, ...) LOG_AT(LOG_LEVEL_WARN, where, __VA_ARGS__)
#define LOG_ERROR(where, ...) LOG_AT(LOG_LEVEL_ERROR, where, __VA_ARGS__)

#endif
