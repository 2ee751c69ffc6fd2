#include "operators/support/kafka_internal.h"
#include "pipeline/base/memory.h"

/* Lets workers that start together join in one round. */
enum { REBALANCE_DELAY_MS = 500, BROKER_ID = 1 };

struct kafka_mock {
    rd_kafka_t *client; /* carries the cluster's thread; sends nothing itself */
    rd_kafka_mock_cluster_t *cluster;
};

static enum status open_carrier(rd_kafka_t **out, struct error *err)
{
    char text[256];
    rd_kafka_conf_t *settings = kafka_new_settings();
    /* Below warnings it only remarks that it has no servers of its own. */
    if (rd_kafka_conf_set(settings, "log_level", "4", text, sizeof text) == RD_KAFKA_CONF_OK)
        return kafka_client_open(RD_KAFKA_PRODUCER, settings, out, err);
    rd_kafka_conf_destroy(settings);
    return error_fail(err, EX_SOFTWARE, "kafka: embedded broker: %s", text);
}

enum status kafka_mock_open(struct kafka_mock **out, struct error *err)
{
    rd_kafka_t *client = NULL;
    TRY(open_carrier(&client, err));
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(client, 1);
    if (!cluster) {
        rd_kafka_destroy(client);
        return error_fail(err, EX_SOFTWARE, "kafka: embedded broker: cannot listen on 127.0.0.1");
    }
    rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, REBALANCE_DELAY_MS);
    /* Descriptions of topics are asked of the controller. */
    rd_kafka_mock_set_controller_id(cluster, BROKER_ID);
    struct kafka_mock *mock = memory_new(1, sizeof *mock);
    mock->client = client;
    mock->cluster = cluster;
    *out = mock;
    return STATUS_OK;
}

void kafka_mock_close(struct kafka_mock *mock)
{
    if (!mock)
        return;
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->client);
    memory_free(mock);
}

const char *kafka_mock_bootstrap(const struct kafka_mock *mock)
{
    return rd_kafka_mock_cluster_bootstraps(mock->cluster);
}

enum status kafka_mock_topic(struct kafka_mock *mock, const char *topic, uint32_t partitions,
                             struct error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(mock->cluster, topic, (int)partitions, 1);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_fail(err, EX_SOFTWARE, "kafka: embedded broker: topic %s: %s", topic,
                          rd_kafka_err2str(code));
    return STATUS_OK;
}

rd_kafka_mock_cluster_t *kafka_mock_cluster(const struct kafka_mock *mock)
{
    return mock->cluster;
}
