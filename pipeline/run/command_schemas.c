/* checkit schemas: our contracts as files a schema folder takes, ID.avsc. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/assets.h"
#include "pipeline/base/memory.h"
#include "pipeline/limits.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/command.h"

enum { FOLDER_MODE = 0755, FILE_MODE = 0644, FOLDER_SIZE_MAX = PATH_MAX - 32 };

static const struct arguments_exit exits[] = {
    {EX_UNAVAILABLE, "a file cannot be written"},
    {EX_CONFIG, "one of the files exists and holds something else"},
    {0}};

static const struct arguments_command schemas_command = {
    .name = "schemas",
    .summary = "Writes our Avro schemas to DIR, which is made when it is not there:\n"
               "1.avsc BookingEvent, 2.avsc BankingEvent, 3.avsc DocumentChange,\n"
               "4.avsc Alert, 5.avsc Receipt. A file that holds something else is kept.",
    .operands = "DIR",
    .operands_min = 1,
    .operands_max = 1,
    .examples = "checkit schemas /etc/checkit/schemas",
    .exits = exits};

/* The index plus one is the id: a name is only ever added at the end. */
static const char *const contracts[] = {"BookingEvent", "BankingEvent", "DocumentChange", "Alert",
                                        "Receipt"};
enum { CONTRACTS = sizeof contracts / sizeof *contracts };

static struct bytes contract(uint32_t index)
{
    char name[64];
    (void)snprintf(name, sizeof name, "schemas/%s.avsc", contracts[index]);
    return assets_find(name);
}

static void path_of(const char *folder, uint32_t index, const char *ending, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s/%u.avsc%s", folder, index + 1, ending);
}

static enum status fail_to_write(const char *path, struct error *err)
{
    return error_fail(err, EX_UNAVAILABLE, "'%s' cannot be written: %s", path, strerror(errno));
}

static enum status make_folders(const char *folder, struct error *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", folder);
    for (char *slash = path + 1; *slash; slash++) {
        if (*slash != '/')
            continue;
        *slash = 0;
        if (mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST)
            return fail_to_write(path, err);
        *slash = '/';
    }
    if (mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST)
        return fail_to_write(path, err);
    return STATUS_OK;
}

enum found { FOUND_NOTHING, FOUND_SAME, FOUND_OTHER };

static enum found look(const char *path, struct bytes wanted)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return errno == ENOENT ? FOUND_NOTHING : FOUND_OTHER;
    uint8_t *text = memory_new(wanted.size + 1, 1);
    size_t size = 0;
    ssize_t got = 1;
    while (got > 0 && size <= wanted.size) {
        got = read(file, text + size, wanted.size + 1 - size);
        size += got > 0 ? (size_t)got : 0;
    }
    bool same = got == 0 && bytes_equal(bytes_of(text, size), wanted);
    memory_free(text);
    (void)close(file);
    return same ? FOUND_SAME : FOUND_OTHER;
}

/* Under another name first: whoever reads the folder never sees half a schema. */
static enum status write_file(const char *path, const char *part, struct bytes content,
                              struct error *err)
{
    int file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    if (file < 0)
        return fail_to_write(part, err);
    enum status status = STATUS_OK;
    size_t done = 0;
    while (status == STATUS_OK && done < content.size) {
        ssize_t written = write(file, content.data + done, content.size - done);
        if (written < 0 && errno != EINTR)
            status = fail_to_write(part, err);
        done += written > 0 ? (size_t)written : 0;
    }
    if (status == STATUS_OK && fsync(file) != 0)
        status = fail_to_write(part, err);
    (void)close(file);
    if (status == STATUS_OK && rename(part, path) != 0)
        status = fail_to_write(path, err);
    if (status != STATUS_OK)
        (void)unlink(part);
    return status;
}

static enum status write_contract(const char *folder, uint32_t index, struct error *err)
{
    char path[PATH_MAX];
    char part[PATH_MAX];
    path_of(folder, index, "", path);
    path_of(folder, index, ".part", part);
    if (look(path, contract(index)) == FOUND_SAME) {
        printf("kept  %s (%s): it is there already\n", path, contracts[index]);
        return STATUS_OK;
    }
    TRY(write_file(path, part, contract(index), err));
    printf("wrote %s (%s)\n", path, contracts[index]);
    return STATUS_OK;
}

enum status command_schemas(int argc, char **argv, struct error *err)
{
    struct operands operands;
    TRY(arguments_parse(&schemas_command, argc, argv, NULL, &operands, err));
    if (operands.help_shown)
        return STATUS_OK;
    const char *folder = operands.items[0];
    if (!folder[0] || strlen(folder) > FOLDER_SIZE_MAX)
        return error_fail(err, EX_USAGE, "schemas: DIR must be a path of 1 to %d bytes",
                          (int)FOLDER_SIZE_MAX);
    TRY(make_folders(folder, err));

    for (uint32_t i = 0; i < CONTRACTS; i++) { /* all or nothing */
        char path[PATH_MAX];
        path_of(folder, i, "", path);
        if (look(path, contract(i)) == FOUND_OTHER)
            return error_fail(
                err, EX_CONFIG,
                "'%s' is there and is not our %s, id %u: it is not overwritten; choose "
                "an empty folder and take the schemas from there",
                path, contracts[i], i + 1);
    }
    for (uint32_t i = 0; i < CONTRACTS; i++)
        TRY(write_contract(folder, i, err));
    return STATUS_OK;
}
