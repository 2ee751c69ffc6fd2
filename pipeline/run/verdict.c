#include "pipeline/run/verdict.h"

#include <stdlib.h>
#include <string.h>

#include "pipeline/base/memory.h"

enum { ITEMS_FIRST = 1024, EXAMPLES_MAX = 5 };

struct item {
    char *line;
    char *sighting; /* NULL: of the truth */
};

struct items {
    struct item *items;
    size_t count;
    size_t capacity;
};

struct verdict {
    struct items truth;
    struct items alerts;
};

static void add(struct items *items, struct item item)
{
    if (items->count == items->capacity) {
        items->capacity = items->capacity > 0 ? items->capacity * 2 : ITEMS_FIRST;
        items->items = memory_resize(items->items, items->capacity, sizeof *items->items);
    }
    items->items[items->count++] = item;
}

static void drop(const struct item *item)
{
    memory_free(item->line);
    memory_free(item->sighting);
}

static void drop_all(struct items *items)
{
    for (size_t i = 0; i < items->count; i++)
        drop(&items->items[i]);
    memory_free(items->items);
}

struct verdict *verdict_open(void)
{
    return memory_new(1, sizeof(struct verdict));
}

void verdict_close(struct verdict *verdict)
{
    if (!verdict)
        return;
    drop_all(&verdict->truth);
    drop_all(&verdict->alerts);
    memory_free(verdict);
}

void verdict_add_truth(struct verdict *verdict, struct bytes lines)
{
    const char *next = (const char *)lines.data;
    const char *end = next + lines.size;
    while (next < end) {
        const char *line_end = memchr(next, '\n', (size_t)(end - next));
        size_t size = (size_t)((line_end ? line_end : end) - next);
        add(&verdict->truth, (struct item){memory_copy_text(next, size), NULL});
        next += size + 1;
    }
}

static char *copy(struct bytes text)
{
    return memory_copy_text((const char *)text.data, text.size);
}

void verdict_add_alert(struct verdict *verdict, struct bytes line, struct bytes sighting)
{
    add(&verdict->alerts, (struct item){copy(line), copy(sighting)});
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->line, ((const struct item *)b)->line);
}

static int compare_sightings(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->sighting, ((const struct item *)b)->sighting);
}

static void sort(struct items *items, int (*compare)(const void *a, const void *b))
{
    if (items->count > 1)
        qsort(items->items, items->count, sizeof *items->items, compare);
}

/* One of each sighting. */
static void drop_repetitions(struct items *alerts)
{
    size_t kept = 0;
    sort(alerts, compare_sightings);
    for (size_t i = 0; i < alerts->count; i++) {
        if (kept > 0 && compare_sightings(&alerts->items[kept - 1], &alerts->items[i]) == 0)
            drop(&alerts->items[i]);
        else
            alerts->items[kept++] = alerts->items[i];
    }
    alerts->count = kept;
}

static void tell(FILE *examples, uint64_t *told, const char *what, const struct item *item)
{
    if (examples && (*told)++ < EXAMPLES_MAX)
        (void)fprintf(examples, "%s: %s\n", what, item->line);
}

struct verdict_counts verdict_count(struct verdict *verdict, FILE *examples)
{
    struct items *truth = &verdict->truth;
    struct items *alerts = &verdict->alerts;
    struct verdict_counts counts = {.planted = truth->count};
    drop_repetitions(alerts);
    sort(truth, compare_lines);
    sort(alerts, compare_lines);

    uint64_t missed_told = 0;
    uint64_t false_told = 0;
    size_t alert = 0;
    for (size_t i = 0; i < truth->count; i++) {
        for (; alert < alerts->count && compare_lines(&alerts->items[alert], &truth->items[i]) < 0;
             alert++)
            tell(examples, &false_told, "false", &alerts->items[alert]);
        if (alert < alerts->count && compare_lines(&alerts->items[alert], &truth->items[i]) == 0) {
            counts.found++;
            alert++;
            continue;
        }
        counts.missed++;
        tell(examples, &missed_told, "missed", &truth->items[i]);
    }
    for (; alert < alerts->count; alert++)
        tell(examples, &false_told, "false", &alerts->items[alert]);
    counts.false_count = alerts->count - counts.found;
    return counts;
}
