/* config.h - the configuration of a process: one YAML file, read at start and again on SIGHUP.
 *
 * One property table (config_table.c) makes the parser, the defaults, the messages, `checkit config
 * show` and the reference (`checkit config reference`). Every fault names file, line and key, and
 * what is allowed (EX_CONFIG). Paths that do not begin with '/' are meant from the folder the file
 * is in.
 */
#ifndef CHECKIT_CONFIG_H
#define CHECKIT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "pipeline/base/log.h"
#include "pipeline/base/status.h"
#include "pipeline/hit.h"
#include "pipeline/limits.h"
#include "pipeline/mapping.h"

enum start_at { START_EARLIEST, START_LATEST, START_TIME };

enum { KAFKA_PROPERTIES_MAX = 128, TOPIC_PROPERTIES_MAX = 256 };

/* A librdkafka property passed through as written. */
struct kafka_property {
    const char *name;
    const char *value;
};

/* The same for one topic. */
struct topic_property {
    const char *topic;
    struct kafka_property property;
    uint32_t line;
};

/* How the bytes of a record tell the schema they were written with. */
enum wire {
    WIRE_CONFLUENT,     /* an id, in a prefix or a header */
    WIRE_SINGLE_OBJECT, /* a fingerprint, in a prefix */
    WIRE_FIXED          /* not at all: it is schema_path for all records */
};

struct input {
    const char *topic;
    enum wire wire;
    const char *schema_path; /* with WIRE_FIXED, else NULL */
    struct mapping mapping;
};

/* Texts live until config_close. */
struct config {
    const char *file; /* as it was named, for messages; NULL: none */
    /* kafka: passed to every client; `bootstrap.servers` is required */
    struct kafka_property kafka[KAFKA_PROPERTIES_MAX];
    uint32_t kafka_lines[KAFKA_PROPERTIES_MAX]; /* where each stands in the file */
    uint32_t kafka_count;
    struct topic_property topics[TOPIC_PROPERTIES_MAX]; /* those of a topic one behind another */
    uint32_t topics_count;
    const char *group;    /* consumer group of the screeners */
    const char *instance; /* name of this process in logs, client ids and transactional ids */
    uint32_t workers;
    uint32_t memory_mb; /* for what Kafka has in flight in both directions */
    enum start_at start;
    int64_t start_time_ms; /* with START_TIME */
    uint32_t commit_interval_ms;
    bool exactly_once;                   /* delivery; `instance` is then the file's own */
    uint32_t transaction_ms;             /* with exactly_once, as is the next */
    const char *transactional_id_prefix; /* NULL: the group */

    struct input inputs[CONSUMED_MAX]; /* the screener may add the heartbeat's behind them */
    uint32_t inputs_count;

    const char *alerts_topic;
    const char *alerts_test_topic; /* of entries flagged TEST */
    const char *receipts_topic;
    const char *dead_letters_topic;
    uint32_t due_s[CLASS_COUNT]; /* an alert's due_by = received_at + this */

    const char *feed_topic;
    uint32_t feed_wait_s;
    bool feed_hold_when_stale; /* when_stale: hold; else screen, alerts marked stale */

    const char *heartbeat_topic;
    uint32_t heartbeat_interval_s; /* 0: off */

    /* What the screener found out before its workers began, not of the file. */
    bool consumes_heartbeat; /* the last input is the heartbeat's */
    bool lacks_alerts_test;  /* the topic does not exist: alerts of TEST entries are not sent */

    const char *store_path;
    const char *store_key_path;
    const char *store_socket; /* where a running process answers; NULL: nowhere */
    const char *identity_key_path;
    const char *schemas_folder;   /* ID.avsc; NULL: schemas_registry has them */
    const char *schemas_registry; /* URLs, separated by commas; NULL: schemas_folder has them */
    const char *schemas_user;
    const char *schemas_password; /* itself: never logged or shown */
    const char *schemas_ca;       /* PEM files; NULL: none */
    const char *schemas_certificate;
    const char *schemas_key;
    bool schemas_register;    /* our own schemas, when they are missing there */
    const char *rules_folder; /* NULL: the data compiled in */

    const char *http_listen; /* address and port of health and metrics; NULL: off */

    enum log_level log_level;
    bool log_json;
};

/* *out is the caller's: config_close. */
enum status config_open(const char *path, struct config **out, struct error *err) MUST_USE;

/* The same from text; name stands for the path, in messages and for relative paths. */
enum status config_parse(const char *name, const char *text, size_t size, struct config **out,
                         struct error *err) MUST_USE;

void config_close(struct config *config);

enum { CONFIG_NAMES_SIZE = 768 };

/* Names of keys, joined by commas; "" for none. */
struct config_changes {
    char taken[CONFIG_NAMES_SIZE];
    char left[CONFIG_NAMES_SIZE]; /* need a restart */
};

/* Takes from fresh what a running process can take (`reloadable` in the table), while other threads
 * read it by config_number and config_switch. Of files named it takes nothing. */
void config_take(struct config *running, const struct config *fresh,
                 struct config_changes *changes);

/* A value of a configuration that config_take may change meanwhile. */
static inline uint32_t config_number(const uint32_t *value)
{
    return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static inline bool config_switch(const bool *value)
{
    return __atomic_load_n(value, __ATOMIC_RELAXED);
}

/* The value of a pass-through property, or NULL. */
const char *config_kafka_property(const struct config *config, const char *name);

/* Whether the name of a client property says that its value is to be kept secret. */
bool config_is_secret(const char *name);

/* Every value as it is in effect, defaults included, as YAML that reads back to the same; what may
 * be a secret is written as "(hidden)". */
void config_write(const struct config *config, FILE *out);

/* The reference, in Markdown: every key with type, unit, default, range and meaning. */
void config_write_reference(FILE *out);

/* The same as a JSON Schema (draft 2020-12), for editors and checks before a roll-out. What keys
 * ask of each other only config_parse knows. */
void config_write_schema(FILE *out);

#endif
