#include "pipeline/base/file_writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/memory.h"

enum { BUFFER_SIZE = 256 * 1024, FILE_MODE = 0644, PRIVATE_MODE = 0600 };

struct file_writer {
    int file;
    bool is_finished;
    bool is_output; /* standard output */
    char *path;
    char *part; /* NULL: written to under its own name */
    size_t used;
    uint8_t buffer[BUFFER_SIZE];
};

static enum status fail(const struct file_writer *writer, struct error *err)
{
    if (writer->is_output)
        return error_fail(err, EX_UNAVAILABLE, "standard output cannot be written: %s",
                          strerror(errno));
    return error_fail(err, EX_UNAVAILABLE, "'%s' cannot be written: %s", writer->path,
                      strerror(errno));
}

static char *with_ending(const char *path, const char *ending)
{
    size_t size = strlen(path) + strlen(ending);
    char *out = memory_new(size + 1, 1);
    (void)snprintf(out, size + 1, "%s%s", path, ending);
    return out;
}

/* What was left under the name may be open to others, who would read on: a new file then. */
static int open_file(const struct file_writer *writer, mode_t mode)
{
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC;
    if (!writer->part)
        return open(writer->path, flags | O_TRUNC, mode);
    if (mode != PRIVATE_MODE)
        return open(writer->part, flags | O_TRUNC, mode);
    (void)unlink(writer->part);
    return open(writer->part, flags | O_EXCL, mode);
}

static enum status open_with_mode(const char *path, mode_t mode, struct file_writer **out,
                                  struct error *err)
{
    struct stat info;
    struct file_writer *writer = memory_new(1, sizeof *writer);
    writer->path = with_ending(path, "");
    writer->is_output = strcmp(path, "-") == 0;
    writer->file = STDOUT_FILENO;
    *out = writer;
    if (writer->is_output)
        return STATUS_OK;

    bool is_special = stat(path, &info) == 0 && !S_ISREG(info.st_mode);
    if (!is_special)
        writer->part = with_ending(path, ".part");
    writer->file = open_file(writer, mode);
    if (writer->file >= 0)
        return STATUS_OK;
    enum status status = fail(writer, err);
    writer->is_finished = true; /* there is nothing to remove */
    file_writer_close(writer);
    *out = NULL;
    return status;
}

enum status file_writer_open(const char *path, struct file_writer **out, struct error *err)
{
    return open_with_mode(path, FILE_MODE, out, err);
}

enum status file_writer_open_private(const char *path, struct file_writer **out, struct error *err)
{
    return open_with_mode(path, PRIVATE_MODE, out, err);
}

static enum status write_all(struct file_writer *writer, struct bytes data, struct error *err)
{
    while (data.size > 0) {
        ssize_t written = write(writer->file, data.data, data.size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail(writer, err);
        data = bytes_of(data.data + written, data.size - (size_t)written);
    }
    return STATUS_OK;
}

static enum status flush(struct file_writer *writer, struct error *err)
{
    struct bytes gathered = bytes_of(writer->buffer, writer->used);
    writer->used = 0;
    return write_all(writer, gathered, err);
}

enum status file_writer_put(struct file_writer *writer, struct bytes data, struct error *err)
{
    assert(!writer->is_finished);
    if (data.size > BUFFER_SIZE - writer->used)
        TRY(flush(writer, err));
    if (data.size > BUFFER_SIZE)
        return write_all(writer, data, err);
    if (data.size > 0)
        memcpy(writer->buffer + writer->used, data.data, data.size);
    writer->used += data.size;
    return STATUS_OK;
}

enum status file_writer_finish(struct file_writer *writer, struct error *err)
{
    assert(!writer->is_finished);
    TRY(flush(writer, err));
    if (writer->is_output)
        return STATUS_OK;
    int file = writer->file;
    writer->file = -1;
    if (close(file) != 0)
        return fail(writer, err);
    if (writer->part && rename(writer->part, writer->path) != 0)
        return fail(writer, err);
    writer->is_finished = true;
    return STATUS_OK;
}

void file_sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash ? memory_copy_text(path, (size_t)(slash - path) + 1) : with_ending(".", "");
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file >= 0) {
        (void)fsync(file);
        (void)close(file);
    }
    memory_free(folder);
}

enum status file_writer_finish_synced(struct file_writer *writer, struct error *err)
{
    TRY(flush(writer, err));
    if (writer->part && fsync(writer->file) != 0)
        return fail(writer, err);
    TRY(file_writer_finish(writer, err));
    if (writer->part)
        file_sync_folder_of(writer->path);
    return STATUS_OK;
}

void file_writer_close(struct file_writer *writer)
{
    if (!writer)
        return;
    if (!writer->is_output && writer->file >= 0)
        (void)close(writer->file);
    if (!writer->is_finished && writer->part)
        (void)unlink(writer->part);
    memory_free(writer->path);
    memory_free(writer->part);
    memory_free(writer);
}
