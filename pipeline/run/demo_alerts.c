#include "pipeline/run/demo_alerts.h"

#include <inttypes.h>
#include <stdio.h>

#include "operators/support/kafka.h"
#include "operators/support/projection.h"
#include "operators/support/wire.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/memory.h"

enum { POLL_RECORDS = 256, LINE_SIZE = 512, PARTITIONS_MAX = 256, KEPT = 64 };

/* An alert is read as any event is: what stands where a document's fields are asked for is what
 * the truth is about. */
static const struct mapping alert_mapping = {
    .documents = {{.path = "",
                   .number = "entry.entry_id",
                   .issuer = "tier",
                   .type = "class",
                   .nationality = "sighting_id"}},
    .documents_count = 1,
    .event_id = "event.event_id",
    .place = "event.topic",
};

struct demo_alerts {
    struct verdict *verdict; /* borrowed */
    struct kafka_consumer *consumer;
    struct projection *projection;
    struct datum_schema *schema;
    struct arena arena; /* nothing is written out from integers: it stays empty */
    uint32_t partitions;
    uint64_t count;
    struct alert_view kept[KEPT]; /* the latest, in turn */
};

/* --- one alert ------------------------------------------------------------------------------ */

static enum status judge_alert(struct demo_alerts *alerts, struct bytes datum, struct error *err)
{
    struct document fields;
    struct context context;
    uint32_t count = 0;
    bool more = false;
    bool is_read = projection_documents(alerts->projection, datum, 0, &alerts->arena, &fields, 1,
                                        &count, &more) == RECORD_OK &&
                   count == 1 &&
                   projection_context(alerts->projection, datum, &context) == RECORD_OK;
    if (!is_read)
        return error_fail(err, EX_SOFTWARE, "demo: an alert does not follow its schema");
    char line[LINE_SIZE];
    int size = snprintf(line, sizeof line, "%.*s,%.*s,%.*s,%.*s,%.*s", (int)context.place.size,
                        context.place.data, (int)context.event_id.size, context.event_id.data,
                        (int)fields.number.size, fields.number.data, (int)fields.issuer.size,
                        fields.issuer.data, (int)fields.type.size, fields.type.data);
    if (size < 0 || size >= (int)sizeof line)
        return error_fail(err, EX_SOFTWARE, "demo: an alert has longer ids than were generated");
    verdict_add_alert(alerts->verdict, bytes_of(line, (size_t)size), fields.nationality);
    return STATUS_OK;
}

static enum status take_alert(struct demo_alerts *alerts, const struct record *record,
                              struct error *err)
{
    uint32_t schema_id;
    struct bytes datum;
    struct alert_view *view = &alerts->kept[alerts->count % KEPT];
    if (record->status != RECORD_OK || !wire_split(record->payload, &schema_id, &datum) ||
        alert_view_read(alerts->schema, datum, view) != RECORD_OK)
        return error_fail(err, EX_SOFTWARE, "demo: alert %d/%" PRId64 " cannot be read",
                          (int)record->origin.partition, record->origin.offset);
    TRY(judge_alert(alerts, datum, err));
    alerts->count++;
    return STATUS_OK;
}

enum status demo_alerts_step(struct demo_alerts *alerts, uint32_t timeout_ms, uint32_t *count,
                             struct error *err)
{
    struct record records[POLL_RECORDS];
    *count = 0;
    TRY(kafka_poll(alerts->consumer, records, POLL_RECORDS, timeout_ms, count, err));
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < *count; i++) {
        if (status == STATUS_OK)
            status = take_alert(alerts, &records[i], err);
        kafka_release(&records[i]);
    }
    return status;
}

/* --- the topic ------------------------------------------------------------------------------ */

static enum status assign_all(struct demo_alerts *alerts, struct error *err)
{
    struct kafka_position positions[PARTITIONS_MAX];
    TRY(kafka_partitions(alerts->consumer, 0, &alerts->partitions, err));
    if (alerts->partitions > PARTITIONS_MAX)
        return error_fail(err, EX_SOFTWARE, "demo: more partitions of alerts than were made");
    for (uint32_t i = 0; i < alerts->partitions; i++)
        positions[i] = (struct kafka_position){0, (int32_t)i, 0};
    return kafka_assign(alerts->consumer, positions, alerts->partitions, err);
}

enum status demo_alerts_left(struct demo_alerts *alerts, uint64_t *left, struct error *err)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < alerts->partitions; i++) {
        int64_t low = 0;
        int64_t high = 0;
        TRY(kafka_watermarks(alerts->consumer, 0, (int32_t)i, &low, &high, err));
        sum += (uint64_t)high;
    }
    *left = sum > alerts->count ? sum - alerts->count : 0;
    return STATUS_OK;
}

/* --- interface ------------------------------------------------------------------------------ */

static enum status open_parts(struct demo_alerts *alerts, const struct config *config,
                              struct error *err)
{
    struct bytes schema = assets_find("schemas/Alert.avsc");
    const char *text = (const char *)schema.data;
    TRY(projection_compile(text, schema.size, &alert_mapping, &alerts->projection, err));
    TRY(datum_schema_open(text, schema.size, &alerts->schema, err));
    TRY(kafka_reader_open(config, config->alerts_topic, "demo", &alerts->consumer, err));
    return assign_all(alerts, err);
}

enum status demo_alerts_open(const struct config *config, struct verdict *verdict,
                             struct demo_alerts **out, struct error *err)
{
    struct demo_alerts *alerts = memory_new(1, sizeof *alerts);
    alerts->verdict = verdict;
    arena_open(&alerts->arena, 1024);
    enum status status = open_parts(alerts, config, err);
    if (status != STATUS_OK) {
        demo_alerts_close(alerts);
        return status == STATUS_RETRY ? STATUS_FAIL : status;
    }
    *out = alerts;
    return STATUS_OK;
}

void demo_alerts_close(struct demo_alerts *alerts)
{
    if (!alerts)
        return;
    kafka_consumer_close(alerts->consumer);
    datum_schema_close(alerts->schema);
    projection_close(alerts->projection);
    arena_close(&alerts->arena);
    memory_free(alerts);
}

uint64_t demo_alerts_count(const struct demo_alerts *alerts)
{
    return alerts->count;
}

const struct alert_view *demo_alerts_latest(const struct demo_alerts *alerts, uint32_t index)
{
    if (index >= KEPT || index >= alerts->count)
        return NULL;
    return &alerts->kept[(alerts->count - 1 - index) % KEPT];
}
