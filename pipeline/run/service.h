/* service.h - a screening process as a service: what its manager is told, and when.
 *
 * READY=1 once /readyz would answer 200, STATUS= with the first reason why it would not, STOPPING=1
 * at the end; and WATCHDOG=1, where it is asked for, as long as /livez would answer 200. One
 * thread, that of screener_run.
 */
#ifndef CHECKIT_SERVICE_H
#define CHECKIT_SERVICE_H

#include "pipeline/base/notify.h"
#include "pipeline/run/vitals.h"

enum { SERVICE_STATUS_SIZE = 256 };

struct service {
    struct notify notify;
    struct vitals *vitals; /* borrowed until close */
    uint64_t looked_ns;
    uint64_t watchdog_ns; /* when it was told last */
    bool is_ready;        /* and was told so */
    char status[SERVICE_STATUS_SIZE];
};

void service_open(struct service *service, struct vitals *vitals);
void service_close(struct service *service);

/* As often as may be: tells what is due. */
void service_turn(struct service *service);
void service_stopping(struct service *service);

#endif
