/* config_online.h - what a configuration needs of the brokers: `checkit config check`.
 *
 * One line each on out: "ok", "warn" (it works, but less well) or "fault" with what to do: the
 * brokers, every topic with its settings and our rights in it, the group, transactions if there are
 * to be any.
 */
#ifndef CHECKIT_CONFIG_ONLINE_H
#define CHECKIT_CONFIG_ONLINE_H

#include <stdio.h>

#include "pipeline/config.h"

/* Adds to *faults. STATUS_FAIL, EX_UNAVAILABLE: the brokers do not answer (10 s). */
enum status config_online_check(const struct config *config, uint32_t *faults, FILE *out,
                                struct error *err) MUST_USE;

#endif
