#include "operators/support/projection.h"

#include "operators/support/projection_internal.h"
#include "operators/support/time_parse.h"

const uint8_t slot_marks[SLOT_KINDS];

/* --- documents --- */

/* Of a slot that only texts go to. */
static struct bytes text_of(const struct slot *slot)
{
    return bytes_of(slot->data, slot->size);
}

/* Padded to the width; a longer number is written whole, rules 2 judge it. A negative one is no
 * number of a document: a byte that is no UTF-8 in front makes it number_invalid, where a minus
 * alone would be dropped and the rest screened as another document's number. */
static struct bytes write_number(struct arena *arena, int64_t value, uint32_t width)
{
    enum { DIGITS_MAX = 20, NOT_UTF8 = 0xFF };
    uint8_t reversed[NUMBER_SIZE_MAX + DIGITS_MAX];
    uint32_t size = 0;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    for (; rest > 0 || size < width || size == 0; rest /= 10)
        reversed[size++] = (uint8_t)('0' + rest % 10);
    if (value < 0)
        reversed[size++] = NOT_UTF8;
    uint8_t *text = arena_get(arena, size);
    if (!text)
        return bytes_of(NULL, 0);
    for (uint32_t i = 0; i < size; i++)
        text[i] = reversed[size - 1 - i];
    return bytes_of(text, size);
}

_Static_assert(sizeof(struct document) == ROW_FIELDS * sizeof(struct slot) &&
                   offsetof(struct document, issuer) == ROW_ISSUER * sizeof(struct slot) &&
                   offsetof(struct document, type) == ROW_TYPE * sizeof(struct slot) &&
                   offsetof(struct document, nationality) == ROW_NATIONALITY * sizeof(struct slot),
               "the slots of a document are the document");

/* false: the arena is full. */
static bool write_row(struct run *run, const struct row *row, struct document *out)
{
    const struct slot *slots = &run->slots[row->slot_first];
    memcpy(out, slots, sizeof *out);
    if (slot_kind(&slots[ROW_NUMBER]) != SLOT_INTEGER)
        return true;
    out->number = write_number(run->arena, slots[ROW_NUMBER].integer, row->number_width);
    return out->number.data != NULL;
}

/* The first slice reads on when it is full, so that a record with a fault anywhere is refused
 * before anything of it counts; later slices know that there is none. */
bool run_end_row(struct run *run, uint32_t index)
{
    run->seen++;
    if (run->seen > RECORD_DOCUMENTS_MAX)
        return false;
    if (run->seen <= run->skip)
        return true;
    if (!run->more && run->count < run->capacity &&
        write_row(run, &run->projection->rows[index], &run->out[run->count])) {
        run->count++;
        return true;
    }
    run->more = true;
    run->room = 0;
    return run->skip == 0;
}

enum record_status projection_documents(const struct projection *projection, struct bytes datum,
                                        uint32_t skip, struct arena *arena, struct document *out,
                                        uint32_t capacity, uint32_t *count, bool *more)
{
    struct run run;
    run.projection = projection;
    run.arena = arena;
    run.out = out;
    run.capacity = capacity;
    run.skip = skip;
    run.seen = 0;
    run.count = 0;
    run.room = skip == 0 ? capacity : 0;
    run.more = false;
    size_t used_bytes = arena->used_bytes;
    enum record_status status = run_program(&run, &projection->documents, datum);
    bool is_read = status == RECORD_OK;
    if (!is_read)
        arena->used_bytes = used_bytes;
    *count = is_read ? run.count : 0;
    *more = is_read && run.more;
    return status;
}

/* Every document is one to skip: there are never so many. */
enum record_status projection_measure(const struct projection *projection, struct bytes bytes,
                                      size_t *size)
{
    struct run run;
    run.projection = projection;
    run.skip = UINT32_MAX;
    run.seen = 0;
    run.count = 0;
    run.room = 0;
    enum record_status status = run_program(&run, &projection->documents, bytes);
    if (status == RECORD_OK)
        *size = bytes.size > 0 ? (size_t)(run.end - bytes.data) : 0;
    return status;
}

/* --- context and change --- */

static void run_fields(const struct projection *projection, struct run *run)
{
    run->projection = projection;
    run->flags = 0;
    for (uint32_t i = 0; i < projection->context_slots; i++)
        run->slots[i] = (struct slot){0};
}

static int64_t floor_divide(int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

/* TIME_NONE: absent, or a text that is no time, or outside the years 1 to 9999. */
static int64_t time_of(const struct slot *slot)
{
    static const int64_t earliest_ms = -62135596800000;
    static const int64_t latest_ms = 253402300799999;
    enum { DAY_MS = 86400000 };
    int64_t ms = TIME_NONE;
    enum slot_kind kind = slot_kind(slot);
    if (kind == SLOT_TEXT && !time_parse(text_of(slot), &ms))
        return TIME_NONE;
    if (kind == SLOT_DAYS && __builtin_mul_overflow(slot->integer, DAY_MS, &ms))
        return TIME_NONE;
    if (kind == SLOT_MILLIS)
        ms = slot->integer;
    if (kind == SLOT_MICROS)
        ms = floor_divide(slot->integer, 1000);
    if (kind == SLOT_NANOS)
        ms = floor_divide(slot->integer, 1000000);
    return ms >= earliest_ms && ms <= latest_ms ? ms : TIME_NONE;
}

static int32_t date_of(const struct slot *slot)
{
    int64_t ms = time_of(slot);
    return ms == TIME_NONE ? DATE_NONE : (int32_t)floor_divide(ms, 86400000);
}

enum record_status projection_context(const struct projection *projection, struct bytes datum,
                                      struct context *out)
{
    struct run run;
    run_fields(projection, &run);
    enum record_status status = run_program(&run, &projection->context, datum);
    if (status != RECORD_OK)
        return status;
    *out = (struct context){
        .event_id = text_of(&run.slots[CONTEXT_EVENT_ID]),
        .partner = text_of(&run.slots[CONTEXT_PARTNER]),
        .journey = text_of(&run.slots[CONTEXT_JOURNEY]),
        .sector = text_of(&run.slots[CONTEXT_SECTOR]),
        .stage = text_of(&run.slots[CONTEXT_STAGE]),
        .place = text_of(&run.slots[CONTEXT_PLACE]),
        .event_time_ms = time_of(&run.slots[CONTEXT_EVENT_TIME]),
    };
    if (projection->partner_fixed)
        out->partner = bytes_of_text(projection->partner_fixed);
    if (projection->sector_fixed)
        out->sector = bytes_of_text(projection->sector_fixed);
    return RECORD_OK;
}

static bool parse_op(struct bytes text, enum change_op *op)
{
    *op = bytes_equal_text(text, "WITHDRAW") ? CHANGE_WITHDRAW : CHANGE_UPSERT;
    return *op == CHANGE_WITHDRAW || bytes_equal_text(text, "UPSERT");
}

static enum loss parse_loss(struct bytes text)
{
    static const char *const names[LOSS_COUNT] = {
        [LOSS_STOLEN] = "STOLEN",
        [LOSS_LOST] = "LOST",
        [LOSS_STOLEN_BLANK] = "STOLEN_BLANK",
        [LOSS_REVOKED] = "REVOKED",
        [LOSS_INVALID] = "INVALID",
    };
    for (enum loss loss = LOSS_STOLEN; loss < LOSS_COUNT; loss++)
        if (bytes_equal_text(text, names[loss]))
            return loss;
    return LOSS_UNKNOWN;
}

enum record_status projection_change(const struct projection *projection, struct bytes datum,
                                     struct change *out)
{
    size_t size;
    return projection_change_next(projection, datum, out, &size);
}

enum record_status projection_change_next(const struct projection *projection, struct bytes datum,
                                          struct change *out, size_t *size)
{
    struct run run;
    run_fields(projection, &run);
    enum record_status status = run_program(&run, &projection->context, datum);
    if (status != RECORD_OK)
        return status;
    const struct slot *slots = run.slots;
    *size = datum.size > 0 ? (size_t)(run.end - datum.data) : 0;
    *out = (struct change){
        .entry_id = text_of(&slots[CHANGE_ENTRY_ID]),
        .number = text_of(&slots[CHANGE_NUMBER]),
        .number_to = text_of(&slots[CHANGE_NUMBER_TO]),
        .issuer = text_of(&slots[CHANGE_ISSUER]),
        .type = text_of(&slots[CHANGE_TYPE]),
        .loss = parse_loss(text_of(&slots[CHANGE_LOSS])),
        .flags = run.flags,
        .contributor = text_of(&slots[CHANGE_CONTRIBUTOR]),
        .national_ref = text_of(&slots[CHANGE_NATIONAL_REF]),
        .reported_on = date_of(&slots[CHANGE_REPORTED_ON]),
        .lost_on = date_of(&slots[CHANGE_LOST_ON]),
        .expiry = date_of(&slots[CHANGE_EXPIRY]),
        .review_on = date_of(&slots[CHANGE_REVIEW_ON]),
        .effective_at_ms = time_of(&slots[CHANGE_EFFECTIVE_AT]),
    };
    const struct slot *revision = &slots[CHANGE_REVISION];
    out->revision = slot_kind(revision) == SLOT_INTEGER ? revision->integer : 0;
    return parse_op(text_of(&slots[CHANGE_OP]), &out->op) ? RECORD_OK : RECORD_DATUM_INVALID;
}
