#include "pipeline/run/demo_events.h"

static const struct {
    const char *topic;
    const char *contract;
} kinds[DEMO_KINDS] = {
    [EVENT_BOOKING] = {"bookings", "schemas/BookingEvent.avsc"},
    [EVENT_BANKING] = {"banking", "schemas/BankingEvent.avsc"},
};

const char *demo_events_topic(enum event_kind kind)
{
    return kinds[kind].topic;
}

enum status demo_events_open(const struct demo_events *events, enum event_kind kind,
                             struct output **out, struct error *err)
{
    return output_open_topic(events->config, kinds[kind].topic, kinds[kind].contract, out, err);
}

enum status demo_events_put(const struct demo_events *events, enum event_kind kind, uint64_t index,
                            struct output *output, struct error *err)
{
    struct generated_event event;
    uint8_t buffer[GENERATED_BYTES_MAX];
    generator_event(events->generator, kind, index, &event);
    struct bytes payload = generator_encode_event(&event, output_schema_id(output), buffer);
    TRY(output_put(output, bytes_of_text(event.journey), payload, err));
    if (event.hits_count > 0)
        verdict_add_truth(events->verdict, generator_csv_truth(&event, kinds[kind].topic, buffer));
    return STATUS_OK;
}
