#include "pipeline/run/figures.h"

const char *figure_whole(uint64_t value, char out[FIGURE_SIZE])
{
    enum { GROUP = 3 };
    char *at = out + FIGURE_SIZE - 1;
    *at = 0;
    for (int digits = 0; digits == 0 || value > 0; digits++, value /= 10) {
        if (digits > 0 && digits % GROUP == 0)
            *--at = ',';
        *--at = (char)('0' + value % 10);
    }
    return at;
}
