#include <assert.h>

#include "operators/support/canonical.h"
#include "operators/support/store_internal.h"

/* Values on disk, format 3, little-endian.
 *
 *   entries  version 1 · state 1 · revision 8; a tombstone ends here
 *            type 1 · loss 1 · flags 1 · issuer 3 · shape 4 · effective_at 8 · reported_on,
 *            lost_on, expiry, review_on 4 each · contributor, national_ref, sealed number: each
 *            its size in 1 and its bytes
 *   points, numbers  version 1 · size 1 · id
 *
 * The sealed number is number, or number and number_to of the same size one after the other. */
enum { ENTRY_VERSION = 2, KEY_VERSION = 2, STATE_LIVE = 1, STATE_RANGE = 2 };

/* --- bytes ---------------------------------------------------------------------------------- */

struct value_reader value_reader_of(struct bytes value)
{
    return (struct value_reader){value.data, value.size, false};
}

struct bytes value_read_bytes(struct value_reader *reader, size_t size)
{
    if (size > reader->left) {
        reader->damaged = true;
        reader->left = 0;
        return bytes_of(NULL, 0);
    }
    struct bytes read = bytes_of(reader->next, size);
    reader->next += size;
    reader->left -= size;
    return read;
}

uint64_t value_read(struct value_reader *reader, uint32_t bytes)
{
    struct bytes read = value_read_bytes(reader, bytes);
    uint64_t value = 0;
    for (size_t i = 0; i < read.size; i++)
        value |= (uint64_t)read.data[i] << (8 * i);
    return value;
}

bool value_read_all(const struct value_reader *reader)
{
    return !reader->damaged && reader->left == 0;
}

void write_little(uint8_t *out, uint64_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

void write_big(uint8_t *out, uint64_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

uint64_t read_big(const uint8_t *in, uint32_t bytes)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < bytes; i++)
        value = value << 8 | in[i];
    return value;
}

/* The other direction needs no bounds: ENTRY_VALUE_SIZE_MAX holds the longest entry. */
static uint8_t *append(uint8_t *next, uint64_t value, uint32_t bytes)
{
    write_little(next, value, bytes);
    return next + bytes;
}

static uint8_t *append_text(uint8_t *next, const char *text, uint8_t size)
{
    *next = size;
    memcpy(next + 1, text, size);
    return next + 1 + size;
}

_Static_assert(ENTRY_VALUE_SIZE_MAX >
                   44 + 2 * (1 + ENTRY_TEXT_SIZE_MAX) + 1 + SEAL_OVERHEAD + 2 * NUMBER_SIZE_MAX,
               "the longest entry fits");

/* --- entries -------------------------------------------------------------------------------- */

static uint8_t *append_number(uint8_t *next, const struct store_key *key, const struct entry *entry)
{
    uint8_t plain[2 * NUMBER_SIZE_MAX];
    size_t size = entry->size;
    memcpy(plain, entry->number, size);
    if (entry->is_range) {
        memcpy(plain + size, entry->number_to, size);
        size *= 2;
    }
    *next = (uint8_t)(size + SEAL_OVERHEAD);
    store_key_seal(key, entry_id(entry), bytes_of(plain, size), next + 1);
    return next + 1 + size + SEAL_OVERHEAD;
}

size_t store_encode_entry(const struct store_key *key, const struct entry *entry, uint32_t shape,
                          uint8_t out[ENTRY_VALUE_SIZE_MAX])
{
    int state =
        (entry->is_live ? STATE_LIVE : 0) | (entry->is_live && entry->is_range ? STATE_RANGE : 0);
    uint8_t *next = append(out, ENTRY_VERSION, 1);
    next = append(next, (uint64_t)state, 1);
    next = append(next, (uint64_t)entry->revision, 8);
    if (!entry->is_live)
        return (size_t)(next - out);
    next = append(next, entry->type, 1);
    next = append(next, entry->loss, 1);
    next = append(next, entry->flags, 1);
    memcpy(next, entry->issuer.code, sizeof entry->issuer.code);
    next += sizeof entry->issuer.code;
    next = append(next, shape, 4);
    next = append(next, (uint64_t)entry->effective_at_ms, 8);
    next = append(next, (uint32_t)entry->reported_on, 4);
    next = append(next, (uint32_t)entry->lost_on, 4);
    next = append(next, (uint32_t)entry->expiry, 4);
    next = append(next, (uint32_t)entry->review_on, 4);
    next = append_text(next, entry->contributor, entry->contributor_size);
    next = append_text(next, entry->national_ref, entry->national_ref_size);
    next = append_number(next, key, entry);
    return (size_t)(next - out);
}

static int32_t read_date(struct value_reader *reader)
{
    return (int32_t)(uint32_t)value_read(reader, 4);
}

static void read_text(struct value_reader *reader, char out[ENTRY_TEXT_SIZE_MAX], uint8_t *out_size)
{
    struct bytes text = value_read_bytes(reader, (size_t)value_read(reader, 1));
    if (text.size > ENTRY_TEXT_SIZE_MAX) {
        reader->damaged = true;
        return;
    }
    if (text.size)
        memcpy(out, text.data, text.size);
    *out_size = (uint8_t)text.size;
}

static bool read_number(struct value_reader *reader, const struct store_key *key, struct entry *out)
{
    struct bytes sealed = value_read_bytes(reader, (size_t)value_read(reader, 1));
    size_t numbers = out->is_range ? 2 : 1;
    if (sealed.size <= SEAL_OVERHEAD || sealed.size > SEAL_OVERHEAD + numbers * NUMBER_SIZE_MAX ||
        (sealed.size - SEAL_OVERHEAD) % numbers != 0)
        return false;
    uint8_t plain[2 * NUMBER_SIZE_MAX];
    if (!store_key_unseal(key, entry_id(out), sealed, plain))
        return false;
    out->size = (uint8_t)((sealed.size - SEAL_OVERHEAD) / numbers);
    memcpy(out->number, plain, out->size);
    if (out->is_range)
        memcpy(out->number_to, plain + out->size, out->size);
    return true;
}

static void read_fields(struct value_reader *reader, struct entry *out, uint32_t *shape)
{
    out->type = (uint8_t)value_read(reader, 1);
    out->loss = (uint8_t)value_read(reader, 1);
    out->flags = (uint8_t)value_read(reader, 1);
    struct bytes issuer = value_read_bytes(reader, sizeof out->issuer.code);
    if (issuer.size)
        memcpy(out->issuer.code, issuer.data, issuer.size);
    *shape = (uint32_t)value_read(reader, 4);
    out->effective_at_ms = (int64_t)value_read(reader, 8);
    out->reported_on = read_date(reader);
    out->lost_on = read_date(reader);
    out->expiry = read_date(reader);
    out->review_on = read_date(reader);
    read_text(reader, out->contributor, &out->contributor_size);
    read_text(reader, out->national_ref, &out->national_ref_size);
}

const char *store_decode_head(struct bytes value, struct store_held *held)
{
    *held = (struct store_held){.known = true};
    struct value_reader reader = value_reader_of(value);
    uint64_t version = value_read(&reader, 1);
    uint64_t state = value_read(&reader, 1);
    held->revision = (int64_t)value_read(&reader, 8);
    held->live = state & STATE_LIVE;
    held->point = state == STATE_LIVE;
    if (held->live) {
        (void)value_read_bytes(&reader, 1 + 1 + 1 + sizeof(struct issuer));
        held->shape = (uint32_t)value_read(&reader, 4);
    }
    return reader.damaged || version != ENTRY_VERSION ? "head" : NULL;
}

const char *store_decode_entry(const struct store_key *key, struct bytes id, struct bytes value,
                               struct entry *out, uint32_t *shape)
{
    *out = (struct entry){0};
    *shape = 0;
    struct value_reader reader = value_reader_of(value);
    uint64_t version = value_read(&reader, 1);
    uint64_t state = value_read(&reader, 1);
    out->revision = (int64_t)value_read(&reader, 8);
    if (id.size == 0 || id.size > ENTRY_ID_SIZE_MAX)
        return "size of the id";
    memcpy(out->id, id.data, id.size);
    out->id_size = (uint8_t)id.size;
    if (reader.damaged)
        return "cut short";
    if (version != ENTRY_VERSION)
        return "version of the record";
    if (state > (STATE_LIVE | STATE_RANGE) || state == STATE_RANGE)
        return "state";
    out->is_live = state & STATE_LIVE;
    out->is_range = state & STATE_RANGE;
    if (!out->is_live)
        return value_read_all(&reader) ? NULL : "more than a tombstone";

    read_fields(&reader, out, shape);
    if (reader.damaged)
        return "cut short";
    if (out->type >= TYPE_COUNT || out->loss >= LOSS_COUNT)
        return "type or loss";
    if (!read_number(&reader, key, out))
        return "sealed number";
    if (*shape != canonical_shape(out->number, out->size))
        return "shape";
    return value_read_all(&reader) ? NULL : "more than an entry";
}

/* --- points --------------------------------------------------------------------------------- */

size_t store_encode_point(const struct entry *entry, uint8_t out[POINT_VALUE_SIZE_MAX])
{
    uint8_t *next = append(out, KEY_VERSION, 1);
    return (size_t)(append_text(next, entry->id, entry->id_size) - out);
}

const char *store_decode_point(struct bytes value, struct bytes *id)
{
    struct value_reader reader = value_reader_of(value);
    uint64_t version = value_read(&reader, 1);
    *id = value_read_bytes(&reader, (size_t)value_read(&reader, 1));
    if (!value_read_all(&reader))
        return "size of the point";
    if (version != KEY_VERSION)
        return "version of the point";
    return id->size && id->size <= ENTRY_ID_SIZE_MAX ? NULL : "size of the point's id";
}

void store_entry_form(const struct entry *entry, struct canonical *form)
{
    *form = (struct canonical){.unscreenable = UNSCREENABLE_NUMBER_MISSING};
    if (!entry->is_live || entry->is_range)
        return;
    /* The number is canonical: this only folds it. */
    canonical_number(bytes_of(entry->number, entry->size), false, form);
    assert(form->unscreenable == UNSCREENABLE_NO && form->size == entry->size);
    form->issuer = entry->issuer;
    form->flags = 0;
}

void store_point_key(const struct key *key, uint64_t id_hash, uint8_t out[POINT_KEY_SIZE])
{
    memcpy(out, key->bytes, sizeof key->bytes);
    write_big(out + sizeof key->bytes, id_hash, 8);
}

/* Of no issuer, which no point is: so one PRF makes both kinds of keys, and none of them twice. */
void store_number_form(struct canonical *form)
{
    form->issuer = (struct issuer){0};
    memcpy(form->fold, form->number, sizeof form->fold);
}

struct key store_number_prefix(uint32_t shape, const struct key *key)
{
    _Static_assert((int)NUMBER_PRF_SIZE >= (int)FILTER_KEY_SIZE, "the filter is filled from disk");
    struct key prefix;
    write_big(prefix.bytes, shape, SHAPE_KEY_SIZE);
    memcpy(prefix.bytes + SHAPE_KEY_SIZE, key->bytes, NUMBER_PRF_SIZE);
    return prefix;
}

void store_number_key(uint32_t shape, const struct key *key, uint64_t id_hash,
                      uint8_t out[POINT_KEY_SIZE])
{
    struct key prefix = store_number_prefix(shape, key);
    store_point_key(&prefix, id_hash, out);
}
