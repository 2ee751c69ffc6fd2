/* checkit config: check, show or explain the configuration. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/keys.h"
#include "operators/support/registry.h"
#include "operators/support/rule_data.h"
#include "pipeline/base/assets.h"
#include "pipeline/config.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/command.h"

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
     .required = true,
     .offset = offsetof(struct options, offline),
     .help = "look at files and folders only; nothing asks the brokers yet"},
    {0}};

static const struct arguments_command check_command = {
    .name = "config check",
    .summary = "Reads the configuration as `screen` does, then opens what it names: keys and\n"
               "their modes, rule data, schemas, the store's folder. Each is one line.",
    .arguments = check_arguments,
    .examples = "checkit config check --offline -c checkit.yaml",
    .exits = exits};

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

static enum status check_rules(const struct config *config, struct error *err)
{
    struct rule_data *rules = NULL;
    TRY(rule_data_open(config->rules_folder, &rules, err));
    rule_data_close(rules);
    return STATUS_OK;
}

/* What is written must be there under some id; what is read may still come. */
static enum status check_schemas(const struct config *config, struct error *err)
{
    static const char *const written[] = {"schemas/Alert.avsc", "schemas/Receipt.avsc"};
    struct registry *registry = NULL;
    TRY(registry_open_folder(config->schemas_folder, &registry, err));
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof written / sizeof *written; i++) {
        uint32_t id;
        status = registry_id_of(registry, (const char *)assets_find(written[i]).data, &id, err);
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

static const struct {
    const char *name;
    enum status (*check)(const struct config *config, struct error *err);
} checks[] = {
    {"store.key", check_store_key}, {"identity_key", check_identity_key},
    {"store.path", check_store},    {"schemas.folder", check_schemas},
    {"rules.folder", check_rules},
};

static enum status check_files(const char *path, const struct config *config, struct error *err)
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
    if (faults == 0)
        return STATUS_OK;
    return error_fail(err, EX_CONFIG, "%s: %u fault%s in what it names", path, faults,
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
    enum status status = check_files(options.config, config, err);
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

enum status command_config(int argc, char **argv, struct error *err)
{
    static const struct subcommand commands[] = {
        {"check", config_check, "read it, and look at the files it names"},
        {"show", config_show, "print every value in effect"},
        {"reference", config_reference, "print every key there is"},
        {"topics", command_config_topics, "print how to make the topics, or make them"},
        {0}};
    return arguments_dispatch("config", commands, argc, argv, err);
}
