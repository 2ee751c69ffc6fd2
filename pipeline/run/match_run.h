/* match_run.h - matches the documents of a file against a list with the steps of the line, on
 * several threads, and writes the answers in the order of the documents.
 *
 * The caller's thread reads rows into pieces and writes their answers; the others take pieces, run
 * the canonical and the match step over them and write out what they found. Documents are events of
 * their own, so none is another's duplicate: one given twice has the same answer twice. Memory: 1.5
 * MB a piece, four pieces and a batch a thread; more only for a document with very many hits or of
 * very long texts.
 *
 * Answers are rows `id,answer`: none, unscreenable:REASON, specimen, or hits ENTRY_ID=TIER:CLASS
 * joined by ';' in byte order of the id (rules 6).
 */
#ifndef CHECKIT_MATCH_RUN_H
#define CHECKIT_MATCH_RUN_H

#include "pipeline/base/file_writer.h"
#include "pipeline/run/match_documents.h"
#include "pipeline/run/match_list.h"

/* Everything is borrowed. */
struct match_run_settings {
    const struct rule_data *rules;
    const struct match_list *list; /* with a reader a thread */
    struct match_documents *documents;
    struct file_writer *out;
    struct progress *progress;
    uint64_t bytes_total; /* of the documents; 0: not known */
    uint32_t threads;
    bool answers_only; /* no first row, and no ids */
};

struct match_counts {
    uint64_t documents;
    uint64_t with_hits;
    uint64_t unscreenable;
    uint64_t specimens;
};

/* The first row and an answer for each document; the writer is not finished by it. */
enum status match_run(const struct match_run_settings *settings, struct match_counts *counts,
                      struct error *err) MUST_USE;

#endif
