/* topics.h - how the topics of a configuration are to be set up.
 *
 * What each kind of topic needs is that of schemas/asyncapi.yaml, which a test compares:
 * partitions, cleanup.policy, retention.ms, max.message.bytes. A topic with more room or a longer
 * retention is as good; another cleanup policy never is.
 */
#ifndef CHECKIT_TOPICS_H
#define CHECKIT_TOPICS_H

#include <stdio.h>

#include "operators/support/kafka.h"
#include "pipeline/config.h"

enum topic_role {
    TOPIC_INPUT,
    TOPIC_FEED,
    TOPIC_ALERTS,
    TOPIC_ALERTS_TEST,
    TOPIC_HEARTBEAT,
    TOPIC_RECEIPTS,
    TOPIC_DEAD_LETTERS,
    TOPIC_ROLES
};

enum { TOPICS_MAX = INPUTS_MAX + TOPIC_ROLES - 1, TOPIC_SETTINGS_MAX = 4 };

/* Texts are borrowed from the configuration, or constant. */
struct topic_plan {
    const char *name;
    enum topic_role role;
    uint32_t partitions;
    const struct kafka_property *settings;
    uint32_t settings_count;
};

/* Every topic of the configuration, inputs first. Returns how many. */
uint32_t topics_plan(const struct config *config, struct topic_plan plans[TOPICS_MAX]);

/* "an input", "the feed" */
const char *topic_role_name(enum topic_role role);

/* Names without values, for kafka_topic_settings: as many as the plan has. */
void topics_settings_asked(const struct topic_plan *plan,
                           struct kafka_setting settings[TOPIC_SETTINGS_MAX]);

/* Whether a topic with this value is as good as one with the planned one. A value that was not told
 * (empty) passes. */
bool topics_setting_fits(const struct kafka_property *planned, const char *value);

/* "kafka-topics.sh ... --create ..." and a line end. replicas 0: what the broker makes by itself.
 */
void topics_write_create(const struct topic_plan *plan, const struct config *config,
                         uint32_t replicas, FILE *out);

/* "kafka-configs.sh ... --alter ..." that gives the topic those planned settings that do not fit;
 * no line end. */
void topics_write_alter(const struct topic_plan *plan, const struct config *config,
                        const struct kafka_setting *settings, FILE *out);

#endif
