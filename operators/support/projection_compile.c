#include "operators/support/projection_internal.h"

#include <stdio.h>

static const char *const want_names[] = {
    [WANT_DOCUMENT] = "a document", [WANT_NUMBER] = "a document number",
    [WANT_TEXT] = "text",           [WANT_TIME] = "a time",
    [WANT_DATE] = "a date",         [WANT_INTEGER] = "an integer",
    [WANT_FLAG] = "a flag"};

static void compile_value(struct compiler *compiler, uint32_t type, struct want_list list);

static void add(struct compiler *compiler, enum operation_code code, uint32_t slot, uint32_t count)
{
    program_add(compiler->program,
                (struct operation){.code = (uint8_t)code, .slot = (uint16_t)slot, .count = count});
}

static enum status check_limits(struct compiler *compiler)
{
    if (compiler->visits > SCHEMA_VISITS_MAX)
        return error_fail(compiler->err, EX_DATAERR,
                          "the schema is too large to follow the mapping's paths through it");
    if (compiler->program && compiler->program->full)
        return error_fail(compiler->err, EX_DATAERR,
                          "the schema is too large: reading it takes more than %d operations",
                          SCHEMA_OPERATIONS_MAX);
    return STATUS_OK;
}

static enum status refuse_unfitting(struct compiler *compiler, const char *path,
                                    enum want_kind kind)
{
    return error_fail(compiler->err, EX_DATAERR, "path \"%s\" ends at %s, which is not %s%s", path,
                      type_kind_name(compiler->wrong), want_names[kind],
                      kind == WANT_NUMBER ? " (an integer needs a number_width)" : "");
}

/* --- values --- */

/* An enum's symbols are copied once: they outlive the schema. */
static int32_t symbols_of(struct compiler *compiler, uint32_t index)
{
    struct projection *projection = compiler->projection;
    const struct schema_type *type = &compiler->schema->types[index];
    if (compiler->symbols_of[index] < 0) {
        compiler->symbols_of[index] = projection->symbols_count;
        projection->symbols =
            memory_resize(projection->symbols, projection->symbols_count + type->symbols_count,
                          sizeof(struct bytes));
        for (uint32_t i = 0; i < type->symbols_count; i++) {
            const char *symbol = schema_symbol(type, i);
            projection->symbols[projection->symbols_count++] =
                bytes_of_text(memory_copy_text(symbol, strlen(symbol)));
        }
    }
    return (int32_t)compiler->symbols_of[index];
}

static enum slot_kind unit_of(const struct schema_type *type, enum want_kind kind)
{
    if (kind == WANT_NUMBER || kind == WANT_INTEGER)
        return SLOT_INTEGER;
    if (type->kind == TYPE_KIND_INT)
        return SLOT_DAYS;
    if (type->logical == LOGICAL_MICROS)
        return SLOT_MICROS;
    return type->logical == LOGICAL_NANOS ? SLOT_NANOS : SLOT_MILLIS;
}

static void compile_take(struct compiler *compiler, uint32_t index, struct want want)
{
    const struct schema_type *type = &compiler->schema->types[index];
    struct operation take = {.slot = want.slot};
    if (type->kind == TYPE_KIND_FIXED) {
        take.code = OPERATION_TAKE_BYTES;
        take.count = type->fixed_size;
    } else if (type->kind == TYPE_KIND_ENUM) {
        take.code = OPERATION_TAKE_SYMBOL;
        take.count = type->symbols_count;
        take.jump = symbols_of(compiler, index);
    } else if (type->kind == TYPE_KIND_INT || type->kind == TYPE_KIND_LONG) {
        take.code = OPERATION_TAKE_INTEGER;
        take.kind = (uint8_t)unit_of(type, want.kind);
    } else {
        take.code = OPERATION_TAKE_TEXT;
    }
    program_add(compiler->program, take);
    if (want.kind == WANT_FLAG)
        add(compiler, OPERATION_ADD_FLAG, want.slot, 0);
}

static void compile_scalar(struct compiler *compiler, uint32_t index, struct want_list list)
{
    if (list.count > 1)
        add(compiler, OPERATION_MARK, 0, 0);
    for (uint32_t i = 0; i < list.count; i++) {
        if (i > 0)
            add(compiler, OPERATION_BACK, 0, 0);
        compile_take(compiler, index, compiler->wants[list.first + i]);
    }
}

/* --- containers: each pushes the wants that go on, and pops them again --- */

static void compile_union(struct compiler *compiler, uint32_t index, struct want_list list)
{
    const struct schema *schema = compiler->schema;
    const struct schema_type *type = &schema->types[index];
    struct union_builder builder;
    program_union_begin(compiler->program, type->parts_count, &builder);
    for (uint32_t i = 0; i < type->parts_count; i++) {
        uint32_t branch = schema->parts[type->parts_first + i].type;
        struct want_list inner = {compiler->wants_count, 0};
        for (uint32_t w = 0; w < list.count; w++) {
            struct want want = compiler->wants[list.first + w];
            if (compiler_resolve(compiler, branch, want) == RESOLUTION_FOUND)
                compiler_push(compiler, want);
        }
        inner.count = compiler->wants_count - inner.first;
        program_branch_begin(compiler->program, &builder);
        compile_value(compiler, branch, inner);
        program_branch_end(compiler->program, &builder, i);
        compiler->wants_count = inner.first;
    }
    program_union_end(compiler->program, &builder);
}

static bool is_field(const struct step *step, const char *name)
{
    return step && step->kind == STEP_FIELD && strlen(name) == step->size &&
           memcmp(name, step->name, step->size) == 0;
}

static void compile_record(struct compiler *compiler, uint32_t index, struct want_list list)
{
    const struct schema *schema = compiler->schema;
    const struct schema_type *type = &schema->types[index];
    for (uint32_t i = 0; i < type->parts_count; i++) {
        const struct schema_part *field = &schema->parts[type->parts_first + i];
        struct want_list inner = {compiler->wants_count, 0};
        for (uint32_t w = 0; w < list.count; w++) {
            struct want want = compiler->wants[list.first + w];
            if (!is_field(want_step(compiler, want), field->name))
                continue;
            want.step++;
            compiler_push(compiler, want);
        }
        inner.count = compiler->wants_count - inner.first;
        compile_value(compiler, field->type, inner);
        compiler->wants_count = inner.first;
    }
}

static void compile_loop(struct compiler *compiler, uint32_t index, struct want_list list)
{
    const struct schema *schema = compiler->schema;
    const struct schema_type *type = &schema->types[index];
    uint32_t item = schema->parts[type->parts_first].type;
    bool is_map = type->kind == TYPE_KIND_MAP;
    struct want_list inner = {compiler->wants_count, list.count};
    for (uint32_t w = 0; w < list.count; w++) {
        struct want want = compiler->wants[list.first + w];
        want.step++;
        compiler_push(compiler, want);
    }
    enum loop kind = LOOP_READ;
    if (schema->types[item].is_empty && !is_map)
        kind = compiler->program == &compiler->projection->documents ? LOOP_EMPTY : LOOP_FIRST;
    uint32_t begin = program_loop_begin(compiler->program, kind);
    if (is_map)
        add(compiler, OPERATION_SKIP_TEXTS, 0, 1);
    compile_value(compiler, item, inner);
    program_loop_end(compiler->program, begin);
    compiler->wants_count = inner.first;
}

/* --- documents --- */

/* What the branch of a union leaves to follow; a schema may have the branch's type alone. */
static struct want past_branches(const struct compiler *compiler, struct want want)
{
    const struct step *step = want_step(compiler, want);
    for (; step && step->kind == STEP_BRANCH; step = want_step(compiler, want))
        want.step++;
    return want;
}

/* Puts on the stack what is wanted of a document of this type. */
static void begin_row(struct compiler *compiler, uint32_t type, uint32_t row)
{
    add(compiler, OPERATION_ROW_BEGIN, 0, row);
    for (uint32_t field = 0; field < ROW_FIELDS; field++) {
        struct want_list list = compiler->row_wants[row][field];
        enum resolution highest = compiler_resolve_any(compiler, type, list);
        if (highest == RESOLUTION_UNFITTING && compiler->status == STATUS_OK)
            compiler->status = refuse_unfitting(
                compiler, compiler->paths[compiler->wants[list.first].path].text, WANT_TEXT);
        for (uint32_t i = 0; i < list.count; i++) {
            struct want want = compiler->wants[list.first + i];
            if (compiler_resolve(compiler, type, want) == RESOLUTION_FOUND)
                compiler_push(compiler, past_branches(compiler, want));
        }
    }
}

static void add_alternatives(struct compiler *compiler, struct want_list list)
{
    for (uint32_t i = 1; i < list.count; i++)
        add(compiler, OPERATION_ELSE_TAKE, compiler->wants[list.first].slot,
            compiler->wants[list.first + i].slot);
}

static void end_row(struct compiler *compiler, uint32_t row)
{
    for (uint32_t field = 0; field < ROW_FIELDS; field++)
        add_alternatives(compiler, compiler->row_wants[row][field]);
    add(compiler, OPERATION_ROW_END, 0, row);
}

static bool is_row(const struct compiler *compiler, struct want want)
{
    return want.kind == WANT_DOCUMENT && !want_step(compiler, want);
}

/* A type that is no union: rows that are wanted here lie around its value. */
static void compile_plain(struct compiler *compiler, uint32_t index, struct want_list list)
{
    const struct schema_type *type = &compiler->schema->types[index];
    struct want_list inner = {compiler->wants_count, 0};
    for (uint32_t w = 0; w < list.count; w++) {
        struct want want = past_branches(compiler, compiler->wants[list.first + w]);
        if (is_row(compiler, want))
            begin_row(compiler, index, want.row);
        else
            compiler_push(compiler, want);
    }
    inner.count = compiler->wants_count - inner.first;
    if (type->kind == TYPE_KIND_RECORD)
        compile_record(compiler, index, inner);
    else if (type->kind == TYPE_KIND_ARRAY || type->kind == TYPE_KIND_MAP)
        compile_loop(compiler, index, inner);
    else
        compile_scalar(compiler, index, inner);
    compiler->wants_count = inner.first;
    for (uint32_t w = list.count; w-- > 0;) {
        struct want want = past_branches(compiler, compiler->wants[list.first + w]);
        if (is_row(compiler, want))
            end_row(compiler, want.row);
    }
}

/* Recursion follows the configured paths (projection_resolve.c); what no path goes through is
 * skipped by a list that is ready. */
static void compile_value(struct compiler *compiler, uint32_t type, struct want_list list)
{
    if (compiler->program->full || compiler->visits > SCHEMA_VISITS_MAX)
        return;
    if (list.count == 0)
        schema_add_skip(compiler->schema, type, compiler->program);
    else if (compiler->schema->types[type].kind == TYPE_KIND_UNION)
        compile_union(compiler, type, list);
    else
        compile_plain(compiler, type, list);
}

/* --- programs --- */

/* Gives every call its routine, routines calling others included. */
static void link_calls(struct compiler *compiler)
{
    const struct schema *schema = compiler->schema;
    struct program *program = compiler->program;
    for (uint32_t at = 0; at < program->count && !program->full; at++) {
        if (program->operations[at].code != OPERATION_CALL)
            continue;
        uint32_t index = program->operations[at].count;
        const struct schema_type *type = &schema->types[index];
        if (compiler->routines_of[index] < 0) {
            program_seal(program);
            compiler->routines_of[index] = program->count;
            program_add_list(program, &schema->skips, type->skip_first, type->skip_count, true);
            add(compiler, OPERATION_RETURN, 0, 0);
        }
        program->operations[at].jump = (int32_t)(compiler->routines_of[index] - at);
    }
}

static enum status compile_program(struct compiler *compiler, struct program *program,
                                   struct want_list wanted, const struct want_list *alternatives,
                                   uint32_t alternatives_count)
{
    const struct schema *schema = compiler->schema;
    compiler->program = program;
    program_open(program, SCHEMA_OPERATIONS_MAX);
    compiler->routines_of =
        memory_resize(compiler->routines_of, schema->types_count, sizeof *compiler->routines_of);
    memset(compiler->routines_of, 0xFF, schema->types_count * sizeof *compiler->routines_of);
    compile_value(compiler, schema->root, wanted);
    for (uint32_t i = 0; i < alternatives_count; i++)
        add_alternatives(compiler, alternatives[i]);
    add(compiler, OPERATION_END, 0, 0);
    link_calls(compiler);
    TRY(check_limits(compiler));
    return compiler->status;
}

/* --- the documents of a mapping --- */

/* A document has one number, one issuer: where there are several, each is a document. */
static enum status refuse_items(struct compiler *compiler, const char *paths, struct want_list list)
{
    for (uint32_t i = 0; i < list.count; i++) {
        const struct path *path = &compiler->paths[compiler->wants[list.first + i].path];
        for (uint32_t step = 0; step < path->count; step++)
            if (path->steps[step].kind == STEP_ITEMS || path->steps[step].kind == STEP_VALUES)
                return error_fail(compiler->err, EX_DATAERR,
                                  "path \"%s\": [] and {} belong in the path of the documents",
                                  paths);
    }
    return STATUS_OK;
}

static enum status add_row_fields(struct compiler *compiler, uint32_t index,
                                  const struct document_mapping *mapping, uint32_t *slots_count)
{
    const char *const paths[ROW_FIELDS] = {mapping->number, mapping->issuer, mapping->type,
                                           mapping->nationality};
    struct row *row = &compiler->projection->rows[index];
    uint32_t first = *slots_count;
    if (first > SLOTS_MAX - ROW_FIELDS)
        return error_fail(compiler->err, EX_DATAERR, "more than %d paths and alternatives",
                          SLOTS_MAX);
    *slots_count += ROW_FIELDS;
    for (uint32_t field = 0; field < ROW_FIELDS; field++) {
        struct want model = {.kind = field == ROW_NUMBER ? WANT_NUMBER : WANT_TEXT,
                             .slot = (uint16_t)(first + field),
                             .row = (uint16_t)index};
        struct want_list *list = &compiler->row_wants[index][field];
        TRY(compiler_add_paths(compiler, paths[field], model, slots_count, list));
        TRY(refuse_items(compiler, paths[field], *list));
    }
    row->slot_first = (uint16_t)first;
    row->slots_count = (uint16_t)(*slots_count - first);
    row->number_width = mapping->number_width;
    return STATUS_OK;
}

/* "travellers[].documents[].number", with brackets around what has alternatives. */
static enum status refuse_number(struct compiler *compiler, const struct document_mapping *mapping,
                                 enum resolution highest)
{
    bool has_dot = *mapping->path && *mapping->number;
    bool has_choice = strchr(mapping->path, '|') != NULL;
    bool number_has_choice = strchr(mapping->number, '|') != NULL;
    char path[ERROR_TEXT_SIZE / 2];
    (void)snprintf(path, sizeof path, "%s%s%s%s%s%s%s", has_choice ? "(" : "", mapping->path,
                   has_choice ? ")" : "", has_dot ? "." : "", number_has_choice ? "(" : "",
                   mapping->number, number_has_choice ? ")" : "");
    if (highest == RESOLUTION_UNFITTING)
        return refuse_unfitting(compiler, path, WANT_NUMBER);
    return error_fail(compiler->err, EX_DATAERR, "the schema lacks the number path \"%s\"", path);
}

static void note_absent(struct compiler *compiler, const char *path)
{
    struct projection *projection = compiler->projection;
    if (path && projection->absent_count < ABSENT_MAX)
        projection->absent[projection->absent_count++] = path;
}

static void note_absent_of_row(struct compiler *compiler, const struct document_mapping *mapping,
                               struct want found)
{
    const char *const paths[ROW_FIELDS] = {NULL, mapping->issuer, mapping->type,
                                           mapping->nationality};
    for (uint32_t field = ROW_NUMBER + 1; field < ROW_FIELDS; field++) {
        compiler->row_field = field;
        if (compiler_resolve(compiler, compiler->schema->root, found) == RESOLUTION_ABSENT)
            note_absent(compiler, paths[field]);
    }
    compiler->row_field = ROW_NUMBER;
}

/* Of a document path's alternatives the first that the schema has, down to a number. */
static enum status find_row(struct compiler *compiler, uint32_t index,
                            const struct document_mapping *mapping, struct want *found)
{
    struct want model = {.kind = WANT_DOCUMENT, .row = (uint16_t)index};
    struct want_list list;
    TRY(compiler_add_paths(compiler, mapping->path, model, NULL, &list));
    enum resolution highest = RESOLUTION_ABSENT;
    for (uint32_t i = 0; i < list.count && highest == RESOLUTION_ABSENT; i++) {
        *found = compiler->wants[list.first + i];
        highest = compiler_resolve(compiler, compiler->schema->root, *found);
    }
    if (highest == RESOLUTION_FOUND)
        note_absent_of_row(compiler, mapping, *found);
    TRY(check_limits(compiler));
    return highest == RESOLUTION_FOUND ? STATUS_OK : refuse_number(compiler, mapping, highest);
}

static enum status compile_documents(struct compiler *compiler, const struct mapping *mapping)
{
    struct projection *projection = compiler->projection;
    struct want found[MAPPING_PATHS_MAX] = {0};
    uint32_t slots_count = 0;
    if (mapping->documents_count > MAPPING_PATHS_MAX)
        return error_fail(compiler->err, EX_DATAERR, "the mapping has more than %d document paths",
                          MAPPING_PATHS_MAX);
    projection->rows_count = mapping->documents_count;
    for (uint32_t i = 0; i < mapping->documents_count; i++) {
        const struct document_mapping *document = &mapping->documents[i];
        if (!document->path || !document->number)
            return error_fail(compiler->err, EX_DATAERR,
                              "a document mapping needs a path and a number");
        if (document->number_width > NUMBER_SIZE_MAX)
            return error_fail(compiler->err, EX_DATAERR, "number_width %u is more than %d",
                              document->number_width, NUMBER_SIZE_MAX);
        TRY(add_row_fields(compiler, i, document, &slots_count));
        TRY(find_row(compiler, i, document, &found[i]));
    }
    struct want_list wanted = {compiler->wants_count, mapping->documents_count};
    for (uint32_t i = 0; i < mapping->documents_count; i++)
        compiler_push(compiler, found[i]);
    return compile_program(compiler, &projection->documents, wanted, NULL, 0);
}

/* --- single fields of a record --- */

struct field {
    const char *path; /* NULL: not wanted */
    enum want_kind kind;
    bool is_required;
};

static enum status check_field(struct compiler *compiler, const struct field *field,
                               enum resolution highest)
{
    if (highest == RESOLUTION_UNFITTING)
        return refuse_unfitting(compiler, field->path, field->kind);
    if (highest == RESOLUTION_ABSENT && field->is_required)
        return error_fail(compiler->err, EX_DATAERR, "the schema lacks the path \"%s\"",
                          field->path);
    if (highest == RESOLUTION_ABSENT)
        note_absent(compiler, field->path);
    return STATUS_OK;
}

/* Field i goes to slot i. */
static enum status compile_fields(struct compiler *compiler, const struct field *fields,
                                  uint32_t count)
{
    uint32_t root = compiler->schema->root;
    struct want_list lists[CHANGE_FIELDS];
    uint32_t slots_count = count;
    uint32_t start = compiler->wants_count;
    for (uint32_t i = 0; i < count; i++) {
        struct want model = {.kind = fields[i].kind, .slot = (uint16_t)i};
        TRY(compiler_add_paths(compiler, fields[i].path, model, &slots_count, &lists[i]));
        TRY(check_field(compiler, &fields[i], compiler_resolve_any(compiler, root, lists[i])));
    }
    compiler->projection->context_slots = slots_count;
    struct want_list wanted = {compiler->wants_count, 0};
    for (uint32_t i = start; i < wanted.first; i++)
        if (compiler_resolve(compiler, root, compiler->wants[i]) == RESOLUTION_FOUND)
            compiler_push(compiler, compiler->wants[i]);
    wanted.count = compiler->wants_count - wanted.first;
    return compile_program(compiler, &compiler->projection->context, wanted, lists, count);
}

static enum status compile_context(struct compiler *compiler, const struct mapping *mapping)
{
    struct projection *projection = compiler->projection;
    const char *partner = mapping->partner_fixed;
    const char *sector = mapping->sector_fixed;
    const struct field fields[CONTEXT_FIELDS] = {
        [CONTEXT_EVENT_ID] = {mapping->event_id, WANT_TEXT, false},
        [CONTEXT_PARTNER] = {partner ? NULL : mapping->partner, WANT_TEXT, false},
        [CONTEXT_JOURNEY] = {mapping->journey, WANT_TEXT, false},
        [CONTEXT_SECTOR] = {sector ? NULL : mapping->sector, WANT_TEXT, false},
        [CONTEXT_STAGE] = {mapping->stage, WANT_TEXT, false},
        [CONTEXT_PLACE] = {mapping->place, WANT_TEXT, false},
        [CONTEXT_EVENT_TIME] = {mapping->event_time, WANT_TIME, false},
    };
    if (partner)
        projection->partner_fixed = memory_copy_text(partner, strlen(partner));
    if (sector)
        projection->sector_fixed = memory_copy_text(sector, strlen(sector));
    return compile_fields(compiler, fields, CONTEXT_FIELDS);
}

static enum status compile_change(struct compiler *compiler)
{
    static const struct field fields[CHANGE_FIELDS] = {
        [CHANGE_ENTRY_ID] = {"entry_id", WANT_TEXT, true},
        [CHANGE_OP] = {"op", WANT_TEXT, true},
        [CHANGE_REVISION] = {"revision", WANT_INTEGER, true},
        [CHANGE_NUMBER] = {"number", WANT_TEXT, true},
        [CHANGE_NUMBER_TO] = {"number_to", WANT_TEXT, false},
        [CHANGE_ISSUER] = {"issuer", WANT_TEXT, true},
        [CHANGE_TYPE] = {"type", WANT_TEXT, false},
        [CHANGE_LOSS] = {"loss", WANT_TEXT, false},
        [CHANGE_FLAGS] = {"flags[]", WANT_FLAG, false},
        [CHANGE_CONTRIBUTOR] = {"contributor", WANT_TEXT, false},
        [CHANGE_NATIONAL_REF] = {"national_ref", WANT_TEXT, false},
        [CHANGE_REPORTED_ON] = {"reported_on", WANT_DATE, false},
        [CHANGE_LOST_ON] = {"lost_on", WANT_DATE, false},
        [CHANGE_EXPIRY] = {"expiry", WANT_DATE, false},
        [CHANGE_REVIEW_ON] = {"review_on", WANT_DATE, false},
        [CHANGE_EFFECTIVE_AT] = {"effective_at", WANT_TIME, false},
    };
    return compile_fields(compiler, fields, CHANGE_FIELDS);
}

/* mapping NULL: the schema is one of changes. */
static enum status compile(const char *text, size_t size, const struct mapping *mapping,
                           struct projection **out, struct error *err)
{
    struct schema schema;
    struct projection *projection = memory_new(1, sizeof *projection);
    struct compiler compiler = {.schema = &schema, .projection = projection, .err = err};
    enum status status = schema_open(&schema, text, size, err);
    if (status != STATUS_OK)
        goto out;
    compiler.symbols_of = memory_new(schema.types_count, sizeof *compiler.symbols_of);
    memset(compiler.symbols_of, 0xFF, schema.types_count * sizeof *compiler.symbols_of);
    if (!mapping)
        status = compile_change(&compiler);
    else
        status = compile_documents(&compiler, mapping);
    if (mapping && status == STATUS_OK)
        status = compile_context(&compiler, mapping);
out:
    memory_free(compiler.routines_of);
    memory_free(compiler.symbols_of);
    memory_free(compiler.wants);
    memory_free(compiler.paths);
    schema_close(&schema);
    if (status == STATUS_OK)
        *out = projection;
    else
        projection_close(projection);
    return status;
}

enum status projection_compile(const char *schema, size_t schema_size,
                               const struct mapping *mapping, struct projection **out,
                               struct error *err)
{
    return compile(schema, schema_size, mapping, out, err);
}

enum status projection_compile_change(const char *schema, size_t schema_size,
                                      struct projection **out, struct error *err)
{
    return compile(schema, schema_size, NULL, out, err);
}

const char *projection_absent(const struct projection *projection, uint32_t index)
{
    return index < projection->absent_count ? projection->absent[index] : NULL;
}

void projection_close(struct projection *projection)
{
    if (!projection)
        return;
    program_close(&projection->documents);
    program_close(&projection->context);
    for (uint32_t i = 0; i < projection->symbols_count; i++)
        memory_free((void *)projection->symbols[i].data);
    memory_free(projection->symbols);
    memory_free(projection->partner_fixed);
    memory_free(projection->sector_fixed);
    memory_free(projection);
}
