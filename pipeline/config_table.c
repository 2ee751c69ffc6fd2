#include "pipeline/config_table.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/config.h"

/* --- fallbacks that depend on the machine --------------------------------------------------- */

static void host_name(char *out, size_t size)
{
    if (gethostname(out, size) != 0 || !out[0])
        (void)snprintf(out, size, "checkit");
    out[size - 1] = 0;
}

/* The CPUs this process may run on, which a container may have fewer of than its machine. */
static void usable_cpus(char *out, size_t size)
{
    cpu_set_t set;
    long count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                             : sysconf(_SC_NPROCESSORS_ONLN);
    if (count < 1)
        count = 1;
    (void)snprintf(out, size, "%ld", count < WORKERS_MAX ? count : (long)WORKERS_MAX);
}

/* --- the table ------------------------------------------------------------------------------ */

enum {
    DAY_S = 24 * 60 * 60,
    DUE_S_MAX = 30 * DAY_S,
    MEMORY_MB_MIN = 64,
    MEMORY_MB_MAX = 65536,
    COMMIT_INTERVAL_MS_MIN = 100,
    COMMIT_INTERVAL_MS_MAX = 60000,
    TRANSACTION_MS_MIN = 10,
    TRANSACTION_MS_MAX = 5000
};

#define TOP(member) .scope = CONFIG_SCOPE_TOP, .offset = offsetof(struct config, member)
#define INPUT(member) .scope = CONFIG_SCOPE_INPUT, .offset = offsetof(struct input, member)
#define DOCUMENT(member)                                                                           \
    .scope = CONFIG_SCOPE_DOCUMENT, .offset = offsetof(struct document_mapping, member)

const struct config_property config_properties[] = {
    {.scope = CONFIG_SCOPE_TOP,
     .name = "kafka",
     .type = CONFIG_KAFKA,
     .required = true,
     .help = "librdkafka properties, `name: value`, passed to every client as they are written; "
             "`bootstrap.servers` is required. A value `file:PATH` or `env:NAME` is read from "
             "there"},
    {TOP(group), .name = "group", .type = CONFIG_TEXT, .fallback = "checkit",
     .help = "consumer group that all screening processes share"},
    {TOP(instance), .name = "instance", .type = CONFIG_TEXT, .fallback = "the host name",
     .fallback_now = host_name,
     .help = "name of this process in logs, client ids and, with `delivery: exactly_once`, which "
             "needs it configured, transactional ids"},
    {TOP(workers), .name = "workers", .type = CONFIG_NUMBER, .min = 1, .max = WORKERS_MAX,
     .fallback = "the number of CPUs", .fallback_now = usable_cpus, .unit = "threads",
     .help = "how many lines of steps run side by side, each with a consumer and a producer"},
    {TOP(memory_mb), .name = "memory_mb", .type = CONFIG_NUMBER, .min = MEMORY_MB_MIN,
     .max = MEMORY_MB_MAX, .fallback = "256", .unit = "MB",
     .help = "for what Kafka has in flight in both directions, all workers together; the list "
             "comes on top"},
    {TOP(start), .name = "start", .type = CONFIG_START, .fallback = "earliest",
     .help = "where a partition begins for which the group has committed nothing"},
    {TOP(commit_interval_ms), .name = "commit_interval_ms", .type = CONFIG_NUMBER,
     .min = COMMIT_INTERVAL_MS_MIN, .max = COMMIT_INTERVAL_MS_MAX, .fallback = "1000", .unit = "ms",
     .reloadable = true, .help = "how often positions are committed and receipts written"},
    {TOP(exactly_once), .name = "delivery", .type = CONFIG_SWITCH,
     .choices = "at_least_once|exactly_once", .fallback = "at_least_once",
     .help = "at_least_once: alerts go out at once, and after a failure some may come again. "
             "exactly_once: alerts, receipts, dead letters and positions go out together, in "
             "transactions; who reads committed messages alone sees each once"},
    {TOP(transaction_ms), .name = "transaction_ms", .type = CONFIG_NUMBER,
     .min = TRANSACTION_MS_MIN, .max = TRANSACTION_MS_MAX, .fallback = "200", .unit = "ms",
     .reloadable = true,
     .help = "with `delivery: exactly_once`, how long an alert waits at most for others of its "
             "transaction; without alerts one is made each `commit_interval_ms`"},
    {TOP(transactional_id_prefix), .name = "transactional_id_prefix", .type = CONFIG_TEXT,
     .help = "with `delivery: exactly_once`, what transactional ids begin with: "
             "PREFIX-INSTANCE-WORKER, which no other process of the cluster may have. Without it "
             "the value of `group`"},

    {.scope = CONFIG_SCOPE_TOP,
     .name = "inputs",
     .type = CONFIG_INPUTS,
     .required = true,
     .help = "the topics to screen, at most 64: a list, see [One of `inputs`](#one-of-inputs)"},

    {.scope = CONFIG_SCOPE_TOP,
     .name = "topics",
     .type = CONFIG_TOPICS,
     .help = "librdkafka's properties of single topics, such as `compression.type`, for topics "
             "that stand elsewhere in this file: `topic: {property: value}`"},

    {TOP(alerts_topic), .group = "outputs", .name = "alerts", .type = CONFIG_TOPIC,
     .fallback = "alerts", .help = "topic of alerts"},
    {TOP(alerts_test_topic), .group = "outputs", .name = "alerts_test", .type = CONFIG_TOPIC,
     .fallback = "alerts.test",
     .help = "topic of alerts on entries flagged TEST, which go nowhere else; without it they are "
             "not sent"},
    {TOP(receipts_topic), .group = "outputs", .name = "receipts", .type = CONFIG_TOPIC,
     .fallback = "receipts",
     .help = "topic of receipts: what was screened, against which state of the list"},
    {TOP(dead_letters_topic), .group = "outputs", .name = "dead_letters", .type = CONFIG_TOPIC,
     .fallback = "dead-letters", .help = "topic of records that could not be read"},
    {TOP(due_s[CLASS_PAGE]), .group = "outputs", .name = "due_page_s", .type = CONFIG_NUMBER,
     .min = 1, .max = DUE_S_MAX, .fallback = "60", .unit = "s", .reloadable = true,
     .help = "an alert of class PAGE is due this long after its record was received (`due_by`)"},
    {TOP(due_s[CLASS_REVIEW]), .group = "outputs", .name = "due_review_s", .type = CONFIG_NUMBER,
     .min = 1, .max = DUE_S_MAX, .fallback = "86400", .unit = "s", .reloadable = true,
     .help = "the same for class REVIEW"},

    {TOP(feed_topic), .group = "feed", .name = "topic", .type = CONFIG_TOPIC,
     .fallback = "document-changes", .help = "topic of changes to the list; compacted"},
    {TOP(feed_wait_s), .group = "feed", .name = "wait_s", .type = CONFIG_NUMBER, .min = 0,
     .max = DAY_S, .fallback = "60", .unit = "s", .reloadable = true,
     .help = "how long to wait at start for a feed that cannot be reached, before screening with "
             "the list as it is and alerts marked stale"},
    {TOP(feed_hold_when_stale), .group = "feed", .name = "when_stale", .type = CONFIG_SWITCH,
     .choices = "screen|hold", .fallback = "screen", .reloadable = true,
     .help = "after `wait_s`: screen, or hold all records until the feed is reached"},

    {TOP(heartbeat_topic), .group = "heartbeat", .name = "topic", .type = CONFIG_TOPIC,
     .fallback = "heartbeat",
     .help = "topic of our own events, screened like an input: each proves the whole way up to its "
             "alert in `outputs.alerts_test` (`checkit feed --test-entry` lists their document)"},
    {TOP(heartbeat_interval_s), .group = "heartbeat", .name = "interval_s", .type = CONFIG_NUMBER,
     .min = 0, .max = DAY_S, .fallback = "60", .unit = "s",
     .help = "how often this process sends one; 0: never, and others' are not screened either"},

    {TOP(store_path), .group = "store", .name = "path", .type = CONFIG_FILE, .required = true,
     .help = "folder of the list on disk, one a process; made when it is not there"},
    {TOP(store_key_path), .group = "store", .name = "key", .type = CONFIG_FILE, .required = true,
     .help = "file of the store key (`checkit key new`); seals the list on disk"},
    {TOP(store_socket), .group = "store", .name = "socket", .type = CONFIG_FILE,
     .help = "Unix socket, mode 0600, at which a running process answers `checkit list`; at most "
             "107 bytes. Without it `store.path` with `.sock` behind it"},
    {TOP(identity_key_path), .name = "identity_key", .type = CONFIG_FILE, .required = true,
     .help = "file of the identity key (`checkit key new`); the same for all processes, or the "
             "ids of alerts differ between them"},

    {TOP(schemas_folder), .group = "schemas", .name = "folder", .type = CONFIG_FILE,
     .help = "folder of Avro schemas by id, `ID.avsc`; `checkit schemas` writes ours. Either this "
             "or `schemas.registry`; both with `wire: single_object`, whose schemas are here, by "
             "fingerprint"},
    {TOP(schemas_registry), .group = "schemas", .name = "registry", .type = CONFIG_URLS,
     .help = "schema registry with Confluent's API, path included; of several URLs one that "
             "answers is asked. Proxies are those of the environment (`https_proxy`, `no_proxy`)"},
    {TOP(schemas_user), .group = "schemas", .name = "user", .type = CONFIG_TEXT,
     .help = "user at the registry (HTTP basic authentication)"},
    {TOP(schemas_password), .group = "schemas", .name = "password", .type = CONFIG_SECRET,
     .help = "that user's password; never logged or shown"},
    {TOP(schemas_ca), .group = "schemas", .name = "ca", .type = CONFIG_FILE,
     .help = "PEM file of the authorities that may vouch for the registry, instead of the "
             "system's"},
    {TOP(schemas_certificate), .group = "schemas", .name = "certificate", .type = CONFIG_FILE,
     .help = "PEM file of the certificate shown to the registry"},
    {TOP(schemas_key), .group = "schemas", .name = "key", .type = CONFIG_FILE,
     .help = "PEM file of that certificate's private key"},
    {TOP(schemas_register), .group = "schemas", .name = "register", .type = CONFIG_SWITCH,
     .choices = "false|true", .fallback = "false",
     .help = "whether our schemas are registered, under `TOPIC-value`, when the registry does not "
             "have them and they are compatible there; else they must be there at start"},
    {TOP(rules_folder), .group = "rules", .name = "folder", .type = CONFIG_FILE, .reloadable = true,
     .help = "folder of rule data that replaces what is built in: the four files of "
             "`config/rules`"},

    {TOP(http_listen), .group = "http", .name = "listen", .type = CONFIG_LISTEN,
     .fallback = "127.0.0.1:10644",
     .help = "where `/livez`, `/readyz` and `/metrics` are answered, without TLS and to whoever "
             "can connect; 0.0.0.0 or [::] is every address of the machine, port 0 any that is "
             "free"},

    {TOP(log_level), .group = "log", .name = "level", .type = CONFIG_CHOICE,
     .choices = "debug|info|warn|error", .fallback = "info", .reloadable = true,
     .help = "lowest level written"},
    {TOP(log_json), .group = "log", .name = "format", .type = CONFIG_SWITCH,
     .choices = "logfmt|json", .fallback = "logfmt", .reloadable = true,
     .help = "how a line is written"},

    {INPUT(topic), .name = "topic", .type = CONFIG_TOPIC, .required = true,
     .help = "the topic to read"},
    {INPUT(wire), .name = "wire", .type = CONFIG_CHOICE, .choices = "confluent|single_object|fixed",
     .fallback = "confluent",
     .help =
         "how a record names its writer's schema: by an id (prefix, or header "
         "`__value_schema_id`), by the fingerprint of Avro's single-object encoding (the schema "
         "is then in `schemas.folder`), or not at all: it is `schema` for all of them"},
    {INPUT(schema_path), .name = "schema", .type = CONFIG_FILE,
     .help = "with `wire: fixed`, the Avro schema all records of this topic are written with"},
    {INPUT(mapping), .name = "preset", .type = CONFIG_PRESET, .choices = "booking|banking",
     .help = "takes the field paths of `schemas/BookingEvent.avsc` or `BankingEvent.avsc`; what "
             "stands beside it wins"},
    {INPUT(mapping.partner_fixed), .name = "partner", .type = CONFIG_TEXT,
     .help = "the partner all records of this topic come from; beats what they say"},
    {INPUT(mapping.sector_fixed), .name = "sector", .type = CONFIG_WORD,
     .choices = "AIR|SEA|RAIL|HOTEL|BANKING|OTHER",
     .help = "the line of business of all records of this topic; beats what they say"},
    {INPUT(mapping), .name = "documents", .type = CONFIG_DOCUMENTS,
     .help = "where documents stand: a list of at most 16, see [One of "
             "`documents`](#one-of-documents); required without a preset, else replaces its list"},
    {INPUT(mapping.event_id), .group = "event", .name = "id", .type = CONFIG_FIELD,
     .help = "the event's id at its partner"},
    {INPUT(mapping.event_time), .group = "event", .name = "time", .type = CONFIG_FIELD,
     .help = "when it happened: timestamp-millis, timestamp-micros, date or ISO text"},
    {INPUT(mapping.partner), .group = "event", .name = "partner", .type = CONFIG_FIELD,
     .help = "who sent it"},
    {INPUT(mapping.journey), .group = "event", .name = "journey", .type = CONFIG_FIELD,
     .help = "what all events of one journey or customer share; alerts merge by it"},
    {INPUT(mapping.sector), .group = "event", .name = "sector", .type = CONFIG_FIELD,
     .help = "line of business"},
    {INPUT(mapping.stage), .group = "event", .name = "stage", .type = CONFIG_FIELD,
     .help = "step of the journey"},
    {INPUT(mapping.place), .group = "event", .name = "place", .type = CONFIG_FIELD,
     .help = "where it happened"},

    {DOCUMENT(path), .name = "path", .type = CONFIG_ROOT, .required = true,
     .help = "from the record to each document; `\"\"` when the record itself is the document"},
    {DOCUMENT(number), .name = "number", .type = CONFIG_ROOT, .required = true,
     .help = "the document's number, from where `path` ends, as the other three; `\"\"` when the "
             "number itself stands there. String, bytes, fixed or enum"},
    {DOCUMENT(issuer), .name = "issuer", .type = CONFIG_FIELD,
     .help = "issuing country or organisation"},
    {DOCUMENT(type), .name = "type", .type = CONFIG_FIELD,
     .help = "PASSPORT, ID_CARD and so on, or an ICAO document code"},
    {DOCUMENT(nationality), .name = "nationality", .type = CONFIG_FIELD,
     .help = "nationality as the document states it"},
    {DOCUMENT(number_width), .name = "number_width", .type = CONFIG_NUMBER, .min = 1,
     .max = NUMBER_SIZE_MAX, .unit = "characters",
     .help = "where the number is an integer: padded with zeros to this width; without it such a "
             "schema is refused, since leading zeros are lost"},
};

const size_t config_properties_count = sizeof config_properties / sizeof *config_properties;

/* --- helpers of all who walk it ------------------------------------------------------------- */

bool config_is_secret(const char *name)
{
    static const char *const words[] = {"password", "passphrase",         "secret",
                                        "key.pem",  "oauthbearer.config", "jaas"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(name, words[i]))
            return true;
    return false;
}

bool config_choice(const char *choices, uint32_t index, char *out, size_t size)
{
    for (; index > 0; index--) {
        choices = strchr(choices, '|');
        if (!choices)
            return false;
        choices++;
    }
    (void)snprintf(out, size, "%.*s", (int)strcspn(choices, "|"), choices);
    return true;
}
