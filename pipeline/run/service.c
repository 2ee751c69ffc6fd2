#include "pipeline/run/service.h"

#include <stdio.h>
#include <string.h>

#include "pipeline/base/clock.h"

enum {
    LOOK_MS = 500,
    WATCHDOG_PARTS = 4 /* of its time between two signs of life, so that one may be lost */
};

static const uint64_t ns_per_ms = 1000000;

void service_open(struct service *service, struct vitals *vitals)
{
    *service = (struct service){.vitals = vitals};
    notify_open(&service->notify);
}

void service_close(struct service *service)
{
    notify_close(&service->notify);
}

/* Whether so long has passed since then. */
static bool is_due(uint64_t then_ns, uint64_t now_ns, uint64_t ms)
{
    return then_ns == 0 || now_ns - then_ns >= ms * ns_per_ms;
}

/* What is not taken is told at the next look. */
static void tell_health(struct service *service)
{
    char status[SERVICE_STATUS_SIZE];
    char text[SERVICE_STATUS_SIZE + 32];
    bool is_ready = vitals_is_ready(service->vitals, status, sizeof status) || service->is_ready;
    if (is_ready == service->is_ready && strcmp(status, service->status) == 0)
        return;
    (void)snprintf(text, sizeof text, "%sSTATUS=%s",
                   is_ready && !service->is_ready ? "READY=1\n" : "", status);
    if (!notify_tell(&service->notify, text))
        return;
    service->is_ready = is_ready;
    memcpy(service->status, status, sizeof status);
}

void service_turn(struct service *service)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t watchdog_ms = service->notify.watchdog_ms;
    if (service->notify.fd < 0)
        return;
    if (is_due(service->looked_ns, now_ns, LOOK_MS)) {
        service->looked_ns = now_ns;
        tell_health(service);
    }
    if (watchdog_ms > 0 && is_due(service->watchdog_ns, now_ns, watchdog_ms / WATCHDOG_PARTS) &&
        vitals_is_live(service->vitals) && notify_tell(&service->notify, "WATCHDOG=1"))
        service->watchdog_ns = now_ns;
}

void service_stopping(struct service *service)
{
    (void)notify_tell(&service->notify, "STOPPING=1\nSTATUS=delivering what was read");
}
