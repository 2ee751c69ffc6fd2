/* checkit config topics: the topics of the configuration, as commands or made. */
#include <inttypes.h>

#include "pipeline/base/clock.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/topics.h"

enum { PARTITIONS_MAX = 10000, REPLICAS_MAX = 100, KNOWN_MS = 10000, LOOK_MS = 20 };

struct options {
    const char *config;
    bool create;
    uint64_t partitions;
    uint64_t replication;
};

static const struct argument arguments[] = {
    {.name = "config",
     .letter = 'c',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .required = true,
     .offset = offsetof(struct options, config),
     .help = "the configuration"},
    {.name = "create",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, create),
     .help = "make those that are missing, and say what is with the others"},
    {.name = "partitions",
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = 1,
     .max = PARTITIONS_MAX,
     .offset = offsetof(struct options, partitions),
     .help = "of every topic (inputs 12, feed, alerts and heartbeat 4, others 1)"},
    {.name = "replication",
     .kind = ARGUMENT_NUMBER,
     .value = "N",
     .min = 1,
     .max = REPLICAS_MAX,
     .offset = offsetof(struct options, replication),
     .help = "replicas of every topic (what the brokers make by themselves)"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_UNAVAILABLE, "Kafka is not reached, or a topic cannot be created"},
    {EX_CONFIG, "a fault in FILE, or a topic is there and differs"},
    {0}};

static const struct arguments_command command = {
    .name = "config topics",
    .summary = "Prints the commands that make the topics of the configuration, inputs included,\n"
               "with the settings they need. With --create makes those that are missing; a topic\n"
               "that is there is never changed, but told what to change.",
    .arguments = arguments,
    .examples = "checkit config topics -c checkit.yaml\n"
                "checkit config topics -c checkit.yaml --create --replication 3",
    .exits = exits};

struct job {
    const struct options *options;
    const struct config *config;
    struct kafka_consumer *client;
    uint32_t differing;
};

/* "differs   alerts: cleanup.policy is compact, delete is meant: kafka-configs.sh ..." */
static void tell_difference(const struct job *job, const struct topic_plan *plan,
                            const struct kafka_setting *settings)
{
    const char *before = "";
    printf("differs   %s: ", plan->name);
    for (uint32_t i = 0; i < plan->settings_count; i++) {
        const struct kafka_property *planned = &plan->settings[i];
        if (topics_setting_fits(planned, settings[i].value))
            continue;
        printf("%s%s is %s, %s is meant", before, planned->name, settings[i].value, planned->value);
        before = ", ";
    }
    fputs(": ", stdout);
    topics_write_alter(plan, job->config, settings, stdout);
    (void)putchar('\n');
}

static enum status look_at(struct job *job, const struct topic_plan *plan, uint32_t partitions,
                           struct error *err)
{
    struct kafka_setting settings[TOPIC_SETTINGS_MAX];
    topics_settings_asked(plan, settings);
    TRY(kafka_topic_settings(job->client, plan->name, settings, plan->settings_count, err));
    bool fits = true;
    for (uint32_t i = 0; i < plan->settings_count; i++)
        fits = fits && topics_setting_fits(&plan->settings[i], settings[i].value);
    if (!fits)
        tell_difference(job, plan, settings);
    else
        printf("is there  %s: %" PRIu32 " partition%s%s\n", plan->name, partitions,
               partitions == 1 ? "" : "s",
               settings[0].value[0] ? "" : ", its settings are not told by the broker");
    job->differing += !fits;
    return STATUS_OK;
}

/* The controller has made it; a broker knows of it a moment later, and who asks it at once, as the
 * next command may, must not be told that there is none. */
static enum status wait_until_known(struct job *job, const struct topic_plan *plan,
                                    struct error *err)
{
    struct kafka_topic_state state = {0};
    for (uint32_t ms = 0; ms < KNOWN_MS; ms += LOOK_MS) {
        TRY(kafka_topic_state(job->client, plan->name, &state, err));
        if (state.exists && state.partitions == plan->partitions)
            return STATUS_OK;
        clock_sleep_ms(LOOK_MS);
    }
    return error_fail(err, EX_UNAVAILABLE, "topic %s was created, and no broker tells of it yet",
                      plan->name);
}

static enum status make(struct job *job, const struct topic_plan *plan, struct error *err)
{
    const struct kafka_new_topic topic = {.name = plan->name,
                                          .partitions = plan->partitions,
                                          .replicas = (uint32_t)job->options->replication,
                                          .settings = plan->settings,
                                          .settings_count = plan->settings_count};
    bool is_made = false;
    TRY(kafka_create_topic(job->client, &topic, &is_made, err));
    if (!is_made) /* by someone else, just now */
        return look_at(job, plan, plan->partitions, err);
    TRY(wait_until_known(job, plan, err));
    printf("created   %s: %" PRIu32 " partition%s\n", plan->name, plan->partitions,
           plan->partitions == 1 ? "" : "s");
    return STATUS_OK;
}

static enum status make_or_look(struct job *job, const struct topic_plan *plan, struct error *err)
{
    struct kafka_topic_state state;
    TRY(kafka_topic_state(job->client, plan->name, &state, err));
    return state.exists ? look_at(job, plan, state.partitions, err) : make(job, plan, err);
}

static enum status make_all(struct job *job, const struct topic_plan *plans, uint32_t count,
                            struct error *err)
{
    TRY(kafka_reader_open(job->config, job->config->feed_topic, "topics", &job->client, err));
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++)
        status = make_or_look(job, &plans[i], err);
    kafka_consumer_close(job->client);
    if (status != STATUS_OK)
        return STATUS_FAIL; /* 10 s without an answer is enough for a command */
    if (job->differing == 0)
        return STATUS_OK;
    return error_fail(err, EX_CONFIG, "%" PRIu32 " topic%s not as meant", job->differing,
                      job->differing == 1 ? " is" : "s are");
}

enum status command_config_topics(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    TRY(arguments_parse(&command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    struct config *config = NULL;
    TRY(config_open(options.config, &config, err));
    log_configure(config->log_level, config->log_json);
    struct topic_plan plans[TOPICS_MAX];
    uint32_t count = topics_plan(config, plans);
    for (uint32_t i = 0; options.partitions > 0 && i < count; i++)
        plans[i].partitions = (uint32_t)options.partitions;
    struct job job = {.options = &options, .config = config};
    enum status status = STATUS_OK;
    if (options.create)
        status = make_all(&job, plans, count, err);
    for (uint32_t i = 0; !options.create && i < count; i++)
        topics_write_create(&plans[i], config, (uint32_t)options.replication, stdout);
    config_close(config);
    return status;
}
