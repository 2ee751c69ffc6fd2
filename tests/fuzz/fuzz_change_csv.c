/* A list file. A row that is taken is a change that can be written and read back the same, and an
 * entry of the list. */
#include "operators/support/canonical.h"
#include "operators/support/change_csv.h"
#include "operators/support/change_encode.h"
#include "operators/support/projection.h"
#include "operators/support/wire.h"
#include "pipeline/base/assets.h"
#include "tests/fuzz/fuzz.h"

static struct rule_data *rules;
static struct projection *contract;

static void open_once(void)
{
    struct bytes schema = assets_find("schemas/DocumentChange.avsc");
    struct error err = {0};
    if (rules)
        return;
    CHECK(rule_data_open(NULL, &rules, &err) == STATUS_OK);
    CHECK(projection_compile_change((const char *)schema.data, schema.size, &contract, &err) ==
          STATUS_OK);
}

static size_t texts_size(const struct change *change)
{
    return change->entry_id.size + change->number.size + change->number_to.size +
           change->issuer.size + change->type.size + change->contributor.size +
           change->national_ref.size;
}

static void check_change(const struct change *change)
{
    size_t capacity = CHANGE_BYTES_MAX(texts_size(change));
    uint8_t *buffer = malloc(capacity);
    struct bytes record = change_encode(change, 7, buffer, capacity);
    struct change read;
    struct bytes datum;
    uint32_t schema_id = 0;
    CHECK(record.data && wire_split(record, &schema_id, &datum) && schema_id == 7);
    CHECK(projection_change(contract, datum, &read) == RECORD_OK);
    CHECK(bytes_equal(read.entry_id, change->entry_id) && read.op == change->op);
    CHECK(read.revision == change->revision && read.loss == change->loss);
    CHECK(read.flags == change->flags && read.effective_at_ms == change->effective_at_ms);
    CHECK(bytes_equal(read.number, change->number));
    CHECK(bytes_equal(read.number_to, change->number_to));
    CHECK(read.reported_on == change->reported_on && read.expiry == change->expiry);
    struct entry entry;
    CHECK(canonical_entry(rules, &read, &entry) == REJECTION_NO);
    free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_once();
    uint8_t *copy = fuzz_copy(bytes_of(data, size));
    const struct change_csv_settings settings = {.name = "list.csv",
                                                 .file = -1,
                                                 .text = bytes_of(copy, size),
                                                 .rules = rules,
                                                 .contributor = bytes_of_text("authority-1"),
                                                 .effective_at_ms = 1767225600000};
    struct change_csv *changes = NULL;
    struct change_row row = {0};
    struct error err = {0};
    enum status status = change_csv_open(&settings, &changes, &err);
    while (status == STATUS_OK && (status = change_csv_next(changes, &row, &err)) == STATUS_OK &&
           row.line > 0) {
        fuzz_touch(row.change.entry_id);
        CHECK(row.fault < CHANGE_FAULT_COUNT);
        if (row.fault == CHANGE_FAULT_NO)
            check_change(&row.change);
    }
    CHECK(status == STATUS_OK || (err.exit_code == EX_DATAERR && err.text[0]));
    change_csv_close(changes);
    free(copy);
    return 0;
}
