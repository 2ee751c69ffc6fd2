/* status.h - how a function says what its caller does next, and why.
 *
 * Every function that can fail returns enum status and takes struct error last. The error is
 * written once, where the fault is known, with the values at fault; callers pass it on untouched.
 * Faults in data from outside are not errors: they are a status on the record (pipeline/record.h).
 */
#ifndef CHECKIT_BASE_STATUS_H
#define CHECKIT_BASE_STATUS_H

#include <stdarg.h>
#include <sysexits.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(text_at, values_at) __attribute__((format(printf, text_at, values_at)))

enum status {
    STATUS_OK = 0,
    STATUS_RETRY, /* nothing is lost: call again, later */
    STATUS_ABORT, /* this unit of work is void: rewind it, then go on */
    STATUS_FAIL   /* give up: the process ends with the error's exit code */
};

enum { ERROR_TEXT_SIZE = 1024 };

/* exit_code: a sysexits.h code (EX_USAGE 64, EX_DATAERR 65, EX_UNAVAILABLE 69, EX_SOFTWARE 70,
 * EX_CONFIG 78). text: one sentence, what is wrong with which value and what to do. */
struct error {
    int exit_code;
    char text[ERROR_TEXT_SIZE];
};

/* Writes the error (err may be NULL) and returns STATUS_FAIL, so that a caller can return it. */
enum status error_fail(struct error *err, int exit_code, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same, returning the given status. */
enum status error_set(struct error *err, enum status status, int exit_code, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Puts "prefix: " before the text of an error that is already set. */
void error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Passes a failure on; only where nothing is held. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum status try_status_ = (call);                                                          \
        if (try_status_ != STATUS_OK)                                                              \
            return try_status_;                                                                    \
    } while (0)

#endif
