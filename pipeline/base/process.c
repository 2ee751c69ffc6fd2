#include "pipeline/base/process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pipeline/base/clock.h"

enum {
    STAT_SIZE = 2048,
    /* Fields of /proc/self/stat, as numbered in proc(5). */
    STAT_NAME = 2,
    STAT_THREADS = 20,
    STAT_START_TICKS = 22, /* after boot */
    STAT_VIRTUAL_BYTES = 23,
    STAT_RESIDENT_PAGES = 24
};

/* The whole of a small file, with a NUL; "" when it cannot be read. */
static void read_file(const char *path, char *out, size_t capacity)
{
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(out, 1, capacity - 1, file) : 0;
    out[size] = 0;
    if (file)
        (void)fclose(file);
}

/* "btime 1700000000" of /proc/stat: when the machine was started; 0: not told. */
static int64_t read_boot_s(void)
{
    static const char name[] = "btime ";
    FILE *file = fopen("/proc/stat", "re");
    char line[STAT_SIZE];
    int64_t boot_s = 0;
    while (file && boot_s == 0 && fgets(line, sizeof line, file))
        if (strncmp(line, name, sizeof name - 1) == 0)
            boot_s = strtoll(line + sizeof name - 1, NULL, 10);
    if (file)
        (void)fclose(file);
    return boot_s;
}

/* A field of /proc/self/stat, numbered as in proc(5), above 2: the name may hold anything, so they
 * are counted from its end. 0: it is not there. */
static uint64_t stat_field(const char *text, uint32_t number)
{
    const char *next = strrchr(text, ')');
    for (uint32_t i = STAT_NAME; next && i < number; i++)
        next = strchr(next + 1, ' ');
    return next ? strtoull(next + 1, NULL, 10) : 0;
}

static void read_stat(struct process_figures *figures)
{
    char text[STAT_SIZE];
    read_file("/proc/self/stat", text, sizeof text);
    figures->threads = stat_field(text, STAT_THREADS);
    figures->virtual_bytes = stat_field(text, STAT_VIRTUAL_BYTES);
    figures->resident_bytes = stat_field(text, STAT_RESIDENT_PAGES) * (uint64_t)getpagesize();
    int64_t start_ticks = (int64_t)stat_field(text, STAT_START_TICKS);
    int64_t ticks_per_s = sysconf(_SC_CLK_TCK);
    int64_t boot_s = read_boot_s();
    if (boot_s > 0 && ticks_per_s > 0 && start_ticks > 0)
        figures->started_ms = boot_s * 1000 + start_ticks * 1000 / ticks_per_s;
}

static uint64_t count_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    uint64_t count = 0;
    while (readdir(folder))
        count++;
    (void)closedir(folder);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the folder's own */
}

struct process_figures process_look(void)
{
    struct process_figures figures = {.cpu_ns = clock_process_cpu_ns(), .open_fds = count_fds()};
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        figures.max_fds = limit.rlim_cur;
    read_stat(&figures);
    return figures;
}

/* Niceness is a thread's own on Linux. Raising it needs no rights; if it fails all the same, the
 * thread works as the others do. */
void process_put_behind(void)
{
    enum { NICENESS_MAX = 19 };
    (void)setpriority(PRIO_PROCESS, 0, NICENESS_MAX);
}
