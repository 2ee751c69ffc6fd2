#include "pipeline/run/reload.h"

#include "pipeline/base/log.h"

static void take(const struct reload *reload, const struct config *fresh, bool has_new_rules)
{
    struct config_changes changes;
    struct config *running = reload->running;
    bool was_json = running->log_json;
    enum log_level before = running->log_level;
    config_take(running, fresh, &changes);
    /* Whichever of the two levels lets the line pass. */
    log_configure(before < running->log_level ? before : running->log_level, was_json);
    if (changes.left[0])
        LOG_WARN("reload", "configuration taken, but for what needs a restart",
                 LOG_TEXT("taken", changes.taken), LOG_INTEGER("new_rules", has_new_rules),
                 LOG_TEXT("needs_restart", changes.left));
    else
        LOG_INFO("reload", "configuration taken", LOG_TEXT("taken", changes.taken),
                 LOG_INTEGER("new_rules", has_new_rules));
    log_configure(running->log_level, running->log_json);
}

void reload_now(const struct reload *reload)
{
    struct config *fresh = NULL;
    struct error err = {0};
    bool has_new_rules = false;
    enum status status = config_open(reload->path, &fresh, &err);
    if (status == STATUS_OK)
        status = screener_take_rules(reload->screener, fresh->rules_folder, &has_new_rules, &err);
    if (status == STATUS_OK)
        take(reload, fresh, has_new_rules);
    else
        LOG_ERROR("reload", "configuration refused: the one in effect stays",
                  LOG_TEXT("reason", err.text));
    screener_note_reload(reload->screener, status == STATUS_OK);
    config_close(fresh);
}
