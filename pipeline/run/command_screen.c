#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/reload.h"
#include "pipeline/run/screener.h"
#include "pipeline/run/signals.h"

struct options {
    const char *config;
    bool until_end;
};

static const struct argument arguments[] = {
    {.name = "config",
     .letter = 'c',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .required = true,
     .offset = offsetof(struct options, config),
     .help = "the configuration"},
    {.name = "until-end",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, until_end),
     .help = "stop at the end offsets seen at the start and print a summary (JSON)"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DATAERR, "the list on disk was found damaged, or its topic was created anew, while\n"
                 "      screening: the next start sets it aside and reads the topic anew"},
    {EX_UNAVAILABLE, "Kafka is not reached, or not everything was delivered in time: the rest is\n"
                     "      not committed and is screened again at the next start"},
    {EX_SOFTWARE, "a fault of the program"},
    {EX_CONFIG, "a fault in FILE, a key is missing (checkit key new), or http.listen is taken"},
    {0}};

static const struct arguments_command command = {
    .name = "screen",
    .summary =
        "Screens the documents named in the configured topics against the list, and\n"
        "publishes alerts, receipts and dead letters. Runs until SIGTERM or SIGINT, then\n"
        "delivers what it has within 4 seconds and commits. Health and metrics are answered\n"
        "over HTTP meanwhile, at http.listen. SIGHUP reads FILE again and takes what a running\n"
        "process can (`config reference` marks it); a fault in it changes nothing.",
    .arguments = arguments,
    .examples = "checkit screen -c /etc/checkit/checkit.yaml\n"
                "checkit screen -c checkit.yaml --until-end > summary.json",
    .exits = exits,
};

/* A screener_wait; state: struct reload. */
static bool wait_for_signals(void *state, uint32_t ms)
{
    enum signals_event event = signals_next(ms);
    if (event == SIGNALS_RELOAD)
        reload_now(state);
    return event == SIGNALS_STOP;
}

static enum status screen(const char *path, struct config *config, bool until_end,
                          struct error *err)
{
    struct screener *screener = NULL;
    memory_keep_freed();
    TRY(screener_open(config, &screener, err));
    struct reload reload = {path, config, screener};
    enum status status =
        screener_run(screener, until_end ? SCREENER_UNTIL_END : SCREENER_UNTIL_STOPPED,
                     wait_for_signals, &reload, err);
    if (until_end && status == STATUS_OK)
        screener_write_summary(screener, stdout);
    screener_close(screener);
    return status;
}

enum status command_screen(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    TRY(arguments_parse(&command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    struct config *config = NULL;
    TRY(config_open(options.config, &config, err));
    log_configure(config->log_level, config->log_json);
    signals_block_with_reload();
    enum status status = screen(options.config, config, options.until_end, err);
    config_close(config);
    return status;
}
