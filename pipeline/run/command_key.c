/* checkit key: key new makes the two key files; the table of what there is. */
#include <stdio.h>
#include <unistd.h>

#include "operators/support/keys.h"
#include "pipeline/config.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/command.h"

struct options {
    const char *config;
    const char *store_key;
    const char *identity_key;
};

static const struct argument arguments[] = {
    {.name = "config",
     .letter = 'c',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .offset = offsetof(struct options, config),
     .help = "make the keys this configuration names; one that exists is kept"},
    {.name = "store-key",
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .offset = offsetof(struct options, store_key),
     .help = "make a store key in FILE"},
    {.name = "identity-key",
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .offset = offsetof(struct options, identity_key),
     .help = "make an identity key in FILE"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_UNAVAILABLE, "a file cannot be written"},
    {EX_CONFIG, "a file exists already, its folder does not, or a fault in the configuration"},
    {0}};

static const struct arguments_command new_command = {
    .name = "key new",
    .summary = "Makes key files, mode 0400; an existing file is never overwritten.\n"
               "The store key seals the list on disk: one for each store. The identity key\n"
               "makes the ids of alerts: the same for all processes, for ever.",
    .arguments = arguments,
    .examples = "checkit key new -c checkit.yaml\n"
                "checkit key new --store-key /etc/checkit/store.key",
    .exits = exits};

/* It names the key without telling it. */
static enum status tell_check_value(const char *path, struct error *err)
{
    struct store_key *key;
    char text[ID_TEXT_SIZE];
    TRY(store_key_open(path, &key, err));
    struct id check = store_key_check_value(key);
    id_to_text(&check, text);
    printf("      Its check value is %s.\n", text);
    store_key_close(key);
    return STATUS_OK;
}

static enum status make(const char *path, enum key_kind kind, struct error *err)
{
    TRY(keys_create(path, kind, err));
    printf("made  %s key %s (mode 0400)\n", kind == KEY_STORE ? "store" : "identity", path);
    if (kind == KEY_STORE)
        TRY(tell_check_value(path, err));
    if (kind == KEY_STORE)
        printf("      Without it the store cannot be read; it is then built anew from the feed.\n");
    else
        printf(
            "      Copy it to every process and back it up: all must share it, and with another\n"
            "      one the same sighting gets another id.\n");
    return STATUS_OK;
}

static enum status make_missing(const char *path, enum key_kind kind, struct error *err)
{
    if (access(path, F_OK) != 0)
        return make(path, kind, err);
    printf("kept  %s key %s: it is there already\n", kind == KEY_STORE ? "store" : "identity",
           path);
    return STATUS_OK;
}

static enum status make_configured(const char *path, struct error *err)
{
    struct config *config;
    TRY(config_open(path, &config, err));
    enum status status = make_missing(config->store_key_path, KEY_STORE, err);
    if (status == STATUS_OK)
        status = make_missing(config->identity_key_path, KEY_IDENTITY, err);
    config_close(config);
    return status;
}

/* Nothing is made when one of them is there, so that the same call works once it is moved away. */
static enum status make_named(const struct options *options, struct error *err)
{
    if (options->identity_key && access(options->identity_key, F_OK) == 0)
        return keys_create(options->identity_key, KEY_IDENTITY, err); /* which refuses */
    if (options->store_key)
        TRY(make(options->store_key, KEY_STORE, err));
    if (options->identity_key)
        TRY(make(options->identity_key, KEY_IDENTITY, err));
    return STATUS_OK;
}

static enum status key_new(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    TRY(arguments_parse(&new_command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    bool named = options.store_key || options.identity_key;
    if (named == (options.config != NULL))
        return error_fail(
            err, EX_USAGE,
            "key new: give either -c FILE, or --store-key FILE, --identity-key FILE or "
            "both; see checkit key new --help");
    if (options.config)
        return make_configured(options.config, err);
    return make_named(&options, err);
}

enum status command_key(int argc, char **argv, struct error *err)
{
    static const struct subcommand commands[] = {
        {"new", key_new, "make key files"},
        {"rotate", command_key_rotate, "build the store again under a new key"},
        {0}};
    return arguments_dispatch("key", commands, argc, argv, err);
}
