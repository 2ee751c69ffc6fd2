#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/run/topics.h"

static const char text[] = "kafka: {bootstrap.servers: 'a:1,b''c:2', security.protocol: SSL}\n"
                           "inputs: [{topic: t1, preset: booking}, {topic: t2, preset: banking}]\n"
                           "outputs: {alerts: hits}\n"
                           "store: {path: store, key: store.key}\n"
                           "identity_key: identity.key\n"
                           "schemas: {folder: schemas}\n";

static struct config *open_config(void)
{
    struct config *config = NULL;
    struct error err = {0};
    cr_assert_eq(config_parse("x.yaml", text, strlen(text), &config, &err), STATUS_OK, "%s",
                 err.text);
    return config;
}

Test(topics, every_topic_of_the_configuration_is_planned)
{
    struct config *config = open_config();
    struct topic_plan plans[TOPICS_MAX];
    static const struct {
        const char *name;
        enum topic_role role;
    } expected[] = {
        {"t1", TOPIC_INPUT},
        {"t2", TOPIC_INPUT},
        {"document-changes", TOPIC_FEED},
        {"hits", TOPIC_ALERTS},
        {"alerts.test", TOPIC_ALERTS_TEST},
        {"heartbeat", TOPIC_HEARTBEAT},
        {"receipts", TOPIC_RECEIPTS},
        {"dead-letters", TOPIC_DEAD_LETTERS},
    };
    cr_assert_eq(topics_plan(config, plans), sizeof expected / sizeof *expected);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        cr_assert_str_eq(plans[i].name, expected[i].name);
        cr_assert_eq(plans[i].role, expected[i].role);
        cr_assert_leq(plans[i].settings_count, TOPIC_SETTINGS_MAX);
    }
    config_close(config);
}

static bool fits(const char *name, const char *planned, const char *value)
{
    const struct kafka_property property = {name, planned};
    return topics_setting_fits(&property, value);
}

Test(topics, more_room_and_longer_retention_fit_and_less_does_not)
{
    cr_assert(fits("max.message.bytes", "1114112", "1114112"));
    cr_assert(fits("max.message.bytes", "1114112", "1114113"));
    cr_assert_not(fits("max.message.bytes", "1114112", "1114111"));
    cr_assert(fits("retention.ms", "604800000", "-1"));
    cr_assert_not(fits("retention.ms", "604800000", "604799999"));
}

Test(topics, another_cleanup_policy_never_fits)
{
    cr_assert(fits("cleanup.policy", "compact", "compact"));
    cr_assert_not(fits("cleanup.policy", "compact", "delete"));
    cr_assert_not(fits("cleanup.policy", "compact", "compact,delete"));
    cr_assert_not(fits("cleanup.policy", "delete", "compact"));
}

Test(topics, what_is_not_told_passes)
{
    cr_assert(fits("cleanup.policy", "compact", ""));
    cr_assert(fits("max.message.bytes", "1114112", ""));
}

Test(topics, commands_survive_a_shell)
{
    struct config *config = open_config();
    struct topic_plan plans[TOPICS_MAX];
    (void)topics_plan(config, plans);
    char *written;
    size_t size;
    FILE *out = open_memstream(&written, &size);
    topics_write_create(&plans[2], config, 3, out);
    cr_assert_eq(fclose(out), 0);
    cr_assert_str_eq(written,
                     "kafka-topics.sh --bootstrap-server 'a:1,b'\\''c:2' --command-config "
                     "client.properties --create --if-not-exists --topic document-changes "
                     "--partitions 4 --replication-factor 3 --config cleanup.policy=compact\n");
    free(written);
    config_close(config);
}

Test(topics, only_what_does_not_fit_is_altered)
{
    struct config *config = open_config();
    struct topic_plan plans[TOPICS_MAX];
    uint32_t count = topics_plan(config, plans);
    const struct topic_plan *dead_letters = &plans[count - 1];
    struct kafka_setting settings[TOPIC_SETTINGS_MAX];
    topics_settings_asked(dead_letters, settings);
    cr_assert_str_eq(settings[2].name, "max.message.bytes");
    (void)snprintf(settings[0].value, sizeof settings[0].value, "compact");
    (void)snprintf(settings[1].value, sizeof settings[1].value, "-1");
    (void)snprintf(settings[2].value, sizeof settings[2].value, "1048588");
    char *written;
    size_t size;
    FILE *out = open_memstream(&written, &size);
    topics_write_alter(dead_letters, config, settings, out);
    cr_assert_eq(fclose(out), 0);
    cr_assert_str_eq(written, "kafka-configs.sh --bootstrap-server 'a:1,b'\\''c:2' "
                              "--command-config client.properties --alter --entity-type topics "
                              "--entity-name dead-letters --add-config "
                              "cleanup.policy=delete,max.message.bytes=1114112");
    free(written);
    config_close(config);
}
