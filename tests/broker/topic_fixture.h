/* topic_fixture.h - for tests of commands that read one of our topics: an embedded broker, a folder
 * with a configuration and the contract, and a producer. */
#ifndef CHECKIT_TESTS_TOPIC_FIXTURE_H
#define CHECKIT_TESTS_TOPIC_FIXTURE_H

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "operators/support/kafka.h"
#include "pipeline/base/assets.h"
#include "tests/unit/temp_folder.h"

enum { PATIENCE_MS = 30000 }; /* only a failing test waits so long */

static struct temp_folder folder;
static struct kafka_mock *mock;
static struct config *config;
static struct kafka_producer *producer;

static inline void write_file(const char *name, struct bytes text)
{
    char path[TEMP_PATH_SIZE];
    FILE *file = fopen(temp_path(&folder, name, path), "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text.data, 1, text.size, file), text.size);
    cr_assert_eq(fclose(file), 0);
}

static inline void on_report(void *state, enum kafka_delivery delivery, uint64_t opaque,
                             const char *reason)
{
    (void)state;
    (void)opaque;
    cr_assert_eq(delivery, KAFKA_DELIVERED, "%s", reason);
}

/* contract: stands in the folder of schemas as `file`. */
static inline void open_site(const char *topic, uint32_t partitions, const char *file,
                             const char *contract)
{
    struct error err = {0};
    char path[TEMP_PATH_SIZE];
    char text[1024];
    cr_redirect_stdout(); /* closes it for a moment: no thread may open a socket just then */
    folder = temp_folder_make();
    cr_assert_eq(kafka_mock_open(&mock, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_mock_topic(mock, topic, partitions, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(mkdir(temp_path(&folder, "schemas", path), 0700), 0);
    (void)snprintf(text, sizeof text, "schemas/%s", file);
    write_file(text, assets_find(contract));
    (void)snprintf(text, sizeof text,
                   "kafka: {bootstrap.servers: '%s', fetch.wait.max.ms: 50}\n"
                   "inputs: [{topic: bookings, preset: booking}]\n"
                   "store: {path: store, key: store.key}\n"
                   "identity_key: identity.key\n"
                   "schemas: {folder: schemas}\n"
                   "log: {level: error}\n",
                   kafka_mock_bootstrap(mock));
    write_file("checkit.yaml", bytes_of_text(text));
    cr_assert_eq(config_open(temp_path(&folder, "checkit.yaml", path), &config, &err), STATUS_OK,
                 "%s", err.text);
    const struct kafka_reports reports = {NULL, on_report};
    cr_assert_eq(kafka_producer_open(config, "test", &reports, &producer, &err), STATUS_OK, "%s",
                 err.text);
}

static inline void close_site(void)
{
    kafka_producer_close(producer);
    config_close(config);
    kafka_mock_close(mock);
    temp_folder_remove(&folder);
}

static inline void put(const char *topic, struct bytes payload, int32_t partition)
{
    struct error err = {0};
    const struct kafka_message message = {
        .topic = topic, .payload = payload, .partition = partition};
    cr_assert_eq(kafka_produce(producer, &message, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_flush(producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
}

/* What was printed, as far as it fits. */
static inline const char *printed(void)
{
    static char text[16384];
    (void)fflush(stdout);
    FILE *file = cr_get_redirected_stdout();
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = 0;
    return text;
}

static inline uint32_t count_of(const char *text, const char *what)
{
    uint32_t count = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
        count++;
    return count;
}

#endif
