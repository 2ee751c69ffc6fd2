/* demo_alerts.h - reads the alerts of a demo, from the beginning of their topic, and hands each to
 * the verdict. One thread. */
#ifndef CHECKIT_DEMO_ALERTS_H
#define CHECKIT_DEMO_ALERTS_H

#include "pipeline/base/status.h"
#include "pipeline/config.h"
#include "pipeline/run/alert_view.h"
#include "pipeline/run/verdict.h"

struct demo_alerts;

/* Both are borrowed until close. *out is the caller's. */
enum status demo_alerts_open(const struct config *config, struct verdict *verdict,
                             struct demo_alerts **out, struct error *err) MUST_USE;
void demo_alerts_close(struct demo_alerts *alerts);

/* One bounded round: waits at most timeout_ms for alerts; *count: how many came. */
enum status demo_alerts_step(struct demo_alerts *alerts, uint32_t timeout_ms, uint32_t *count,
                             struct error *err) MUST_USE;

/* How many stand on the topic now and were not read. */
enum status demo_alerts_left(struct demo_alerts *alerts, uint64_t *left,
                             struct error *err) MUST_USE;

/* Read so far. */
uint64_t demo_alerts_count(const struct demo_alerts *alerts);

/* 0: the latest, and so on; NULL: there is none, or it is no longer kept. Until the next step. */
const struct alert_view *demo_alerts_latest(const struct demo_alerts *alerts, uint32_t index);

#endif
