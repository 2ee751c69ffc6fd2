#include "operators/support/projection_internal.h"

void compiler_push(struct compiler *compiler, struct want want)
{
    if (compiler->wants_count == compiler->wants_capacity) {
        compiler->wants_capacity = compiler->wants_capacity ? 2 * compiler->wants_capacity : 64;
        compiler->wants =
            memory_resize(compiler->wants, compiler->wants_capacity, sizeof(struct want));
    }
    compiler->wants[compiler->wants_count++] = want;
}

enum status compiler_add_paths(struct compiler *compiler, const char *paths, struct want model,
                               uint32_t *slots_count, struct want_list *list)
{
    *list = (struct want_list){compiler->wants_count, 0};
    const char *rest = paths;
    while (rest) {
        struct path path;
        TRY(path_parse(paths, &rest, &path, compiler->err));
        compiler->paths =
            memory_resize(compiler->paths, compiler->paths_count + 1, sizeof(struct path));
        compiler->paths[compiler->paths_count] = path;
        model.path = compiler->paths_count++;
        if (list->count > 0 && model.kind != WANT_DOCUMENT) {
            if (*slots_count == SLOTS_MAX)
                return error_fail(compiler->err, EX_DATAERR,
                                  "path \"%s\": more than %d paths and alternatives", paths,
                                  SLOTS_MAX);
            model.slot = (uint16_t)(*slots_count)++;
        }
        compiler_push(compiler, model);
        list->count++;
    }
    return STATUS_OK;
}

static bool is_text(const struct schema_type *type)
{
    return type->kind == TYPE_KIND_STRING || type->kind == TYPE_KIND_ENUM ||
           ((type->kind == TYPE_KIND_BYTES || type->kind == TYPE_KIND_FIXED) &&
            type->logical != LOGICAL_DECIMAL);
}

static bool is_integer(const struct schema_type *type)
{
    return type->kind == TYPE_KIND_INT || type->kind == TYPE_KIND_LONG;
}

/* Whether a value of the type can be read as what is wanted of it. */
static bool fits(const struct compiler *compiler, const struct schema_type *type, struct want want)
{
    bool is_point_in_time = type->kind == TYPE_KIND_STRING ||
                            (is_integer(type) && type->logical != LOGICAL_TIME_OF_DAY);
    switch (want.kind) {
    case WANT_NUMBER:
        return is_text(type) ||
               (is_integer(type) && compiler->projection->rows[want.row].number_width > 0);
    case WANT_TEXT:
    case WANT_FLAG:
        return is_text(type);
    case WANT_INTEGER:
        return is_integer(type);
    case WANT_DATE: /* a plain int counts days */
        return is_point_in_time;
    case WANT_TIME: /* a plain long counts milliseconds; what a plain int counts, nobody knows */
        return is_point_in_time && (type->kind != TYPE_KIND_INT || type->logical == LOGICAL_DATE);
    case WANT_DOCUMENT:
        break;
    }
    return false;
}

static enum resolution at_end(struct compiler *compiler, uint32_t index, struct want want)
{
    if (want.kind == WANT_DOCUMENT)
        return compiler_resolve_any(compiler, index,
                                    compiler->row_wants[want.row][compiler->row_field]);
    const struct schema_type *type = &compiler->schema->types[index];
    if (fits(compiler, type, want))
        return RESOLUTION_FOUND;
    compiler->wrong = type->kind;
    return RESOLUTION_UNFITTING;
}

/* Without a branch in the path every branch but null may carry it; with one, that branch alone. */
static enum resolution in_union(struct compiler *compiler, const struct schema_type *type,
                                struct want want)
{
    const struct schema *schema = compiler->schema;
    const struct step *step = want_step(compiler, want);
    bool is_named = step && step->kind == STEP_BRANCH;
    want.step += is_named;
    enum resolution highest = RESOLUTION_ABSENT;
    for (uint32_t i = 0; i < type->parts_count; i++) {
        uint32_t branch = schema->parts[type->parts_first + i].type;
        if (is_named ? !schema_type_is_named(&schema->types[branch], step->name, step->size)
                     : schema->types[branch].kind == TYPE_KIND_NULL)
            continue;
        enum resolution found = compiler_resolve(compiler, branch, want);
        highest = found > highest ? found : highest;
    }
    return highest;
}

static enum resolution in_record(struct compiler *compiler, const struct schema_type *type,
                                 struct want want)
{
    const struct schema *schema = compiler->schema;
    const struct step *step = want_step(compiler, want);
    want.step++;
    for (uint32_t i = 0; i < type->parts_count; i++) {
        const struct schema_part *field = &schema->parts[type->parts_first + i];
        compiler->visits++;
        if (strlen(field->name) == step->size && memcmp(field->name, step->name, step->size) == 0)
            return compiler_resolve(compiler, field->type, want);
    }
    return RESOLUTION_ABSENT;
}

/* Recursion follows the configured path, and no union stands directly in a union: at most
 * 2 * PATH_STEPS_MAX levels, and as many again for a document's number. The schema decides only how
 * broad it gets, which the visits limit. */
enum resolution compiler_resolve(struct compiler *compiler, uint32_t index, struct want want)
{
    const struct schema_type *type = &compiler->schema->types[index];
    const struct step *step = want_step(compiler, want);
    if (++compiler->visits > SCHEMA_VISITS_MAX)
        return RESOLUTION_ABSENT; /* the caller refuses the schema */
    if (type->kind == TYPE_KIND_UNION)
        return in_union(compiler, type, want);
    if (!step)
        return at_end(compiler, index, want);
    bool is_branch =
        step->kind == STEP_BRANCH && schema_type_is_named(type, step->name, step->size);
    if (type->kind == TYPE_KIND_RECORD && step->kind == STEP_FIELD)
        return in_record(compiler, type, want);
    bool is_item = (type->kind == TYPE_KIND_ARRAY && step->kind == STEP_ITEMS) ||
                   (type->kind == TYPE_KIND_MAP && step->kind == STEP_VALUES);
    if (!is_branch && !is_item)
        return RESOLUTION_ABSENT;
    want.step++;
    return compiler_resolve(
        compiler, is_item ? compiler->schema->parts[type->parts_first].type : index, want);
}

enum resolution compiler_resolve_any(struct compiler *compiler, uint32_t type,
                                     struct want_list list)
{
    enum resolution highest = RESOLUTION_ABSENT;
    for (uint32_t i = 0; i < list.count; i++) {
        enum resolution found = compiler_resolve(compiler, type, compiler->wants[list.first + i]);
        highest = found > highest ? found : highest;
    }
    return highest;
}
