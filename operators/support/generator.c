/* Opening, and the list. */
#include "operators/support/generator.h"

#include <assert.h>
#include <string.h>

#include "operators/support/generator_internal.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/memory.h"

enum {
    TODAY = 20454, /* 2026-01-01: entries were reported before, events happen from then on */
    YEAR = 365,
    TEN_YEARS = 10 * YEAR,
    MS_PER_DAY = 86400000,
};

/* Salts: which use of an index a sequence is for. */
enum { SALT_SEED_TAG = 1, SALT_ENTRY, SALT_ENTRY_TYPE };

/* --- shared -------------------------------------------------------------------------------------
 */

struct random generator_random(const struct generator *generator, uint64_t salt, uint64_t index)
{
    struct random random;
    uint64_t salted = generator->settings.seed + hash_fibonacci(salt, 64);
    random_init(&random, hash_mix(hash_mix(salted) ^ index));
    return random;
}

char *generator_put_number(char *out, uint64_t value, uint32_t digits)
{
    uint64_t above = 10;
    uint32_t size = 1;
    for (; size < 20 && (size < digits || value >= above); size++)
        above *= 10;
    for (uint32_t i = size; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
    out[size] = 0;
    return out + size;
}

/* --- opening ------------------------------------------------------------------------------------
 */

static void put_seed_tag(struct generator *generator)
{
    static const char hex[] = "0123456789abcdef";
    struct random random = generator_random(generator, SALT_SEED_TAG, 0);
    for (uint32_t i = 0; i < sizeof generator->seed_tag; i++)
        generator->seed_tag[i] = hex[random_below(&random, 16)];
}

struct generator *generator_open(const struct generator_settings *settings)
{
    assert(settings->entries >= 1 && settings->entries <= GENERATOR_ENTRIES_MAX);
    assert(settings->hit_rate >= 0 && settings->hit_rate <= 1);
    struct generator *generator = memory_new(1, sizeof *generator);
    generator->settings = *settings;
    generator->hit_threshold =
        settings->hit_rate < 1 ? (uint64_t)(settings->hit_rate * 0x1p64) : UINT64_MAX;
    put_seed_tag(generator);
    formats_init(generator);
    return generator;
}

void generator_close(struct generator *generator)
{
    memory_free(generator);
}

/* --- the list -----------------------------------------------------------------------------------
 */

enum document_type generator_entry_type(const struct generator *generator, uint64_t index,
                                        const struct format *format)
{
    struct random random = generator_random(generator, SALT_ENTRY_TYPE, index);
    uint64_t drawn = random_below(&random, 1000);
    if (drawn < 40)
        return TYPE_ANY;
    return drawn < 50 ? TYPE_OTHER : format->type;
}

/* "GBR-17": one index is one entry, whatever the seed. */
void generator_entry_id(const struct format *format, uint64_t index,
                        char out[GENERATED_ID_BYTES_MAX])
{
    memcpy(out, format->issuer->alpha_3, 3);
    out[3] = '-';
    (void)generator_put_number(out + 4, index, 1);
}

static enum loss any_loss(struct random *random)
{
    static const struct {
        enum loss loss;
        uint32_t per_mille;
    } losses[] = {{LOSS_STOLEN, 430}, {LOSS_LOST, 380},   {LOSS_STOLEN_BLANK, 80},
                  {LOSS_REVOKED, 70}, {LOSS_INVALID, 30}, {LOSS_UNKNOWN, 10}};
    uint32_t drawn = (uint32_t)random_below(random, 1000);
    uint32_t way = 0;
    for (; drawn >= losses[way].per_mille; way++)
        drawn -= losses[way].per_mille;
    return losses[way].loss;
}

static uint32_t any_flags(struct random *random)
{
    uint32_t flags = 0;
    flags |= happens(random, 5) ? ENTRY_SILENT : 0;
    flags |= happens(random, 5) ? ENTRY_DISPUTED : 0;
    (void)happens(random, 1); /* none is TEST, whose alerts go elsewhere */
    return flags;
}

/* day, or one up to so many days away; DATE_NONE in the other cases. */
static int32_t date_near(struct random *random, uint32_t per_mille, int32_t day, int32_t span)
{
    if (!happens(random, per_mille))
        return DATE_NONE;
    int32_t away = (int32_t)random_below(random, (uint64_t)(span < 0 ? -span : span) + 1);
    return span < 0 ? day - away : day + away;
}

static void fill_dates(struct random *random, struct change *change)
{
    change->reported_on = TODAY - 1 - (int32_t)random_below(random, TEN_YEARS);
    change->lost_on = date_near(random, 800, change->reported_on, -60);
    change->expiry = date_near(random, 700, change->reported_on, TEN_YEARS);
    change->review_on = date_near(random, 300, change->reported_on + YEAR, 5 * YEAR);
    change->effective_at_ms =
        (int64_t)change->reported_on * MS_PER_DAY + (int64_t)random_below(random, MS_PER_DAY);
}

void generator_entry(const struct generator *generator, uint64_t index, struct generated_entry *out)
{
    assert(index < generator->settings.entries);
    struct made_number number;
    const struct format *format = formats_listed(generator, index, &number);
    struct random random = generator_random(generator, SALT_ENTRY, index);
    generator_entry_id(format, index, out->id);
    memcpy(out->contributor, format->issuer->alpha_3, 3);
    memcpy(out->contributor + 3, "-NCB", sizeof "-NCB");

    out->change = (struct change){
        .op = CHANGE_UPSERT,
        .entry_id = bytes_of_text(out->id),
        .contributor = bytes_of_text(out->contributor),
        .revision = happens(&random, 900) ? 1 : 2 + (int64_t)random_below(&random, 4),
        .loss = any_loss(&random),
        .flags = any_flags(&random),
    };
    fill_dates(&random, &out->change);
    if (happens(&random, 300)) {
        out->national_ref[0] = 'R';
        (void)generator_put_number(out->national_ref + 1, random_below(&random, 100000000), 8);
        out->change.national_ref = bytes_of_text(out->national_ref);
    }
    noise_entry(format, &number, generator_entry_type(generator, index, format),
                generator->settings.noise, &random, out);
}
