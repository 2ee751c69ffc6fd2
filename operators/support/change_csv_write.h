/* change_csv_write.h - writes entries as rows that change_csv reads: every column, in its order. */
#ifndef CHECKIT_CHANGE_CSV_WRITE_H
#define CHECKIT_CHANGE_CSV_WRITE_H

#include "pipeline/base/buffer.h"
#include "pipeline/entry.h"

/* A tombstone does not say who withdrew, and a row has to: this stands for it. */
#define CHANGE_CSV_NOBODY "unknown"

void change_csv_write_header(struct buffer *out);

/* A row more. Withdrawn: id, op and revision. */
void change_csv_write(const struct entry *entry, struct buffer *out);

/* The change that makes the entry what it is; borrows from it. */
struct change change_of_entry(const struct entry *entry);

#endif
