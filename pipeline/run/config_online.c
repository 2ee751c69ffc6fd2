#include "pipeline/run/config_online.h"

#include <inttypes.h>
#include <string.h>

#include "pipeline/run/topics.h"

struct check {
    const struct config *config;
    struct kafka_consumer *client;
    uint32_t faults;
    FILE *out;
};

/* --- rights --------------------------------------------------------------------------------- */

/* Without it documents are screened all the same, and nobody proves it. */
static bool is_optional(enum topic_role role)
{
    return role == TOPIC_HEARTBEAT || role == TOPIC_ALERTS_TEST;
}

static uint32_t rights_needed(enum topic_role role)
{
    bool is_read = role == TOPIC_INPUT || role == TOPIC_FEED;
    if (is_optional(role)) /* both are written and read by the same process */
        return KAFKA_MAY_DESCRIBE | KAFKA_MAY_READ | KAFKA_MAY_WRITE;
    return KAFKA_MAY_DESCRIBE | (is_read ? KAFKA_MAY_READ : KAFKA_MAY_WRITE);
}

static const char *name_of_rights(uint32_t rights)
{
    if (rights & KAFKA_MAY_READ)
        return "Read";
    return rights & KAFKA_MAY_WRITE ? "Write" : "Describe";
}

/* True: a fault was told. */
static bool tell_rights(struct check *check, const struct topic_plan *plan,
                        const struct kafka_topic_state *state)
{
    uint32_t lacking = rights_needed(plan->role) & ~state->rights;
    if (!state->is_rights_told || lacking == 0)
        return false;
    fprintf(check->out,
            "fault  topic %s: we may not %s: grant it (kafka-acls.sh --add --topic %s)\n",
            plan->name, name_of_rights(lacking), plan->name);
    check->faults++;
    return true;
}

/* --- settings ------------------------------------------------------------------------------- */

/* With another cleanup policy entries of the list, or alerts, go; the others only shorten what is
 * kept. */
static bool is_grave(const struct kafka_property *planned)
{
    return strcmp(planned->name, "cleanup.policy") == 0;
}

/* True: something was told. */
static bool tell_settings(struct check *check, const struct topic_plan *plan,
                          const struct kafka_setting *settings)
{
    bool is_told = false;
    for (uint32_t i = 0; i < plan->settings_count; i++) {
        const struct kafka_property *planned = &plan->settings[i];
        if (topics_setting_fits(planned, settings[i].value))
            continue;
        fprintf(check->out,
                "%s topic %s: %s is %s, %s is meant: ", is_grave(planned) ? "fault " : "warn  ",
                plan->name, planned->name, settings[i].value, planned->value);
        topics_write_alter(plan, check->config, settings, check->out);
        fputc('\n', check->out);
        check->faults += is_grave(planned);
        is_told = true;
    }
    return is_told;
}

static enum status check_topic(struct check *check, const struct topic_plan *plan,
                               struct error *err)
{
    struct kafka_topic_state state;
    struct kafka_setting settings[TOPIC_SETTINGS_MAX];
    TRY(kafka_topic_state(check->client, plan->name, &state, err));
    if (!state.exists) {
        fprintf(check->out,
                "%s topic %s (%s) does not exist, or we may not Describe it: `checkit config "
                "topics --create` makes it\n",
                is_optional(plan->role) ? "warn  " : "fault ", plan->name,
                topic_role_name(plan->role));
        check->faults += !is_optional(plan->role);
        return STATUS_OK;
    }
    topics_settings_asked(plan, settings);
    TRY(kafka_topic_settings(check->client, plan->name, settings, plan->settings_count, err));
    bool is_told = tell_rights(check, plan, &state);
    is_told |= tell_settings(check, plan, settings);
    if (is_told)
        return STATUS_OK;
    fprintf(check->out, "ok     topic %s: %s, partitions %" PRIu32 ", replicas %" PRIu32 "%s%s\n",
            plan->name, topic_role_name(plan->role), state.partitions, state.replicas,
            settings[0].value[0] ? "" : ", settings not told",
            state.is_rights_told ? "" : ", rights not told");
    return STATUS_OK;
}

/* --- the whole ------------------------------------------------------------------------------ */

static enum status check_group(struct check *check, struct error *err)
{
    bool is_told;
    uint32_t rights;
    const char *group = check->config->group;
    TRY(kafka_group_rights(check->client, group, &is_told, &rights, err));
    bool is_fault = is_told && !(rights & KAFKA_MAY_READ);
    if (is_fault)
        fprintf(check->out,
                "fault  group %s: we may not Read: grant it (kafka-acls.sh --add --group %s)\n",
                group, group);
    else
        fprintf(check->out, "ok     group %s%s\n", group, is_told ? "" : ": rights not told");
    check->faults += is_fault;
    return STATUS_OK;
}

static enum status check_delivery(struct check *check, struct error *err)
{
    const struct config *config = check->config;
    const char *prefix =
        config->transactional_id_prefix ? config->transactional_id_prefix : config->group;
    if (!config->exactly_once) {
        fprintf(check->out, "ok     delivery: at_least_once\n");
        return STATUS_OK;
    }
    struct error reason = {0};
    enum status status = kafka_transaction_try(config, &reason);
    if (status == STATUS_RETRY) {
        *err = reason;
        return status;
    }
    if (status == STATUS_OK)
        fprintf(check->out,
                "ok     delivery: exactly_once, transactional ids %s-%s-0 to -%" PRIu32 "\n",
                prefix, config->instance, config->workers - 1);
    else
        fprintf(
            check->out,
            "fault  delivery: exactly_once: %s: we need Write on transactional ids %s-%s-... "
            "(kafka-acls.sh --add --resource-pattern-type prefixed --transactional-id %s-%s-)\n",
            reason.text, prefix, config->instance, prefix, config->instance);
    check->faults += status != STATUS_OK;
    return STATUS_OK;
}

static enum status check_all(struct check *check, struct error *err)
{
    struct topic_plan plans[TOPICS_MAX];
    const char *cluster;
    TRY(kafka_cluster_id(check->client, &cluster, err));
    fprintf(check->out, "ok     kafka: cluster %s\n", cluster);
    uint32_t count = topics_plan(check->config, plans);
    for (uint32_t i = 0; i < count; i++)
        TRY(check_topic(check, &plans[i], err));
    TRY(check_group(check, err));
    return check_delivery(check, err);
}

enum status config_online_check(const struct config *config, uint32_t *faults, FILE *out,
                                struct error *err)
{
    struct check check = {.config = config, .out = out};
    enum status opened = kafka_reader_open(config, config->feed_topic, "check", &check.client, err);
    if (opened != STATUS_OK) {
        fprintf(out, "fault  kafka: %s\n", err->text);
        return opened;
    }
    enum status status = check_all(&check, err);
    kafka_consumer_close(check.client);
    *faults += check.faults;
    if (status == STATUS_OK)
        return STATUS_OK;
    fprintf(out, "fault  kafka: %s\n", err->text);
    return STATUS_FAIL; /* 10 s without an answer */
}
