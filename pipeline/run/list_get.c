/* checkit list get: one entry of the list. */
#include <string.h>

#include "operators/support/canonical.h"
#include "operators/support/rule_data.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/entry_view.h"
#include "pipeline/run/list_store.h"

enum { CODE_OK = 200 };

struct options {
    const char *config;
    const char *store;
    bool json;
};

static const struct argument arguments[] = {
    {.name = "config",
     .letter = 'c',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .required = true,
     .offset = offsetof(struct options, config),
     .help = "the configuration"},
    {.name = "store",
     .kind = ARGUMENT_TEXT,
     .value = "FOLDER",
     .offset = offsetof(struct options, store),
     .help = "another store of the same key, such as a snapshot"},
    {.name = "json",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, json),
     .help = "one JSON object"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DATAERR, "there never was such an entry, or the store is damaged"},
    {EX_UNAVAILABLE, "the store cannot be read, or its process does not answer"},
    {EX_CONFIG, "a fault in FILE, no store, or another key's"},
    {0}};

static const struct arguments_command command = {
    .name = "list get",
    .summary = "Shows the entry with that id, number included: live or withdrawn, and which\n"
               "documents it would answer with which tier and class. Of a store in use the\n"
               "process that has it is asked, and answers as of now.",
    .arguments = arguments,
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .examples = "checkit list get -c checkit.yaml NLD-4711\n"
                "checkit list get -c checkit.yaml --store /backup/list --json NLD-4711",
    .exits = exits};

static enum status ask(struct list_store *source, const char *id, struct json **view,
                       struct error *err)
{
    char target[LIST_TARGET_SIZE];
    uint32_t code = 0;
    TRY(list_store_target("/entry?id=", id, target, err));
    TRY(list_store_ask(source, target, false, &code, view, err));
    if (code == CODE_OK)
        return STATUS_OK;
    json_close(*view);
    *view = NULL;
    return STATUS_OK;
}

static enum status read_store(struct store *store, const struct rule_data *rules, const char *id,
                              struct json **view, struct error *err)
{
    struct entry entry;
    struct gate gate;
    bool found = false;
    TRY(store_get(store, bytes_of_text(id), &entry, &found, err));
    if (!found)
        return STATUS_OK;
    bool has_gate =
        entry.is_live && store_gate(store, canonical_shape(entry.number, entry.size), &gate);
    *view = entry_view(rules, &entry, has_gate ? &gate : NULL);
    return STATUS_OK;
}

static enum status look_up(struct list_store *source, const char *id, struct json **view,
                           struct error *err)
{
    struct store *store = NULL;
    struct rule_data *rules = NULL;
    TRY(rule_data_open(source->config->rules_folder, &rules, err));
    enum status status = list_store_inspect(source, &store, err);
    if (status == STATUS_OK)
        status = read_store(store, rules, id, view, err);
    store_close(store);
    rule_data_close(rules);
    return status;
}

static void show(const struct json *view, bool as_json)
{
    struct buffer text = {0};
    if (as_json) {
        json_write(view, &text);
        (void)printf("%s\n", text.data);
    } else {
        entry_view_write(view, stdout);
    }
    buffer_close(&text);
}

static enum status run(struct list_store *source, const void *state,
                       const struct operands *operands, const struct config *config,
                       struct error *err)
{
    const struct options *options = state;
    const char *id = operands->items[0];
    struct json *view = NULL;
    if (strlen(id) > ENTRY_ID_SIZE_MAX)
        return error_fail(err, EX_USAGE, "list get: an id has at most %d bytes", ENTRY_ID_SIZE_MAX);
    TRY(list_store_open(source, config, options->store, err));
    TRY(source->client ? ask(source, id, &view, err) : look_up(source, id, &view, err));
    if (!view)
        return error_fail(err, EX_DATAERR, "list get: there never was an entry of that id");
    show(view, options->json);
    json_close(view);
    return STATUS_OK;
}

enum status command_list_get(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    const struct list_command list = {&command, &options, &options.config, run};
    return list_command_run(&list, argc, argv, err);
}
