/* metrics.h - a view as text for Prometheus (exposition format 0.0.4).
 *
 * Every family is always there, with HELP and TYPE; of what is not known yet there is no sample
 * (the list's age before it was read, librdkafka's figures in the first seconds). Names end in
 * their unit, counters in _total. Names and labels are an interface: config/grafana and
 * config/prometheus stand on them.
 */
#ifndef CHECKIT_METRICS_H
#define CHECKIT_METRICS_H

#include "pipeline/base/buffer.h"
#include "pipeline/run/view.h"

void metrics_write(const struct view *view, struct buffer *out);

#endif
