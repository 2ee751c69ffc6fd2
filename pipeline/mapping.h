/* mapping.h - which fields of an input topic's records hold documents and what an alert tells.
 *
 * A path is field names joined by dots, walked from the record's root (or, for the fields of a
 * document, from where its path ends):
 *
 *   travellers[].documents[]    every item of an array          attributes{}    every map value
 *   passenger{Adult}.docs[]     only the union branch Adult     number|docNo    the first there is
 *
 * "|" separates whole alternatives. Of a value's, the first that holds something is taken, record
 * by record: null, an empty text and a field the schema lacks hold nothing. Of a document path's,
 * the first that the schema has down to a number; to read several places, give several document
 * paths. A nullable union needs no branch in the path. An empty path ("") is the record itself.
 * Which branch, map or array stands where is checked when a schema is first seen.
 */
#ifndef CHECKIT_MAPPING_H
#define CHECKIT_MAPPING_H

#include <stdint.h>

#include "pipeline/limits.h"

struct document_mapping {
    const char *path;        /* required */
    const char *number;      /* required; string, bytes, fixed or enum */
    const char *issuer;      /* NULL: documents of this path name none */
    const char *type;        /* the same */
    const char *nationality; /* the same */
    uint32_t number_width;   /* 0: an integer number is refused; else zero-padded to this width */
};

struct mapping {
    struct document_mapping documents[MAPPING_PATHS_MAX];
    uint32_t documents_count;
    const char *event_id; /* NULL or a path the schema lacks: absent, for all of these */
    const char *event_time;
    const char *partner;
    const char *journey;
    const char *sector;
    const char *stage;
    const char *place;
    const char *partner_fixed; /* beats the payload's partner */
    const char *sector_fixed;  /* the same for the sector */
};

/* The mapping of our own contract: "booking" or "banking"; NULL for any other name. */
const struct mapping *mapping_preset(const char *name);

#endif
