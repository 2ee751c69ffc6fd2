/* projection_internal.h - what the files of the projection module share; nobody else includes it.
 *
 *   projection_schema.c    JSON text -> tree of types, each with the operations that skip it
 *   projection_program.c   appends operations: fusing, unions, jumps
 *   projection_path.c      "a[].b{C}|d" -> steps
 *   projection_resolve.c   whether and where a path ends in a tree
 *   projection_compile.c   tree + paths -> the programs of a projection
 *   projection_run.c       runs a program over a datum
 *   projection_walk.c      tells a datum value by value
 *   projection.c           the interface: slots -> documents, context, change
 *
 * A schema and everything hanging on it lives only while compiling; a projection owns what its
 * programs refer to.
 */
#ifndef CHECKIT_PROJECTION_INTERNAL_H
#define CHECKIT_PROJECTION_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "operators/support/projection.h"
#include "pipeline/limits.h"

enum {
    SCHEMA_NAME_SIZE_MAX = 1024,                    /* of a full name or a symbol */
    SCHEMA_SKIPS_MAX = 16 * SCHEMA_OPERATIONS_MAX,  /* of all types of a schema together */
    SCHEMA_VISITS_MAX = 64 * SCHEMA_OPERATIONS_MAX, /* fields looked at while paths are followed */
    DATUM_BYTES_MAX = INT32_MAX,                    /* keeps count * size within 64 bits */
    SLOTS_MAX = 256                                 /* values captured by one projection */
};

/* --- operations --- */

enum operation_code {
    OPERATION_END,
    /* simple ones: neighbours of the same code fuse, the counts added */
    OPERATION_SKIP_VARINTS, /* count of them */
    OPERATION_SKIP_TEXTS,   /* count of them: length and that many bytes */
    OPERATION_SKIP_BYTES,   /* count bytes */
    /* unions of nothing and one such value; kind: the index byte that says nothing, 0 or 2. They
     * fuse as well, those of texts and varints */
    OPERATION_SKIP_OPTIONAL_VARINTS,
    OPERATION_SKIP_OPTIONAL_TEXTS,
    OPERATION_SKIP_OPTIONAL_BYTES, /* one value of count bytes */
    /* containers */
    OPERATION_SKIP_BLOCKS, /* a whole array or map whose item is `count` of the simple code `kind`;
                              OPERATION_END: items of no bytes */
    OPERATION_BLOCKS,      /* begin of a loop; kind: enum loop; jump: behind its NEXT */
    OPERATION_NEXT,        /* end of a loop; jump: its first operation; kind as in its BLOCKS */
    /* control */
    OPERATION_UNION, /* `count` branches follow, one operation each */
    OPERATION_BRANCH,
    OPERATION_JUMP,
    OPERATION_CALL, /* before linking, count: the type to skip */
    OPERATION_RETURN,
    /* capture: into slot, if nothing is there yet */
    OPERATION_TAKE_TEXT,
    OPERATION_TAKE_OPTIONAL_TEXT, /* kind as above */
    OPERATION_TAKE_BYTES,         /* count bytes */
    OPERATION_TAKE_SYMBOL,        /* one of count symbols, from symbols[jump] on */
    OPERATION_TAKE_INTEGER,       /* kind: enum slot_kind, the unit */
    OPERATION_MARK,               /* the value that follows is taken twice ... */
    OPERATION_BACK,               /* ... from here again */
    OPERATION_ADD_FLAG,  /* the text in slot becomes a bit of run.flags; the slot is empty again */
    OPERATION_ELSE_TAKE, /* slot holds nothing: what the slot `count` holds */
    OPERATION_ROW_BEGIN, /* a document of the mapping's path number `count` */
    OPERATION_ROW_END
};

enum loop {
    LOOP_SKIP,  /* nothing in it is wanted: a block may be skipped by its byte size */
    LOOP_READ,  /* every item is read, whatever byte size a block gives */
    LOOP_EMPTY, /* the same; items take no bytes, each is a document */
    LOOP_FIRST  /* items take no bytes: of each block the first stands for all */
};

struct operation {
    uint8_t code;
    uint8_t kind;
    uint16_t slot;
    uint32_t count;
    int32_t jump; /* relative to this operation */
};

struct program {
    struct operation *operations; /* owned: program_close */
    uint32_t count;
    uint32_t capacity;
    uint32_t limit;   /* what goes beyond sets full and is left out */
    uint32_t barrier; /* index of the latest jump target: nothing fuses into what is before it */
    bool full;
};

void program_open(struct program *program, uint32_t limit);
void program_close(struct program *program);

/* Appends one operation, fused with the last where that changes nothing. */
void program_add(struct program *program, struct operation operation);

/* Appends a finished list whose jumps stay inside it. sealed: its end is a jump target. The list
 * may lie in the same program. */
void program_add_list(struct program *program, const struct program *source, uint32_t first,
                      uint32_t count, bool sealed);

/* From now on the next operation is a jump target. */
void program_seal(struct program *program);
bool program_is_sealed(const struct program *program);

/* A union: begin, then for every branch in order branch_begin, its operations, branch_end; end. */
struct union_builder {
    uint32_t first; /* index of the branches */
    uint32_t count;
    uint32_t barrier;  /* of the program before the union */
    uint32_t bodies;   /* branches with operations so far */
    uint32_t start;    /* of the current body */
    int64_t last_jump; /* chain of jumps to the end, -1: none */
};

void program_union_begin(struct program *program, uint32_t count, struct union_builder *builder);
void program_branch_begin(struct program *program, struct union_builder *builder);
void program_branch_end(struct program *program, struct union_builder *builder, uint32_t branch);
void program_union_end(struct program *program, struct union_builder *builder);

/* A loop over the items of an array or map. begin returns what end wants. */
uint32_t program_loop_begin(struct program *program, enum loop kind);
void program_loop_end(struct program *program, uint32_t begin);

/* --- schema --- */

enum type_kind {
    TYPE_KIND_NULL,
    TYPE_KIND_BOOLEAN,
    TYPE_KIND_INT,
    TYPE_KIND_LONG,
    TYPE_KIND_FLOAT,
    TYPE_KIND_DOUBLE,
    TYPE_KIND_BYTES,
    TYPE_KIND_STRING,
    TYPE_KIND_PRIMITIVES, /* how many of these there are */
    TYPE_KIND_RECORD = TYPE_KIND_PRIMITIVES,
    TYPE_KIND_ENUM,
    TYPE_KIND_FIXED,
    TYPE_KIND_ARRAY,
    TYPE_KIND_MAP,
    TYPE_KIND_UNION,
    TYPE_KIND_COUNT
};

enum logical {
    LOGICAL_NONE, /* or one we need not know */
    LOGICAL_DATE,
    LOGICAL_MILLIS,
    LOGICAL_MICROS,
    LOGICAL_NANOS,
    LOGICAL_TIME_OF_DAY,
    LOGICAL_DECIMAL
};

/* A field of a record, the items of an array, the values of a map, a branch of a union. */
struct schema_part {
    const char *name; /* of a field, else NULL; borrowed from the JSON */
    uint32_t type;
};

struct schema_type {
    enum type_kind kind;
    enum logical logical;
    char *full_name;      /* of a record, enum or fixed; owned */
    uint32_t parts_first; /* index into schema.parts */
    uint32_t parts_count;
    uint32_t fixed_size; /* bytes; cut at DATUM_BYTES_MAX + 1, which no datum has */
    const void *symbols; /* of an enum: a JSON array; symbols_count of them */
    uint32_t symbols_count;
    uint32_t skip_first; /* the operations that skip a value: range of schema.skips */
    uint32_t skip_count;
    bool skip_is_sealed;
    bool is_open;      /* being read: a reference to it now is recursion */
    bool is_recursive; /* skipped by a call */
    bool is_empty;     /* takes no bytes, whatever the value */
};

struct schema {
    void *json;  /* the parsed text: every name is borrowed from it */
    void *names; /* full name to type */
    struct schema_type *types;
    uint32_t types_count;
    uint32_t types_capacity;
    struct schema_part *parts;
    uint32_t parts_count;
    uint32_t parts_capacity;
    struct program skips;
    uint32_t root;
};

/* Checks size and nesting, reads the text, has Avro C agree. schema_close in any case. */
enum status schema_open(struct schema *schema, const char *text, size_t size,
                        struct error *err) MUST_USE;
void schema_close(struct schema *schema);

const char *schema_symbol(const struct schema_type *type, uint32_t index);
const char *type_kind_name(enum type_kind kind);

/* "Adult", "com.example.Adult", "string", "array". */
bool schema_type_is_named(const struct schema_type *type, const char *name, size_t size);

/* Appends what skips a value of the type. */
void schema_add_skip(const struct schema *schema, uint32_t type, struct program *program);

/* --- paths --- */

enum step_kind { STEP_FIELD, STEP_ITEMS, STEP_VALUES, STEP_BRANCH };

struct step {
    enum step_kind kind;
    const char *name; /* of a field or branch; borrowed, not terminated */
    size_t size;
};

struct path {
    const char *text; /* with its alternatives, as configured; borrowed */
    struct step steps[PATH_STEPS_MAX];
    uint32_t count;
};

/* The alternative that begins at *rest; *rest moves behind it, to NULL after the last. */
enum status path_parse(const char *whole, const char **rest, struct path *path,
                       struct error *err) MUST_USE;

/* --- compiling --- */

/* What a path is wanted for, and so what it may end at. */
enum want_kind {
    WANT_DOCUMENT,
    WANT_NUMBER,
    WANT_TEXT,
    WANT_TIME,
    WANT_DATE,
    WANT_INTEGER,
    WANT_FLAG
};

/* A path followed so far: the steps before `step` are behind it. */
struct want {
    enum want_kind kind;
    uint32_t path; /* index into compiler.paths */
    uint32_t step;
    uint16_t slot;
    uint16_t row; /* of a document or its number: index into projection.rows */
};

/* The alternatives of one configured path: compiler.wants[first, first + count). */
struct want_list {
    uint32_t first;
    uint32_t count;
};

struct compiler {
    const struct schema *schema;
    struct projection *projection;
    struct program *program;
    struct path *paths; /* owned */
    uint32_t paths_count;
    struct want *wants; /* owned: a stack; alternatives of configured paths lie at its bottom */
    uint32_t wants_count;
    uint32_t wants_capacity;
    struct want_list row_wants[MAPPING_PATHS_MAX][4]; /* by ROW_NUMBER .. ROW_NATIONALITY */
    uint32_t visits;
    int64_t *symbols_of;  /* owned; by type: where its symbols are, -1: not copied yet */
    int64_t *routines_of; /* owned; by type: where the routine is that skips it, -1: nowhere yet */
    uint32_t row_field;   /* of a document: what is looked for where its path ends */
    enum type_kind wrong; /* of what a path was last found to end at in vain */
    enum status status;
    struct error *err;
};

void compiler_push(struct compiler *compiler, struct want want);

/* Reads every alternative of a path onto the stack of wants. The first gets the slot given, the
 * others those from *slots_count on. */
enum status compiler_add_paths(struct compiler *compiler, const char *paths, struct want model,
                               uint32_t *slots_count, struct want_list *list) MUST_USE;

/* Of several places (branches, alternatives) the highest stands for all: one that cannot be read
 * must not hide behind one that can, or its documents would go unscreened. */
enum resolution {
    RESOLUTION_ABSENT, /* the schema has no such path */
    RESOLUTION_FOUND,
    RESOLUTION_UNFITTING /* it has, but it ends at a type that cannot be read as asked */
};

enum resolution compiler_resolve(struct compiler *compiler, uint32_t type, struct want want);

/* The highest of a list. */
enum resolution compiler_resolve_any(struct compiler *compiler, uint32_t type,
                                     struct want_list list);

static inline const struct step *want_step(const struct compiler *compiler, struct want want)
{
    const struct path *path = &compiler->paths[want.path];
    return want.step < path->count ? &path->steps[want.step] : NULL;
}

/* --- running --- */

enum slot_kind {
    SLOT_ABSENT,
    SLOT_TEXT,
    SLOT_INTEGER,
    SLOT_DAYS,
    SLOT_MILLIS,
    SLOT_MICROS,
    SLOT_NANOS,
    SLOT_KINDS
};

/* As long as a text, so that the slots of a document are the document. */
struct slot {
    const uint8_t *data; /* NULL: absent; of an integer: its kind's place in slot_marks */
    union {
        uint64_t size;   /* SLOT_TEXT */
        int64_t integer; /* the others */
    };
};

extern const uint8_t slot_marks[SLOT_KINDS];

static inline enum slot_kind slot_kind(const struct slot *slot)
{
    uintptr_t kind = (uintptr_t)slot->data - (uintptr_t)slot_marks;
    if (!slot->data)
        return SLOT_ABSENT;
    return kind < SLOT_KINDS ? (enum slot_kind)kind : SLOT_TEXT;
}

/* Slots of a document, from its path's first slot on; alternatives follow. */
enum { ROW_NUMBER, ROW_ISSUER, ROW_TYPE, ROW_NATIONALITY, ROW_FIELDS };

enum {
    CONTEXT_EVENT_ID,
    CONTEXT_PARTNER,
    CONTEXT_JOURNEY,
    CONTEXT_SECTOR,
    CONTEXT_STAGE,
    CONTEXT_PLACE,
    CONTEXT_EVENT_TIME,
    CONTEXT_FIELDS
};

enum {
    CHANGE_ENTRY_ID,
    CHANGE_OP,
    CHANGE_REVISION,
    CHANGE_NUMBER,
    CHANGE_NUMBER_TO,
    CHANGE_ISSUER,
    CHANGE_TYPE,
    CHANGE_LOSS,
    CHANGE_FLAGS,
    CHANGE_CONTRIBUTOR,
    CHANGE_NATIONAL_REF,
    CHANGE_REPORTED_ON,
    CHANGE_LOST_ON,
    CHANGE_EXPIRY,
    CHANGE_REVIEW_ON,
    CHANGE_EFFECTIVE_AT,
    CHANGE_FIELDS
};

/* A document path of the mapping, as compiled. */
struct row {
    uint16_t slot_first;
    uint16_t slots_count;
    uint32_t number_width;
};

/* Optional paths of a mapping: those of its rows, and of the event. */
enum { ABSENT_MAX = MAPPING_PATHS_MAX * ROW_FIELDS + CONTEXT_FIELDS };

struct projection {
    struct program documents; /* empty in a projection of changes */
    struct program context;   /* of a change: its fields */
    struct row rows[MAPPING_PATHS_MAX];
    uint32_t rows_count;
    uint32_t context_slots;
    struct bytes *symbols; /* owned, each of them too */
    uint32_t symbols_count;
    const char *absent[ABSENT_MAX]; /* of the mapping */
    uint32_t absent_count;
    char *partner_fixed; /* owned copies, or NULL */
    char *sector_fixed;
};

struct run {
    const struct projection *projection;
    struct slot slots[SLOTS_MAX]; /* only those in use are ever set */
    uint32_t flags;
    const uint8_t *mark;
    const uint8_t *end; /* with RECORD_OK of a whole datum: behind it */
    /* documents */
    struct arena *arena;
    struct document *out;
    uint32_t capacity;
    uint32_t skip;
    uint32_t seen;
    uint32_t count;
    uint32_t room; /* capacity while every document is taken: none skipped, none left out */
    bool more;
};

/* A document is complete, and is not one of the usual: a text for its number, room for it. false:
 * run no further, the slice is full or the record has too many. */
bool run_end_row(struct run *run, uint32_t row);

enum record_status run_program(struct run *run, const struct program *program, struct bytes datum);

#endif
