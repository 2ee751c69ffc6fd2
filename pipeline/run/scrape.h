/* scrape.h - metrics as /metrics writes them (Prometheus text format, version 0.0.4), read. */
#ifndef CHECKIT_SCRAPE_H
#define CHECKIT_SCRAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pipeline/base/status.h"

struct scrape;

enum { SCRAPE_SAMPLES_MAX = 65536, SCRAPE_LABEL_SIZE = 256 };

/* EX_DATAERR names the line. *out is the caller's: scrape_close. */
enum status scrape_parse(const char *text, size_t size, struct scrape **out,
                         struct error *err) MUST_USE;
void scrape_close(struct scrape *scrape);

/* All samples of a name together; 0 when there is none. */
double scrape_sum(const struct scrape *scrape, const char *name);
bool scrape_has(const struct scrape *scrape, const char *name);

/* One sample of a name after the other, from a place that is all zero; false: no more. */
struct scrape_place {
    size_t next;
    const char *labels; /* as written between the braces; the scrape's */
    double value;
};
bool scrape_next(const struct scrape *scrape, const char *name, struct scrape_place *place);

/* The value of a label, cut to what fits; false and an empty text when it is not there. */
bool scrape_label(const char *labels, const char *name, char out[SCRAPE_LABEL_SIZE]);

/* Of a histogram in cumulative buckets: where the quantile lies, linear within its bucket as
 * Prometheus has it; -1 when nothing was counted. */
double scrape_quantile(const struct scrape *scrape, const char *name, double quantile);

#endif
