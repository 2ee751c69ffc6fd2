/* terminal.h - a text redrawn in place on a terminal, by the control sequences every terminal of
 * today takes (ECMA-48, xterm): on a screen of its own, so that what stood there comes back.
 *
 * While it is open typed keys are not shown, Ctrl-C and Ctrl-\ come as signals as ever, and Ctrl-Z
 * is not taken: a stopped process could not give the terminal back. One thread.
 */
#ifndef CHECKIT_TERMINAL_H
#define CHECKIT_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "pipeline/base/buffer.h"

struct terminal {
    int fd;
    bool is_open;
    bool has_color;        /* terminal_wants_color at open */
    bool is_quiet;         /* before is to be put back */
    struct termios before; /* its settings */
    struct buffer out;     /* owned; what is written next */
};

struct terminal_size {
    uint32_t columns;
    uint32_t rows;
};

/* Whether fd is a terminal that can do it: TERM is set, and not to dumb. */
bool terminal_is_fit(int fd);

/* Unless NO_COLOR is set (no-color.org). */
bool terminal_wants_color(void);

/* fd is borrowed until close. All zero is a terminal that is not open: closing it does nothing. */
void terminal_open(struct terminal *terminal, int fd);
void terminal_close(struct terminal *terminal);

/* As it is now; 80 by 24 when it does not say. */
struct terminal_size terminal_size(const struct terminal *terminal);

/* Lines of UTF-8, each ended by LF; what is too long or too much is left out. Of the control
 * sequences only those of style count as no character. */
void terminal_draw(struct terminal *terminal, const struct buffer *text);

/* For text to be drawn: from here on in a style, or plain again. Nothing without color. */
enum terminal_style { STYLE_PLAIN, STYLE_BOLD, STYLE_FAINT, STYLE_GOOD, STYLE_WARN, STYLE_BAD };
void terminal_add_style(bool has_color, enum terminal_style style, struct buffer *out);

/* Appends what of a text fits, as terminal_draw does. */
void terminal_fit(const char *text, struct terminal_size size, struct buffer *out);

#endif
