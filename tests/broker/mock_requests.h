/* mock_requests.h - what the embedded broker was asked, since rd_kafka_mock_start_request_tracking:
 * for tests that wait until a client has come so far. */
#ifndef CHECKIT_TESTS_MOCK_REQUESTS_H
#define CHECKIT_TESTS_MOCK_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "operators/support/kafka_internal.h"

static inline bool mock_was_asked(rd_kafka_mock_cluster_t *cluster, int16_t api)
{
    size_t count = 0;
    bool was = false;
    rd_kafka_mock_request_t **requests = rd_kafka_mock_get_requests(cluster, &count);
    for (size_t i = 0; i < count; i++)
        was = was || rd_kafka_mock_request_api_key(requests[i]) == api;
    rd_kafka_mock_request_destroy_array(requests, count);
    return was;
}

#endif
