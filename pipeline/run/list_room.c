#include "pipeline/run/list_room.h"

#include <string.h>
#include <sys/statvfs.h>

#include "pipeline/base/memory.h"
#include "pipeline/run/figures.h"

enum { MB = 1024 * 1024 };

static uint64_t free_bytes(const char *path)
{
    struct statvfs info;
    char *copy = memory_copy_text(path, strlen(path));
    size_t size = strlen(copy);
    while (size > 1 && copy[size - 1] == '/')
        copy[--size] = 0;
    char *slash = strrchr(copy, '/');
    if (slash)
        slash[slash == copy ? 1 : 0] = 0;
    bool is_known = statvfs(slash ? copy : ".", &info) == 0;
    memory_free(copy);
    return is_known ? (uint64_t)info.f_bavail * info.f_frsize : UINT64_MAX;
}

enum status list_check_room(const char *what, const char *store, uint64_t wanted,
                            const char *advice, struct error *err)
{
    char numbers[2][FIGURE_SIZE];
    uint64_t free = free_bytes(store);
    if (wanted <= free)
        return STATUS_OK;
    return error_fail(
        err, EX_UNAVAILABLE, "%s need %s MB beside '%s', where the disk has %s MB free%s", what,
        figure_whole(wanted / MB, numbers[0]), store, figure_whole(free / MB, numbers[1]), advice);
}
