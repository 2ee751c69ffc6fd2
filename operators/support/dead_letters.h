/* dead_letters.h - what could not be screened goes on whole, and headers say why and from where.
 *
 * Key, value and headers are the original's; the added headers are all text: checkit.reason,
 * .detail, .topic, .partition, .offset, .timestamp (ms), .schema_id (when it was read), .size (of
 * the value), .offsets_lost (when offsets were deleted unread), .build. A dead letter the broker
 * finds too large is produced again without key and value, and checkit.hash (BLAKE2b-128 of the
 * value) says what is missing (design 6). With exactly_once the refusal takes the transaction with
 * it; from then on dead letters as large as that one go without key and value at once.
 *
 * One thread, the worker's. Allocates in open, and for a record with more headers than any before.
 */
#ifndef CHECKIT_DEAD_LETTERS_H
#define CHECKIT_DEAD_LETTERS_H

#include "operators/support/kafka.h"
#include "pipeline/ledger.h"
#include "pipeline/tag.h"

struct dead_letters;

/* Borrows all three until close. */
struct dead_letters *dead_letters_open(const struct config *config, struct kafka_producer *producer,
                                       struct ledger *ledger);
void dead_letters_close(struct dead_letters *letters);

/* STATUS_RETRY: the queue is full, come again after polling the producer. */
enum status dead_letters_send(struct dead_letters *letters, const struct record *record,
                              struct error *err) MUST_USE;

/* The report of a message tagged TAG_DEAD_LETTER. STATUS_FAIL when it is lost for good. */
enum status dead_letters_report(struct dead_letters *letters, struct tag tag,
                                enum kafka_delivery delivery, const char *reason,
                                struct error *err) MUST_USE;

/* Sends again, without their value, those reported too large. */
enum status dead_letters_resend(struct dead_letters *letters, struct error *err) MUST_USE;

/* None of those sent will be reported: their transaction was aborted. */
void dead_letters_forget(struct dead_letters *letters);

#endif
