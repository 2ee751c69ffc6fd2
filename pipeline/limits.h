/* limits.h - every limit on what comes from outside, in one place. Each is tested at the limit and
 * one above. What goes beyond is a dead letter, a rejection or an error: never cut in silence. */
#ifndef CHECKIT_LIMITS_H
#define CHECKIT_LIMITS_H

enum {
    /* Records */
    RECORD_BYTES_MAX = 1024 * 1024, /* payload of one record, wire prefix included */
    RECORD_DOCUMENTS_MAX = 65536,   /* documents one record may name */
    BATCH_RECORDS_MAX = 1024,       /* records screened in one round of a worker */
    BATCH_SUBJECTS_MAX = 8192,      /* subjects in one round; more: the record is sliced */
    BATCH_HITS_MAX = 1024,          /* hits in one round; more: the next round goes on */
    BATCH_DOCUMENTS_ARENA_BYTES = 1024 * 1024, /* numbers written out from integers */
    ALERT_BYTES_MAX = 8 * 1024,
    ALERT_TEXT_BYTES_MAX = 512, /* a text of the event quoted in an alert; ids hash it whole */

    /* Documents and list entries (rules 2 and 3) */
    NUMBER_SIZE_MIN = 3,
    NUMBER_SIZE_MAX = 24,
    ENTRY_ID_SIZE_MAX = 64,
    ENTRY_TEXT_SIZE_MAX = 64, /* contributor, national_ref */
    RANGE_WIDTH_MAX = 1000000,

    /* CSV files */
    CSV_ROW_BYTES_MAX = 64 * 1024, /* one row, line ends inside quotes included */
    CSV_FIELDS_MAX = 256,          /* fields of one row */

    /* Container files */
    CONTAINER_HEADER_BYTES_MAX = 2 * 1024 * 1024, /* names and values of the header together */
    CONTAINER_BLOCK_BYTES_MAX = 16 * 1024 * 1024, /* one block, as it stands and inflated */

    /* Schemas */
    SCHEMA_BYTES_MAX = 1024 * 1024,
    SCHEMA_NESTING_MAX = 64,       /* braces and brackets open at once in the JSON text */
    SCHEMA_OPERATIONS_MAX = 65536, /* length of one compiled program */
    DATUM_NESTING_MAX = 64,        /* containers and recursive records open at once in a datum */
    PATH_STEPS_MAX = 16,
    MAPPING_PATHS_MAX = 16, /* document paths of one input */

    /* Configuration */
    INPUTS_MAX = 64,
    CONSUMED_MAX = INPUTS_MAX + 1, /* and the heartbeat's topic */
    WORKERS_MAX = 64,
    WORKER_PARTITIONS_MAX = 4096 /* partitions one worker can be assigned */
};

#endif
