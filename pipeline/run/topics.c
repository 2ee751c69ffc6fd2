#include "pipeline/run/topics.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- what each kind of topic needs: schemas/asyncapi.yaml ------------------------------------ */

static const struct kafka_property input_settings[] = {{"cleanup.policy", "delete"},
                                                       {"retention.ms", "604800000"}};
static const struct kafka_property feed_settings[] = {{"cleanup.policy", "compact"}};
static const struct kafka_property alerts_settings[] = {{"cleanup.policy", "delete"},
                                                        {"retention.ms", "2592000000"}};
static const struct kafka_property heartbeat_settings[] = {{"cleanup.policy", "delete"},
                                                           {"retention.ms", "86400000"}};
static const struct kafka_property receipts_settings[] = {{"cleanup.policy", "delete"},
                                                          {"retention.ms", "31536000000"}};
static const struct kafka_property dead_letters_settings[] = {
    {"cleanup.policy", "delete"},
    {"retention.ms", "2592000000"},
    /* The largest record and the headers that say why: design 6. */
    {"max.message.bytes", "1114112"}};

static const struct {
    const char *name;
    uint32_t partitions;
    const struct kafka_property *settings;
    uint32_t settings_count;
} roles[TOPIC_ROLES] = {
    [TOPIC_INPUT] = {"an input", 12, input_settings, 2},
    [TOPIC_FEED] = {"the feed", 4, feed_settings, 1},
    [TOPIC_ALERTS] = {"alerts", 4, alerts_settings, 2},
    [TOPIC_ALERTS_TEST] = {"alerts of TEST entries", 1, heartbeat_settings, 2},
    [TOPIC_HEARTBEAT] = {"heartbeats", 4, heartbeat_settings, 2},
    [TOPIC_RECEIPTS] = {"receipts", 1, receipts_settings, 2},
    [TOPIC_DEAD_LETTERS] = {"dead letters", 1, dead_letters_settings, 3},
};

const char *topic_role_name(enum topic_role role)
{
    return roles[role].name;
}

static struct topic_plan plan_of(enum topic_role role, const char *name)
{
    return (struct topic_plan){name, role, roles[role].partitions, roles[role].settings,
                               roles[role].settings_count};
}

uint32_t topics_plan(const struct config *config, struct topic_plan plans[TOPICS_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->inputs_count; i++)
        plans[count++] = plan_of(TOPIC_INPUT, config->inputs[i].topic);
    plans[count++] = plan_of(TOPIC_FEED, config->feed_topic);
    plans[count++] = plan_of(TOPIC_ALERTS, config->alerts_topic);
    plans[count++] = plan_of(TOPIC_ALERTS_TEST, config->alerts_test_topic);
    if (config->heartbeat_interval_s > 0)
        plans[count++] = plan_of(TOPIC_HEARTBEAT, config->heartbeat_topic);
    plans[count++] = plan_of(TOPIC_RECEIPTS, config->receipts_topic);
    plans[count++] = plan_of(TOPIC_DEAD_LETTERS, config->dead_letters_topic);
    return count;
}

/* --- what a topic has ----------------------------------------------------------------------- */

void topics_settings_asked(const struct topic_plan *plan,
                           struct kafka_setting settings[TOPIC_SETTINGS_MAX])
{
    for (uint32_t i = 0; i < plan->settings_count; i++)
        settings[i] = (struct kafka_setting){.name = plan->settings[i].name};
}

bool topics_setting_fits(const struct kafka_property *planned, const char *value)
{
    if (!value[0] || strcmp(planned->value, value) == 0)
        return true;
    if (strcmp(planned->name, "cleanup.policy") == 0)
        return false;
    long long has = strtoll(value, NULL, 10);
    return has == -1 || has >= strtoll(planned->value, NULL, 10); /* -1: for ever */
}

/* --- commands for a shell ------------------------------------------------------------------- */

/* In single quotes, where nothing means anything but the quote itself. */
static void write_quoted(const char *text, FILE *out)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\'", out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void write_servers(const struct config *config, FILE *out)
{
    const char *servers = config_kafka_property(config, "bootstrap.servers");
    const char *protocol = config_kafka_property(config, "security.protocol");
    fputs(" --bootstrap-server ", out);
    write_quoted(servers ? servers : "", out);
    if (protocol && strcasecmp(protocol, "plaintext") != 0)
        fputs(" --command-config client.properties", out);
}

void topics_write_create(const struct topic_plan *plan, const struct config *config,
                         uint32_t replicas, FILE *out)
{
    fputs("kafka-topics.sh", out);
    write_servers(config, out);
    fprintf(out, " --create --if-not-exists --topic %s --partitions %" PRIu32, plan->name,
            plan->partitions);
    if (replicas > 0)
        fprintf(out, " --replication-factor %" PRIu32, replicas);
    for (uint32_t i = 0; i < plan->settings_count; i++)
        fprintf(out, " --config %s=%s", plan->settings[i].name, plan->settings[i].value);
    fputc('\n', out);
}

void topics_write_alter(const struct topic_plan *plan, const struct config *config,
                        const struct kafka_setting *settings, FILE *out)
{
    const char *before = "";
    fputs("kafka-configs.sh", out);
    write_servers(config, out);
    fprintf(out, " --alter --entity-type topics --entity-name %s --add-config ", plan->name);
    for (uint32_t i = 0; i < plan->settings_count; i++) {
        if (topics_setting_fits(&plan->settings[i], settings[i].value))
            continue;
        fprintf(out, "%s%s=%s", before, plan->settings[i].name, plan->settings[i].value);
        before = ",";
    }
}
