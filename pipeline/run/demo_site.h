/* demo_site.h - all a screener needs, for as long as a demo takes: an embedded broker with its
 * topics, and a temporary folder with keys, schemas, store and configuration. */
#ifndef CHECKIT_DEMO_SITE_H
#define CHECKIT_DEMO_SITE_H

#include <stdint.h>

#include "pipeline/base/status.h"
#include "pipeline/config.h"

struct demo_site;

/* How much each topic is to hold: a partition of the embedded broker keeps 5 MB. */
struct demo_sizes {
    uint64_t entries;
    uint64_t bookings;
    uint64_t bankings;
};

/* The folder is made in $TMPDIR, else /tmp. *out is the caller's: demo_site_close. */
enum status demo_site_open(const struct demo_sizes *sizes, struct demo_site **out,
                           struct error *err) MUST_USE;

/* Stops the broker and removes the folder with all that is in it. site may be NULL. */
void demo_site_close(struct demo_site *site);

/* Lives as long as the site. Inputs: bookings and banking, each by its preset. */
struct config *demo_site_config(const struct demo_site *site);
const char *demo_site_folder(const struct demo_site *site);

#endif
