#include "pipeline/run/heartbeat.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/encode.h"
#include "operators/support/kafka.h"
#include "operators/support/registry.h"
#include "operators/support/store.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"
#include "pipeline/run/topic_reader.h"

enum {
    EVENT_ID_SIZE = 64,
    EVENT_BYTES_MAX = 1024,
    POLL_MS = 100,
    RETRY_S = 5, /* between attempts to open clients */
};

static const uint64_t ns_per_s = 1000000000;

struct heartbeat {
    struct heartbeat_settings settings;
    pthread_mutex_t store_lock; /* held while settings.store is used */
    char own[EVENT_ID_SIZE];    /* what the ids of its events begin with */
    uint64_t number;            /* of the last beat */
    bool is_awaited;            /* its alert was not seen yet */
    uint64_t next_ns;
    uint32_t schema_id;
    struct kafka_producer *producer; /* NULL: not open, as the reader */
    struct topic_reader *reader;
};

int64_t heartbeat_age_ms(const struct heartbeat_state *state, int64_t now_ms)
{
    int64_t success_ms = atomic_load(&state->last_success_ms);
    int64_t since_ms = success_ms > 0 ? success_ms : atomic_load(&state->began_ms);
    return atomic_load(&state->is_on) && now_ms > since_ms ? now_ms - since_ms : 0;
}

void heartbeat_add_input(struct config *config)
{
    config->inputs[config->inputs_count++] =
        (struct input){.topic = config->heartbeat_topic, .mapping = *mapping_preset("booking")};
    config->consumes_heartbeat = true;
}

static void set_trouble(struct heartbeat *heartbeat, enum heartbeat_trouble trouble,
                        const char *reason)
{
    int before = atomic_exchange(&heartbeat->settings.state->trouble, (int)trouble);
    if (before == (int)trouble)
        return;
    if (trouble == HEARTBEAT_WELL)
        LOG_INFO("heartbeat", "goes on");
    else
        LOG_WARN("heartbeat", "cannot be made", LOG_TEXT("reason", reason));
}

/* --- the event: the order is that of BookingEvent.avsc --------------------------------------- */

static void encode_traveller(struct encoder *encoder)
{
    enum { SOURCE_UNKNOWN = 5 };
    encode_text(encoder, "1");
    encode_items(encoder, 1);
    encode_text(encoder, TEST_ENTRY_NUMBER);
    encode_long(encoder, SOURCE_UNKNOWN);
    encode_text(encoder, "PASSPORT");
    encode_optional_text(encoder, bytes_of_text(TEST_ENTRY_ISSUER));
    encode_optional_text(encoder, bytes_of(NULL, 0)); /* nationality */
    encode_optional_long(encoder, false, 0);          /* expiry */
    encode_items_end(encoder);
}

struct bytes heartbeat_encode(const char *event_id, const char *journey, int64_t time_ms,
                              uint32_t schema_id, void *buffer, size_t capacity)
{
    enum { SECTOR_AIR, STAGE_BOOK = 0 };
    struct encoder encoder = encoder_of(buffer, capacity);
    encode_prefix(&encoder, schema_id);
    encode_text(&encoder, event_id);
    encode_long(&encoder, time_ms);
    encode_text(&encoder, "checkit");
    encode_long(&encoder, SECTOR_AIR);
    encode_long(&encoder, STAGE_BOOK);
    encode_text(&encoder, journey);
    encode_optional_text(&encoder, bytes_of(NULL, 0)); /* origin */
    encode_optional_text(&encoder, bytes_of(NULL, 0)); /* destination */
    encode_optional_long(&encoder, false, 0);          /* departs_at */
    encode_items(&encoder, 1);
    encode_traveller(&encoder);
    encode_items_end(&encoder);
    encode_items_end(&encoder); /* attributes: none */
    return encoder_done(&encoder, buffer);
}

/* --- the alert ------------------------------------------------------------------------------ */

static void see_value(void *state, const struct datum_value *value)
{
    struct heartbeat *heartbeat = state;
    size_t size = strlen(heartbeat->own);
    if (strcmp(value->path, "event.event_id") != 0 || value->text.size < size ||
        memcmp(value->text.data, heartbeat->own, size) != 0)
        return;
    heartbeat->is_awaited = false;
    atomic_store(&heartbeat->settings.state->last_success_ms, clock_wall_ms());
}

static void see_alert(void *state, const struct topic_record *record)
{
    if (record->schema)
        (void)datum_walk(record->schema, record->datum, see_value, state);
}

/* --- clients -------------------------------------------------------------------------------- */

/* What is not delivered is not seen either, and counts then. */
static void on_report(void *state, enum kafka_delivery delivery, uint64_t opaque,
                      const char *reason)
{
    (void)state, (void)opaque;
    if (delivery != KAFKA_DELIVERED)
        LOG_WARN("heartbeat", "not delivered", LOG_TEXT("reason", reason));
}

static void close_clients(struct heartbeat *heartbeat)
{
    topic_reader_close(heartbeat->reader);
    kafka_producer_close(heartbeat->producer);
    heartbeat->reader = NULL;
    heartbeat->producer = NULL;
}

static enum status open_clients(struct heartbeat *heartbeat, struct error *err)
{
    const struct heartbeat_settings *settings = &heartbeat->settings;
    const struct config *config = settings->config;
    struct kafka_reports reports = {heartbeat, on_report};
    struct topic_reader_settings reader = {.config = config,
                                           .topic = config->alerts_test_topic,
                                           .client = "heartbeat",
                                           .since_ms = KAFKA_AT_END,
                                           .state = heartbeat,
                                           .take = see_alert};
    const char *schema = (const char *)assets_find("schemas/BookingEvent.avsc").data;
    TRY(registry_id_of(settings->registry, config->heartbeat_topic, schema, &heartbeat->schema_id,
                       err));
    TRY(topic_reader_open(&reader, &heartbeat->reader, err));
    return kafka_producer_open(config, "heartbeat", &reports, &heartbeat->producer, err);
}

/* False: not now. */
static bool has_clients(struct heartbeat *heartbeat)
{
    struct error err = {0};
    if (heartbeat->producer)
        return true;
    if (clock_monotonic_ns() < heartbeat->next_ns)
        return false;
    if (open_clients(heartbeat, &err) == STATUS_OK)
        return true;
    close_clients(heartbeat);
    set_trouble(heartbeat, HEARTBEAT_NO_CLIENT, err.text);
    heartbeat->next_ns = clock_monotonic_ns() + RETRY_S * ns_per_s;
    return false;
}

/* --- the round ------------------------------------------------------------------------------ */

static bool has_entry(struct heartbeat *heartbeat)
{
    struct entry entry;
    struct error err = {0};
    bool found = false;
    (void)pthread_mutex_lock(&heartbeat->store_lock);
    enum status status =
        store_get(heartbeat->settings.store, bytes_of_text(TEST_ENTRY_ID), &entry, &found, &err);
    (void)pthread_mutex_unlock(&heartbeat->store_lock);
    return status == STATUS_OK && found && entry.is_live && (entry.flags & ENTRY_TEST);
}

static enum status send_event(struct heartbeat *heartbeat, struct error *err)
{
    const struct config *config = heartbeat->settings.config;
    uint8_t buffer[EVENT_BYTES_MAX];
    char id[EVENT_ID_SIZE + 24];
    (void)snprintf(id, sizeof id, "%s%" PRIu64, heartbeat->own, ++heartbeat->number);
    struct bytes payload = heartbeat_encode(id, config->instance, clock_wall_ms(),
                                            heartbeat->schema_id, buffer, sizeof buffer);
    if (!payload.data)
        return error_fail(err, EX_CONFIG, "instance is too long");
    struct kafka_message message = {.topic = config->heartbeat_topic,
                                    .key = bytes_of_text(id), /* another partition each time */
                                    .payload = payload,
                                    .partition = -1};
    return kafka_produce(heartbeat->producer, &message, err);
}

static void beat(struct heartbeat *heartbeat)
{
    struct heartbeat_state *state = heartbeat->settings.state;
    struct error err = {0};
    if (heartbeat->is_awaited)
        atomic_fetch_add(&state->failures, 1);
    heartbeat->is_awaited = false;
    if (!has_entry(heartbeat)) {
        set_trouble(heartbeat, HEARTBEAT_NO_ENTRY, "the list has no TEST entry");
    } else if (send_event(heartbeat, &err) != STATUS_OK) {
        set_trouble(heartbeat, HEARTBEAT_NO_CLIENT, err.text);
    } else {
        heartbeat->is_awaited = true;
        atomic_fetch_add(&state->beats, 1);
        set_trouble(heartbeat, HEARTBEAT_WELL, NULL);
    }
}

/* While the list lacks the entry it is looked for each second: it may come at any time. */
static uint64_t pause_ns(const struct heartbeat *heartbeat)
{
    bool waits = atomic_load(&heartbeat->settings.state->trouble) == HEARTBEAT_NO_ENTRY;
    return (waits ? 1 : heartbeat->settings.config->heartbeat_interval_s) * ns_per_s;
}

void heartbeat_step(struct heartbeat *heartbeat)
{
    struct error err = {0};
    if (!has_clients(heartbeat)) {
        clock_sleep_ms(POLL_MS);
        return;
    }
    enum status status = topic_reader_step(heartbeat->reader, POLL_MS, &err);
    if (status == STATUS_OK)
        status = kafka_producer_poll(heartbeat->producer, 0, &err);
    if (status != STATUS_OK) {
        set_trouble(heartbeat, HEARTBEAT_NO_CLIENT, err.text);
        close_clients(heartbeat);
        heartbeat->next_ns = clock_monotonic_ns() + RETRY_S * ns_per_s;
        return;
    }
    if (clock_monotonic_ns() < heartbeat->next_ns)
        return;
    beat(heartbeat);
    heartbeat->next_ns = clock_monotonic_ns() + pause_ns(heartbeat);
}

/* --- open, close ---------------------------------------------------------------------------- */

struct heartbeat *heartbeat_open(const struct heartbeat_settings *settings)
{
    struct heartbeat *heartbeat = memory_new(1, sizeof *heartbeat);
    heartbeat->settings = *settings;
    (void)pthread_mutex_init(&heartbeat->store_lock, NULL);
    uint64_t nonce; /* of another start, and of another process, none counts */
    random_secret(&nonce, sizeof nonce);
    (void)snprintf(heartbeat->own, sizeof heartbeat->own, "heartbeat-%016" PRIx64 "-", nonce);
    return heartbeat;
}

void heartbeat_close(struct heartbeat *heartbeat)
{
    if (!heartbeat)
        return;
    close_clients(heartbeat);
    (void)pthread_mutex_destroy(&heartbeat->store_lock);
    memory_free(heartbeat);
}

void heartbeat_show_store(struct heartbeat *heartbeat, struct store *store)
{
    if (!heartbeat)
        return;
    (void)pthread_mutex_lock(&heartbeat->store_lock);
    heartbeat->settings.store = store;
    (void)pthread_mutex_unlock(&heartbeat->store_lock);
}
