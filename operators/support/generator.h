/* generator.h - made-up entries of a list and events that name documents, with the truth about
 * which of them are hits.
 *
 * Everything is a pure function of the settings and an index: the same on every machine, in any
 * order, in parts, without memory of what was made. Documents are numbered as their issuers number
 * them (generator_formats.c). Of every number format a seeded permutation deals out the numbers:
 * its first places belong to the list, the rest to documents that are not listed. A document is a
 * hit because it was taken from an entry, and otherwise cannot be one: its number stands in no
 * entry of any issuer, nor does one that reads like it. So the truth never comes from the matcher,
 * and holds for 128 million entries as for ten. Numbers that count as placeholders are left out on
 * both sides. Tier and class of a hit are worked out here from the table of rules 5.
 *
 * Noise is how documents come in real life (rules 2, 3): lower case, spaces, hyphens, '<',
 * full-width forms, look-alikes, foreign digits, issuers by alias or alpha-2, types by ICAO code or
 * another than the entry's, documents given twice, issuers and numbers missing, placeholders. It
 * never turns a hit into none; documents that could not be screened are none of the planted ones.
 *
 * A misread takes one character of a planted document for its counterpart (rules 4). Whether it is
 * then found as REPAIRED or OCR_FOLD, or seldom at all, depends on templates, which nothing here
 * knows: the truth says MISREAD and no class.
 *
 * Threads: any, once open. Cost of an event: about 0.5 us (benchmark: `checkit generate bookings
 * --events 10000000 --entries 5000000 --out - > /dev/null`).
 */
#ifndef CHECKIT_GENERATOR_H
#define CHECKIT_GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/bytes.h"
#include "pipeline/document.h"
#include "pipeline/entry.h"
#include "pipeline/hit.h"

struct generator;

#define GENERATOR_ENTRIES_MAX UINT64_C(200000000)
#define GENERATOR_EVENTS_MAX UINT64_C(1000000000000)

enum {
    GENERATED_DOCUMENTS_MAX = 12, /* of one event */
    GENERATED_NUMBER_BYTES_MAX = 64,
    GENERATED_WORD_BYTES_MAX = 16,
    GENERATED_ID_BYTES_MAX = 32,
    GENERATED_BYTES_MAX = 8192 /* of one record, or of all CSV lines of one record */
};

struct generator_settings {
    uint64_t seed;
    uint64_t entries; /* of the list; 1 to GENERATOR_ENTRIES_MAX */
    double hit_rate;  /* hits a document, 0 to 1 */
    bool noise;
    uint32_t misreads; /* of 1,000 planted documents; 0 to 1,000 */
};

/* The caller's: generator_close. */
struct generator *generator_open(const struct generator_settings *settings);
void generator_close(struct generator *generator);

/* --- the list --- */

/* change borrows from the other members: not to be copied. */
struct generated_entry {
    struct change change; /* an UPSERT */
    char id[GENERATED_ID_BYTES_MAX];
    char number[GENERATED_NUMBER_BYTES_MAX];
    char issuer[GENERATED_WORD_BYTES_MAX];
    char type[GENERATED_WORD_BYTES_MAX];
    char contributor[GENERATED_WORD_BYTES_MAX];
    char national_ref[GENERATED_WORD_BYTES_MAX];
};

/* index below settings.entries. */
void generator_entry(const struct generator *generator, uint64_t index,
                     struct generated_entry *out);

/* --- events --- */

enum event_kind { EVENT_BOOKING, EVENT_BANKING };

enum generated_outcome { OUTCOME_NONE, OUTCOME_HIT, OUTCOME_UNSCREENABLE, OUTCOME_SPECIMEN };

/* sent borrows from the other members. */
struct generated_document {
    struct document sent;
    char number[GENERATED_NUMBER_BYTES_MAX];
    char issuer[GENERATED_WORD_BYTES_MAX];
    char type[GENERATED_WORD_BYTES_MAX];
    char nationality[GENERATED_WORD_BYTES_MAX];
    int32_t expiry; /* days since 1970, or DATE_NONE */
    uint8_t source; /* symbol of NumberSource */
    uint8_t traveller;
    uint8_t outcome;      /* enum generated_outcome */
    uint8_t unscreenable; /* enum unscreenable, with OUTCOME_UNSCREENABLE */
    uint8_t hit;          /* index into hits, with OUTCOME_HIT */
};

/* An entry that one or more documents of an event hit; documents that are the same one to the
 * screener have one hit. */
struct generated_hit {
    uint64_t entry; /* index */
    char entry_id[GENERATED_ID_BYTES_MAX];
    enum tier tier;
    enum alert_class alert_class;
    bool is_misread; /* then without tier and class */
};

/* Borrows from itself: not to be copied. */
struct generated_event {
    enum event_kind kind;
    char id[GENERATED_ID_BYTES_MAX];
    char partner[GENERATED_WORD_BYTES_MAX];
    char journey[GENERATED_WORD_BYTES_MAX]; /* or customer */
    int64_t time_ms;
    int64_t departs_at_ms; /* TIME_NONE: not said */
    const char *origin;    /* NULL: not said */
    const char *destination;
    const char *channel;
    const char *fare;
    const char *currency;
    uint8_t sector; /* symbols of the schemas' enums */
    uint8_t stage;
    uint32_t travellers;
    uint32_t documents_count;
    uint32_t hits_count;
    struct generated_document documents[GENERATED_DOCUMENTS_MAX];
    struct generated_hit hits[GENERATED_DOCUMENTS_MAX];
};

/* index below GENERATOR_EVENTS_MAX. */
void generator_event(const struct generator *generator, enum event_kind kind, uint64_t index,
                     struct generated_event *out);

/* Where the documents of a traveller end that begin at `first`: they stand together. */
uint32_t generator_end_of_traveller(const struct generated_event *event, uint32_t first,
                                    uint32_t traveller);

/* --- as bytes; each answer borrows buffer, which holds GENERATED_BYTES_MAX --- */

/* schemas/BookingEvent.avsc or BankingEvent.avsc behind the wire prefix (wire.h). */
struct bytes generator_encode_event(const struct generated_event *event, uint32_t schema_id,
                                    void *buffer);

/* CSV (RFC 4180): a header line, and lines, each with its end. Of an event one line a document, in
 * the columns of rules 6; of an entry what `checkit feed` reads; of the truth one line a hit, of a
 * misread one with the tier MISREAD and no class. */
extern const char generator_csv_entry_header[];
extern const char generator_csv_event_header[];
extern const char generator_csv_truth_header[];
struct bytes generator_csv_entry(const struct generated_entry *entry, void *buffer);
struct bytes generator_csv_event(const struct generated_event *event, void *buffer);
struct bytes generator_csv_truth(const struct generated_event *event, const char *topic,
                                 void *buffer);

#endif
