/* file_writer.h - writes a file that stands under its name only once it is whole.
 *
 * Bytes are gathered and written in pieces of 256 KB, to FILE.part; finishing renames it. A path
 * that is no regular file (a pipe, /dev/full) is written to directly, and "-" is standard output.
 * Faults are EX_UNAVAILABLE and name the file. One thread.
 */
#ifndef CHECKIT_BASE_FILE_WRITER_H
#define CHECKIT_BASE_FILE_WRITER_H

#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"

struct file_writer;

/* *out is the caller's: file_writer_close. path is copied. */
enum status file_writer_open(const char *path, struct file_writer **out,
                             struct error *err) MUST_USE;

/* The same for what only its owner may read: mode 0600, also of a file that was there before. */
enum status file_writer_open_private(const char *path, struct file_writer **out,
                                     struct error *err) MUST_USE;

enum status file_writer_put(struct file_writer *writer, struct bytes data,
                            struct error *err) MUST_USE;

/* Everything is written and the file has its name; nothing may be put afterwards. */
enum status file_writer_finish(struct file_writer *writer, struct error *err) MUST_USE;

/* The same, and on the disk before it returns, the name too: a power cut leaves the whole file or
 * what stood there before. */
enum status file_writer_finish_synced(struct file_writer *writer, struct error *err) MUST_USE;

/* The folder that holds the path, which has no slash at its end, is on the disk: so a rename in it
 * stays. A disk that does not sync folders is as safe as it gets. */
void file_sync_folder_of(const char *path);

/* What was not finished is removed. writer may be NULL. */
void file_writer_close(struct file_writer *writer);

#endif
