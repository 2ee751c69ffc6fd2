#include "operators/support/projection_internal.h"

void program_open(struct program *program, uint32_t limit)
{
    *program = (struct program){.limit = limit};
}

void program_close(struct program *program)
{
    memory_free(program->operations);
    program->operations = NULL;
}

static bool is_simple(uint8_t code)
{
    return code >= OPERATION_SKIP_VARINTS && code <= OPERATION_SKIP_OPTIONAL_TEXTS;
}

/* More than any datum holds stays more than any datum holds. */
static uint32_t add_counts(uint32_t a, uint32_t b)
{
    uint64_t sum = (uint64_t)a + b;
    return sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

static bool fuses(const struct program *program, struct operation operation)
{
    if (!is_simple(operation.code) || program->count <= program->barrier)
        return false;
    const struct operation *last = &program->operations[program->count - 1];
    return last->code == operation.code && last->kind == operation.kind;
}

void program_add(struct program *program, struct operation operation)
{
    if (fuses(program, operation)) {
        struct operation *last = &program->operations[program->count - 1];
        last->count = add_counts(last->count, operation.count);
        return;
    }
    if (program->count == program->limit) {
        program->full = true;
        return;
    }
    if (program->count == program->capacity) {
        program->capacity = program->capacity ? 2 * program->capacity : 64;
        program->operations =
            memory_resize(program->operations, program->capacity, sizeof(struct operation));
    }
    program->operations[program->count++] = operation;
}

void program_seal(struct program *program)
{
    program->barrier = program->count;
}

bool program_is_sealed(const struct program *program)
{
    return program->barrier == program->count;
}

/* Only the first operation of a list can fuse with what is before it: within the list all that may
 * fuse has fused. Nothing jumps to the first: every loop and union begins with one of its own. */
void program_add_list(struct program *program, const struct program *source, uint32_t first,
                      uint32_t count, bool sealed)
{
    for (uint32_t i = 0; i < count && !program->full; i++) {
        if (i > 0)
            program_seal(program);
        program_add(program, source->operations[first + i]);
    }
    if (count > 0 && sealed)
        program_seal(program);
}

void program_union_begin(struct program *program, uint32_t count, struct union_builder *builder)
{
    uint32_t barrier = program->barrier;
    program_add(program, (struct operation){.code = OPERATION_UNION, .count = count});
    *builder = (struct union_builder){
        .first = program->count, .count = count, .barrier = barrier, .last_jump = -1};
    for (uint32_t i = 0; i < count && !program->full; i++)
        program_add(program, (struct operation){.code = OPERATION_BRANCH});
}

/* Every body but the last ends with a jump behind the union. It is put in front of the next body,
 * where it is known that there is one, and taken back when that one turns out empty. */
void program_branch_begin(struct program *program, struct union_builder *builder)
{
    if (builder->bodies > 0)
        program_add(program, (struct operation){.code = OPERATION_JUMP});
    program_seal(program);
    builder->start = program->count;
}

void program_branch_end(struct program *program, struct union_builder *builder, uint32_t branch)
{
    if (program->full)
        return;
    bool has_jump = builder->bodies > 0;
    if (program->count == builder->start) {
        program->count -= has_jump;
        program_seal(program);
        return;
    }
    if (has_jump) {
        program->operations[builder->start - 1].count = (uint32_t)(builder->last_jump + 1);
        builder->last_jump = builder->start - 1;
    }
    uint32_t at = builder->first + branch;
    program->operations[at].jump = (int32_t)(builder->start - at);
    builder->bodies++;
}

/* The code that takes the place of a union of nothing and this; OPERATION_END: there is none. */
static enum operation_code optional_of(struct operation body)
{
    bool is_one = body.count == 1;
    if (body.code == OPERATION_SKIP_VARINTS && is_one)
        return OPERATION_SKIP_OPTIONAL_VARINTS;
    if (body.code == OPERATION_SKIP_TEXTS && is_one)
        return OPERATION_SKIP_OPTIONAL_TEXTS;
    if (body.code == OPERATION_SKIP_BYTES)
        return OPERATION_SKIP_OPTIONAL_BYTES;
    return body.code == OPERATION_TAKE_TEXT ? OPERATION_TAKE_OPTIONAL_TEXT : OPERATION_END;
}

/* Optional fields are what most events are made of: one operation instead of four. */
static bool simplify_union(struct program *program, struct union_builder *builder)
{
    const struct operation *branches = &program->operations[builder->first];
    if (builder->count != 2 || builder->bodies != 1 || program->count != builder->first + 3)
        return false;
    struct operation body = branches[2];
    body.kind = branches[0].jump == 0 ? 0 : 2;
    body.code = (uint8_t)optional_of(body);
    if (body.code == OPERATION_END)
        return false;
    program->count = builder->first - 1;
    program->barrier = builder->barrier;
    program_add(program, body);
    return true;
}

void program_union_end(struct program *program, struct union_builder *builder)
{
    if (program->full || simplify_union(program, builder))
        return;
    for (uint32_t i = 0; i < builder->count; i++) {
        uint32_t at = builder->first + i;
        if (program->operations[at].jump == 0)
            program->operations[at].jump = (int32_t)(program->count - at);
    }
    for (int64_t at = builder->last_jump; at >= 0;) {
        struct operation *jump = &program->operations[at];
        int64_t previous = (int64_t)jump->count - 1;
        jump->jump = (int32_t)(program->count - (uint32_t)at);
        jump->count = 0;
        at = previous;
    }
    program_seal(program);
}

uint32_t program_loop_begin(struct program *program, enum loop kind)
{
    uint32_t begin = program->count;
    program_add(program, (struct operation){.code = OPERATION_BLOCKS, .kind = (uint8_t)kind});
    program_seal(program);
    return begin;
}

void program_loop_end(struct program *program, uint32_t begin)
{
    uint32_t end = program->count;
    struct operation next = {.code = OPERATION_NEXT};
    if (!program->full)
        next.kind = program->operations[begin].kind;
    next.jump = (int32_t)(begin + 1) - (int32_t)end;
    program_add(program, next);
    if (!program->full)
        program->operations[begin].jump = (int32_t)(end + 1 - begin);
    program_seal(program);
}
