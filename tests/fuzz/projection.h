/* projection.h - for the fuzz targets: reads a datum in every way, and holds the answers together.
 */
#ifndef CHECKIT_TESTS_PROJECTION_H
#define CHECKIT_TESTS_PROJECTION_H

#include "operators/support/projection.h"
#include "tests/fuzz/fuzz.h"

enum { FUZZ_DOCUMENTS = 64, FUZZ_SLICE = 3, FUZZ_ARENA_BYTES = 64 * 48 };

static inline void fuzz_touch_documents(const struct document *documents, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        fuzz_touch(documents[i].number);
        fuzz_touch(documents[i].issuer);
        fuzz_touch(documents[i].type);
        fuzz_touch(documents[i].nationality);
    }
}

/* Slices of other sizes give the same documents. */
static inline void fuzz_compare_slices(const struct projection *projection, struct bytes datum,
                                       const struct document *documents, uint32_t count)
{
    uint8_t buffer[FUZZ_ARENA_BYTES];
    struct document slice[FUZZ_SLICE];
    uint32_t seen = 0;
    for (bool more = true; more;) {
        struct arena arena = {.buffer = buffer, .capacity_bytes = sizeof buffer};
        uint32_t read = 0;
        CHECK(projection_documents(projection, datum, seen, &arena, slice, FUZZ_SLICE, &read,
                                   &more) == RECORD_OK);
        CHECK(read <= FUZZ_SLICE && seen + read <= count && (read > 0 || !more));
        for (uint32_t i = 0; i < read; i++) {
            CHECK(bytes_equal(slice[i].number, documents[seen + i].number));
            CHECK(bytes_equal(slice[i].issuer, documents[seen + i].issuer));
            CHECK(bytes_equal(slice[i].type, documents[seen + i].type));
            CHECK(bytes_equal(slice[i].nationality, documents[seen + i].nationality));
        }
        seen += read;
    }
    CHECK(seen == count);
}

static inline void fuzz_read_documents(const struct projection *projection, struct bytes datum)
{
    uint8_t buffer[FUZZ_ARENA_BYTES];
    struct document documents[FUZZ_DOCUMENTS];
    struct arena arena = {.buffer = buffer, .capacity_bytes = sizeof buffer};
    uint32_t count = 0;
    bool more = false;
    enum record_status status = projection_documents(projection, datum, 0, &arena, documents,
                                                     FUZZ_DOCUMENTS, &count, &more);
    CHECK(status == RECORD_OK || status == RECORD_DATUM_INVALID ||
          status == RECORD_TOO_MANY_DOCUMENTS);
    CHECK(status == RECORD_OK || (count == 0 && !more && arena.used_bytes == 0));
    CHECK(count <= FUZZ_DOCUMENTS);
    fuzz_touch_documents(documents, count);
    if (status == RECORD_OK && !more)
        fuzz_compare_slices(projection, datum, documents, count);
}

static inline void fuzz_read_context(const struct projection *projection, struct bytes datum)
{
    struct context context;
    enum record_status status = projection_context(projection, datum, &context);
    CHECK(status == RECORD_OK || status == RECORD_DATUM_INVALID);
    if (status != RECORD_OK)
        return;
    fuzz_touch(context.event_id);
    fuzz_touch(context.partner);
    fuzz_touch(context.journey);
    fuzz_touch(context.sector);
    fuzz_touch(context.stage);
    fuzz_touch(context.place);
}

static inline void fuzz_read_change(const struct projection *projection, struct bytes datum)
{
    struct change change;
    enum record_status status = projection_change(projection, datum, &change);
    CHECK(status == RECORD_OK || status == RECORD_DATUM_INVALID);
    if (status != RECORD_OK)
        return;
    fuzz_touch(change.entry_id);
    fuzz_touch(change.number);
    fuzz_touch(change.number_to);
    fuzz_touch(change.issuer);
    fuzz_touch(change.type);
    fuzz_touch(change.contributor);
    fuzz_touch(change.national_ref);
    CHECK(change.loss < LOSS_COUNT);
}

#endif
