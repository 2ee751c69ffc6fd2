#include "pipeline/run/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ESC "\x1B["
#define TO_OWN_SCREEN ESC "?1049h"
#define FROM_OWN_SCREEN ESC "?1049l"
#define WITHOUT_CURSOR ESC "?25l"
#define WITH_CURSOR ESC "?25h"
#define WITHOUT_WRAPPING ESC "?7l"
#define WITH_WRAPPING ESC "?7h"
#define TO_TOP ESC "H"
#define CLEAR_LINE ESC "K"
#define CLEAR_BELOW ESC "J"
#define PLAIN ESC "0m"

enum { COLUMNS = 80, ROWS = 24 };

static const char *const styles[] = {
    [STYLE_PLAIN] = PLAIN,    [STYLE_BOLD] = ESC "1m",  [STYLE_FAINT] = ESC "2m",
    [STYLE_GOOD] = ESC "32m", [STYLE_WARN] = ESC "33m", [STYLE_BAD] = ESC "1;31m",
};

bool terminal_is_fit(int fd)
{
    const char *kind = getenv("TERM");
    return isatty(fd) == 1 && kind && *kind && strcmp(kind, "dumb") != 0;
}

bool terminal_wants_color(void)
{
    const char *no_color = getenv("NO_COLOR");
    return !no_color || !*no_color;
}

/* What a terminal does not take is lost: the next drawing says it again. */
static void write_out(struct terminal *terminal)
{
    size_t done = 0;
    while (done < terminal->out.size) {
        ssize_t written = write(terminal->fd, terminal->out.data + done, terminal->out.size - done);
        if (written <= 0)
            return;
        done += (size_t)written;
    }
}

static void send(struct terminal *terminal, const char *text)
{
    buffer_reset(&terminal->out);
    buffer_add_text(&terminal->out, text);
    write_out(terminal);
}

/* Changing them from the background stops a process: then it is drawn over what is typed. */
static void hide_typing(struct terminal *terminal)
{
    if (tcgetpgrp(terminal->fd) != getpgrp() || tcgetattr(terminal->fd, &terminal->before) != 0)
        return;
    struct termios settings = terminal->before;
    settings.c_lflag &= (tcflag_t) ~(tcflag_t)ECHO;
    terminal->is_quiet = tcsetattr(terminal->fd, TCSADRAIN, &settings) == 0;
}

void terminal_open(struct terminal *terminal, int fd)
{
    *terminal = (struct terminal){.fd = fd, .is_open = true, .has_color = terminal_wants_color()};
    (void)signal(SIGTSTP, SIG_IGN);
    hide_typing(terminal);
    send(terminal, TO_OWN_SCREEN WITHOUT_CURSOR WITHOUT_WRAPPING TO_TOP CLEAR_BELOW);
}

void terminal_close(struct terminal *terminal)
{
    if (!terminal->is_open)
        return;
    send(terminal, PLAIN WITH_WRAPPING WITH_CURSOR FROM_OWN_SCREEN);
    if (terminal->is_quiet)
        (void)tcsetattr(terminal->fd, TCSADRAIN, &terminal->before);
    (void)signal(SIGTSTP, SIG_DFL);
    buffer_close(&terminal->out);
    terminal->is_open = false;
}

struct terminal_size terminal_size(const struct terminal *terminal)
{
    struct winsize size;
    if (ioctl(terminal->fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
        return (struct terminal_size){COLUMNS, ROWS};
    return (struct terminal_size){size.ws_col, size.ws_row};
}

/* --- drawing -------------------------------------------------------------------------------- */

void terminal_add_style(bool has_color, enum terminal_style style, struct buffer *out)
{
    if (has_color)
        buffer_add_text(out, styles[style]);
}

/* Bytes of a sequence of style, from its ESC to its 'm'; 0: it is none. */
static size_t style_size(const char *text)
{
    if (text[0] != ESC[0] || text[1] != ESC[1])
        return 0;
    size_t size = strlen(ESC) + strspn(text + strlen(ESC), "0123456789;");
    return text[size] == 'm' ? size + 1 : 0;
}

static size_t character_size(const char *text)
{
    size_t size = 1;
    while (((unsigned char)text[size] & 0xC0) == 0x80)
        size++;
    return size;
}

/* Styles behind the last character still count, or the next line would be in this one's. */
static const char *fit_line(const char *text, uint32_t columns, struct buffer *out)
{
    uint32_t used = 0;
    while (*text && *text != '\n') {
        size_t style = style_size(text);
        size_t size = style > 0 ? style : character_size(text);
        if (style > 0 || used < columns)
            buffer_add(out, text, size);
        used += style == 0;
        text += size;
    }
    return *text ? text + 1 : text;
}

void terminal_fit(const char *text, struct terminal_size size, struct buffer *out)
{
    for (uint32_t row = 0; row < size.rows && *text; row++) {
        buffer_add_text(out, row > 0 ? "\r\n" : "");
        text = fit_line(text, size.columns, out);
        buffer_add_text(out, CLEAR_LINE);
    }
}

void terminal_draw(struct terminal *terminal, const struct buffer *text)
{
    buffer_reset(&terminal->out);
    buffer_add_text(&terminal->out, TO_TOP);
    terminal_fit(text->data ? text->data : "", terminal_size(terminal), &terminal->out);
    buffer_add_text(&terminal->out, PLAIN CLEAR_BELOW);
    write_out(terminal);
}
