/* record.h - one consumed message on its way through the line. */
#ifndef CHECKIT_RECORD_H
#define CHECKIT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/bytes.h"

struct projection;

/* What became of a record. Everything but OK, HELD and FORGOTTEN is the reason of a dead letter;
 * the names are in record_status_name. */
enum record_status {
    RECORD_OK,
    RECORD_HELD,               /* its schema is not known yet: it comes again (design 3) */
    RECORD_FORGOTTEN,          /* its partition was taken away or sought back: as if never read */
    RECORD_VALUE_MISSING,      /* null value */
    RECORD_TOO_LARGE,          /* above RECORD_BYTES_MAX */
    RECORD_WIRE_INVALID,       /* does not name a schema as the input has it */
    RECORD_SCHEMA_UNKNOWN,     /* the registry says there is no such id */
    RECORD_SCHEMA_REFUSED,     /* the schema lacks the number path, or is beyond the limits */
    RECORD_DATUM_INVALID,      /* the bytes do not follow the schema */
    RECORD_TOO_MANY_DOCUMENTS, /* above RECORD_DOCUMENTS_MAX */
    RECORD_OFFSETS_LOST,       /* stands for offsets deleted before they were read; no payload */
    RECORD_STATUS_COUNT
};

struct origin {
    uint16_t input; /* index into the configured inputs */
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* of the record; -1 when the broker has none */
};

struct record {
    void *message;        /* owned by the batch through source; opaque elsewhere */
    struct bytes key;     /* borrowed from message */
    struct bytes payload; /* borrowed from message */
    struct bytes datum;   /* payload without the wire prefix, set by decode */
    struct origin origin;
    int64_t received_at_ms;
    uint64_t offsets_lost;   /* with RECORD_OFFSETS_LOST: how many, from origin.offset on */
    int64_t resumes_at;      /* and where reading goes on; below origin.offset in a log cut off */
    uint64_t schema_key;     /* what the schema is found by: an id, or a fingerprint */
    uint32_t schema_id;      /* the id; 0: none was read */
    uint32_t documents_done; /* screened in earlier rounds, when the record is sliced */
    uint32_t subjects_first; /* of this round: index into the batch */
    uint32_t subjects_count;
    const struct projection *projection; /* borrowed from decode, valid while the line is open */
    const char *detail;                  /* of a dead letter: why, in words; may be NULL */
    uint8_t status;                      /* enum record_status */
};

/* What an alert says of the event; read only for records with hits. Texts are borrowed. */
struct context {
    struct bytes event_id;
    struct bytes partner;
    struct bytes journey;
    struct bytes sector;
    struct bytes stage;
    struct bytes place;
    int64_t event_time_ms; /* TIME_NONE when absent */
};

/* "schema_unknown"; static text. */
const char *record_status_name(enum record_status status);

static inline bool record_is_dead_letter(const struct record *record)
{
    return record->status > RECORD_FORGOTTEN;
}

#endif
