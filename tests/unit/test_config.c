/* The configuration: every key, every limit, and what each fault says. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/base/memory.h"
#include "pipeline/config.h"
#include "pipeline/config_table.h"
#include "pipeline/config_tree.h"

#define KAFKA "kafka: {bootstrap.servers: 'b:9092'}\n"
#define INPUTS "inputs: [{topic: t, preset: booking}]\n"
#define STORE "store: {path: s, key: k}\n"
#define KEYS "identity_key: i\nschemas: {folder: f}\n"
#define MINIMAL KAFKA INPUTS STORE KEYS

enum { TEXT_SIZE = 256 * 1024 };

static struct config *parse(const char *text)
{
    struct config *config = NULL;
    struct error err = {0};
    enum status status = config_parse("f.yaml", text, strlen(text), &config, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    return config;
}

static struct error refuse_bytes(const char *text, size_t size)
{
    struct config *config = NULL;
    struct error err = {0};
    cr_assert_eq(config_parse("f.yaml", text, size, &config, &err), STATUS_FAIL, "%.200s", text);
    cr_assert_null(config);
    cr_assert_eq(err.exit_code, EX_CONFIG);
    return err;
}

static void expect_fault(const char *text, const char *fault)
{
    struct error err = refuse_bytes(text, strlen(text));
    cr_assert_str_eq(err.text, fault);
}

static char *text_of(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    config_write(config, out);
    cr_assert_eq(fclose(out), 0);
    return text;
}

/* --- values --------------------------------------------------------------------------------- */

Test(config, minimal_has_every_default)
{
    struct config *config = parse(MINIMAL);
    char host[256] = "";
    (void)gethostname(host, sizeof host);
    cr_assert_str_eq(config->group, "checkit");
    cr_assert_str_eq(config->instance, host);
    cr_assert_geq(config->workers, 1);
    cr_assert_leq(config->workers, WORKERS_MAX);
    cr_assert_eq(config->memory_mb, 256);
    cr_assert_eq(config->start, START_EARLIEST);
    cr_assert_eq(config->commit_interval_ms, 1000);
    cr_assert_not(config->exactly_once);
    cr_assert_eq(config->transaction_ms, 200);
    cr_assert_null(config->transactional_id_prefix);
    cr_assert_str_eq(config->alerts_topic, "alerts");
    cr_assert_str_eq(config->alerts_test_topic, "alerts.test");
    cr_assert_str_eq(config->heartbeat_topic, "heartbeat");
    cr_assert_eq(config->heartbeat_interval_s, 60);
    cr_assert_str_eq(config->receipts_topic, "receipts");
    cr_assert_str_eq(config->dead_letters_topic, "dead-letters");
    cr_assert_eq(config->due_s[CLASS_PAGE], 60);
    cr_assert_eq(config->due_s[CLASS_REVIEW], 86400);
    cr_assert_str_eq(config->feed_topic, "document-changes");
    cr_assert_eq(config->feed_wait_s, 60);
    cr_assert_not(config->feed_hold_when_stale);
    cr_assert_null(config->rules_folder);
    cr_assert_str_eq(config->http_listen, "127.0.0.1:10644");
    size_t path_size = strlen(config->store_path);
    cr_assert_eq(strncmp(config->store_socket, config->store_path, path_size), 0);
    cr_assert_str_eq(config->store_socket + path_size, ".sock");
    cr_assert_eq(config->log_level, LOG_LEVEL_INFO);
    cr_assert_not(config->log_json);
    config_close(config);
}

Test(config, every_key_is_read)
{
    struct config *config = parse(
        "kafka:\n"
        "  bootstrap.servers: b:9092\n"
        "  fetch.max.bytes: 1000\n"
        "  ssl.key.pem: \"a\\nb\"\n"
        "group: g\ninstance: n\nworkers: 3\nmemory_mb: 512\n"
        "start: latest\ncommit_interval_ms: 200\n"
        "delivery: exactly_once\ntransaction_ms: 50\ntransactional_id_prefix: x\n" INPUTS
        "outputs: {alerts: a, receipts: r, dead_letters: d, "
        "due_page_s: 5, due_review_s: 6}\n"
        "feed: {topic: c, wait_s: 0, when_stale: hold}\n" STORE KEYS
        "rules: {folder: /r}\nhttp: {listen: '[::1]:80'}\nlog: {level: error, format: json}\n");
    cr_assert_eq(config->kafka_count, 3);
    cr_assert_str_eq(config_kafka_property(config, "fetch.max.bytes"), "1000");
    cr_assert_str_eq(config_kafka_property(config, "ssl.key.pem"), "a\nb");
    cr_assert_null(config_kafka_property(config, "fetch.max"));
    cr_assert_str_eq(config->group, "g");
    cr_assert_str_eq(config->instance, "n");
    cr_assert_eq(config->workers, 3);
    cr_assert_eq(config->memory_mb, 512);
    cr_assert_eq(config->start, START_LATEST);
    cr_assert_eq(config->commit_interval_ms, 200);
    cr_assert(config->exactly_once);
    cr_assert_eq(config->transaction_ms, 50);
    cr_assert_str_eq(config->transactional_id_prefix, "x");
    cr_assert_str_eq(config->alerts_topic, "a");
    cr_assert_str_eq(config->receipts_topic, "r");
    cr_assert_str_eq(config->dead_letters_topic, "d");
    cr_assert_eq(config->due_s[CLASS_PAGE], 5);
    cr_assert_eq(config->due_s[CLASS_REVIEW], 6);
    cr_assert_str_eq(config->feed_topic, "c");
    cr_assert_eq(config->feed_wait_s, 0);
    cr_assert(config->feed_hold_when_stale);
    cr_assert_str_eq(config->store_path, "s");
    cr_assert_str_eq(config->store_key_path, "k");
    cr_assert_str_eq(config->identity_key_path, "i");
    cr_assert_str_eq(config->schemas_folder, "f");
    cr_assert_str_eq(config->rules_folder, "/r");
    cr_assert_str_eq(config->http_listen, "[::1]:80");
    cr_assert_eq(config->log_level, LOG_LEVEL_ERROR);
    cr_assert(config->log_json);
    config_close(config);
}

Test(config, every_log_level_is_that_of_the_log)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[1024];
        enum log_level level;
        (void)snprintf(text, sizeof text, MINIMAL "log: {level: %s}\n", names[i]);
        struct config *config = parse(text);
        cr_assert(log_parse_level(names[i], &level));
        cr_assert_eq(config->log_level, level);
        config_close(config);
    }
}

Test(config, start_takes_a_time)
{
    struct config *config = parse(MINIMAL "start: 2026-01-31T00:00:00Z\n");
    cr_assert_eq(config->start, START_TIME);
    cr_assert_eq(config->start_time_ms, INT64_C(1769817600000));
    config_close(config);
}

Test(config, start_refuses_what_is_no_time)
{
    static const char *const texts[] = {"tomorrow",
                                        "2026-01-31",
                                        "2026-02-30T00:00:00Z",
                                        "2026-01-31T00:00:00",
                                        "2026-01-31T00:00:00Z ",
                                        "2026-1-31T00:00:00Z",
                                        "2026-01-31T00:00:60Z",
                                        "1969-12-31T23:59:59Z",
                                        "10000-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text, "start: '%s'\n" MINIMAL, texts[i]);
        struct error err = refuse_bytes(text, strlen(text));
        cr_assert(strstr(err.text, "f.yaml:1: start: "), "%s", err.text);
    }
}

Test(config, relative_paths_are_meant_from_the_files_folder)
{
    static const char text[] = KAFKA INPUTS "store: {path: data/s, key: /abs/k}\n" KEYS;
    struct config *config = NULL;
    struct error err;
    cr_assert_eq(config_parse("/etc/checkit/c.yaml", text, strlen(text), &config, &err), STATUS_OK);
    cr_assert_str_eq(config->store_path, "/etc/checkit/data/s");
    cr_assert_str_eq(config->store_key_path, "/abs/k");
    cr_assert_str_eq(config->identity_key_path, "/etc/checkit/i");
    cr_assert_str_eq(config->schemas_folder, "/etc/checkit/f");
    config_close(config);
}

/* --- inputs --------------------------------------------------------------------------------- */

Test(config, preset_gives_the_mapping_whatever_the_order_of_keys)
{
    struct config *config = parse(KAFKA STORE KEYS "inputs:\n"
                                                   "  - event: {place: destination}\n"
                                                   "    partner: p\n"
                                                   "    preset: booking\n"
                                                   "    topic: one\n"
                                                   "  - {topic: two, preset: banking}\n");
    const struct mapping *booking = mapping_preset("booking");
    const struct mapping *one = &config->inputs[0].mapping;
    cr_assert_eq(config->inputs_count, 2);
    cr_assert_str_eq(config->inputs[0].topic, "one");
    cr_assert_str_eq(one->place, "destination");
    cr_assert_str_eq(one->partner_fixed, "p");
    cr_assert_str_eq(one->journey, booking->journey);
    cr_assert_eq(one->documents_count, 1);
    cr_assert_str_eq(one->documents[0].path, booking->documents[0].path);
    cr_assert_str_eq(config->inputs[1].mapping.sector_fixed, "BANKING");
    config_close(config);
}

Test(config, documents_replace_those_of_the_preset)
{
    struct config *config =
        parse(KAFKA STORE KEYS "inputs:\n"
                               "  - topic: t\n"
                               "    preset: booking\n"
                               "    documents:\n"
                               "      - {path: \"\", number: a|b, number_width: 9}\n"
                               "      - {path: 'x[]{ns.B}.y{}', number: \"\", type: t}\n");
    const struct mapping *mapping = &config->inputs[0].mapping;
    cr_assert_eq(mapping->documents_count, 2);
    cr_assert_str_eq(mapping->documents[0].path, "");
    cr_assert_str_eq(mapping->documents[0].number, "a|b");
    cr_assert_eq(mapping->documents[0].number_width, 9);
    cr_assert_null(mapping->documents[0].issuer, "nothing of the preset's document is left");
    cr_assert_str_eq(mapping->documents[1].path, "x[]{ns.B}.y{}");
    cr_assert_str_eq(mapping->documents[1].type, "t");
    cr_assert_eq(mapping->documents[1].number_width, 0);
    config_close(config);
}

Test(config, a_sector_field_replaces_the_presets_fixed_sector)
{
    struct config *config = parse(
        KAFKA STORE KEYS "inputs:\n"
                         "  - {topic: a, preset: banking, event: {sector: line}}\n"
                         "  - {topic: b, preset: banking, sector: OTHER, event: {sector: l}}\n");
    cr_assert_null(config->inputs[0].mapping.sector_fixed);
    cr_assert_str_eq(config->inputs[0].mapping.sector, "line");
    cr_assert_str_eq(config->inputs[1].mapping.sector_fixed, "OTHER");
    config_close(config);
}

Test(config, nothing_listens_when_it_is_off_or_empty)
{
    static const char *const texts[] = {MINIMAL "http: {listen: off}\n",
                                        MINIMAL "http: {listen: ''}\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct config *config = parse(texts[i]);
        cr_assert_null(config->http_listen);
        config_close(config);
    }
}

/* --- faults --------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    const char *fault;
} faults[] = {
    /* keys */
    {MINIMAL "wrokers: 2\n", "f.yaml:6: wrokers: unknown key: is 'workers' meant?"},
    {MINIMAL "Workers: 2\n", "f.yaml:6: Workers: unknown key: is 'workers' meant?"},
    {MINIMAL "feed:\n  wait: 2\n", "f.yaml:7: feed.wait: unknown key: is 'wait_s' meant?"},
    {MINIMAL "log: {colour: yes}\n",
     "f.yaml:6: log.colour: unknown key: here may stand level, format"},
    {MINIMAL "<<: {group: g}\n",
     "f.yaml:6: <<: unknown key: here may stand kafka, group, instance, workers, memory_mb, start, "
     "commit_interval_ms, delivery, transaction_ms, transactional_id_prefix, inputs, topics, "
     "outputs, feed, heartbeat, store, identity_key, schemas, rules, http, log"},
    {KAFKA STORE KEYS "inputs: [{topic: t, preset: booking, event: {tme: x}}]\n",
     "f.yaml:5: inputs[0].event.tme: unknown key: is 'time' meant?"},
    {KAFKA STORE KEYS "inputs:\n- {topic: t, preset: booking}\n- {topic: u, presets: booking}\n",
     "f.yaml:7: inputs[1].presets: unknown key: is 'preset' meant?"},
    {MINIMAL "group: a\ngroup: b\n", "f.yaml:7: group: given twice; the first is in line 6"},
    {MINIMAL "feed: {wait_s: 1,\n wait_s: 1}\n",
     "f.yaml:7: feed.wait_s: given twice; the first is in line 6"},

    /* missing */
    {INPUTS STORE KEYS, "f.yaml:1: kafka: is missing; must be a mapping, property: value"},
    {"kafka: {acks: 1}\n" INPUTS STORE KEYS, "f.yaml:1: kafka.bootstrap.servers: is missing; must "
                                             "be HOST:PORT, further ones behind commas"},
    {"kafka: {bootstrap.servers: ''}\n" INPUTS STORE KEYS,
     "f.yaml:1: kafka.bootstrap.servers: is missing; must be HOST:PORT, further ones behind "
     "commas"},
    {KAFKA STORE KEYS,
     "f.yaml:1: inputs: is missing; must be a list of 1 to 64 mappings, each with its topic"},
    {KAFKA INPUTS "store: {path: s}\n" KEYS,
     "f.yaml:1: store.key: is missing; must be a path, absolute or from this file's folder"},
    {KAFKA STORE KEYS "inputs: [{preset: booking}]\n",
     "f.yaml:5: inputs[0].topic: is missing; must be a topic: 1 to 249 letters, digits, '.', '_', "
     "'-'"},
    {KAFKA STORE KEYS "inputs: [{topic: t}]\n",
     "f.yaml:5: inputs[0].documents: is missing; give it, or a preset: booking or banking"},
    {KAFKA STORE KEYS "inputs: [{topic: t, documents: [{path: a}]}]\n",
     "f.yaml:5: inputs[0].documents[0].number: is missing; must be a field path such as a.b[].c, "
     "d{Branch}.e or f|g, or \"\""},

    {MINIMAL "workers: 1\ndelivery: exactly_once\n",
     "f.yaml:7: delivery: exactly_once needs `instance`: configure a name that this process keeps "
     "and that no other process of the group has"},

    /* types and choices */
    {MINIMAL "delivery: once\n",
     "f.yaml:6: delivery: 'once': must be at_least_once or exactly_once"},
    {MINIMAL "transaction_ms: 9\n",
     "f.yaml:6: transaction_ms: '9': must be a whole number, 10 to 5000"},
    {MINIMAL "workers: many\n", "f.yaml:6: workers: 'many': must be a whole number, 1 to 64"},
    {MINIMAL "workers: 08\n", "f.yaml:6: workers: '08': must be a whole number, 1 to 64"},
    {MINIMAL "workers: 0x4\n", "f.yaml:6: workers: '0x4': must be a whole number, 1 to 64"},
    {MINIMAL "workers: -1\n", "f.yaml:6: workers: '-1': must be a whole number, 1 to 64"},
    {MINIMAL "workers: 4.0\n", "f.yaml:6: workers: '4.0': must be a whole number, 1 to 64"},
    {MINIMAL "workers: 99999999999999999999\n",
     "f.yaml:6: workers: '99999999999999999999': must be a whole number, 1 to 64"},
    {MINIMAL "workers:\n", "f.yaml:6: workers: has no value; must be a whole number, 1 to 64"},
    {MINIMAL "workers: ~\n", "f.yaml:6: workers: has no value; must be a whole number, 1 to 64"},
    {MINIMAL "workers: [4]\n", "f.yaml:6: workers: must be a whole number, 1 to 64"},
    {MINIMAL "group: ''\n", "f.yaml:6: group: '': must be a text on one line, not empty"},
    {MINIMAL "group: {a: b}\n", "f.yaml:6: group: must be a text on one line, not empty"},
    {MINIMAL "group: \"a\\tb\"\n",
     "f.yaml:6: group: 'a\tb': must be a text on one line, not empty"},
    {MINIMAL "feed: document-changes\n", "f.yaml:6: feed: must be a mapping, key: value"},
    {MINIMAL "feed: {when_stale: stop}\n",
     "f.yaml:6: feed.when_stale: 'stop': must be screen or hold"},
    {MINIMAL "feed: {when_stale: screen|hold}\n",
     "f.yaml:6: feed.when_stale: 'screen|hold': must be screen or hold"},
    {MINIMAL "http: {listen: example:80}\n",
     "f.yaml:6: http.listen: 'example:80': must be ADDRESS:PORT, an IPv6 address in brackets, or "
     "off"},
    {MINIMAL "http: {listen: 10644}\n", "f.yaml:6: http.listen: '10644': must be ADDRESS:PORT, an "
                                        "IPv6 address in brackets, or off"},
    {MINIMAL "log: {level: trace}\n",
     "f.yaml:6: log.level: 'trace': must be debug, info, warn or error"},
    {KAFKA STORE KEYS "inputs: {topic: t}\n",
     "f.yaml:5: inputs: must be a list of 1 to 64 mappings, each with its topic"},
    {KAFKA STORE KEYS "inputs: []\n",
     "f.yaml:5: inputs: must be a list of 1 to 64 mappings, each with its topic"},
    {KAFKA STORE KEYS "inputs: [t]\n", "f.yaml:5: inputs[0]: must be a mapping, key: value"},
    {KAFKA STORE KEYS "inputs: [{topic: t, preset: hotel}]\n",
     "f.yaml:5: inputs[0].preset: 'hotel': must be booking or banking"},
    {KAFKA STORE KEYS "inputs: [{topic: t, preset: booking, sector: ROAD}]\n",
     "f.yaml:5: inputs[0].sector: 'ROAD': must be AIR, SEA, RAIL, HOTEL, BANKING or OTHER"},
    {KAFKA STORE KEYS "inputs: [{topic: t, documents: []}]\n",
     "f.yaml:5: inputs[0].documents: must be a list of 1 to 16 mappings, each with path and "
     "number"},
    {"kafka: b:9092\n" INPUTS STORE KEYS, "f.yaml:1: kafka: must be a mapping, key: value"},
    {"kafka: {bootstrap.servers: }\n" INPUTS STORE KEYS,
     "f.yaml:1: kafka.bootstrap.servers: must be a text: the property's value, file:PATH or "
     "env:NAME"},
    {"kafka: {bootstrap.servers: [b]}\n" INPUTS STORE KEYS,
     "f.yaml:1: kafka.bootstrap.servers: must be a text: the property's value, file:PATH or "
     "env:NAME"},

    /* topics */
    {KAFKA STORE KEYS "inputs: [{topic: t, preset: booking},\n {topic: t, preset: banking}]\n",
     "f.yaml:6: inputs[1].topic: topic 't' is inputs[0].topic already (line 5): every topic stands "
     "once, as input, output or feed"},
    {MINIMAL "outputs: {alerts: t}\n",
     "f.yaml:6: outputs.alerts: topic 't' is inputs[0].topic already (line 2): every topic stands "
     "once, as input, output or feed"},
    {KAFKA STORE KEYS "inputs: [{topic: alerts, preset: booking}]\n",
     "f.yaml:1: outputs.alerts: topic 'alerts' is inputs[0].topic already (line 5): every topic "
     "stands once, as input, output or feed"},
    {MINIMAL "feed: {topic: receipts}\n",
     "f.yaml:6: feed.topic: topic 'receipts' is outputs.receipts already (by default): every topic "
     "stands once, as input, output or feed"},
    {MINIMAL "outputs: {alerts: a b}\n",
     "f.yaml:6: outputs.alerts: 'a b': must be a topic: 1 to 249 letters, digits, '.', '_', '-'"},
    {MINIMAL "outputs: {alerts: ..}\n",
     "f.yaml:6: outputs.alerts: '..': must be a topic: 1 to 249 letters, digits, '.', '_', '-'"},

    /* YAML */
    {"", "f.yaml:1: the file is empty"},
    {"# nothing\n", "f.yaml:1: the file is empty"},
    {"- a\n", "f.yaml:1: the file must be a mapping: key: value"},
    {"a\n", "f.yaml:1: the file must be a mapping: key: value"},
    {"group: a\n  workers: 2\n",
     "f.yaml:2: this is not YAML: mapping values are not allowed in this context"},
    {"group: a\nlog: {level: info\n",
     "f.yaml:3: this is not YAML: did not find expected ',' or '}'"},
    {"group: a\n\tworkers: 2\n",
     "f.yaml:2: this is not YAML: found a tab character that violates indentation"},
    {"group: a\nlog: \xFF\n", "f.yaml:2: this is not YAML: invalid leading UTF-8 octet"},
    {"group: &x a\n", "f.yaml:1: anchors and tags are not read here"},
    {"log: &x {}\n", "f.yaml:1: anchors and tags are not read here"},
    {"inputs: &x []\n", "f.yaml:1: anchors and tags are not read here"},
    {"group: !!str a\n", "f.yaml:1: anchors and tags are not read here"},
    {"group: a\ninstance: *x\n", "f.yaml:2: aliases (*name) are not read here"},
    {"group: \"a\\0b\"\n", "f.yaml:1: a text must not hold a NUL"},
    {"{a: b}: c\n", "f.yaml:1: a key must be a plain text"},
    {"? [a]\n: c\n", "f.yaml:1: a key must be a plain text"},
    {MINIMAL "---\ngroup: b\n", "f.yaml:6: a second document begins here"},
};

Test(config, each_fault_names_file_line_key_and_what_is_allowed)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        expect_fault(faults[i].text, faults[i].fault);
}

Test(config, a_value_that_may_be_a_secret_is_never_in_a_message)
{
    static const char text[] = "kafka: {bootstrap.servers: b, sasl.password: 'file:hunter'}\n";
    struct error err = refuse_bytes(text, strlen(text));
    cr_assert_str_eq(err.text, "f.yaml:1: kafka.sasl.password: 'hunter' cannot be read: No such "
                               "file or directory"); /* a path, and no more */
    static const char number[] = "kafka: {bootstrap.servers: b, sasl.password: [hunter]}\n";
    err = refuse_bytes(number, strlen(number));
    cr_assert_str_eq(err.text, "f.yaml:1: kafka.sasl.password: must be a text: the property's "
                               "value, file:PATH or env:NAME");
}

/* The arena has room for as many, each as long as one may be. */
Test(config, secrets_held_elsewhere_are_taken_up_to_their_limit)
{
    enum { SECRETS_MAX = 32, SECRET_SIZE_MAX = 4095 };
    char secret[SECRET_SIZE_MAX + 1];
    char text[4096] = KAFKA INPUTS STORE KEYS "topics:\n  t:\n";
    memset(secret, 's', SECRET_SIZE_MAX);
    secret[SECRET_SIZE_MAX] = 0;
    cr_assert_eq(setenv("CHECKIT_TEST_SECRET", secret, 1), 0);
    size_t used = strlen(text);
    for (int i = 0; i <= SECRETS_MAX; i++) {
        if (i == SECRETS_MAX)
            config_close(parse(text));
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "    p%d: env:CHECKIT_TEST_SECRET\n", i);
    }
    struct error err = refuse_bytes(text, strlen(text));
    cr_assert_not_null(strstr(err.text, "topics.t.p32: more than 32 secrets"), "%s", err.text);
}

Test(config, properties_of_topics_are_read_and_shown)
{
    struct config *config = parse(MINIMAL "topics:\n"
                                          "  t: {compression.type: lz4}\n"
                                          "  alerts: {compression.type: zstd, a.secret: hunter}\n");
    cr_assert_eq(config->topics_count, 3);
    cr_assert_str_eq(config->topics[0].topic, "t");
    cr_assert_str_eq(config->topics[2].topic, "alerts");
    cr_assert_str_eq(config->topics[2].property.value, "hunter");
    char *shown = text_of(config);
    cr_assert_not_null(strstr(shown, "\ntopics:\n"
                                     "  \"t\":\n    \"compression.type\": \"lz4\"\n"
                                     "  \"alerts\":\n    \"compression.type\": \"zstd\"\n"
                                     "    \"a.secret\": \"(hidden)\"\n"),
                       "%s", shown);
    free(shown);
    config_close(config);
    expect_fault(MINIMAL "topics: {u: {a: b}}\n",
                 "f.yaml:6: topics.u: unknown topic: is 't' meant?");
    expect_fault(MINIMAL "topics: {elsewhere: {a: b}}\n",
                 "f.yaml:6: topics.elsewhere: unknown topic: must be an input, an output or the "
                 "feed of this file");
    expect_fault(MINIMAL "topics: {t: b}\n", "f.yaml:6: topics.t: must be a mapping, key: value");
}

Test(config, a_long_value_leaves_room_for_what_is_allowed)
{
    char text[4096];
    (void)snprintf(text, sizeof text, MINIMAL "log: {level: %0999d}\n", 7);
    struct error err = refuse_bytes(text, strlen(text));
    cr_assert(strstr(err.text, "must be debug, info, warn or error"), "%s", err.text);
}

/* --- paths of fields ------------------------------------------------------------------------ */

static enum status try_path(const char *path, struct error *err)
{
    char text[4096];
    (void)snprintf(text, sizeof text,
                   KAFKA STORE KEYS "inputs: [{topic: t, preset: booking, event: {id: '%s'}}]\n",
                   path);
    struct config *config = NULL;
    enum status status = config_parse("f.yaml", text, strlen(text), &config, err);
    if (status == STATUS_OK)
        cr_assert_str_eq(config->inputs[0].mapping.event_id, path);
    config_close(config);
    return status;
}

Test(config, well_formed_paths_are_taken)
{
    static const char *const paths[] = {"a",     "_a9",        "a.b",  "a[]",    "a[].b",
                                        "a{}",   "a{}.b",      "a{B}", "a{B}.c", "a{x.y.B}.c",
                                        "a[][]", "a[]{B}{}.c", "a|b",  "a | b",  "a.b|c[].d|e",
                                        "[].a",  "{B}.a",      "{}",   "[]"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct error err = {0};
        cr_assert_eq(try_path(paths[i], &err), STATUS_OK, "%s", err.text);
    }
}

Test(config, malformed_paths_are_refused_with_their_text)
{
    static const char *const paths[] = {
        "",     ".",     "a.",     ".a",      "a..b", "a b",   "9a",    "a-b",  "a[",
        "a[0]", "a]",    "a{",     "a{B",     "a}",   "a{.}",  "a{B.}", "a{9}", "a[]b",
        "a{}b", "a{B}b", "a.[]",   "a|",      "|a",   "a||b",  "a.{}",  "a/b",  "ä",
        "a*",   "a {}",  "a{ B }", "a{x..B}", "a{-}", "a.b|c."};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct error err = {0};
        char quoted[64];
        (void)snprintf(quoted, sizeof quoted, "f.yaml:5: inputs[0].event.id: '%s': ", paths[i]);
        cr_assert_eq(try_path(paths[i], &err), STATUS_FAIL, "'%s'", paths[i]);
        cr_assert_eq(strncmp(err.text, quoted, strlen(quoted)), 0, "%s", err.text);
    }
}

enum { PATH_SIZE = 2048 };

static void repeat(char out[PATH_SIZE], const char *first, const char *more, uint32_t count)
{
    size_t used = (size_t)snprintf(out, PATH_SIZE, "%s", first);
    for (uint32_t i = 1; i < count; i++)
        used += (size_t)snprintf(out + used, PATH_SIZE - used, "%s", more);
}

Test(config, a_path_has_at_most_16_steps_in_each_alternative)
{
    char path[PATH_SIZE];
    struct error err = {0};
    repeat(path, "a", ".a", PATH_STEPS_MAX);
    cr_assert_eq(try_path(path, &err), STATUS_OK, "%s", err.text);
    repeat(path, "a", ".a", PATH_STEPS_MAX + 1);
    cr_assert_eq(try_path(path, &err), STATUS_FAIL);
    cr_assert(strstr(err.text, "too many steps"), "%s", err.text);
    repeat(path, "a", "[]", PATH_STEPS_MAX);
    cr_assert_eq(try_path(path, &err), STATUS_OK, "%s", err.text);
    repeat(path, "a", "[]", PATH_STEPS_MAX + 1);
    cr_assert_eq(try_path(path, &err), STATUS_FAIL);
    repeat(path, "a.a", "|a.a", PATH_STEPS_MAX);
    cr_assert_eq(try_path(path, &err), STATUS_OK, "%s", err.text);
}

/* --- limits --------------------------------------------------------------------------------- */

static enum status try_number(const struct config_property *property, uint64_t value,
                              struct error *err)
{
    char text[2048];
    bool grouped = property->group != NULL;
    if (property->scope == CONFIG_SCOPE_DOCUMENT)
        (void)snprintf(text, sizeof text,
                       KAFKA STORE KEYS "inputs: [{topic: t, documents: [{path: p, number: n, "
                                        "%s: %llu}]}]\n",
                       property->name, (unsigned long long)value);
    else
        (void)snprintf(text, sizeof text, MINIMAL "%s%s%s: %llu%s\n",
                       grouped ? property->group : "", grouped ? ": {" : "", property->name,
                       (unsigned long long)value, grouped ? "}" : "");
    struct config *config = NULL;
    enum status status = config_parse("f.yaml", text, strlen(text), &config, err);
    config_close(config);
    return status;
}

Test(config, every_number_is_taken_at_its_limits_and_refused_beyond)
{
    uint32_t numbers = 0;
    for (size_t i = 0; i < config_properties_count; i++) {
        const struct config_property *property = &config_properties[i];
        struct error err = {0};
        if (property->type != CONFIG_NUMBER)
            continue;
        numbers++;
        cr_assert_eq(try_number(property, property->min, &err), STATUS_OK, "%s", err.text);
        cr_assert_eq(try_number(property, property->max, &err), STATUS_OK, "%s", err.text);
        cr_assert_eq(try_number(property, (uint64_t)property->max + 1, &err), STATUS_FAIL);
        cr_assert(strstr(err.text, "must be a whole number"), "%s", err.text);
        if (property->min > 0)
            cr_assert_eq(try_number(property, property->min - 1, &err), STATUS_FAIL);
    }
    cr_assert_eq(numbers, 9);
}

/* "head", then count times item with its index in it, then "tail". */
static char *build(const char *head, const char *item, uint32_t count, const char *tail)
{
    char *text = memory_new(TEXT_SIZE, 1);
    size_t used = (size_t)snprintf(text, TEXT_SIZE, "%s", head);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_lt(used, TEXT_SIZE - 256);
        used += (size_t)snprintf(text + used, TEXT_SIZE - used, item, i);
    }
    (void)snprintf(text + used, TEXT_SIZE - used, "%s", tail);
    return text;
}

static void expect_limit(const char *head, const char *item, uint32_t max, const char *tail,
                         const char *fault)
{
    char *at = build(head, item, max, tail);
    config_close(parse(at));
    memory_free(at);

    char *above = build(head, item, max + 1, tail);
    struct error err = refuse_bytes(above, strlen(above));
    cr_assert(strstr(err.text, fault), "%s", err.text);
    memory_free(above);
}

Test(config, lists_are_taken_at_their_limits_and_refused_beyond)
{
    expect_limit(KAFKA STORE KEYS "inputs:\n", "  - {topic: t%u, preset: booking}\n", INPUTS_MAX,
                 "", "inputs: must be a list of 1 to 64 mappings");
    expect_limit(KAFKA STORE KEYS "inputs:\n- topic: t\n  documents:\n",
                 "  - {path: p%u, number: n}\n", MAPPING_PATHS_MAX, "",
                 "inputs[0].documents: must be a list of 1 to 16 mappings");
    expect_limit("kafka:\n  bootstrap.servers: b\n", "  p%u: v\n", KAFKA_PROPERTIES_MAX - 1,
                 INPUTS STORE KEYS, "more than 128 properties");
    expect_limit(MINIMAL "topics:\n  t:\n", "    p%u: v\n", TOPIC_PROPERTIES_MAX, "",
                 "more than 256 properties");
}

Test(config, a_topic_has_at_most_249_characters)
{
    char text[2048];
    (void)snprintf(text, sizeof text, MINIMAL "outputs: {alerts: %0249d}\n", 7);
    config_close(parse(text));
    (void)snprintf(text, sizeof text, MINIMAL "outputs: {alerts: %0250d}\n", 7);
    struct error err = refuse_bytes(text, strlen(text));
    cr_assert(strstr(err.text, "1 to 249"), "%s", err.text);
}

static struct error nest(uint32_t depth)
{
    char text[128] = "a: ";
    for (uint32_t i = 1; i < depth; i++)
        text[strlen(text)] = '[';
    for (uint32_t i = 1; i < depth; i++)
        text[strlen(text)] = ']';
    return refuse_bytes(text, strlen(text));
}

Test(config, nesting_is_bounded)
{
    struct error err = nest(CONFIG_NESTING_MAX);
    cr_assert(strstr(err.text, "a: unknown key"), "%s", err.text);
    err = nest(CONFIG_NESTING_MAX + 1);
    cr_assert_str_eq(err.text, "f.yaml:1: nested too deeply for a configuration");
}

Test(config, the_number_of_values_is_bounded)
{
    /* The root and the list are nodes too. */
    char *at = build("a: [", "%u,", CONFIG_NODES_MAX - 2, "]");
    struct error err = refuse_bytes(at, strlen(at));
    cr_assert(strstr(err.text, "a: unknown key"), "%s", err.text);
    memory_free(at);
    char *above = build("a: [", "%u,", CONFIG_NODES_MAX - 1, "]");
    err = refuse_bytes(above, strlen(above));
    cr_assert_str_eq(err.text, "f.yaml:1: too many values for a configuration");
    memory_free(above);
}

/* A good configuration with a comment behind it that fills it up. */
static char *fill(size_t size)
{
    char *text = memory_new(size + 1, 1);
    memset(text, '#', size);
    memcpy(text, MINIMAL, strlen(MINIMAL));
    return text;
}

Test(config, a_file_has_at_most_one_megabyte)
{
    char *at = fill(CONFIG_BYTES_MAX);
    config_close(parse(at));
    memory_free(at);
    char *above = fill(CONFIG_BYTES_MAX + 1);
    struct error err = refuse_bytes(above, strlen(above));
    cr_assert_str_eq(err.text, "f.yaml: larger than 1048576 bytes: not a configuration");
    memory_free(above);
}

Test(config, texts_that_grow_while_they_are_read_have_room)
{
    /* "\P" is two bytes and stands for a character of three. */
    char *text = build("group: \"a", "\\P", 100000, "\"\n" MINIMAL);
    struct config *config = parse(text);
    cr_assert_eq(strlen(config->group), 300001);
    config_close(config);
    memory_free(text);
}

Test(config, every_cut_of_a_configuration_is_taken_or_refused)
{
    static const char text[] = MINIMAL "log: {level: \"info\"}\n";
    for (size_t size = 0; size < strlen(text); size++) {
        char *copy = malloc(size + 1); /* exactly as large: reading beyond is found */
        memcpy(copy, text, size);
        struct config *config = NULL;
        struct error err = {0};
        if (config_parse("f.yaml", copy, size, &config, &err) != STATUS_OK)
            cr_assert_eq(err.exit_code, EX_CONFIG);
        config_close(config);
        free(copy);
    }
}

/* --- files ---------------------------------------------------------------------------------- */

Test(config, a_file_that_cannot_be_read_is_named)
{
    struct config *config = NULL;
    struct error err = {0};
    cr_assert_eq(config_open("/nonexistent.yaml", &config, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_CONFIG);
    cr_assert_str_eq(err.text, "configuration '/nonexistent.yaml' cannot be opened: No such file "
                               "or directory");
    cr_assert_eq(config_open("/", &config, &err), STATUS_FAIL);
    cr_assert_str_eq(err.text, "configuration '/' cannot be read: Is a directory");
    cr_assert_null(config);
}

Test(config, the_examples_are_read)
{
    static const struct {
        const char *name;
        uint32_t inputs;
    } examples[] = {{"checkit.yaml", 2}, {"examples/airline.yaml", 2}, {"examples/bank.yaml", 2}};
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        char path[4096];
        struct config *config = NULL;
        struct error err = {0};
        (void)snprintf(path, sizeof path, TESTS_FOLDER "/../config/%s", examples[i].name);
        cr_assert_eq(config_open(path, &config, &err), STATUS_OK, "%s", err.text);
        cr_assert_eq(config->inputs_count, examples[i].inputs);
        config_close(config);
    }
}

/* --- what is written ------------------------------------------------------------------------ */

Test(config, what_is_shown_reads_back_to_the_same)
{
    static const char *const texts[] = {
        MINIMAL,
        KAFKA STORE KEYS "group: \"a \\\"b\\\\ # c: d\"\nstart: 2026-01-31T00:00:00Z\n"
                         "inputs:\n"
                         "  - {topic: t, documents: [{path: '', number: 'a|b', number_width: 9},"
                         " {path: 'x{}', number: n, issuer: i, type: t, nationality: z}]}\n"
                         "  - {topic: u, preset: banking, partner: p, event: {place: x}}\n"
                         "feed: {when_stale: hold, wait_s: 0}\nrules: {folder: /r}\n"
                         "http: {listen: off}\nlog: {level: debug, format: json}\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct config *first = parse(texts[i]);
        char *shown = text_of(first);
        struct config *second = parse(shown);
        char *again = text_of(second);
        cr_assert_str_eq(shown, again);
        cr_assert_str_eq(second->group, first->group);
        cr_assert_eq(second->inputs_count, first->inputs_count);
        cr_assert_eq(second->http_listen == NULL, first->http_listen == NULL);
        config_close(first);
        config_close(second);
        free(shown);
        free(again);
    }
}

Test(config, secrets_are_hidden_and_nothing_else)
{
    struct config *config = parse("kafka:\n"
                                  "  bootstrap.servers: b:9092\n"
                                  "  sasl.username: someone\n"
                                  "  sasl.password: hunter1\n"
                                  "  ssl.key.password: hunter2\n"
                                  "  ssl.key.pem: hunter3\n"
                                  "  ssl.keystore.password: hunter4\n"
                                  "  sasl.oauthbearer.client.secret: hunter5\n"
                                  "  sasl.oauthbearer.config: hunter6\n"
                                  "  sasl.oauthbearer.assertion.private.key.passphrase: hunter7\n"
                                  "  SASL.PASSWORD: hunter8\n" INPUTS STORE KEYS);
    char *shown = text_of(config);
    cr_assert_null(strstr(shown, "hunter"), "%s", shown);
    cr_assert(strstr(shown, "\"sasl.password\": \"(hidden)\"\n"), "%s", shown);
    cr_assert(strstr(shown, "\"sasl.username\": \"someone\"\n"), "%s", shown);
    cr_assert(strstr(shown, "\"bootstrap.servers\": \"b:9092\"\n"), "%s", shown);
    free(shown);
    config_close(config);
}

/* --- where schemas come from ----------------------------------------------------------------- */

#define ASIDE KAFKA INPUTS STORE "identity_key: i\n"
#define REGISTRY ASIDE "schemas:\n  registry: http://r:8081/api\n"

Test(config, registry_is_read_with_all_that_belongs_to_it)
{
    struct config *config = parse(ASIDE "schemas: {registry: 'https://a, http://b:1/x/', user: u, "
                                        "password: 'a b', ca: c.pem, certificate: /d.pem, "
                                        "key: k.pem, register: true}\n");
    cr_assert_str_eq(config->schemas_registry, "https://a, http://b:1/x/");
    cr_assert_null(config->schemas_folder);
    cr_assert_str_eq(config->schemas_user, "u");
    cr_assert_str_eq(config->schemas_password, "a b");
    cr_assert_str_eq(config->schemas_ca, "c.pem");
    cr_assert_str_eq(config->schemas_certificate, "/d.pem");
    cr_assert_str_eq(config->schemas_key, "k.pem");
    cr_assert(config->schemas_register);
    config_close(config);
    config = parse(REGISTRY);
    cr_assert_null(config->schemas_user);
    cr_assert_null(config->schemas_password);
    cr_assert_not(config->schemas_register);
    config_close(config);
}

Test(config, schemas_come_from_one_place)
{
    expect_fault(ASIDE, "f.yaml:1: schemas.folder: is missing; give it, or schemas.registry");
    expect_fault(ASIDE "schemas:\n  folder: f\n  registry: http://r\n",
                 "f.yaml:7: schemas.registry: stands beside schemas.folder: give one of them");
    expect_fault(ASIDE "schemas:\n  folder: f\n  register: true\n",
                 "f.yaml:7: schemas.register: is of a registry, and schemas.registry is missing");
    expect_fault(REGISTRY "  user: u\n",
                 "f.yaml:5: schemas.password: is missing; user and password go together");
    expect_fault(REGISTRY "  password: p\n",
                 "f.yaml:5: schemas.user: is missing; user and password go together");
    expect_fault(REGISTRY "  key: k\n",
                 "f.yaml:5: schemas.certificate: is missing; certificate and key go together");
    expect_fault(REGISTRY "  certificate: k\n",
                 "f.yaml:5: schemas.key: is missing; certificate and key go together");
}

Test(config, registry_is_one_url_or_several)
{
    static const char *const bad[] = {"r",
                                      "ftp://r",
                                      "http://",
                                      "http:///x",
                                      "http://:1",
                                      "http://r,",
                                      ",http://r",
                                      "http://r x",
                                      "http://r?a",
                                      "http://r#a",
                                      "http://r  ,, http://s",
                                      "http://\""};
    char text[2048];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)snprintf(text, sizeof text, ASIDE "schemas:\n  registry: '%s'\n", bad[i]);
        struct error err = refuse_bytes(text, strlen(text));
        cr_assert(strstr(err.text, "f.yaml:6: schemas.registry: '"), "%s", err.text);
        cr_assert(strstr(err.text, "1 to 16 URLs"), "%s", err.text);
    }
    for (int count = 16; count <= 17; count++) {
        size_t used = (size_t)snprintf(text, sizeof text, ASIDE "schemas:\n  registry: http://r");
        for (int i = 1; i < count; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, ",http://r");
        if (count == 16)
            config_close(parse(text));
        else
            (void)refuse_bytes(text, strlen(text));
    }
    struct error err = refuse_bytes(ASIDE "schemas: {registry: 'http://u:hunter@r'}\n",
                                    strlen(ASIDE "schemas: {registry: 'http://u:hunter@r'}\n"));
    cr_assert(strstr(err.text, "schemas.password"), "%s", err.text);
    cr_assert_null(strstr(err.text, "hunter"), "%s", err.text);
}

static void write_secret(const char *text, size_t size)
{
    FILE *file = fopen("secret", "w");
    cr_assert_eq(fwrite(text, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

static void expect_password(const char *written, const char *expected)
{
    char text[8192];
    (void)snprintf(text, sizeof text, REGISTRY "  user: u\n  password: '%s'\n", written);
    struct config *config = parse(text);
    cr_assert_str_eq(config->schemas_password, expected);
    char *shown = text_of(config);
    cr_assert_null(strstr(shown, expected), "%s", shown);
    cr_assert(strstr(shown, "password: \"(hidden)\"\n"), "%s", shown);
    free(shown);
    config_close(config);
}

static void expect_no_password(const char *written, const char *fault)
{
    char text[8192];
    (void)snprintf(text, sizeof text, REGISTRY "  user: u\n  password: '%s'\n", written);
    struct error err = refuse_bytes(text, strlen(text));
    cr_assert(strstr(err.text, fault), "%s", err.text);
    cr_assert(strstr(err.text, "f.yaml:8: schemas.password: "), "%s", err.text);
    cr_assert_null(strstr(err.text, "hunter"), "%s", err.text);
}

Test(config, secret_is_a_value_a_file_or_of_the_environment)
{
    char folder[] = "/tmp/checkit-config-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    expect_password("hunter2", "hunter2");
    write_secret("hunter3\n", 8);
    expect_password("file:secret", "hunter3");
    write_secret("hunter4\r\n", 9);
    expect_password("file:secret", "hunter4");
    cr_assert_eq(setenv("CHECKIT_TEST_SECRET", "hunter5", 1), 0);
    expect_password("env:CHECKIT_TEST_SECRET", "hunter5");

    write_secret("hunter6\nhunter7\n", 16);
    expect_no_password("file:secret", "more than a line");
    write_secret("\n", 1);
    expect_no_password("file:secret", "is empty");
    char longest[4097];
    memset(longest, 'h', sizeof longest);
    longest[4096] = 0;
    write_secret(longest, 4096);
    expect_no_password("file:secret", "cannot be read: File too large");
    longest[4095] = 0;
    expect_password(longest, longest);
    expect_no_password("file:there/is/none", "'there/is/none' cannot be read: No such file");
    cr_assert_eq(unsetenv("CHECKIT_TEST_SECRET"), 0);
    expect_no_password("env:CHECKIT_TEST_SECRET", "the environment has no 'CHECKIT_TEST_SECRET'");
    expect_no_password("", "is empty");
    (void)unlink("secret");
    (void)rmdir(folder);
}

#define WITH_INPUT(input) KAFKA "inputs:\n- {topic: t, preset: booking, " input "}\n" STORE

Test(config, wire_of_an_input_is_read)
{
    struct config *config = parse(MINIMAL);
    cr_assert_eq(config->inputs[0].wire, WIRE_CONFLUENT);
    config_close(config);
    config = parse(WITH_INPUT("wire: fixed, schema: s.avsc") KEYS);
    cr_assert_eq(config->inputs[0].wire, WIRE_FIXED);
    cr_assert_str_eq(config->inputs[0].schema_path, "s.avsc");
    config_close(config);
    config = parse(WITH_INPUT("wire: single_object") KEYS);
    cr_assert_eq(config->inputs[0].wire, WIRE_SINGLE_OBJECT);
    config_close(config);
    config = parse(WITH_INPUT("wire: single_object") "identity_key: i\nschemas: {folder: f, "
                                                     "registry: 'http://r'}\n");
    cr_assert_not_null(config->schemas_folder);
    cr_assert_not_null(config->schemas_registry);
    config_close(config);
    expect_fault(WITH_INPUT("wire: fixed") KEYS,
                 "f.yaml:3: inputs[0].schema: is missing; wire: fixed needs it");
    expect_fault(WITH_INPUT("schema: s.avsc") KEYS,
                 "f.yaml:3: inputs[0].schema: is for wire: fixed only");
    expect_fault(WITH_INPUT("wire: json") KEYS, "f.yaml:3: inputs[0].wire: 'json': must be "
                                                "confluent, single_object or fixed");
    expect_fault(WITH_INPUT("wire: single_object") "identity_key: i\nschemas: {registry: "
                                                   "'http://r'}\n",
                 "f.yaml:6: schemas.folder: is missing; wire: single_object finds its schemas "
                 "there");
}

static char *read_file(const char *path)
{
    FILE *in = fopen(path, "r");
    cr_assert_not_null(in, "%s", path);
    char *text = memory_new(TEXT_SIZE, 1);
    size_t size = fread(text, 1, TEXT_SIZE - 1, in);
    cr_assert_lt(size, TEXT_SIZE - 1);
    (void)fclose(in);
    return text;
}

/* --- read again by a running process --------------------------------------------------------- */

static void expect_taken(const char *running, const char *fresh, const char *taken,
                         const char *left)
{
    struct config *before = parse(running);
    struct config *after = parse(fresh);
    struct config_changes changes;
    config_take(before, after, &changes);
    cr_assert_str_eq(changes.taken, taken, "%s", fresh);
    cr_assert_str_eq(changes.left, left, "%s", fresh);
    config_take(before, after, &changes);
    cr_assert_str_eq(changes.taken, "", "taken already");
    cr_assert_str_eq(changes.left, left, "needs a restart still");
    config_close(after);
    config_close(before);
}

Test(config, running_process_takes_what_it_can)
{
    struct config *running = parse(MINIMAL);
    struct config *fresh = parse(MINIMAL "outputs: {due_page_s: 5, due_review_s: 6}\n"
                                         "feed: {wait_s: 7, when_stale: hold}\n"
                                         "commit_interval_ms: 200\n"
                                         "log: {level: error, format: json}\n");
    struct config_changes changes;
    config_take(running, fresh, &changes);
    config_close(fresh);
    cr_assert_str_eq(changes.taken,
                     "commit_interval_ms, outputs.due_page_s, outputs.due_review_s, feed.wait_s, "
                     "feed.when_stale, log.level, log.format");
    cr_assert_str_eq(changes.left, "");
    cr_assert_eq(config_number(&running->due_s[CLASS_PAGE]), 5);
    cr_assert_eq(config_number(&running->due_s[CLASS_REVIEW]), 6);
    cr_assert_eq(config_number(&running->feed_wait_s), 7);
    cr_assert(config_switch(&running->feed_hold_when_stale));
    cr_assert_eq(running->commit_interval_ms, 200);
    cr_assert_eq(running->log_level, LOG_LEVEL_ERROR);
    cr_assert(running->log_json);
    config_close(running);
}

Test(config, what_needs_a_restart_is_named_and_stays)
{
    expect_taken(MINIMAL, MINIMAL, "", "");
    expect_taken(MINIMAL, MINIMAL "rules: {folder: r}\n", "", ""); /* the caller's to take */
    expect_taken(MINIMAL, MINIMAL "workers: 63\ngroup: g\nlog: {level: warn}\n", "log.level",
                 "group, workers");
    expect_taken(MINIMAL, MINIMAL "start: latest\nhttp: {listen: off}\n", "", "start, http.listen");
    expect_taken(MINIMAL "start: 2026-01-01T00:00:00Z\n", MINIMAL "start: 2026-01-01T00:00:01Z\n",
                 "", "start");
    expect_taken(MINIMAL, MINIMAL "topics: {t: {a: b}}\n", "", "topics");
    expect_taken(MINIMAL "topics: {t: {a: b}}\n", MINIMAL "topics: {t: {a: c}}\n", "", "topics");
    expect_taken(MINIMAL, INPUTS STORE KEYS "kafka: {bootstrap.servers: 'c:9092'}\n", "", "kafka");
    expect_taken(MINIMAL, KAFKA STORE KEYS "inputs: [{topic: t, preset: banking}]\n", "", "inputs");
    expect_taken(MINIMAL,
                 KAFKA STORE KEYS "inputs: [{topic: t, preset: booking, event: {id: x}}]\n", "",
                 "inputs");
    expect_taken(KAFKA STORE KEYS "inputs: [{topic: t, documents: [{path: a, number: b}]}]\n",
                 KAFKA STORE KEYS "inputs: [{topic: t, documents: [{path: a, number: c}]}]\n", "",
                 "inputs");
}

/* Whatever is added to the table: a change of it is told one way or the other. */
Test(config, every_number_and_choice_is_compared)
{
    struct config *running = parse(MINIMAL);
    struct config *fresh = parse(MINIMAL);
    struct config_changes changes;
    uint32_t reloadable = 0;
    for (size_t i = 0; i < config_properties_count; i++) {
        const struct config_property *property = &config_properties[i];
        uint32_t *place = (uint32_t *)((char *)fresh + property->offset);
        if (property->scope != CONFIG_SCOPE_TOP || property->type != CONFIG_NUMBER)
            continue;
        *place += 1;
        config_take(running, fresh, &changes);
        cr_assert_not_null(
            strstr(property->reloadable ? changes.taken : changes.left, property->name));
        reloadable += property->reloadable;
    }
    cr_assert_gt(reloadable, 3);
    config_close(fresh);
    config_close(running);
}

/* `checkit config reference` prints what belongs between the two markers. */
Test(config, the_readme_holds_the_reference_as_it_is)
{
    char *reference = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&reference, &size);
    config_write_reference(out);
    cr_assert_eq(fclose(out), 0);

    char *readme = read_file(TESTS_FOLDER "/../config/README.md");
    static const char begin[] = "<!-- checkit config reference -->\n";
    const char *found = strstr(readme, begin);
    cr_assert_not_null(found);
    found += strlen(begin);
    const char *end = strstr(found, "<!-- end of reference -->\n");
    cr_assert_not_null(end);
    cr_assert_eq((size_t)(end - found), size,
                 "config/README.md is not what `checkit config reference` prints");
    cr_assert_eq(memcmp(found, reference, size), 0,
                 "config/README.md is not what `checkit config reference` prints");
    memory_free(readme);
    free(reference);
}

Test(config, every_key_of_the_table_is_in_the_reference)
{
    char *reference = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&reference, &size);
    config_write_reference(out);
    cr_assert_eq(fclose(out), 0);
    for (size_t i = 0; i < config_properties_count; i++) {
        const struct config_property *property = &config_properties[i];
        char cell[128];
        (void)snprintf(cell, sizeof cell, "| `%s%s%s` | ", property->group ? property->group : "",
                       property->group ? "." : "", property->name);
        cr_assert(strstr(reference, cell), "%s", cell);
    }
    free(reference);
}
