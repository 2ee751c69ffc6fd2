#include "pipeline/base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pipeline/base/clock.h"

/* What is too long is cut, and what comes after it left out, where the line can still be closed. */
enum { LINE_SIZE = 2048, CLOSING_SIZE = 8, ESCAPE_SIZE = 8, INTEGER_SIZE = 24, FIELD_SIZE = 40 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* The one mutable global of the program. */
static struct {
    _Atomic int lowest; /* enum log_level */
    _Atomic bool json;
} settings = {LOG_LEVEL_INFO, false};

struct line {
    char text[LINE_SIZE];
    size_t size;
    bool json;
};

void log_configure(enum log_level lowest, bool json)
{
    atomic_store_explicit(&settings.lowest, (int)lowest, memory_order_relaxed);
    atomic_store_explicit(&settings.json, json, memory_order_relaxed);
}

bool log_parse_level(const char *text, enum log_level *level)
{
    for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_ERROR; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static bool has_room(const struct line *line, size_t size)
{
    return line->size + size + CLOSING_SIZE <= LINE_SIZE;
}

static void put_char(struct line *line, char c)
{
    if (line->size < LINE_SIZE - 1)
        line->text[line->size++] = c;
}

static void put_text(struct line *line, const char *text)
{
    while (*text)
        put_char(line, *text++);
}

static void put_integer(struct line *line, int64_t value)
{
    char digits[INTEGER_SIZE];
    (void)snprintf(digits, sizeof digits, "%lld", (long long)value);
    put_text(line, digits);
}

/* Cut before an escape or a character of UTF-8, never within. */
static void put_quoted(struct line *line, const char *text)
{
    put_char(line, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool is_within = (c & 0xC0) == 0x80;
        if (!has_room(line, is_within ? 0 : ESCAPE_SIZE))
            break;
        if (c == '"' || c == '\\') {
            put_char(line, '\\');
            put_char(line, (char)c);
        } else if (c < 0x20) {
            char escape[ESCAPE_SIZE];
            (void)snprintf(escape, sizeof escape, "\\u%04x", c);
            put_text(line, escape);
        } else {
            put_char(line, (char)c);
        }
    }
    put_char(line, '"');
}

/* logfmt quotes only what needs it. */
static void put_value(struct line *line, const char *text)
{
    bool plain = *text && !strpbrk(text, " \"=\\");
    for (const char *c = text; plain && *c; c++)
        plain = (unsigned char)*c >= 0x20;
    if (plain)
        put_text(line, text);
    else
        put_quoted(line, text);
}

static void put_time(struct line *line)
{
    int64_t now_ms = clock_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm parts;
    (void)gmtime_r(&seconds, &parts);
    char text[40];
    size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text + size, sizeof text - size, ".%03dZ", (int)(now_ms % 1000));
    put_text(line, text);
}

static void put_field(struct line *line, const char *key, const struct log_field *field)
{
    if (!has_room(line, strlen(key) + FIELD_SIZE))
        return;
    if (line->json) {
        put_char(line, ',');
        put_quoted(line, key);
        put_char(line, ':');
    } else {
        put_char(line, ' ');
        put_text(line, key);
        put_char(line, '=');
    }
    const char *text = field->text ? field->text : "";
    if (field->kind == LOG_KIND_INTEGER)
        put_integer(line, field->integer);
    else if (line->json)
        put_quoted(line, text);
    else
        put_value(line, text);
}

static void put_head(struct line *line, enum log_level level, const char *where,
                     const char *message)
{
    if (line->json) {
        put_text(line, "{\"time\":\"");
        put_time(line);
        put_char(line, '"');
    } else {
        put_time(line);
        put_char(line, ' ');
        put_text(line, level_names[level]);
        put_char(line, ' ');
        put_text(line, where);
    }
    if (line->json) {
        put_field(line, "level", &LOG_TEXT("", level_names[level]));
        put_field(line, "where", &LOG_TEXT("", where));
    }
    put_field(line, "message", &LOG_TEXT("", message));
}

/* True when this place may write now; *held_back: how many it could not write before. */
static bool take_turn(struct log_place *place, uint32_t *held_back)
{
    enum { WINDOW_NS = 1000000000 };
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t start_ns = atomic_load(&place->window_start_ns);
    if (now_ns - start_ns >= WINDOW_NS &&
        atomic_compare_exchange_strong(&place->window_start_ns, &start_ns, now_ns)) {
        uint32_t written = atomic_load(&place->written);
        atomic_store(&place->written, written > LOG_BURST ? LOG_BURST - 1 : 0);
    }
    if (atomic_fetch_add(&place->written, 1) >= LOG_BURST) {
        atomic_fetch_add(&place->suppressed, 1);
        return false;
    }
    *held_back = atomic_exchange(&place->suppressed, 0);
    return true;
}

void log_write(struct log_place *place, enum log_level level, const char *where,
               const char *message, const struct log_field *fields, size_t count)
{
    uint32_t held_back = 0;
    if ((int)level < atomic_load_explicit(&settings.lowest, memory_order_relaxed) ||
        !take_turn(place, &held_back))
        return;

    struct line line = {.json = atomic_load_explicit(&settings.json, memory_order_relaxed)};
    put_head(&line, level, where, message);
    for (size_t i = 0; i < count; i++)
        put_field(&line, fields[i].key, &fields[i]);
    if (held_back)
        put_field(&line, "suppressed", &LOG_INTEGER("", held_back));
    if (line.json)
        put_char(&line, '}');
    line.text[line.size++] = '\n';
    ssize_t written = write(STDERR_FILENO, line.text, line.size);
    (void)written; /* nowhere left to say it */
}
