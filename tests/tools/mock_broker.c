/* mock_broker: the embedded broker (librdkafka's mock cluster) as a process of its own, for tests
 * that run the program itself. It prints where it listens, then takes commands, a line each, and
 * answers each with a line; it ends with its standard input.
 *
 *     topic NAME PARTITIONS     creates a topic
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operators/support/kafka_internal.h"

/* Workers that start together join in one round, on a busy machine too: for who comes later all
 * wait for the session's timeout, and what they screened meanwhile is not committed. */
enum { REBALANCE_DELAY_MS = 2000 };

static bool run_command(struct kafka_mock *mock, const char *line)
{
    char name[256];
    uint32_t partitions;
    struct error err = {0};
    if (sscanf(line, "topic %255s %" SCNu32, name, &partitions) == 2 &&
        kafka_mock_topic(mock, name, partitions, &err) == STATUS_OK) {
        (void)printf("ok\n");
        return true;
    }
    (void)printf("%s\n", err.text[0] ? err.text : "not understood");
    return false;
}

int main(void)
{
    struct kafka_mock *mock = NULL;
    struct error err = {0};
    if (kafka_mock_open(&mock, &err) != STATUS_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        return EXIT_FAILURE;
    }
    rd_kafka_mock_group_initial_rebalance_delay_ms(kafka_mock_cluster(mock), REBALANCE_DELAY_MS);
    (void)printf("%s\n", kafka_mock_bootstrap(mock));
    (void)fflush(stdout);
    char line[512];
    bool is_good = true;
    while (is_good && fgets(line, sizeof line, stdin)) {
        is_good = run_command(mock, line);
        (void)fflush(stdout);
    }
    kafka_mock_close(mock);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
