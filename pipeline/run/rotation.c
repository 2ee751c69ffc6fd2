#include "pipeline/run/rotation.h"

#include <stdio.h>
#include <string.h>

void rotation_init(struct rotation *rotation)
{
    *rotation = (struct rotation){0};
    (void)pthread_mutex_init(&rotation->lock, NULL);
}

void rotation_close(struct rotation *rotation)
{
    (void)pthread_mutex_destroy(&rotation->lock);
}

static bool may_be_asked(enum rotation_state state)
{
    return state == ROTATION_IDLE || state == ROTATION_DONE || state == ROTATION_FAILED;
}

bool rotation_ask(struct rotation *rotation, const char *key_path)
{
    (void)pthread_mutex_lock(&rotation->lock);
    bool may = may_be_asked(rotation->state);
    if (may) {
        (void)snprintf(rotation->key_path, sizeof rotation->key_path, "%s", key_path);
        rotation->error[0] = 0;
        rotation->state = ROTATION_ASKED;
    }
    (void)pthread_mutex_unlock(&rotation->lock);
    return may;
}

enum rotation_state rotation_now(struct rotation *rotation, char why[ERROR_TEXT_SIZE])
{
    (void)pthread_mutex_lock(&rotation->lock);
    enum rotation_state state = rotation->state;
    if (why)
        memcpy(why, rotation->error, ERROR_TEXT_SIZE);
    (void)pthread_mutex_unlock(&rotation->lock);
    return state;
}

void rotation_put(struct rotation *rotation, enum rotation_state state)
{
    (void)pthread_mutex_lock(&rotation->lock);
    rotation->state = state;
    (void)pthread_mutex_unlock(&rotation->lock);
}

void rotation_fail(struct rotation *rotation, const struct error *err)
{
    (void)pthread_mutex_lock(&rotation->lock);
    (void)snprintf(rotation->error, sizeof rotation->error, "%s", err->text);
    rotation->state = ROTATION_FAILED;
    (void)pthread_mutex_unlock(&rotation->lock);
}

const char *rotation_state_name(enum rotation_state state)
{
    static const char *const names[] = {[ROTATION_OFF] = "off",
                                        [ROTATION_IDLE] = "idle",
                                        [ROTATION_ASKED] = "asked",
                                        [ROTATION_FOLLOWING] = "following",
                                        [ROTATION_SWITCHING] = "switching",
                                        [ROTATION_DONE] = "done",
                                        [ROTATION_FAILED] = "failed"};
    return names[state];
}

bool rotation_path(const char *store, char out[PATH_MAX])
{
    size_t size = strlen(store);
    while (size > 1 && store[size - 1] == '/')
        size--;
    return snprintf(out, PATH_MAX, "%.*s" ROTATION_SUFFIX, (int)size, store) < PATH_MAX;
}
