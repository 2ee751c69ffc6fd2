/* alert_dump FOLDER - writes sample alerts and receipts, one file each, for readers that are not
 * ours (tests/schemas/check_messages.py). The same bytes at every run: the projection, the store's
 * offsets and the clock are stand-ins, and the identity key is a fixed one made in FOLDER. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "operators/alert.h"
#include "operators/support/keys.h"
#include "operators/support/projection.h"
#include "operators/support/receipt.h"
#include "pipeline/base/clock.h"
#include "pipeline/config.h"
#include "pipeline/list_state.h"

enum { SCHEMA_ID = 7, DAY = 20000, PATH_SIZE = 1024, RECEIPT_SIZE = 4096 };

static const int64_t wall_ms = 20000 * INT64_C(86400000) + 45296789;
static const char identity_text[] =
    "checkit identity key 1\n000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

/* --- stand-ins ---------------------------------------------------------------------------------
 */

static struct context context;

enum record_status projection_context(const struct projection *projection, struct bytes datum,
                                      struct context *out)
{
    (void)projection;
    (void)datum;
    *out = context;
    return RECORD_OK;
}

static const struct feed_offset list_offsets[] = {{0, 1205}, {1, 1187}};

uint32_t store_offsets(const struct store *store, struct feed_offset *out, uint32_t capacity)
{
    (void)store;
    assert(capacity >= 2);
    memcpy(out, list_offsets, sizeof list_offsets);
    return 2;
}

int64_t clock_wall_ms(void)
{
    return wall_ms;
}

uint64_t clock_monotonic_ns(void)
{
    return 1;
}

uint64_t clock_process_cpu_ns(void)
{
    return 0;
}

void clock_sleep_ms(uint32_t ms)
{
    (void)ms;
}

/* --- samples -----------------------------------------------------------------------------------
 */

static void write_file(const char *folder, const char *name, struct bytes content)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)remove(path);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(content.data, 1, content.size, file) != content.size ||
        chmod(path, 0400) != 0 || fclose(file) != 0) {
        perror(path);
        exit(EX_UNAVAILABLE);
    }
}

static void set_number(struct batch *batch, const char *sent, const char *canonical)
{
    struct canonical *form = &batch->forms[0];
    batch->documents[0].number = bytes_of_text(sent);
    form->size = (uint8_t)strlen(canonical);
    memcpy(form->number, canonical, form->size);
}

/* Hit 0 of a batch of one record and one document; nothing is known that need not be. */
static void fill_bare(struct batch *batch)
{
    context = (struct context){.event_time_ms = TIME_NONE};
    set_number(batch, "X1234567", "X1234567");
    batch->records[0] = (struct record){
        .origin = {.partition = 3, .offset = 4711, .timestamp_ms = -1},
        .received_at_ms = wall_ms,
    };
    batch->hits_count = 1;
    batch->hits[0] = (struct hit){
        .tier = TIER_TYPE_DIFFERS,
        .confidence = tier_confidence(TIER_TYPE_DIFFERS),
        .alert_class = CLASS_REVIEW,
        .entry = {.id = "UTO-1",
                  .id_size = 5,
                  .reported_on = DATE_NONE,
                  .lost_on = DATE_NONE,
                  .expiry = DATE_NONE,
                  .review_on = DATE_NONE,
                  .is_live = true},
    };
}

/* The same with everything that can be said. */
static void fill_full(struct batch *batch)
{
    fill_bare(batch);
    context = (struct context){
        .event_id = bytes_of_text("event-9"),
        .partner = bytes_of_text("carrier-4"),
        .journey = bytes_of_text("journey-7"),
        .sector = bytes_of_text("AIR"),
        .stage = bytes_of_text("CHECK_IN"),
        .place = bytes_of_text("Sm\xC3\xB8rum"),
        .event_time_ms = wall_ms - 2500,
    };
    set_number(batch, " x-1234567<", "X1234567");
    batch->forms[0].issuer = (struct issuer){"UTO"};
    batch->forms[0].nationality = (struct issuer){"UTO"};
    batch->forms[0].type = TYPE_PASSPORT;
    batch->records[0].origin.timestamp_ms = wall_ms - 1000;

    struct hit *hit = &batch->hits[0];
    hit->tier = TIER_NUMBER_ONLY;
    hit->confidence = tier_confidence(TIER_NUMBER_ONLY);
    hit->alert_class = CLASS_PAGE;
    hit->flags = HIT_HOMOGLYPH | HIT_ISSUER_DIFFERS;
    hit->gate = (struct gate){.live = 31, .limit = 260};
    hit->entry.revision = 12;
    hit->entry.lost_on = DAY + 3;
    hit->entry.reported_on = DAY - 400;
    hit->entry.expiry = DAY - 1;
    hit->entry.loss = LOSS_STOLEN_BLANK;
    hit->entry.flags = ENTRY_SILENT | ENTRY_DISPUTED | ENTRY_TEST;
    memcpy(hit->entry.contributor, "UTO-NCB", 7);
    hit->entry.contributor_size = 7;
}

static void dump_alert(const char *folder, const char *name, const struct environment *environment,
                       void (*fill)(struct batch *batch))
{
    struct error err;
    void *state = NULL;
    struct batch *batch = batch_open();
    fill(batch);
    if (alert_step.open(environment, &state, &err) != STATUS_OK ||
        alert_step.process(state, batch, &err) != STATUS_OK)
        exit(err.exit_code);
    write_file(folder, name, batch->hits[0].payload);
    alert_step.close(state);
    batch_close(batch);
}

static void dump_alerts(const char *folder, const struct identity *identity)
{
    static struct config config;
    static struct list_state list;
    struct environment environment = {
        .config = &config,
        .identity = identity,
        .list = &list,
        .cluster_id = "cluster-1",
        .alert_schema_id = SCHEMA_ID,
    };
    config.inputs[0].topic = "bookings";
    config.due_s[CLASS_PAGE] = 60;
    config.due_s[CLASS_REVIEW] = 86400;
    dump_alert(folder, "alert_bare.bin", &environment, fill_bare);
    atomic_store(&list.at_end_ms, wall_ms - 2900);
    atomic_store(&list.stale, true);
    dump_alert(folder, "alert_full.bin", &environment, fill_full);
}

static void dump_receipts(const char *folder)
{
    uint8_t buffer[RECEIPT_SIZE];
    struct receipt receipt = {
        .cluster = "cluster-1",
        .topic = "bookings",
        .partition = 3,
        .from_offset = 4000,
        .to_offset = 4000,
        .began_at_ms = wall_ms - 1000,
        .ended_at_ms = wall_ms,
    };
    write_file(folder, "receipt_bare.bin",
               receipt_encode(&receipt, SCHEMA_ID, buffer, RECEIPT_SIZE));
    receipt.to_offset = 5000;
    receipt.records = 999;
    receipt.documents = 1638;
    receipt.unscreenable[UNSCREENABLE_NUMBER_MISSING] = 2;
    receipt.unscreenable[UNSCREENABLE_NUMBER_PLACEHOLDER] = 1;
    receipt.hits[TIER_EXACT] = 4;
    receipt.hits[TIER_RANGE] = 1;
    receipt.dead_letters = 1;
    receipt.list_offsets = list_offsets;
    receipt.list_offsets_count = 2;
    write_file(folder, "receipt_full.bin",
               receipt_encode(&receipt, SCHEMA_ID, buffer, RECEIPT_SIZE));
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: alert_dump FOLDER\n");
        return EX_USAGE;
    }
    char path[PATH_SIZE];
    struct identity *identity = NULL;
    struct error err = {0};
    write_file(argv[1], "identity.key", bytes_of_text(identity_text));
    (void)snprintf(path, sizeof path, "%s/identity.key", argv[1]);
    if (identity_open(path, &identity, &err) != STATUS_OK) {
        (void)fprintf(stderr, "alert_dump: %s\n", err.text);
        return err.exit_code;
    }
    dump_alerts(argv[1], identity);
    dump_receipts(argv[1]);
    identity_close(identity);
    return 0;
}
