#include "operators/support/dead_letters.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/keys.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"

enum {
    LETTERS_MAX = 4096, /* on their way at once; more wait like a full queue */
    NUMBER_TEXT_SIZE = 24,
    OWN_HEADERS = 10,
    ORIGINAL_HEADERS = 54, /* room for more is made when more come */
};

enum letter_state { LETTER_FREE, LETTER_SENT, LETTER_TOO_LARGE, LETTER_SENT_BARE };

/* What is needed to say it again without the value. */
struct letter {
    enum letter_state state;
    struct origin origin;
    uint64_t offsets_lost;
    uint32_t schema_id;
    uint32_t interval; /* the one it was first sent in: not settled before it has come */
    uint8_t status;
    const char *detail;
    size_t size;       /* of the value */
    size_t whole_size; /* of the message as it came */
    struct id hash;
};

struct dead_letters {
    const struct config *config;
    struct kafka_producer *producer;
    struct ledger *ledger;
    struct letter letters[LETTERS_MAX];
    uint32_t next;                     /* where to look for a free place */
    uint32_t too_large;                /* how many wait to be sent again */
    size_t refused_size;               /* the smallest that was too large; SIZE_MAX: none */
    struct kafka_header_field *fields; /* of the message being sent */
    uint32_t fields_capacity;
};

/* Headers of one message and the texts they borrow. */
struct headers {
    struct kafka_header_field *fields;
    uint32_t count;
    char numbers[OWN_HEADERS][NUMBER_TEXT_SIZE];
    char hash[ID_TEXT_SIZE];
};

struct dead_letters *dead_letters_open(const struct config *config, struct kafka_producer *producer,
                                       struct ledger *ledger)
{
    struct dead_letters *letters = memory_new(1, sizeof *letters);
    letters->config = config;
    letters->producer = producer;
    letters->ledger = ledger;
    letters->refused_size = SIZE_MAX;
    letters->fields_capacity = ORIGINAL_HEADERS + OWN_HEADERS;
    letters->fields = memory_new(letters->fields_capacity, sizeof *letters->fields);
    return letters;
}

void dead_letters_close(struct dead_letters *letters)
{
    if (!letters)
        return;
    memory_free(letters->fields);
    memory_free(letters);
}

static void add_text(struct headers *headers, const char *name, const char *text)
{
    headers->fields[headers->count++] = (struct kafka_header_field){name, bytes_of_text(text)};
}

static void add_number(struct headers *headers, uint32_t place, const char *name, int64_t value)
{
    (void)snprintf(headers->numbers[place], NUMBER_TEXT_SIZE, "%" PRId64, value);
    add_text(headers, name, headers->numbers[place]);
}

static void add_own(struct headers *headers, const struct config *config,
                    const struct letter *letter)
{
    add_text(headers, "checkit.reason", record_status_name(letter->status));
    if (letter->detail)
        add_text(headers, "checkit.detail", letter->detail);
    add_text(headers, "checkit.topic", config->inputs[letter->origin.input].topic);
    add_number(headers, 0, "checkit.partition", letter->origin.partition);
    add_number(headers, 1, "checkit.offset", letter->origin.offset);
    add_number(headers, 2, "checkit.timestamp", letter->origin.timestamp_ms);
    if (letter->schema_id)
        add_number(headers, 3, "checkit.schema_id", letter->schema_id);
    if (letter->offsets_lost)
        add_number(headers, 4, "checkit.offsets_lost", (int64_t)letter->offsets_lost);
    add_number(headers, 5, "checkit.size", (int64_t)letter->size);
    if (letter->state == LETTER_TOO_LARGE) {
        id_to_text(&letter->hash, headers->hash);
        add_text(headers, "checkit.hash", headers->hash);
    }
    add_text(headers, "checkit.build", CHECKIT_BUILD);
}

/* The original's headers, all of them. */
static void take_headers(struct dead_letters *letters, const struct record *record,
                         struct headers *headers)
{
    uint32_t wanted = (record ? kafka_headers_count(record) : 0) + OWN_HEADERS;
    if (wanted > letters->fields_capacity) {
        letters->fields = memory_resize(letters->fields, wanted, sizeof *letters->fields);
        letters->fields_capacity = wanted;
    }
    headers->fields = letters->fields;
    headers->count = record ? kafka_headers(record, headers->fields, wanted - OWN_HEADERS) : 0;
}

/* The letter's place is its tag; the record is NULL when it is sent again. */
static enum status produce(struct dead_letters *letters, struct letter *letter,
                           const struct record *record, struct error *err)
{
    struct headers headers;
    take_headers(letters, record, &headers);
    add_own(&headers, letters->config, letter);

    struct tag tag = {TAG_DEAD_LETTER, letter->interval, (uint64_t)(letter - letters->letters)};
    struct kafka_message message = {
        .topic = letters->config->dead_letters_topic,
        .key = record ? record->key : (struct bytes){NULL, 0},
        .payload = record ? record->payload : (struct bytes){NULL, 0},
        .headers = headers.fields,
        .headers_count = headers.count,
        .partition = -1,
        .opaque = tag_pack(tag),
    };
    return kafka_produce(letters->producer, &message, err);
}

static size_t whole_size(struct dead_letters *letters, const struct record *record)
{
    struct headers headers;
    take_headers(letters, record, &headers);
    size_t size = record->key.size + record->payload.size;
    for (uint32_t i = 0; i < headers.count; i++)
        size += strlen(headers.fields[i].name) + headers.fields[i].value.size;
    return size;
}

/* With transactions, one that a broker refuses takes its whole transaction with it, and would again
 * when it is screened again: what is as large as one that was refused goes without its value. */
static bool is_refused(const struct dead_letters *letters, const struct letter *letter)
{
    return letters->config->exactly_once && letter->whole_size >= letters->refused_size;
}

static struct letter *find_free(struct dead_letters *letters)
{
    for (uint32_t i = 0; i < LETTERS_MAX; i++) {
        uint32_t at = (letters->next + i) % LETTERS_MAX;
        if (letters->letters[at].state == LETTER_FREE) {
            letters->next = (at + 1) % LETTERS_MAX;
            return &letters->letters[at];
        }
    }
    return NULL;
}

enum status dead_letters_send(struct dead_letters *letters, const struct record *record,
                              struct error *err)
{
    struct letter *letter = find_free(letters);
    if (!letter)
        return STATUS_RETRY;
    *letter = (struct letter){
        .origin = record->origin,
        .offsets_lost = record->offsets_lost,
        .schema_id = record->schema_id,
        .interval = ledger_interval(letters->ledger),
        .status = record->status,
        .detail = record->detail,
        .size = record->payload.size,
        .whole_size = whole_size(letters, record),
        .hash = keys_plain_hash(record->payload),
    };
    bool is_bare = is_refused(letters, letter);
    letter->state = is_bare ? LETTER_TOO_LARGE : LETTER_FREE;
    enum status status = produce(letters, letter, is_bare ? NULL : record, err);
    letter->state = LETTER_FREE;
    if (status != STATUS_OK)
        return status;
    letter->state = is_bare ? LETTER_SENT_BARE : LETTER_SENT;
    ledger_sent(letters->ledger);
    LOG_WARN("sink", "dead letter", LOG_TEXT("reason", record_status_name(letter->status)),
             LOG_TEXT("topic", letters->config->inputs[letter->origin.input].topic),
             LOG_INTEGER("partition", letter->origin.partition),
             LOG_INTEGER("offset", letter->origin.offset));
    return STATUS_OK;
}

enum status dead_letters_report(struct dead_letters *letters, struct tag tag,
                                enum kafka_delivery delivery, const char *reason, struct error *err)
{
    assert(tag.value < LETTERS_MAX);
    struct letter *letter = &letters->letters[tag.value];
    if (delivery == KAFKA_DELIVERED) {
        letter->state = LETTER_FREE;
        ledger_delivered(letters->ledger, tag.interval);
        return STATUS_OK;
    }
    if (delivery == KAFKA_TOO_LARGE && letter->state == LETTER_SENT) {
        letter->state = LETTER_TOO_LARGE;
        letters->too_large++;
        if (letter->whole_size < letters->refused_size)
            letters->refused_size = letter->whole_size;
        return STATUS_OK;
    }
    return error_fail(err, EX_UNAVAILABLE,
                      "dead letter of %s/%d offset %" PRId64 " not delivered: %s",
                      letters->config->inputs[letter->origin.input].topic,
                      (int)letter->origin.partition, letter->origin.offset, reason);
}

enum status dead_letters_resend(struct dead_letters *letters, struct error *err)
{
    for (uint32_t i = 0; letters->too_large && i < LETTERS_MAX; i++) {
        struct letter *letter = &letters->letters[i];
        if (letter->state != LETTER_TOO_LARGE)
            continue;
        TRY(produce(letters, letter, NULL, err));
        letter->state = LETTER_SENT_BARE;
        letters->too_large--;
    }
    return STATUS_OK;
}

void dead_letters_forget(struct dead_letters *letters)
{
    for (uint32_t i = 0; i < LETTERS_MAX; i++)
        letters->letters[i].state = LETTER_FREE;
    letters->too_large = 0;
}
