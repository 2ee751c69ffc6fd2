#include "pipeline/run/scrape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/base/memory.h"

enum { NAME_SIZE = 128 };

struct sample {
    const char *name;
    const char *labels; /* "" when there are none */
    double value;
};

struct scrape {
    char *text; /* owned; cut into names and labels */
    struct sample *samples;
    size_t count;
};

/* Behind the closing brace of labels, where quotes are closed; NULL: there is none. */
static char *end_of_labels(char *at)
{
    bool is_quoted = false;
    for (; *at; at++) {
        if (is_quoted && at[0] == '\\' && at[1])
            at++;
        else if (*at == '"')
            is_quoted = !is_quoted;
        else if (*at == '}' && !is_quoted)
            return at + 1;
    }
    return NULL;
}

static bool parse_value(const char *text, double *value)
{
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    return end > text && errno == 0 && (*end == 0 || *end == ' '); /* a time may follow */
}

/* NAME{LABELS} VALUE */
static bool parse_line(char *line, struct sample *sample)
{
    size_t name_size = strcspn(line, "{ ");
    char *at = line + name_size;
    char *labels = at;
    if (name_size == 0 || *at == 0)
        return false;
    if (*at == '{') {
        labels = at + 1;
        *at = 0;
        at = end_of_labels(labels);
        if (!at || *at != ' ')
            return false;
        at[-1] = 0;
    }
    *at = 0;
    sample->name = line;
    sample->labels = labels == at ? "" : labels;
    return parse_value(at + 1, &sample->value);
}

static enum status parse_lines(struct scrape *scrape, struct error *err)
{
    unsigned number = 0;
    char *line = scrape->text;
    while (*line) {
        char *end = strchr(line, '\n');
        number++;
        if (end)
            *end = 0;
        bool is_sample = *line && *line != '#';
        if (is_sample && scrape->count == SCRAPE_SAMPLES_MAX)
            return error_fail(err, EX_DATAERR, "more than %d metrics", (int)SCRAPE_SAMPLES_MAX);
        if (is_sample && !parse_line(line, &scrape->samples[scrape->count++]))
            return error_fail(err, EX_DATAERR, "line %u is no metric", number);
        line = end ? end + 1 : line + strlen(line);
    }
    return STATUS_OK;
}

enum status scrape_parse(const char *text, size_t size, struct scrape **out, struct error *err)
{
    struct scrape *scrape = memory_new(1, sizeof *scrape);
    scrape->text = memory_copy_text(text, size);
    scrape->samples = memory_new(SCRAPE_SAMPLES_MAX, sizeof *scrape->samples);
    enum status status = parse_lines(scrape, err);
    if (status == STATUS_OK)
        *out = scrape;
    else
        scrape_close(scrape);
    return status;
}

void scrape_close(struct scrape *scrape)
{
    if (!scrape)
        return;
    memory_free(scrape->samples);
    memory_free(scrape->text);
    memory_free(scrape);
}

/* --- asking --------------------------------------------------------------------------------- */

bool scrape_next(const struct scrape *scrape, const char *name, struct scrape_place *place)
{
    while (place->next < scrape->count) {
        const struct sample *sample = &scrape->samples[place->next++];
        if (strcmp(sample->name, name) != 0)
            continue;
        place->labels = sample->labels;
        place->value = sample->value;
        return true;
    }
    return false;
}

double scrape_sum(const struct scrape *scrape, const char *name)
{
    double sum = 0;
    struct scrape_place place = {0};
    while (scrape_next(scrape, name, &place))
        sum += place.value;
    return sum;
}

bool scrape_has(const struct scrape *scrape, const char *name)
{
    return scrape_next(scrape, name, &(struct scrape_place){0});
}

/* The text behind an opening quote, unescaped; returns what follows its closing one, or NULL. */
static const char *unquote(const char *at, char out[SCRAPE_LABEL_SIZE])
{
    size_t size = 0;
    for (; *at && *at != '"'; at++) {
        char c = *at;
        if (c == '\\' && at[1]) {
            c = *++at;
            if (c == 'n')
                c = '\n';
        }
        if (size < SCRAPE_LABEL_SIZE - 1)
            out[size++] = c;
    }
    out[size] = 0;
    return *at ? at + 1 : NULL;
}

bool scrape_label(const char *labels, const char *name, char out[SCRAPE_LABEL_SIZE])
{
    size_t name_size = strlen(name);
    while (labels && *labels) {
        size_t size = strcspn(labels, "=");
        bool is_it = size == name_size && memcmp(labels, name, size) == 0;
        if (labels[size] == 0 || labels[size + 1] != '"')
            break;
        labels = unquote(labels + size + 2, out);
        if (is_it && labels)
            return true;
        if (labels)
            labels += *labels == ',';
    }
    out[0] = 0;
    return false;
}

/* The bucket that holds the rank: its bounds, and what is counted up to them. */
struct bucket {
    double from;
    double from_count;
    double to;
    double to_count;
};

static bool find_bucket(const struct scrape *scrape, const char *name, double rank,
                        struct bucket *out)
{
    char buckets[NAME_SIZE];
    char bound[SCRAPE_LABEL_SIZE];
    struct scrape_place place = {0};
    (void)snprintf(buckets, sizeof buckets, "%s_bucket", name);
    *out = (struct bucket){0};
    while (scrape_next(scrape, buckets, &place)) {
        if (!scrape_label(place.labels, "le", bound))
            return false;
        out->to = strtod(bound, NULL);
        out->to_count = place.value;
        if (place.value >= rank)
            return true;
        out->from = out->to;
        out->from_count = out->to_count;
    }
    return false;
}

double scrape_quantile(const struct scrape *scrape, const char *name, double quantile)
{
    char count[NAME_SIZE];
    struct bucket bucket;
    (void)snprintf(count, sizeof count, "%s_count", name);
    double rank = scrape_sum(scrape, count) * quantile;
    if (rank <= 0 || !find_bucket(scrape, name, rank, &bucket))
        return -1;
    if (bucket.to - bucket.from > 1e300 || bucket.to_count <= bucket.from_count)
        return bucket.from; /* in the last one, which has no end */
    return bucket.from + (bucket.to - bucket.from) * (rank - bucket.from_count) /
                             (bucket.to_count - bucket.from_count);
}
