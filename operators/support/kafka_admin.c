#include <stdio.h>
#include <string.h>

#include "operators/support/kafka_internal.h"

enum { ANSWER_MS = 10000, REASON_SIZE = 512 };

/* --- one question and its answer --- */

/* An admin call under way. */
struct question {
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *answer; /* NULL: none in time */
};

static struct question question_open(struct kafka_consumer *consumer, rd_kafka_admin_op_t operation)
{
    char reason[REASON_SIZE];
    struct question question = {
        .options = rd_kafka_AdminOptions_new(consumer->client, operation),
        .queue = rd_kafka_queue_new(consumer->client),
    };
    (void)rd_kafka_AdminOptions_set_request_timeout(question.options, ANSWER_MS, reason,
                                                    sizeof reason);
    return question;
}

static void question_close(struct question *question)
{
    if (question->answer)
        rd_kafka_event_destroy(question->answer);
    rd_kafka_queue_destroy(question->queue);
    rd_kafka_AdminOptions_destroy(question->options);
}

/* Of the whole call. */
static rd_kafka_resp_err_t wait_for_answer(struct question *question)
{
    question->answer = rd_kafka_queue_poll(question->queue, ANSWER_MS + 1000);
    return question->answer ? rd_kafka_event_error(question->answer) : RD_KAFKA_RESP_ERR__TIMED_OUT;
}

/* --- rights --- */

/* None where operations is NULL: the broker did not say. */
static uint32_t rights_of(const rd_kafka_AclOperation_t *operations, size_t count)
{
    uint32_t rights = 0;
    for (size_t i = 0; operations && i < count; i++) {
        bool is_all = operations[i] == RD_KAFKA_ACL_OPERATION_ALL;
        if (is_all || operations[i] == RD_KAFKA_ACL_OPERATION_READ)
            rights |= KAFKA_MAY_READ;
        if (is_all || operations[i] == RD_KAFKA_ACL_OPERATION_WRITE)
            rights |= KAFKA_MAY_WRITE;
        if (is_all || operations[i] == RD_KAFKA_ACL_OPERATION_DESCRIBE)
            rights |= KAFKA_MAY_DESCRIBE;
    }
    return rights;
}

/* --- a topic as it is --- */

static void take_description(const rd_kafka_TopicDescription_t *description,
                             struct kafka_topic_state *out)
{
    size_t partitions_count = 0;
    size_t replicas_count = 0;
    size_t operations_count = 0;
    const rd_kafka_TopicPartitionInfo_t **partitions =
        rd_kafka_TopicDescription_partitions(description, &partitions_count);
    if (partitions_count > 0)
        (void)rd_kafka_TopicPartitionInfo_replicas(partitions[0], &replicas_count);
    const rd_kafka_AclOperation_t *operations =
        rd_kafka_TopicDescription_authorized_operations(description, &operations_count);
    *out = (struct kafka_topic_state){
        .exists = true,
        .partitions = (uint32_t)partitions_count,
        .replicas = (uint32_t)replicas_count,
        .is_rights_told = operations != NULL,
        .rights = rights_of(operations, operations_count),
    };
}

static enum status take_state(const struct question *question, const char *topic,
                              struct kafka_topic_state *out, struct error *err)
{
    size_t count = 0;
    const rd_kafka_TopicDescription_t **descriptions = rd_kafka_DescribeTopics_result_topics(
        rd_kafka_event_DescribeTopics_result(question->answer), &count);
    if (count == 0)
        return STATUS_OK;
    rd_kafka_resp_err_t code =
        rd_kafka_error_code(rd_kafka_TopicDescription_error(descriptions[0]));
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        return STATUS_OK;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_call_failed(err, code, topic);
    take_description(descriptions[0], out);
    return STATUS_OK;
}

enum status kafka_topic_state(struct kafka_consumer *consumer, const char *topic,
                              struct kafka_topic_state *out, struct error *err)
{
    *out = (struct kafka_topic_state){0};
    struct question question = question_open(consumer, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
    rd_kafka_TopicCollection_t *asked = rd_kafka_TopicCollection_of_topic_names(&topic, 1);
    rd_kafka_resp_err_t code = kafka_take_code(
        rd_kafka_AdminOptions_set_include_authorized_operations(question.options, 1));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_DescribeTopics(consumer->client, asked, question.options, question.queue);
        code = wait_for_answer(&question);
    }
    enum status status = code == RD_KAFKA_RESP_ERR_NO_ERROR ? take_state(&question, topic, out, err)
                                                            : kafka_call_failed(err, code, topic);
    rd_kafka_TopicCollection_destroy(asked);
    question_close(&question);
    return status;
}

/* --- its settings --- */

static void take_settings(const rd_kafka_ConfigResource_t *resource, struct kafka_setting *settings,
                          uint32_t count)
{
    size_t entries_count = 0;
    const rd_kafka_ConfigEntry_t **entries =
        rd_kafka_ConfigResource_configs(resource, &entries_count);
    for (size_t i = 0; i < entries_count; i++)
        for (uint32_t k = 0; k < count; k++) {
            const char *value = rd_kafka_ConfigEntry_value(entries[i]);
            if (value && strcmp(rd_kafka_ConfigEntry_name(entries[i]), settings[k].name) == 0)
                (void)snprintf(settings[k].value, sizeof settings[k].value, "%s", value);
        }
}

/* Not told, for want of the right or since the broker cannot, is no failure. */
static bool is_not_told(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE ||
           code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

enum status kafka_topic_settings(struct kafka_consumer *consumer, const char *topic,
                                 struct kafka_setting *settings, uint32_t count, struct error *err)
{
    for (uint32_t i = 0; i < count; i++)
        settings[i].value[0] = 0;
    struct question question = question_open(consumer, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_ConfigResource_t *asked = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_DescribeConfigs(consumer->client, &asked, 1, question.options, question.queue);
    rd_kafka_resp_err_t code = wait_for_answer(&question);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        size_t resources_count = 0;
        const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(question.answer), &resources_count);
        if (resources_count > 0)
            code = rd_kafka_ConfigResource_error(resources[0]);
        if (resources_count > 0 && code == RD_KAFKA_RESP_ERR_NO_ERROR)
            take_settings(resources[0], settings, count);
    }
    rd_kafka_ConfigResource_destroy(asked);
    question_close(&question);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || is_not_told(code))
        return STATUS_OK;
    return kafka_call_failed(err, code, topic);
}

/* --- a new topic --- */

static enum status fill_new_topic(rd_kafka_NewTopic_t *made, const struct kafka_new_topic *topic,
                                  struct error *err)
{
    for (uint32_t i = 0; i < topic->settings_count; i++) {
        const struct kafka_property *setting = &topic->settings[i];
        rd_kafka_resp_err_t code =
            rd_kafka_NewTopic_set_config(made, setting->name, setting->value);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            return kafka_call_failed(err, code, setting->name);
    }
    return STATUS_OK;
}

/* Why the broker made no such topic, in its own words. */
static enum status take_result(const struct question *question, const char *topic, bool *is_made,
                               struct error *err)
{
    size_t count = 0;
    const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(question->answer), &count);
    rd_kafka_resp_err_t code =
        count > 0 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__FAIL;
    *is_made = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (*is_made || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return STATUS_OK;
    const char *reason = count > 0 ? rd_kafka_topic_result_error_string(results[0]) : NULL;
    return error_fail(err, EX_UNAVAILABLE, "topic %s cannot be created: %s", topic,
                      reason ? reason : rd_kafka_err2str(code));
}

enum status kafka_create_topic(struct kafka_consumer *consumer, const struct kafka_new_topic *topic,
                               bool *is_made, struct error *err)
{
    char reason[REASON_SIZE];
    *is_made = false;
    int replicas = topic->replicas > 0 ? (int)topic->replicas : -1;
    rd_kafka_NewTopic_t *made =
        rd_kafka_NewTopic_new(topic->name, (int)topic->partitions, replicas, reason, sizeof reason);
    if (!made)
        return error_fail(err, EX_CONFIG, "topic %s cannot be created: %s", topic->name, reason);
    struct question question = question_open(consumer, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    enum status status = fill_new_topic(made, topic, err);
    if (status == STATUS_OK) {
        rd_kafka_CreateTopics(consumer->client, &made, 1, question.options, question.queue);
        rd_kafka_resp_err_t code = wait_for_answer(&question);
        status = code == RD_KAFKA_RESP_ERR_NO_ERROR
                     ? take_result(&question, topic->name, is_made, err)
                     : kafka_call_failed(err, code, topic->name);
    }
    question_close(&question);
    rd_kafka_NewTopic_destroy(made);
    return status;
}

/* --- the group --- */

static rd_kafka_resp_err_t take_group(const struct question *question, bool *is_told,
                                      uint32_t *rights)
{
    size_t count = 0;
    size_t operations_count = 0;
    const rd_kafka_ConsumerGroupDescription_t **groups =
        rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(question->answer), &count);
    if (count == 0)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code =
        rd_kafka_error_code(rd_kafka_ConsumerGroupDescription_error(groups[0]));
    if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
        *is_told = true; /* that we may not even look */
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    const rd_kafka_AclOperation_t *operations =
        rd_kafka_ConsumerGroupDescription_authorized_operations(groups[0], &operations_count);
    *is_told = operations != NULL;
    *rights = rights_of(operations, operations_count);
    return code;
}

enum status kafka_group_rights(struct kafka_consumer *consumer, const char *group, bool *is_told,
                               uint32_t *rights, struct error *err)
{
    *is_told = false;
    *rights = 0;
    struct question question = question_open(consumer, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    rd_kafka_resp_err_t code = kafka_take_code(
        rd_kafka_AdminOptions_set_include_authorized_operations(question.options, 1));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_DescribeConsumerGroups(consumer->client, &group, 1, question.options,
                                        question.queue);
        code = wait_for_answer(&question);
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = take_group(&question, is_told, rights);
    question_close(&question);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || is_not_told(code))
        return STATUS_OK;
    return kafka_call_failed(err, code, group);
}
