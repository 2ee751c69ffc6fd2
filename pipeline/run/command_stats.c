/* checkit stats: what a running `checkit screen` answers over HTTP, for people and programs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "operators/support/http_client.h"
#include "pipeline/base/clock.h"
#include "pipeline/config.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/command.h"
#include "pipeline/run/signals.h"
#include "pipeline/run/stats_view.h"
#include "pipeline/run/terminal.h"

enum { TIMEOUT_MS = 5000, EVERY_MS = 1000, URL_SIZE = 512, CODE_OK = 200, CODE_NOT_READY = 503 };

struct options {
    const char *config;
    const char *url;
    bool watch;
    bool json;
};

static const struct argument arguments[] = {
    {.name = "config",
     .letter = 'c',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     .offset = offsetof(struct options, config),
     .help = "the configuration of the process: its http.listen is asked"},
    {.name = "url",
     .kind = ARGUMENT_TEXT,
     .value = "URL",
     .offset = offsetof(struct options, url),
     .help = "where it answers instead, such as http://127.0.0.1:10644"},
    {.name = "watch",
     .letter = 'w',
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, watch),
     .help = "ask each second, until SIGINT or SIGTERM"},
    {.name = "json",
     .kind = ARGUMENT_SWITCH,
     .offset = offsetof(struct options, json),
     .help = "one JSON object a line"},
    {0}};

static const struct arguments_exit exits[] = {
    {EX_DATAERR, "what answers there is no checkit"},
    {EX_UNAVAILABLE, "the process cannot be reached, or standard output cannot be written"},
    {EX_TEMPFAIL, "the process is not ready; why is told"},
    {EX_CONFIG, "a fault in FILE, or its http.listen is off or has port 0"},
    {0}};

static const struct arguments_command command = {
    .name = "stats",
    .summary = "Shows a running `checkit screen`: whether it is ready and if not why, records and\n"
               "documents with their rates, lag, the list, hits by tier and class, dead letters\n"
               "and unscreenable documents by reason, and how long an alert takes. Rates are over\n"
               "a second. With --watch the exit code is about the last answer.",
    .arguments = arguments,
    .examples = "checkit stats -c checkit.yaml\n"
                "checkit stats --url http://10.0.0.7:10644 --watch\n"
                "checkit stats -c checkit.yaml --json | jq .lag_records",
    .exits = exits,
};

struct job {
    const struct options *options;
    char base[URL_SIZE]; /* without a '/' at its end */
    struct http_client *client;
    struct buffer body;
    struct buffer text;
    struct terminal terminal; /* open with --watch on one */
    bool has_color;
    struct stats_look now;
    struct stats_look before;
};

/* --- where -------------------------------------------------------------------------------------
 */

/* Of all addresses of the machine this is the one to ask. */
static const char *or_local(const char *listen, const char *every, const char *local)
{
    return strncmp(listen, every, strlen(every)) == 0 ? local : NULL;
}

static enum status find_listener(struct job *job, const char *listen, struct error *err)
{
    const char *port = listen ? strrchr(listen, ':') : NULL;
    if (!port || strcmp(port, ":0") == 0)
        return error_fail(err, EX_CONFIG,
                          "stats: http.listen in '%s' is off or has port 0: it cannot be asked, or "
                          "give --url with the port the log tells",
                          job->options->config);
    const char *local = or_local(listen, "0.0.0.0:", "127.0.0.1");
    if (!local)
        local = or_local(listen, "[::]:", "[::1]");
    if (local)
        (void)snprintf(job->base, sizeof job->base, "http://%s%s", local, port);
    else
        (void)snprintf(job->base, sizeof job->base, "http://%s", listen);
    return STATUS_OK;
}

static enum status find_base(struct job *job, struct error *err)
{
    const struct options *options = job->options;
    if ((options->config != NULL) == (options->url != NULL))
        return error_fail(err, EX_USAGE,
                          "stats: give either -c FILE or --url URL; see checkit stats --help");
    if (options->url) {
        size_t size = strlen(options->url);
        size -= size > 0 && options->url[size - 1] == '/';
        if (size >= sizeof job->base)
            return error_fail(err, EX_USAGE, "stats: --url: is too long");
        memcpy(job->base, options->url, size);
        return STATUS_OK;
    }
    struct config *config = NULL;
    TRY(config_open(options->config, &config, err));
    enum status status = find_listener(job, config->http_listen, err);
    config_close(config);
    return status;
}

/* --- asking ------------------------------------------------------------------------------------
 */

static enum status get(struct job *job, const char *path, uint32_t *code, struct error *err)
{
    char url[URL_SIZE + 16];
    (void)snprintf(url, sizeof url, "%s%s", job->base, path);
    enum status status = http_client_get(job->client, url, code, &job->body, err);
    if (status != STATUS_OK)
        error_prefix(err, "stats");
    return status;
}

static enum status no_checkit(const struct job *job, struct error *err)
{
    return error_fail(err, EX_DATAERR, "stats: what answers at %s is no checkit", job->base);
}

static enum status look_at_health(struct job *job, struct error *err)
{
    uint32_t code = 0;
    struct error ignored;
    TRY(get(job, "/readyz", &code, err));
    if ((code != CODE_OK && code != CODE_NOT_READY) ||
        json_parse(job->body.data ? job->body.data : "", job->body.size, &job->now.health,
                   &ignored) != STATUS_OK ||
        json_kind_of(json_member(job->now.health, "checks")) != JSON_KIND_OBJECT)
        return no_checkit(job, err);
    return STATUS_OK;
}

static enum status look_at_metrics(struct job *job, struct error *err)
{
    uint32_t code = 0;
    struct error ignored;
    TRY(get(job, "/metrics", &code, err));
    if (code != CODE_OK || scrape_parse(job->body.data ? job->body.data : "", job->body.size,
                                        &job->now.metrics, &ignored) != STATUS_OK)
        return no_checkit(job, err);
    job->now.time_ns = clock_monotonic_ns();
    return STATUS_OK;
}

/* What was now is before; now is what it answers. */
static enum status look(struct job *job, struct error *err)
{
    stats_look_close(&job->before);
    job->before = job->now;
    job->now = (struct stats_look){0};
    enum status status = look_at_health(job, err);
    if (status == STATUS_OK)
        status = look_at_metrics(job, err);
    if (status != STATUS_OK)
        stats_look_close(&job->now);
    return status;
}

static enum status judge(const struct job *job, struct error *err)
{
    char reason[ERROR_TEXT_SIZE / 2];
    if (stats_is_ready(&job->now))
        return STATUS_OK;
    stats_reason(&job->now, reason, sizeof reason);
    return error_fail(err, EX_TEMPFAIL, "stats: not ready: %s", reason);
}

/* --- showing -----------------------------------------------------------------------------------
 */

static enum status show_text(struct job *job, struct error *err)
{
    if (job->terminal.is_open) {
        terminal_draw(&job->terminal, &job->text);
        return STATUS_OK;
    }
    (void)fwrite(job->text.data, 1, job->text.size, stdout);
    if (fflush(stdout) != 0)
        return error_fail(err, EX_UNAVAILABLE, "standard output cannot be written");
    return STATUS_OK;
}

static enum status show(struct job *job, struct error *err)
{
    const struct stats_look *before = job->before.metrics ? &job->before : NULL;
    buffer_reset(&job->text);
    if (job->options->json)
        stats_write_json(&job->now, before, &job->text);
    else
        stats_write_text(&job->now, before, job->has_color, &job->text);
    if (job->options->watch && !job->options->json && !job->terminal.is_open)
        buffer_add_text(&job->text, "\n");
    return show_text(job, err);
}

/* A process that is gone may come back: said instead of its figures, as JSON on standard error. */
static enum status show_fault(struct job *job, const struct error *fault, struct error *err)
{
    if (job->options->json) {
        (void)fprintf(stderr, "checkit: %s\n", fault->text);
        return STATUS_OK;
    }
    buffer_reset(&job->text);
    buffer_print(&job->text, "%s\n", fault->text);
    return show_text(job, err);
}

static enum status show_once(struct job *job, struct error *err)
{
    TRY(look(job, err));
    if (signals_wait(NULL, EVERY_MS))
        return error_fail(err, EX_UNAVAILABLE, "stats: interrupted");
    TRY(look(job, err));
    TRY(show(job, err));
    return judge(job, err);
}

/* Looks each second and shows what came of it, the first look's first. *last: what the last one
 * came to, and *fault why. */
static enum status watch_on(struct job *job, enum status *last, struct error *fault,
                            struct error *err)
{
    for (;;) {
        TRY(*last == STATUS_OK ? show(job, err) : show_fault(job, fault, err));
        if (signals_wait(NULL, EVERY_MS))
            return STATUS_OK;
        *fault = (struct error){0};
        *last = look(job, fault);
    }
}

static enum status watch(struct job *job, struct error *err)
{
    enum status last = STATUS_OK;
    struct error fault = {0};
    TRY(look(job, err));
    if (!job->options->json && terminal_is_fit(STDOUT_FILENO))
        terminal_open(&job->terminal, STDOUT_FILENO);
    TRY(watch_on(job, &last, &fault, err));
    if (last == STATUS_OK)
        return judge(job, err);
    *err = fault;
    return last;
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static enum status run(struct job *job, struct error *err)
{
    TRY(find_base(job, err));
    TRY(http_client_open(TIMEOUT_MS, &job->client, err));
    signals_block();
    return job->options->watch ? watch(job, err) : show_once(job, err);
}

enum status command_stats(int argc, char **argv, struct error *err)
{
    struct options options = {0};
    struct operands operands;
    TRY(arguments_parse(&command, argc, argv, &options, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    struct job job = {.options = &options};
    job.has_color = terminal_is_fit(STDOUT_FILENO) && terminal_wants_color();
    enum status status = run(&job, err);
    terminal_close(&job.terminal);
    http_client_close(job.client);
    stats_look_close(&job.now);
    stats_look_close(&job.before);
    buffer_close(&job.body);
    buffer_close(&job.text);
    return status;
}
