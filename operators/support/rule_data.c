#include "operators/support/rule_data.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "operators/support/canonical.h"
#include "operators/support/csv.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/memory.h"

enum {
    FILE_BYTES_MAX = 1024 * 1024,
    CODE_SIZE_MAX = 3,
    CODES = ISSUER_INDEXES, /* codes of 1 to 3 letters, see code_index */
    VALUE_SHOWN_MAX = 80,   /* bytes of a faulty value that a message repeats */
};

/* What a code stands for. */
struct code {
    struct issuer issuer; /* all zero unless ISSUER_KNOWN */
    uint8_t kind;         /* enum issuer_kind */
};

/* What may change while others ask. */
struct facts {
    bool is_personal_number[CODES];
    struct template *items; /* owned; by issuer, then in the order of the file */
    uint32_t items_count;
    struct templates templates[CODES]; /* of every issuer, within items */
    struct facts *earlier;             /* owned */
};

struct rule_data {
    struct code codes[CODES];
    _Atomic(struct facts *) facts; /* owned */
};

static struct facts *facts_of(const struct rule_data *data)
{
    return atomic_load_explicit(&data->facts, memory_order_acquire);
}

/* --- codes --- */

/* As issuer_index, of one to three letters: no two codes share one. */
static uint32_t code_index(const char *code, size_t size)
{
    uint32_t index = 0;
    for (size_t i = 0; i < size; i++)
        index = index * 27 + (uint32_t)(code[i] - 'A' + 1);
    assert(index < CODES);
    return index;
}

static bool is_letters(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < 'A' || text.data[i] > 'Z')
            return false;
    return text.size > 0;
}

static bool is_code(struct bytes text, size_t size_min, size_t size_max)
{
    return text.size >= size_min && text.size <= size_max && is_letters(text);
}

static struct issuer issuer_of(struct bytes code)
{
    struct issuer issuer;
    assert(code.size == sizeof issuer.code);
    memcpy(issuer.code, code.data, sizeof issuer.code);
    return issuer;
}

/* --- reading a file --- */

struct load {
    struct rule_data *data;
    bool *is_alias;   /* by code_index */
    const char *file; /* path or name of the asset */
    struct csv_row row;
    struct error *err;
};

static enum status fault(const struct load *load, struct bytes value, const char *why)
{
    int shown = value.size < VALUE_SHOWN_MAX ? (int)value.size : VALUE_SHOWN_MAX;
    return error_fail(load->err, EX_CONFIG, "%s, line %" PRIu64 ": '%.*s' %s", load->file,
                      load->row.line, shown, (const char *)value.data, why);
}

static enum status next_row(struct load *load, struct csv *csv)
{
    enum status status = csv_next(csv, &load->row, load->err);
    if (status == STATUS_OK && csv_bytes_read(csv) > FILE_BYTES_MAX)
        return error_fail(load->err, EX_CONFIG, "%s: is larger than 1 MiB", load->file);
    if (status != STATUS_OK)
        load->err->exit_code = EX_CONFIG;
    return status;
}

/* --- one row of each file --- */

static enum status add_country_code(struct load *load, struct bytes name, struct issuer issuer)
{
    struct code *code = &load->data->codes[code_index((const char *)name.data, name.size)];
    if (code->kind != ISSUER_UNKNOWN)
        return fault(load, name, "stands here twice");
    *code = (struct code){.issuer = issuer, .kind = ISSUER_KNOWN};
    return STATUS_OK;
}

static enum status add_country(struct load *load)
{
    struct bytes alpha_2 = load->row.fields[0];
    struct bytes alpha_3 = load->row.fields[1];
    if (!is_code(alpha_2, 2, 2))
        return fault(load, alpha_2, "is not an alpha-2 code: two letters A-Z");
    if (!is_code(alpha_3, 3, 3))
        return fault(load, alpha_3, "is not an alpha-3 code: three letters A-Z");
    TRY(add_country_code(load, alpha_2, issuer_of(alpha_3)));
    return add_country_code(load, alpha_3, issuer_of(alpha_3));
}

static enum status add_alias(struct load *load)
{
    struct bytes alias = load->row.fields[0];
    struct bytes value = load->row.fields[1];
    if (!is_code(alias, 1, CODE_SIZE_MAX))
        return fault(load, alias, "is not an alias: one to three letters A-Z");
    uint32_t index = code_index((const char *)alias.data, alias.size);
    if (load->is_alias[index])
        return fault(load, alias, "stands here twice");
    load->is_alias[index] = true;

    struct code *code = &load->data->codes[index]; /* an alias wins over a country */
    *code = (struct code){0};
    if (bytes_equal_text(value, "-"))
        code->kind = ISSUER_NONE;
    else if (bytes_equal_text(value, "SPECIMEN"))
        code->kind = ISSUER_SPECIMEN;
    else if (is_code(value, 3, 3))
        *code = (struct code){.issuer = issuer_of(value), .kind = ISSUER_KNOWN};
    else
        return fault(load, value, "is neither a code of three letters A-Z nor '-' nor SPECIMEN");
    return STATUS_OK;
}

/* An issuer as documents have it in canonical form; what is said of any other never applies. */
static enum status read_issuer(struct load *load, struct bytes field, struct issuer *issuer)
{
    if (!is_code(field, 3, 3))
        return fault(load, field, "is not an issuer: three letters A-Z");
    *issuer = issuer_of(field);
    const struct code *code = &load->data->codes[issuer_index(*issuer)];
    if (code->kind != ISSUER_KNOWN)
        return fault(load, field, "is no issuer of the country list or the aliases");
    if (!issuer_equal(code->issuer, *issuer))
        return fault(load, field, "is an alias: name the issuer it stands for");
    return STATUS_OK;
}

static enum status add_personal_number(struct load *load)
{
    struct issuer issuer;
    TRY(read_issuer(load, load->row.fields[0], &issuer));
    bool *is_personal_number = &facts_of(load->data)->is_personal_number[issuer_index(issuer)];
    if (*is_personal_number)
        return fault(load, load->row.fields[0], "stands here twice");
    *is_personal_number = true;
    return STATUS_OK;
}

/* --- templates --- */

/* ANY is none: a document of type ANY takes the templates of every type. */
static enum status read_type(struct load *load, struct bytes field, struct template *out)
{
    for (int type = TYPE_ANY + 1; type < TYPE_COUNT; type++) {
        if (!bytes_equal_text(field, document_type_name((enum document_type)type)))
            continue;
        out->type = (uint8_t)type;
        return STATUS_OK;
    }
    return fault(load, field, "is not a type: PASSPORT, ID_CARD, VISA, CREW or OTHER");
}

static enum status add_template(struct load *load)
{
    struct facts *facts = facts_of(load->data);
    struct template parsed = {0};
    TRY(read_issuer(load, load->row.fields[0], &parsed.issuer));
    TRY(read_type(load, load->row.fields[1], &parsed));
    const char *why = template_parse(load->row.fields[2], &parsed);
    if (why)
        return fault(load, load->row.fields[2], why);
    uint32_t place = 0; /* behind those of its issuer */
    for (uint32_t i = 0; i < facts->items_count; i++) {
        const struct template *earlier = &facts->items[i];
        if (issuer_index(earlier->issuer) <= issuer_index(parsed.issuer))
            place = i + 1;
        if (issuer_equal(earlier->issuer, parsed.issuer) && earlier->type == parsed.type &&
            memcmp(earlier->allowed, parsed.allowed, sizeof parsed.allowed) == 0)
            return fault(load, load->row.fields[2], "stands here twice for its issuer and type");
    }
    facts->items = memory_resize(facts->items, facts->items_count + 1, sizeof *facts->items);
    memmove(&facts->items[place + 1], &facts->items[place],
            (facts->items_count - place) * sizeof *facts->items);
    facts->items[place] = parsed;
    facts->items_count++;
    return STATUS_OK;
}

/* Once all are read. */
static void index_templates(struct facts *facts)
{
    for (uint32_t i = facts->items_count; i-- > 0;) {
        struct templates *of_issuer = &facts->templates[issuer_index(facts->items[i].issuer)];
        of_issuer->items = &facts->items[i];
        of_issuer->count++;
        of_issuer->sizes |= UINT32_C(1) << facts->items[i].size;
    }
}

/* --- the four files --- */

/* In the order they are read: each may refer to what the ones above it gave. */
static const struct rule_file {
    const char *name;
    const char *header;
    uint32_t fields_count;
    uint32_t rows_min;
    enum status (*add_row)(struct load *load);
} rule_files[] = {
    {"iso_3166.csv", "alpha_2,alpha_3", 2, 1, add_country},
    {"country_aliases.csv", "alias,issuer", 2, 0, add_alias},
    {"document_templates.csv", "issuer,type,template", 3, 0, add_template},
    {"personal_number_issuers.csv", "issuer", 1, 0, add_personal_number},
};

enum { RULE_FILES = sizeof rule_files / sizeof rule_files[0], PATH_SIZE = 4096 };

/* Whether the row's fields, with commas between them, are the header. */
static bool is_header(const struct csv_row *row, const char *header)
{
    for (uint32_t i = 0; i < row->fields_count; i++) {
        size_t size = strcspn(header, ",");
        if (!bytes_equal(row->fields[i], bytes_of(header, size)))
            return false;
        header += size + (header[size] == ',');
        if ((*header == 0) != (i + 1 == row->fields_count))
            return false;
    }
    return true;
}

static enum status parse_rows(struct load *load, const struct rule_file *file, struct csv *csv)
{
    TRY(next_row(load, csv));
    if (load->row.fields_count == 0)
        return error_fail(load->err, EX_CONFIG, "%s: the header '%s' is missing", load->file,
                          file->header);
    if (!is_header(&load->row, file->header))
        return error_fail(load->err, EX_CONFIG, "%s, line %" PRIu64 ": the header must be '%s'",
                          load->file, load->row.line, file->header);
    uint32_t rows = 0;
    for (;; rows++) {
        TRY(next_row(load, csv));
        if (load->row.fields_count == 0)
            break;
        if (load->row.fields_count != file->fields_count)
            return error_fail(load->err, EX_CONFIG,
                              "%s, line %" PRIu64 ": %" PRIu32 " fields, the header has %" PRIu32,
                              load->file, load->row.line, load->row.fields_count,
                              file->fields_count);
        TRY(file->add_row(load));
    }
    if (rows < file->rows_min)
        return error_fail(load->err, EX_CONFIG, "%s: there is no row", load->file);
    return STATUS_OK;
}

static enum status parse(struct load *load, const struct rule_file *file, int descriptor,
                         struct bytes text)
{
    struct csv *csv = csv_open(
        &(struct csv_source){.name = load->file, .file = descriptor, .text = text, .comment = '#'});
    enum status status = parse_rows(load, file, csv);
    csv_close(csv);
    return status;
}

static enum status load_file(struct load *load, const char *folder, const struct rule_file *file)
{
    char path[PATH_SIZE];
    int size = snprintf(path, sizeof path, "%s/%s", folder ? folder : "config/rules", file->name);
    if (size < 0 || (size_t)size >= sizeof path)
        return error_fail(load->err, EX_CONFIG, "folder of the rule data: its name is too long");
    load->file = path;

    if (!folder) {
        struct bytes asset = assets_find(path);
        assert(asset.data);
        return parse(load, file, -1, asset);
    }
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return error_fail(load->err, EX_CONFIG, "%s: cannot be opened: %s", path, strerror(errno));
    enum status status = parse(load, file, descriptor, (struct bytes){NULL, 0});
    (void)close(descriptor);
    return status;
}

enum status rule_data_open(const char *folder, struct rule_data **out, struct error *err)
{
    struct rule_data *data = memory_new(1, sizeof *data);
    atomic_store(&data->facts, memory_new(1, sizeof(struct facts)));
    for (uint32_t i = 0; i < CODES; i++)
        data->codes[i].kind = ISSUER_UNKNOWN;

    struct load load = {.data = data, .err = err};
    load.is_alias = memory_new(CODES, sizeof *load.is_alias);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < RULE_FILES && status == STATUS_OK; i++)
        status = load_file(&load, folder, &rule_files[i]);
    memory_free(load.is_alias);
    index_templates(facts_of(data));

    if (status != STATUS_OK) {
        rule_data_close(data);
        data = NULL;
    }
    *out = data;
    return status;
}

void rule_data_close(struct rule_data *data)
{
    if (!data)
        return;
    for (struct facts *facts = facts_of(data); facts;) {
        struct facts *earlier = facts->earlier;
        memory_free(facts->items);
        memory_free(facts);
        facts = earlier;
    }
    memory_free(data);
}

/* --- taking others while it is used --- */

static bool same_template(const struct template *a, const struct template *b)
{
    return memcmp(a->allowed, b->allowed, sizeof a->allowed) == 0 &&
           issuer_equal(a->issuer, b->issuer) && a->type == b->type && a->size == b->size;
}

static bool same_facts(const struct facts *a, const struct facts *b)
{
    bool same =
        a->items_count == b->items_count &&
        memcmp(a->is_personal_number, b->is_personal_number, sizeof a->is_personal_number) == 0;
    for (uint32_t i = 0; same && i < a->items_count; i++)
        same = same_template(&a->items[i], &b->items[i]);
    return same;
}

enum status rule_data_take(struct rule_data *data, struct rule_data *fresh, bool *changed,
                           struct error *err)
{
    bool may_be_taken = rule_data_canonical_hash(data) == rule_data_canonical_hash(fresh);
    *changed = may_be_taken && !same_facts(facts_of(data), facts_of(fresh));
    if (*changed) {
        struct facts *facts = facts_of(fresh);
        atomic_store(&fresh->facts, NULL);
        facts->earlier = facts_of(data);
        atomic_store_explicit(&data->facts, facts, memory_order_release);
    }
    rule_data_close(fresh);
    if (may_be_taken)
        return STATUS_OK;
    return error_fail(
        err, EX_CONFIG,
        "country codes or aliases of the rule data have changed, on which the list on "
        "disk stands: restart, and it is read anew from the feed");
}

/* --- asking --- */

static bool is_said_to_be_none(struct bytes trimmed)
{
    static const struct bytes words[] = {RULE_DATA_WORD("N/A"), RULE_DATA_WORD("N.A."),
                                         RULE_DATA_WORD("NIL"), RULE_DATA_WORD("NONE")};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (rule_data_is_word(trimmed, words[i]))
            return true;
    return false;
}

static bool is_dropped(uint8_t byte)
{
    return byte == ' ' || byte == '-' || byte == '.' || byte == '<';
}

enum issuer_kind rule_data_find_issuer(const struct rule_data *data, struct bytes sent,
                                       struct issuer *out)
{
    *out = (struct issuer){0};
    struct bytes trimmed = rule_data_trim(sent);
    if (trimmed.size == 0)
        return ISSUER_NONE;
    if ((trimmed.data[0] | 0x20) == 'n' && is_said_to_be_none(trimmed))
        return ISSUER_NONE;

    uint32_t index = 0; /* as code_index */
    uint32_t letters = 0;
    for (size_t i = 0; i < trimmed.size; i++) {
        uint8_t byte = trimmed.data[i];
        uint32_t letter = (byte | 0x20U) - 'a';
        if (letter < 26) {
            if (letters++ == CODE_SIZE_MAX)
                return ISSUER_UNKNOWN;
            index = index * 27 + letter + 1;
        } else if (!is_dropped(byte)) {
            return ISSUER_UNKNOWN;
        }
    }
    if (letters == 0)
        return ISSUER_NONE;
    *out = data->codes[index].issuer;
    return (enum issuer_kind)data->codes[index].kind;
}

bool rule_data_is_personal_number(const struct rule_data *data, struct issuer issuer)
{
    return !issuer_is_none(issuer) && facts_of(data)->is_personal_number[issuer_index(issuer)];
}

const struct templates *rule_data_templates(const struct rule_data *data)
{
    return facts_of(data)->templates;
}

uint64_t rule_data_canonical_hash(const struct rule_data *data)
{
    uint64_t hash = HASH_OF_NOTHING;
    for (uint32_t i = 0; i < CODES; i++) {
        const struct code *code = &data->codes[i];
        if (code->kind == ISSUER_UNKNOWN)
            continue;
        const uint8_t index[2] = {(uint8_t)i, (uint8_t)(i >> 8)};
        hash = hash_bytes(hash, bytes_of(index, sizeof index));
        hash = hash_bytes(hash, bytes_of(code->issuer.code, sizeof code->issuer.code));
        hash = hash_bytes(hash, bytes_of(&code->kind, sizeof code->kind));
    }
    return hash_bytes(hash, bytes_of_text(canonical_unicode_version()));
}
