/* One of our contracts by its number, '0' to '2'; a datum. */
#include "pipeline/base/assets.h"
#include "tests/fuzz/projection.h"

enum { BOOKING, BANKING, CHANGE, CONTRACTS };

static struct projection *compile(unsigned contract)
{
    static const char *const schemas[] = {"schemas/BookingEvent.avsc", "schemas/BankingEvent.avsc",
                                          "schemas/DocumentChange.avsc"};
    static const char *const presets[] = {"booking", "banking"};
    struct bytes text = assets_find(schemas[contract]);
    struct projection *projection = NULL;
    struct error err = {0};
    enum status status =
        contract == CHANGE
            ? projection_compile_change((const char *)text.data, text.size, &projection, &err)
            : projection_compile((const char *)text.data, text.size,
                                 mapping_preset(presets[contract]), &projection, &err);
    CHECK(status == STATUS_OK);
    return projection;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct projection *projections[CONTRACTS]; /* compiled once a process */
    struct bytes input = bytes_of(data, size);
    unsigned contract = (unsigned)(fuzz_take_byte(&input) - '0') % CONTRACTS;
    if (!projections[contract])
        projections[contract] = compile(contract);
    uint8_t *copy = fuzz_copy(input);
    struct bytes datum = bytes_of(copy, input.size);
    if (contract == CHANGE) {
        fuzz_read_change(projections[contract], datum);
    } else {
        fuzz_read_documents(projections[contract], datum);
        fuzz_read_context(projections[contract], datum);
    }
    free(copy);
    return 0;
}
