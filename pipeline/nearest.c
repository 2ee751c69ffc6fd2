#include "pipeline/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment; three rows of the table are enough. */
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[3][NEAREST_SIZE_MAX + 1];
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t replaced = above[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1);
            row[j] = smaller(replaced, smaller(above[j], row[j - 1]) + 1);
            bool swapped = i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]);
            if (swapped)
                row[j] = smaller(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_size % 3][b_size];
}

const char *nearest_name(const char *text, const char *const *names, size_t count)
{
    size_t size = strlen(text);
    if (size == 0 || size > NEAREST_SIZE_MAX)
        return NULL;
    const char *best = NULL;
    size_t best_distance = (size + 2) / 3 + 1;
    for (size_t i = 0; i < count; i++) {
        if (!names[i] || strlen(names[i]) > NEAREST_SIZE_MAX)
            continue;
        size_t found = distance(text, size, names[i], strlen(names[i]));
        if (found < best_distance) {
            best = names[i];
            best_distance = found;
        }
    }
    return best;
}
