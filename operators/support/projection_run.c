#include "operators/support/projection_internal.h"

#include <endian.h>

#define LIKELY(condition) __builtin_expect(!!(condition), 1)

/* A loop or a call that is open. */
struct frame {
    const struct operation *operation; /* of a call: where it goes on */
    uint64_t remaining;                /* items of the block that are still to come */
};

/* at is NULL when the bytes end before the value does. Returned in two registers. */
struct varint {
    const uint8_t *at;
    int64_t value;
};

/* --- reading; each returns where it goes on, NULL: the bytes do not follow the schema --- */

/* Ten bytes hold every long. What comes after them is shifted round the 64 bits, because that is
 * what the reader does that we are compared with: it refuses no length. */
static __attribute__((noinline)) struct varint read_long_rest(const uint8_t *at, const uint8_t *end)
{
    uint64_t value = 0;
    unsigned shift = 0;
    while (at < end) {
        uint8_t byte = *at++;
        value |= (uint64_t)(byte & 0x7F) << (shift & 63);
        shift += 7;
        if (byte < 0x80)
            return (struct varint){at, (int64_t)(value >> 1 ^ -(value & 1))};
    }
    return (struct varint){NULL, 0};
}

static inline struct varint read_long(const uint8_t *at, const uint8_t *end)
{
    if (LIKELY(at < end && *at < 0x80))
        return (struct varint){at + 1, *at >> 1 ^ -(*at & 1)};
    return read_long_rest(at, end);
}

/* Of eight bytes those that end a varint, as the top bits of their places. */
static inline uint64_t varint_ends(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return ~le64toh(word) & 0x8080808080808080;
}

/* Bytes up to and with the first end. */
static inline unsigned first_end(uint64_t ends)
{
    return (unsigned)__builtin_ctzll(ends) / 8 + 1;
}

/* Byte by byte: how long the integers of a field are is foretold nearly always, and then nothing
 * waits for them; found by eight bytes at once, everything behind them does. */
static inline const uint8_t *skip_varints(const uint8_t *at, const uint8_t *end, uint64_t count)
{
    for (; count > 0; count--)
        do {
            if (!LIKELY(at < end))
                return NULL;
        } while (*at++ >= 0x80);
    return at;
}

static inline const uint8_t *skip_bytes(const uint8_t *at, const uint8_t *end, uint64_t size)
{
    return size <= (uint64_t)(end - at) ? at + size : NULL;
}

/* A text: size bytes from data on; data NULL: the bytes do not follow the schema. */
struct text {
    const uint8_t *data;
    uint64_t size;
};

static __attribute__((noinline)) struct text read_text_rest(const uint8_t *at, const uint8_t *end)
{
    struct varint size = read_long(at, end);
    if (!size.at || (uint64_t)size.value > (uint64_t)(end - size.at))
        return (struct text){NULL, 0};
    return (struct text){size.at, (uint64_t)size.value};
}

/* Nearly every size is one byte: an even one below 128. */
static inline struct text read_text(const uint8_t *at, const uint8_t *end)
{
    uint64_t twice = at < end ? *at : 1;
    uint64_t size = twice >> 1; /* of 64 bits: all that follows waits for it, also to be widened */
    if (LIKELY((twice & 0x81) == 0 && size < (uint64_t)(end - at)))
        return (struct text){at + 1, size};
    return read_text_rest(at, end);
}

static inline const uint8_t *skip_texts(const uint8_t *at, const uint8_t *end, uint64_t count)
{
    for (; count > 0; count--) {
        struct text text = read_text(at, end);
        if (!text.data)
            return NULL;
        at = text.data + text.size;
    }
    return at;
}

/* Symbols and branches count from the end when the index is negative, as lists in Python do. */
static inline uint64_t list_index(int64_t index, uint32_t count)
{
    return index < 0 ? (uint64_t)index + count : (uint64_t)index;
}

/* An optional value: *mask is all ones when there is one, 0 when there is none. */
static const uint8_t *read_optional(const struct operation *operation, const uint8_t *at,
                                    const uint8_t *end, uint64_t *mask)
{
    struct varint read = read_long(at, end);
    uint64_t index = list_index(read.value, 2);
    *mask = -(uint64_t)(2 * index != operation->kind);
    return index < 2 ? read.at : NULL;
}

/* Whether a value is there is what cannot be predicted, so the common case does not branch on it:
 * an index of one byte, a length of one byte. */
static inline const uint8_t *skip_optional_texts(const struct operation *operation,
                                                 const uint8_t *at, const uint8_t *end)
{
    for (uint32_t count = operation->count; count > 0 && at; count--) {
        uint64_t mask = 0;
        if (LIKELY(end - at >= 2)) {
            uint64_t twice = at[1];
            mask = -(uint64_t)(at[0] != operation->kind);
            if (LIKELY(((at[0] & 0xFD) | (twice & 0x81 & mask)) == 0)) {
                at = skip_bytes(at, end, 1 + ((1 + (twice >> 1)) & mask));
                continue;
            }
        }
        at = read_optional(operation, at, end, &mask);
        if (at && mask)
            at = skip_texts(at, end, 1);
    }
    return at;
}

static inline const uint8_t *skip_optional_varints(const struct operation *operation,
                                                   const uint8_t *at, const uint8_t *end)
{
    for (uint32_t count = operation->count; count > 0 && at; count--) {
        uint64_t mask = 0;
        if (LIKELY(end - at >= 9)) {
            uint64_t ends = varint_ends(at + 1);
            mask = -(uint64_t)(at[0] != operation->kind);
            if (LIKELY((at[0] & 0xFD) == 0 && ends)) {
                at += 1 + (first_end(ends) & mask);
                continue;
            }
        }
        at = read_optional(operation, at, end, &mask);
        if (at && mask)
            at = skip_varints(at, end, 1);
    }
    return at;
}

static inline const uint8_t *skip_optional_bytes(const struct operation *operation,
                                                 const uint8_t *at, const uint8_t *end)
{
    uint64_t mask;
    at = read_optional(operation, at, end, &mask);
    return at ? skip_bytes(at, end, operation->count & mask) : NULL;
}

/* A block whose byte size is given and not needed item by item. */
static const uint8_t *skip_sized_block(const uint8_t *at, const uint8_t *end)
{
    struct varint size = read_long(at, end);
    return size.at ? skip_bytes(size.at, end, (uint64_t)size.value) : NULL;
}

/* Every item takes at least one byte, so a count above what is left is refused before the loop;
 * counts and sizes stay below 2^31 and 2^32, so their product fits. */
static const uint8_t *skip_blocks(const struct operation *operation, const uint8_t *at,
                                  const uint8_t *end)
{
    for (;;) {
        struct varint count = read_long(at, end);
        at = count.at;
        if (!at || count.value == 0)
            return at;
        if (count.value < 0) {
            at = skip_sized_block(at, end);
        } else if (operation->kind != OPERATION_END) {
            if (count.value > end - at)
                return NULL;
            uint64_t values = (uint64_t)count.value * operation->count;
            at = operation->kind == OPERATION_SKIP_TEXTS     ? skip_texts(at, end, values)
                 : operation->kind == OPERATION_SKIP_VARINTS ? skip_varints(at, end, values)
                                                             : skip_bytes(at, end, values);
        }
        if (!at)
            return NULL;
    }
}

/* Documents too many for one record are too many, however many more there are. */
static uint64_t cut_block(enum loop kind, uint64_t count)
{
    uint64_t limit = kind == LOOP_EMPTY ? RECORD_DOCUMENTS_MAX + 1 : 1;
    return count < limit ? count : limit;
}

/* A block of a loop, told how many items it has; at NULL: the bytes do not follow the schema. */
struct block {
    const uint8_t *at;
    uint64_t remaining; /* 0 after the last block */
};

static __attribute__((noinline)) struct block next_block_rest(enum loop kind, const uint8_t *at,
                                                              const uint8_t *end)
{
    for (;;) {
        struct varint count = read_long(at, end);
        struct block block = {count.at, (uint64_t)count.value};
        if (!block.at || count.value == 0)
            return block;
        if (count.value < 0) {
            block.at =
                kind == LOOP_SKIP ? skip_sized_block(block.at, end) : read_long(block.at, end).at;
            block.remaining = -block.remaining;
            at = block.at;
            if (!at)
                return block;
            if (kind == LOOP_SKIP || count.value == INT64_MIN)
                continue; /* the negative of that is none, for what we are compared with */
        }
        uint64_t limit = (uint64_t)(end - block.at);
        if (kind == LOOP_EMPTY || kind == LOOP_FIRST)
            block.remaining = cut_block(kind, block.remaining);
        else if (block.remaining > limit)
            block.at = NULL;
        return block;
    }
}

static inline struct block next_block(enum loop kind, const uint8_t *at, const uint8_t *end)
{
    if (LIKELY(kind <= LOOP_READ && at < end && (*at & 0x81) == 0 && *at / 2 < end - at))
        return (struct block){at + 1, *at / 2u};
    return next_block_rest(kind, at, end);
}

/* --- taking: the first value stays --- */

static inline void take(struct slot *slot, const uint8_t *data, size_t size)
{
    if (slot->data)
        return;
    slot->data = data;
    slot->size = size;
}

static inline const uint8_t *take_text(struct run *run, const struct operation *operation,
                                       const uint8_t *at, const uint8_t *end)
{
    struct text text = read_text(at, end);
    if (!text.data)
        return NULL;
    take(&run->slots[operation->slot], text.data, text.size);
    return text.data + text.size;
}

static inline const uint8_t *take_bytes(struct run *run, const struct operation *operation,
                                        const uint8_t *at, const uint8_t *end)
{
    const uint8_t *next = skip_bytes(at, end, operation->count);
    if (next)
        take(&run->slots[operation->slot], at, operation->count);
    return next;
}

static inline const uint8_t *take_optional_text(struct run *run, const struct operation *operation,
                                                const uint8_t *at, const uint8_t *end)
{
    struct slot *slot = &run->slots[operation->slot];
    uint64_t mask;
    if (LIKELY(end - at >= 2 && !slot->data)) {
        if (at[0] == operation->kind)
            return at + 1;
        uint64_t twice = at[1];
        uint64_t size = twice >> 1; /* as in read_text */
        if (LIKELY(((at[0] & 0xFD) | (twice & 0x81)) == 0)) {
            slot->data = at + 2;
            slot->size = size;
            return skip_bytes(at, end, 2 + size);
        }
    }
    at = read_optional(operation, at, end, &mask);
    return at && mask ? take_text(run, operation, at, end) : at;
}

static inline const uint8_t *take_symbol(struct run *run, const struct operation *operation,
                                         const uint8_t *at, const uint8_t *end)
{
    struct varint read = read_long(at, end);
    uint64_t index = list_index(read.value, operation->count);
    if (!read.at || index >= operation->count)
        return NULL;
    const struct bytes *symbol = &run->projection->symbols[(uint64_t)operation->jump + index];
    take(&run->slots[operation->slot], symbol->data, symbol->size);
    return read.at;
}

static inline const uint8_t *take_integer(struct run *run, const struct operation *operation,
                                          const uint8_t *at, const uint8_t *end)
{
    struct varint read = read_long(at, end);
    struct slot *slot = &run->slots[operation->slot];
    if (read.at && !slot->data) {
        slot->data = &slot_marks[operation->kind];
        slot->integer = read.value;
    }
    return read.at;
}

static void else_take(struct slot *slot, const struct slot *other)
{
    bool is_blank = !slot->data || (slot_kind(slot) == SLOT_TEXT && slot->size == 0);
    if (is_blank && other->data)
        *slot = *other;
}

static void add_flag(struct run *run, struct slot *slot)
{
    static const struct {
        const char *name;
        uint32_t flag;
    } flags[] = {{"SILENT", ENTRY_SILENT}, {"DISPUTED", ENTRY_DISPUTED}, {"TEST", ENTRY_TEST}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (bytes_equal_text(bytes_of(slot->data, slot->size), flags[i].name))
            run->flags |= flags[i].flag;
    *slot = (struct slot){0};
}

/* --- rows --- */

/* Its own fields, and the alternatives to them, which are few. */
static inline void begin_row(struct run *run, const struct operation *operation)
{
    const struct row *row = &run->projection->rows[operation->count];
    struct slot *slots = &run->slots[row->slot_first];
    for (uint32_t i = 0; i < ROW_FIELDS; i++)
        slots[i] = (struct slot){0};
    for (uint32_t i = ROW_FIELDS; i < row->slots_count; i++)
        slots[i].data = NULL;
}

/* While there is room, as many are seen as taken. false: run no further. */
static inline bool end_row(struct run *run, uint32_t index)
{
    const struct slot *slots = &run->slots[run->projection->rows[index].slot_first];
    if (LIKELY(run->count < run->room && slot_kind(&slots[ROW_NUMBER]) <= SLOT_TEXT)) {
        memcpy(&run->out[run->count++], slots, sizeof *run->out);
        run->seen++;
        return true;
    }
    return run_end_row(run, index);
}

/* --- control: moves to the operation before the one that comes next --- */

struct machine {
    const uint8_t *at; /* NULL: the bytes do not follow the schema */
    const uint8_t *end;
    const struct operation *operation;
    struct frame *top;        /* the next frame to be used */
    const struct frame *full; /* behind the last */
};

static inline void enter_loop(struct machine *machine)
{
    const struct operation *operation = machine->operation;
    struct block block = next_block(operation->kind, machine->at, machine->end);
    machine->at = block.at;
    if (block.remaining == 0)
        machine->operation += operation->jump - 1;
    else if (machine->top == machine->full)
        machine->at = NULL;
    else
        (machine->top++)->remaining = block.remaining;
}

static inline void next_item(struct machine *machine)
{
    const struct operation *operation = machine->operation;
    struct frame *frame = machine->top - 1;
    /* Written by enter_loop: the compiler opens a loop before what closes it.
     * NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign) */
    if (--frame->remaining > 0) {
        machine->operation += operation->jump - 1;
        return;
    }
    struct block block = next_block(operation->kind, machine->at, machine->end);
    machine->at = block.at;
    frame->remaining = block.remaining;
    if (block.remaining > 0)
        machine->operation += operation->jump - 1;
    else
        machine->top--;
}

static inline void choose_branch(struct machine *machine)
{
    struct varint read = read_long(machine->at, machine->end);
    uint64_t index = list_index(read.value, machine->operation->count);
    machine->at = read.at;
    if (index >= machine->operation->count) {
        machine->at = NULL;
        return;
    }
    machine->operation += 1 + index;
    machine->operation += machine->operation->jump - 1;
}

static inline void call(struct machine *machine)
{
    if (machine->top == machine->full) {
        machine->at = NULL;
        return;
    }
    (machine->top++)->operation = machine->operation;
    machine->operation += machine->operation->jump - 1;
}

/* What is too rare to have a place in the loop below. */
static struct machine run_rare(struct run *run, struct machine machine)
{
    const struct operation *operation = machine.operation;
    struct slot *slot = &run->slots[operation->slot];
    if (operation->code == OPERATION_CALL)
        call(&machine);
    else if (operation->code == OPERATION_RETURN)
        /* Written by call. NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign) */
        machine.operation = (--machine.top)->operation;
    else if (operation->code == OPERATION_MARK)
        run->mark = machine.at;
    else if (operation->code == OPERATION_BACK)
        machine.at = run->mark;
    else if (operation->code == OPERATION_ADD_FLAG)
        add_flag(run, slot);
    else if (operation->code == OPERATION_ELSE_TAKE)
        else_take(slot, &run->slots[operation->count]);
    return machine;
}

/* The machine is handed on by value, so that it can live in registers. */
static enum record_status run_operations(struct run *run, struct machine m)
{
    for (; m.at; m.operation++) {
        const struct operation *operation = m.operation;
        switch (operation->code) {
        case OPERATION_END:
            run->end = m.at;
            return RECORD_OK;
        case OPERATION_SKIP_VARINTS:
            m.at = skip_varints(m.at, m.end, operation->count);
            break;
        case OPERATION_SKIP_TEXTS:
            m.at = skip_texts(m.at, m.end, operation->count);
            break;
        case OPERATION_SKIP_BYTES:
            m.at = skip_bytes(m.at, m.end, operation->count);
            break;
        case OPERATION_SKIP_OPTIONAL_VARINTS:
            m.at = skip_optional_varints(operation, m.at, m.end);
            break;
        case OPERATION_SKIP_OPTIONAL_TEXTS:
            m.at = skip_optional_texts(operation, m.at, m.end);
            break;
        case OPERATION_SKIP_OPTIONAL_BYTES:
            m.at = skip_optional_bytes(operation, m.at, m.end);
            break;
        case OPERATION_SKIP_BLOCKS:
            m.at = skip_blocks(operation, m.at, m.end);
            break;
        case OPERATION_BLOCKS:
            enter_loop(&m);
            break;
        case OPERATION_NEXT:
            next_item(&m);
            break;
        case OPERATION_UNION:
            choose_branch(&m);
            break;
        case OPERATION_JUMP:
            m.operation += operation->jump - 1;
            break;
        case OPERATION_TAKE_TEXT:
            m.at = take_text(run, operation, m.at, m.end);
            break;
        case OPERATION_TAKE_OPTIONAL_TEXT:
            m.at = take_optional_text(run, operation, m.at, m.end);
            break;
        case OPERATION_TAKE_BYTES:
            m.at = take_bytes(run, operation, m.at, m.end);
            break;
        case OPERATION_TAKE_SYMBOL:
            m.at = take_symbol(run, operation, m.at, m.end);
            break;
        case OPERATION_TAKE_INTEGER:
            m.at = take_integer(run, operation, m.at, m.end);
            break;
        case OPERATION_ROW_BEGIN:
            begin_row(run, operation);
            break;
        case OPERATION_ROW_END:
            if (!end_row(run, operation->count))
                return run->seen > RECORD_DOCUMENTS_MAX ? RECORD_TOO_MANY_DOCUMENTS : RECORD_OK;
            break;
        default:
            m = run_rare(run, m);
        }
    }
    return RECORD_DATUM_INVALID;
}

enum record_status run_program(struct run *run, const struct program *program, struct bytes datum)
{
    static const uint8_t nothing[1];
    struct frame frames[DATUM_NESTING_MAX];
    struct machine machine = {.at = datum.data ? datum.data : nothing,
                              .operation = program->operations,
                              .top = frames,
                              .full = frames + DATUM_NESTING_MAX};
    if (datum.size > DATUM_BYTES_MAX)
        return RECORD_DATUM_INVALID;
    machine.end = machine.at + datum.size;
    return run_operations(run, machine);
}
