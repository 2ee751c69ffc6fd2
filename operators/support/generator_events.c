/* Events, and which of their documents are hits. */
#include <assert.h>
#include <string.h>

#include "operators/support/generator_internal.h"

enum {
    SALT_EVENT = 16, /* plus the kind */
    DAY_MS = 86400000,
    EVENTS_FROM_DAY = 20454, /* 2026-01-01 */
    EVENTS_APART_MS = 3,
    TEN_YEARS = 10 * 365,
    TRAVELLERS_MAX = 4
};

#define ANY_OF(random, words) ((words)[random_below((random), sizeof(words) / sizeof *(words))])

/* Symbols in the order of the schemas. */
enum { SECTOR_AIR, SECTOR_SEA, SECTOR_RAIL, SECTOR_HOTEL };
enum { STAGE_BOOK, STAGE_CHANGE, STAGE_CANCEL, STAGE_CHECK_IN, STAGE_BOARD, STAGE_STAY };
enum { SOURCES = 6, BANKING_STAGES = 4 };

/* --- the truth: a second reading of rules 5 -----------------------------------------------------
 */

static uint32_t count_letters(const struct made_number *number)
{
    uint32_t letters = 0;
    for (uint32_t i = 0; i < number->size; i++)
        letters += number->text[i] >= 'A';
    return letters;
}

/* What a document of the entry's number and issuer is, by its type. */
static void judge(const struct meant *document, enum document_type listed,
                  struct generated_hit *hit)
{
    bool is_exact = document->type == listed && listed != TYPE_ANY;
    bool is_compatible =
        document->type == listed || document->type == TYPE_ANY || listed == TYPE_ANY;
    bool pages = is_exact || is_compatible || count_letters(&document->number) >= 2;
    bool may_be_personal = listed == TYPE_ID_CARD || listed == TYPE_ANY || listed == TYPE_OTHER;
    if (may_be_personal && document->format->issuer->has_personal_numbers)
        pages = false;
    hit->tier = is_exact ? TIER_EXACT : TIER_TYPE_DIFFERS;
    hit->alert_class = pages ? CLASS_PAGE : CLASS_REVIEW;
}

/* --- documents ----------------------------------------------------------------------------------
 */

/* What a document may be taken for without its number then fitting another format of its issuer. */
static enum document_type another_type(const struct format *format, struct random *random)
{
    static const enum document_type others[] = {TYPE_VISA, TYPE_CREW, TYPE_OTHER, TYPE_ID_CARD};
    enum document_type type = ANY_OF(random, others);
    return type == TYPE_ID_CARD && !format->may_be_id_card ? TYPE_OTHER : type;
}

static enum document_type type_shown(const struct format *format, struct random *random)
{
    uint64_t drawn = random_below(random, 1000);
    if (drawn < 25)
        return TYPE_ANY;
    return drawn < 65 ? another_type(format, random) : format->type;
}

/* One of its characters becomes a counterpart; false: none of them has any. */
static bool misread(struct made_number *number, struct random *random)
{
    static const char from[] = "OQDILZSBG012586";
    static const char to[] = "000112586OIZSBG";
    uint32_t start = (uint32_t)random_below(random, number->size);
    for (uint32_t i = 0; i < number->size; i++) {
        char *character = &number->text[(start + i) % number->size];
        const char *found = memchr(from, *character, sizeof from - 1);
        if (!found)
            continue;
        *character = to[found - from];
        return true;
    }
    return false;
}

/* Takes an entry's document; false: the event has it already. */
static bool plant(const struct generator *generator, struct random *random, struct meant *meant,
                  struct generated_event *event)
{
    uint64_t index = random_below(random, generator->settings.entries);
    for (uint32_t i = 0; i < event->hits_count; i++)
        if (event->hits[i].entry == index)
            return false;
    meant->format = formats_listed(generator, index, &meant->number);
    meant->type =
        generator->settings.noise ? type_shown(meant->format, random) : meant->format->type;
    struct generated_hit *hit = &event->hits[event->hits_count++];
    hit->entry = index;
    generator_entry_id(meant->format, index, hit->entry_id);
    judge(meant, generator_entry_type(generator, index, meant->format), hit);
    hit->is_misread = generator->settings.misreads > 0 &&
                      happens(random, generator->settings.misreads) &&
                      misread(&meant->number, random);
    return true;
}

/* What goes wrong with documents that are none of the planted ones. */
static void disturb(struct random *random, struct meant *meant)
{
    uint64_t drawn = random_below(random, 1000);
    if (drawn < 20)
        meant->issuer = ISSUER_LEFT_OUT;
    else if (drawn < 23)
        meant->issuer = ISSUER_NOT_KNOWN;
    else if (drawn < 24)
        meant->issuer = ISSUER_OF_SPECIMEN;
    else if (drawn < 28)
        meant->unscreenable = UNSCREENABLE_NUMBER_MISSING;
    else if (drawn < 32)
        meant->unscreenable = UNSCREENABLE_NUMBER_PLACEHOLDER;
    else if (drawn < 34)
        meant->unscreenable = UNSCREENABLE_NUMBER_INVALID;
    else if (drawn < 50)
        meant->type = TYPE_ANY;
}

static enum generated_outcome outcome_of_unlisted(const struct meant *meant)
{
    if (meant->unscreenable != UNSCREENABLE_NO)
        return OUTCOME_UNSCREENABLE;
    return meant->issuer == ISSUER_OF_SPECIMEN ? OUTCOME_SPECIMEN : OUTCOME_NONE;
}

static const struct issuer_names *any_nationality(const struct generator *generator,
                                                  const struct issuer_names *issuer,
                                                  struct random *random)
{
    uint64_t drawn = random_below(random, 1000);
    if (drawn < 80)
        return NULL;
    return drawn < 140 ? formats_any_issuer(generator, random) : issuer;
}

/* The document as meant and as written; what else is known of it does not depend on either. */
static void add_document(const struct generator *generator, struct random *random,
                         uint32_t traveller, struct meant *meant, struct generated_event *event)
{
    struct generated_document *document = &event->documents[event->documents_count++];
    bool noise = generator->settings.noise;
    *meant = (struct meant){.issuer = ISSUER_SAID, .unscreenable = UNSCREENABLE_NO};
    if (random_next(random) < generator->hit_threshold && plant(generator, random, meant, event)) {
        document->outcome = OUTCOME_HIT;
        document->hit = (uint8_t)(event->hits_count - 1);
    } else {
        meant->format = formats_unlisted(generator, random, &meant->number);
        meant->type = meant->format->type;
        if (noise)
            disturb(random, meant);
        document->outcome = (uint8_t)outcome_of_unlisted(meant);
    }
    meant->nationality = any_nationality(generator, meant->format->issuer, random);
    document->unscreenable = (uint8_t)meant->unscreenable;
    document->traveller = (uint8_t)traveller;
    document->source = (uint8_t)random_below(random, SOURCES);
    document->expiry = happens(random, 900)
                           ? EVENTS_FROM_DAY + (int32_t)random_below(random, TEN_YEARS)
                           : DATE_NONE;
    noise_document(meant, noise, random, document);
}

/* The same document again, as someone else wrote it: the first stands for both (rules 5). */
static void repeat_document(struct random *random, const struct meant *meant,
                            struct generated_event *event)
{
    const struct generated_document *first = &event->documents[event->documents_count - 1];
    struct generated_document *again = &event->documents[event->documents_count++];
    again->outcome = first->outcome;
    again->unscreenable = first->unscreenable;
    again->hit = first->hit;
    again->traveller = first->traveller;
    again->source = (uint8_t)random_below(random, SOURCES);
    again->expiry = first->expiry;
    noise_document(meant, true, random, again);
}

/* One or two, 1.04 on average. */
static void add_documents(const struct generator *generator, struct random *random,
                          uint32_t traveller, uint32_t two_per_mille, struct generated_event *event)
{
    struct meant meant;
    uint32_t count = happens(random, two_per_mille) ? 2 : 1;
    for (uint32_t i = 0; i < count; i++)
        add_document(generator, random, traveller, &meant, event);
    if (generator->settings.noise && happens(random, 5))
        repeat_document(random, &meant, event);
}

/* --- around them --------------------------------------------------------------------------------
 */

/* "B3f9a-00000017": the index, told apart by the seed. */
static void put_event_id(const struct generator *generator, char letter, uint64_t index, char *out)
{
    out[0] = letter;
    memcpy(out + 1, generator->seed_tag, sizeof generator->seed_tag);
    out[1 + sizeof generator->seed_tag] = '-';
    (void)generator_put_number(out + 2 + sizeof generator->seed_tag, index, 8);
}

static void put_reference(struct random *random, char *out)
{
    static const char letters[] = "ABCDEFGHJKMNPQRSTVWXYZ0123456789";
    uint64_t drawn = random_next(random);
    for (uint32_t i = 0; i < 12; i++, drawn >>= 5)
        *out++ = letters[drawn & 31];
    *out = 0;
}

static void put_partner(const char *kind, uint64_t number, char *out)
{
    while (*kind)
        *out++ = *kind++;
    (void)generator_put_number(out, number + 1, 1);
}

static void fill_places(struct random *random, struct generated_event *event)
{
    static const char *const airports[] = {"AMS", "ATH", "BKK", "CDG", "DEL", "DXB", "FCO", "FRA",
                                           "GRU", "HEL", "HKG", "HND", "IST", "JFK", "JNB", "KUL",
                                           "LAX", "LHR", "LIS", "MAD", "MEX", "ORD", "OTP", "PRG",
                                           "SIN", "SYD", "VIE", "WAW", "YYZ", "ZRH"};
    static const char *const harbours[] = {"DEKEL", "DKCPH", "ESALG", "FIHEL", "FRCQF",
                                           "GBDVR", "GRPIR", "ITGOA", "NLHOK", "SESTO"};
    static const char *const stations[] = {"ATWIE", "BEBRU", "CHBSL", "CZPRG", "DEBER",
                                           "FRPAR", "GBLON", "HUBUD", "ITMIL", "PLWAW"};
    static const char *const houses[] = {"H-17", "H-204", "H-3", "H-58", "H-861"};
    event->destination = NULL;
    switch (event->sector) {
    case SECTOR_SEA:
        event->origin = ANY_OF(random, harbours);
        event->destination = ANY_OF(random, harbours);
        return;
    case SECTOR_RAIL:
        event->origin = ANY_OF(random, stations);
        event->destination = ANY_OF(random, stations);
        return;
    case SECTOR_HOTEL:
        event->origin = ANY_OF(random, houses);
        return;
    default:
        event->origin = ANY_OF(random, airports);
        event->destination = ANY_OF(random, airports);
    }
}

static uint8_t any_sector(struct random *random)
{
    uint64_t drawn = random_below(random, 1000);
    return drawn < 800   ? SECTOR_AIR
           : drawn < 850 ? SECTOR_SEA
           : drawn < 900 ? SECTOR_RAIL
                         : SECTOR_HOTEL;
}

static uint8_t any_stage(uint8_t sector, struct random *random)
{
    static const uint8_t journey[] = {STAGE_BOOK,   STAGE_BOOK,     STAGE_BOOK,
                                      STAGE_CHANGE, STAGE_CHECK_IN, STAGE_CHECK_IN,
                                      STAGE_BOARD,  STAGE_BOARD,    STAGE_CANCEL};
    static const uint8_t house[] = {STAGE_BOOK, STAGE_STAY, STAGE_STAY};
    return sector == SECTOR_HOTEL ? ANY_OF(random, house) : ANY_OF(random, journey);
}

/* 1.54 on average. */
static uint32_t any_travellers(struct random *random)
{
    uint64_t drawn = random_below(random, 1000);
    return drawn < 620 ? 1 : drawn < 880 ? 2 : drawn < 960 ? 3 : TRAVELLERS_MAX;
}

static void fill_booking(const struct generator *generator, struct random *random,
                         struct generated_event *event)
{
    static const char *const channels[] = {"web", "app", "agency", "desk"};
    static const char *const fares[] = {"ECONOMY", "PREMIUM", "BUSINESS"};
    static const char *const currencies[] = {"EUR", "USD", "GBP", "INR"};
    event->sector = any_sector(random);
    event->stage = any_stage(event->sector, random);
    put_partner("carrier-", random_below(random, 40), event->partner);
    fill_places(random, event);
    event->departs_at_ms = event->time_ms + (int64_t)random_below(random, 90) * DAY_MS;
    event->channel = ANY_OF(random, channels);
    event->fare = ANY_OF(random, fares);
    event->currency = ANY_OF(random, currencies);
    event->travellers = any_travellers(random);
    for (uint32_t i = 0; i < event->travellers; i++)
        add_documents(generator, random, i, 40, event);
}

static void fill_banking(const struct generator *generator, struct random *random,
                         struct generated_event *event)
{
    static const char *const channels[] = {"branch", "app", "web"};
    event->sector = 0;
    event->stage = (uint8_t)random_below(random, BANKING_STAGES);
    put_partner("bank-", random_below(random, 12), event->partner);
    event->origin = event->destination = event->fare = event->currency = NULL;
    event->departs_at_ms = TIME_NONE;
    event->channel = ANY_OF(random, channels);
    event->travellers = 1;
    add_documents(generator, random, 0, 350, event);
}

void generator_event(const struct generator *generator, enum event_kind kind, uint64_t index,
                     struct generated_event *out)
{
    static_assert((int)TRAVELLERS_MAX * 3 <= (int)GENERATED_DOCUMENTS_MAX,
                  "all documents have room");
    assert(index < GENERATOR_EVENTS_MAX);
    struct random random = generator_random(generator, SALT_EVENT + (uint64_t)kind, index);
    bool is_booking = kind == EVENT_BOOKING;
    out->kind = kind;
    out->documents_count = 0;
    out->hits_count = 0;
    out->time_ms = (int64_t)EVENTS_FROM_DAY * DAY_MS + (int64_t)index * EVENTS_APART_MS;
    put_event_id(generator, is_booking ? 'B' : 'A', index, out->id);
    put_reference(&random, out->journey);
    if (is_booking)
        fill_booking(generator, &random, out);
    else
        fill_banking(generator, &random, out);
}

uint32_t generator_end_of_traveller(const struct generated_event *event, uint32_t first,
                                    uint32_t traveller)
{
    uint32_t end = first;
    while (end < event->documents_count && event->documents[end].traveller == traveller)
        end++;
    return end;
}
