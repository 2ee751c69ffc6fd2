#include "operators/support/projection_internal.h"

static enum status bad_path(const char *whole, const char *why, struct error *err)
{
    return error_fail(err, EX_DATAERR, "path \"%s\": %s", whole, why);
}

static bool is_name_byte(char c)
{
    return c != 0 && c != '.' && c != '[' && c != ']' && c != '{' && c != '}' && c != '|' &&
           c != ' ';
}

/* One step at *at, which moves behind it; false: there is none that can be read. */
static bool read_step(const char **at, struct step *step)
{
    const char *c = *at;
    if (c[0] == '[' && c[1] == ']') {
        *step = (struct step){.kind = STEP_ITEMS};
        *at = c + 2;
        return true;
    }
    bool is_branch = *c == '{';
    if (is_branch)
        c++;
    step->name = c;
    while (is_name_byte(*c) || (is_branch && *c == '.'))
        c++;
    step->size = (size_t)(c - step->name);
    step->kind = is_branch ? step->size ? STEP_BRANCH : STEP_VALUES : STEP_FIELD;
    *at = is_branch ? c + 1 : c;
    return is_branch ? *c == '}' : step->size > 0;
}

/* A field follows the start or a dot; anything else follows what it belongs to at once. */
enum status path_parse(const char *whole, const char **rest, struct path *path, struct error *err)
{
    const char *c = *rest;
    bool after_dot = true;
    *path = (struct path){.text = whole};
    while (*c == ' ')
        c++;
    const char *start = c;
    while (*c != 0 && *c != '|' && *c != ' ') {
        struct step step;
        if (path->count == PATH_STEPS_MAX)
            return error_fail(err, EX_DATAERR, "path \"%s\": more than %d steps", whole,
                              PATH_STEPS_MAX);
        if (!read_step(&c, &step))
            return bad_path(whole, "expected names joined by dots, with [], {} or {Branch}", err);
        if ((step.kind == STEP_FIELD) != after_dot && path->count > 0)
            return bad_path(whole, "a dot belongs before every name, and only there", err);
        path->steps[path->count++] = step;
        after_dot = *c == '.';
        c += after_dot;
    }
    if (after_dot && c > start)
        return bad_path(whole, "a name is missing after the last dot", err);
    while (*c == ' ')
        c++;
    if (*c != 0 && *c != '|')
        return bad_path(whole, "a space belongs only around |", err);
    *rest = *c == '|' ? c + 1 : NULL;
    return STATUS_OK;
}
