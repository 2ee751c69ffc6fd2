#include "benchmarks/must.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void must(enum status status, const struct error *err)
{
    if (status == STATUS_OK)
        return;
    (void)fprintf(stderr, "%s: %s\n", program_invocation_short_name, err->text);
    exit(EX_UNAVAILABLE);
}

void must_be_delivered(void *state, enum kafka_delivery delivery, uint64_t opaque,
                       const char *reason)
{
    (void)state;
    (void)opaque;
    struct error err = {0};
    if (delivery != KAFKA_DELIVERED)
        must(error_fail(&err, EX_UNAVAILABLE, "not delivered: %s", reason), &err);
}
