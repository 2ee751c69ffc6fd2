/* checkit config: check, show or explain the configuration. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/kafka.h"
#include "operators/support/keys.h"
#include "operators/support/projection.h"
#include "operators/support/registry.h"
#include "operators/support/rule_data.h"
#include "operators/support/store.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "pipeline/config.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/command.h"
#include "pipeline/run/config_online.h"

enum { SCHEMAS_MAX = 1024 };

struct options {
    const char *config;
    bool offline;
};

#define CONFIG_ARGUMENT                                                                            \
    {                                                                                              \
        .name = "config", .letter = 'c', .kind = ARGUMENT_TEXT, .value = "FILE", .required = true, \
        .offset = offsetof(struct options, config), .help = "the configuration"                    \
    }

static const struct arguments_exit exits[] = {{EX_CONFIG, "a fault in FILE, or in what it names"},
                                              {0}};

/* --- check ---------------------------------------------------------------------------------- */

static const struct argument check_arguments[] = {
    CONFIG_ARGUMENT,
    {.name = "offline",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, offline),
     .help = "look at files and folders only, and ask no one"},
    {0}};

static const struct arguments_exit check_exits[] = {
    {EX_UNAVAILABLE, "Kafka or the schema registry is not reached"},
    {EX_CONFIG, "a fault in FILE, or in what it names"},
    {0}};

static const struct arguments_command check_command = {
    .name = "config check",
    .summary = "Reads the configuration as `screen` does, then looks at what it names: keys and\n"
               "their modes, rule data, schemas and every path of the inputs' mappings, what the\n"
               "store holds (also beside a screener); then at the registry, the brokers, every "
               "topic with its settings, and what we may do there.\n"
               "Each is one line: ok, warn, or fault with what to do.",
    .arguments = check_arguments,
    .examples = "checkit config check -c checkit.yaml\n"
                "checkit config check --offline -c checkit.yaml",
    .exits = check_exits};

static enum status check_store_key(const struct config *config, struct error *err)
{
    struct store_key *key = NULL;
    TRY(store_key_open(config->store_key_path, &key, err));
    store_key_close(key);
    return STATUS_OK;
}

static enum status check_identity_key(const struct config *config, struct error *err)
{
    struct identity *identity = NULL;
    TRY(identity_open(config->identity_key_path, &identity, err));
    identity_close(identity);
    return STATUS_OK;
}

static enum status check_kafka(const struct config *config, struct error *err)
{
    return kafka_check_settings(config, err);
}

static enum status check_rules(const struct config *config, struct error *err)
{
    struct rule_data *rules = NULL;
    TRY(rule_data_open(config->rules_folder, &rules, err));
    rule_data_close(rules);
    return STATUS_OK;
}

/* What is written must be there under some id; what is read may still come. A registry is not
 * asked offline: its files for TLS are looked at. */
static enum status check_schemas(const struct config *config, struct error *err)
{
    const struct {
        const char *topic;
        const char *schema;
    } written[] = {{config->alerts_topic, "schemas/Alert.avsc"},
                   {config->receipts_topic, "schemas/Receipt.avsc"}};
    struct registry *registry = NULL;
    TRY(registry_open(config, &registry, err));
    enum status status = STATUS_OK;
    size_t count = config->schemas_registry ? 0 : sizeof written / sizeof *written;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        uint32_t id;
        const char *schema = (const char *)assets_find(written[i].schema).data;
        status = registry_id_of(registry, written[i].topic, schema, &id, err);
    }
    registry_close(registry);
    return status;
}

/* The store is a folder we may write to, or its parent is: it is then made at the first start. */
static enum status check_store(const struct config *config, struct error *err)
{
    const char *path = config->store_path;
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (exists && !S_ISDIR(info.st_mode))
        return error_fail(err, EX_CONFIG, "'%s' is not a folder", path);
    if (exists && access(path, R_OK | W_OK | X_OK) != 0)
        return error_fail(err, EX_CONFIG, "folder '%s' cannot be used: %s", path, strerror(errno));
    if (exists)
        return STATUS_OK;

    const char *slash = strrchr(path, '/');
    char parent[PATH_MAX];
    (void)snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) + 1 : 1,
                   slash ? path : ".");
    if (access(parent, W_OK | X_OK) == 0)
        return STATUS_OK;
    return error_fail(err, EX_CONFIG, "'%s' cannot be made: folder '%s': %s", path, parent,
                      strerror(errno));
}

/* RocksDB holds a lock on this file as long as a process has the store open. */
static void tell_if_in_use(const struct config *config)
{
    char path[PATH_MAX];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)snprintf(path, sizeof path, "%s/LOCK", config->store_path);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    if (fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        printf("ok     store.path: in use by process %ld\n", (long)lock.l_pid);
    (void)close(file);
}

/* What it holds, beside a process that has it open; a store that is not there is made at the start.
 */
static void tell_store(const struct config *config)
{
    struct store_key *key = NULL;
    struct store_summary store;
    struct error err = {0};
    if (access(config->store_path, R_OK | X_OK) != 0 ||
        store_key_open(config->store_key_path, &key, &err) != STATUS_OK)
        return; /* told already */
    enum status status = store_look(config->store_path, key, &store, &err);
    store_key_close(key);
    if (store.written_ms == 0)
        printf("ok     store.path: empty: it is read from the feed at the start\n");
    else if (status != STATUS_OK)
        printf("warn   store.path: %s%s\n", err.text,
               err.exit_code == EX_DATAERR ? ": the next start sets it aside and reads it anew"
                                           : "");
    else
        printf("ok     store.path: format %" PRIu64 ", %" PRIu64 " entries and %" PRIu64
               " withdrawn, %s, written %" PRId64 " s ago\n",
               store.format, store.entries_live, store.entries_withdrawn,
               store.is_loading      ? "its first load not done"
               : store.was_caught_up ? "read to the feed's end"
                                     : "never read to the feed's end",
               (clock_wall_ms() - store.written_ms) / 1000);
}

/* --- mappings against the schemas there are --- */

/* The optional paths it lacks are added to absent. */
static bool fits(const struct input *input, struct bytes schema, FILE *absent, struct error *why)
{
    struct projection *projection = NULL;
    if (projection_compile((const char *)schema.data, schema.size, &input->mapping, &projection,
                           why) != STATUS_OK)
        return false;
    for (uint32_t i = 0; projection_absent(projection, i); i++)
        fprintf(absent, "%s%s", i == 0 ? "" : ", ", projection_absent(projection, i));
    projection_close(projection);
    return true;
}

/* A folder answers at once or not at all. */
static bool find_schema(struct registry *registry, uint32_t id, struct bytes *schema)
{
    enum { LOOK_MS = 5, LOOKS_MAX = 400 };
    enum registry_answer answer = registry_find(registry, id, schema);
    for (int i = 0; answer == REGISTRY_PENDING && i < LOOKS_MAX; i++) {
        clock_sleep_ms(LOOK_MS);
        answer = registry_find(registry, id, schema);
    }
    return answer == REGISTRY_FOUND;
}

/* What is told of one input's mapping, collected over the schemas. */
struct mapping_report {
    char *reasons; /* why it fits none; of open_memstream, as the other */
    size_t reasons_size;
    char *absent; /* of the last that fits: optional paths it lacks */
    size_t absent_size;
    uint32_t fitting;
};

static void try_schema(const struct input *input, struct registry *registry, uint32_t id,
                       FILE *reasons, struct mapping_report *report)
{
    struct bytes schema;
    struct error reason = {0};
    if (!find_schema(registry, id, &schema))
        return;
    free(report->absent); /* NOLINT: of open_memstream */
    FILE *absent = open_memstream(&report->absent, &report->absent_size);
    if (!absent)
        return;
    if (fits(input, schema, absent, &reason))
        printf("%s%" PRIu32, report->fitting++ == 0 ? "ok     mapping: fits schema " : ", ", id);
    else
        fprintf(reasons, "       %" PRIu32 ": %s\n", id, reason.text);
    (void)fclose(absent);
}

/* Schemas may still come, so that none fits is no fault yet; why not is told of each. A path that
 * the schema lacks may be one of a later version: what it should give stays empty till then. */
static void tell_mapping(const struct input *input, struct registry *registry, const uint32_t *ids,
                         uint32_t count)
{
    struct mapping_report report = {0};
    FILE *reasons = open_memstream(&report.reasons, &report.reasons_size);
    if (!reasons)
        return;
    for (uint32_t i = 0; i < count; i++)
        try_schema(input, registry, ids[i], reasons, &report);
    (void)fclose(reasons);
    if (report.fitting > 0)
        printf(": %s\n", input->topic);
    else
        printf("warn   mapping: fits no schema that can be found: %s\n%s", input->topic,
               report.reasons);
    if (report.fitting == 1 && report.absent_size > 0)
        printf("warn   mapping: %s: the schema lacks optional paths, whose fields stay empty: %s: "
               "correct or remove them\n",
               input->topic, report.absent);
    free(report.reasons); /* NOLINT: of open_memstream */
    free(report.absent);  /* NOLINT: of open_memstream */
}

static uint32_t id_of_file(const char *name)
{
    char *end;
    unsigned long id = strtoul(name, &end, 10);
    return end != name && id <= UINT32_MAX && strcmp(end, ".avsc") == 0 ? (uint32_t)id : 0;
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* The ids of the folder in order, the first of them when there are too many. */
static uint32_t list_ids(const char *folder, uint32_t ids[SCHEMAS_MAX])
{
    uint32_t count = 0;
    DIR *directory = opendir(folder);
    if (!directory)
        return 0;
    for (const struct dirent *file = readdir(directory); file; file = readdir(directory)) {
        uint32_t id = id_of_file(file->d_name);
        if (id > 0 && count < SCHEMAS_MAX)
            ids[count++] = id;
    }
    (void)closedir(directory);
    qsort(ids, count, sizeof *ids, compare_ids);
    return count;
}

/* A folder that cannot be read has been told. */
static void tell_mappings(const struct config *config)
{
    uint32_t ids[SCHEMAS_MAX];
    struct registry *registry = NULL;
    struct error ignored;
    uint32_t count = config->schemas_folder ? list_ids(config->schemas_folder, ids) : 0;
    if (count == 0 ||
        registry_open_folder(config->schemas_folder, &registry, &ignored) != STATUS_OK)
        return;
    for (uint32_t i = 0; i < config->inputs_count; i++)
        tell_mapping(&config->inputs[i], registry, ids, count);
    registry_close(registry);
}

/* By the subject that producers register under by default. True: the registry answers. */
static bool tell_registered(const struct input *input, struct registry *registry)
{
    uint32_t id = 0;
    struct error err = {0};
    if (registry_latest_id(registry, input->topic, &id, &err) != STATUS_OK) {
        printf("fault  schemas.registry: %s\n", err.text);
        return false;
    }
    if (id > 0)
        tell_mapping(input, registry, &id, 1);
    else
        printf("warn   mapping: %s: no subject %s-value in the registry to try it on\n",
               input->topic, input->topic);
    return true;
}

static enum status check_registry(const struct config *config, uint32_t *faults, struct error *err)
{
    struct registry *registry = NULL;
    if (!config->schemas_registry)
        return STATUS_OK;
    if (registry_open(config, &registry, err) != STATUS_OK)
        return STATUS_OK; /* told with the files */
    bool answers = true;
    for (uint32_t i = 0; i < config->inputs_count && answers; i++)
        if (config->inputs[i].wire == WIRE_CONFLUENT)
            answers = tell_registered(&config->inputs[i], registry);
    registry_close(registry);
    *faults += !answers;
    return answers ? STATUS_OK
                   : error_fail(err, EX_UNAVAILABLE, "the schema registry does not answer");
}

static const struct {
    const char *name;
    enum status (*check)(const struct config *config, struct error *err);
} checks[] = {
    {"kafka", check_kafka},
    {"store.key", check_store_key},
    {"identity_key", check_identity_key},
    {"store.path", check_store},
    {"schemas", check_schemas},
    {"rules.folder", check_rules},
};

static uint32_t check_files(const char *path, const struct config *config)
{
    uint32_t faults = 0;
    printf("ok     %s: %u input%s\n", path, config->inputs_count,
           config->inputs_count == 1 ? "" : "s");
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        struct error why;
        bool ok = checks[i].check(config, &why) == STATUS_OK;
        printf("%s %s%s%s\n", ok ? "ok    " : "fault ", checks[i].name, ok ? "" : ": ",
               ok ? "" : why.text);
        faults += ok ? 0 : 1;
    }
    tell_if_in_use(config);
    tell_store(config);
    tell_mappings(config);
    return faults;
}

static enum status check(const struct options *options, const struct config *config,
                         struct error *err)
{
    uint32_t faults = check_files(options->config, config);
    struct error registry_err = {0};
    enum status status = STATUS_OK;
    if (!options->offline) {
        status = check_registry(config, &faults, &registry_err);
        TRY(config_online_check(config, &faults, stdout, err));
    }
    if (status != STATUS_OK) {
        *err = registry_err;
        return status;
    }
    if (faults == 0)
        return STATUS_OK;
    return error_fail(err, EX_CONFIG, "%s: %u fault%s in what it names", options->config, faults,
                      faults == 1 ? "" : "s");
}

static enum status config_check(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    TRY(arguments_parse(&check_command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    struct config *config = NULL;
    TRY(config_open(options.config, &config, err));
    log_configure(LOG_LEVEL_ERROR, config->log_json); /* what matters has a line of its own */
    enum status status = check(&options, config, err);
    config_close(config);
    return status;
}

/* --- show and reference --------------------------------------------------------------------- */

static const struct argument show_arguments[] = {CONFIG_ARGUMENT, {0}};

static const struct arguments_command show_command = {
    .name = "config show",
    .summary = "Prints every value in effect, defaults and presets included, as YAML. Values of\n"
               "client properties that may be secrets are hidden.",
    .arguments = show_arguments,
    .examples = "checkit config show -c checkit.yaml",
    .exits = exits};

static enum status config_show(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    TRY(arguments_parse(&show_command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    struct config *config = NULL;
    TRY(config_open(options.config, &config, err));
    config_write(config, stdout);
    config_close(config);
    return STATUS_OK;
}

static const struct arguments_command reference_command = {
    .name = "config reference",
    .summary = "Prints every key of the configuration with what it may be, its default and its\n"
               "meaning, as Markdown.",
    .examples = "checkit config reference"};

static enum status config_reference(int argc, char **argv, struct error *err)
{
    struct operands operands;
    TRY(arguments_parse(&reference_command, argc, argv, NULL, &operands, err));
    if (!operands.help_shown)
        config_write_reference(stdout);
    return STATUS_OK;
}

static const struct arguments_command schema_command = {
    .name = "config schema",
    .summary = "Prints the JSON Schema of the configuration (draft 2020-12), for editors and for\n"
               "checks before a roll-out. What keys ask of each other, `config check` tells.",
    .examples = "checkit config schema > checkit.schema.json"};

static enum status config_schema(int argc, char **argv, struct error *err)
{
    struct operands operands;
    TRY(arguments_parse(&schema_command, argc, argv, NULL, &operands, err));
    if (!operands.help_shown)
        config_write_schema(stdout);
    return STATUS_OK;
}

enum status command_config(int argc, char **argv, struct error *err)
{
    static const struct subcommand commands[] = {
        {"check", config_check, "read it, and look at the files it names"},
        {"show", config_show, "print every value in effect"},
        {"reference", config_reference, "print every key there is"},
        {"schema", config_schema, "print its JSON Schema"},
        {"topics", command_config_topics, "print how to make the topics, or make them"},
        {0}};
    return arguments_dispatch("config", commands, argc, argv, err);
}
