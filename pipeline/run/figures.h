/* figures.h - numbers as a person reads them. */
#ifndef CHECKIT_FIGURES_H
#define CHECKIT_FIGURES_H

#include <stdint.h>

enum { FIGURE_SIZE = 32 };

/* 1234567 as "1,234,567"; returns a place within out. */
const char *figure_whole(uint64_t value, char out[FIGURE_SIZE]);

#endif
