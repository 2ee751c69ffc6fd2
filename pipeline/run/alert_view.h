/* alert_view.h - what a person wants to see of an alert: one line of a table, or of JSON.
 *
 * Fields are found by their names in the schema the alert was written with, so that alerts of other
 * versions of the contract are shown as far as they have them. Texts come out fit for a terminal
 * (quote.h). A document number is shown, since that is what an analyst works with, or its token.
 */
#ifndef CHECKIT_ALERT_VIEW_H
#define CHECKIT_ALERT_VIEW_H

#include <stdio.h>

#include "operators/support/projection.h"
#include "pipeline/limits.h"

enum { VIEW_TEXT_SIZE = ALERT_TEXT_BYTES_MAX + 1, VIEW_NAME_SIZE = 64, VIEW_FLAGS_SIZE = 192 };

/* Empty texts: absent. */
struct alert_view {
    char received_at[VIEW_NAME_SIZE];
    char alert_class[VIEW_NAME_SIZE];
    char tier[VIEW_NAME_SIZE];
    char flags[VIEW_FLAGS_SIZE]; /* joined by commas */
    char number[VIEW_NAME_SIZE]; /* canonical */
    char token[VIEW_NAME_SIZE];
    char issuer[VIEW_NAME_SIZE];
    char type[VIEW_NAME_SIZE];
    char entry_id[VIEW_TEXT_SIZE];
    char loss[VIEW_NAME_SIZE];
    char partner[VIEW_TEXT_SIZE];
    char stage[VIEW_TEXT_SIZE];
    char place[VIEW_TEXT_SIZE];
    char topic[VIEW_TEXT_SIZE];
    char partition[VIEW_NAME_SIZE];
    char offset[VIEW_NAME_SIZE];
};

/* RECORD_DATUM_INVALID: nothing of view counts. */
enum record_status alert_view_read(const struct datum_schema *schema, struct bytes datum,
                                   struct alert_view *view);

/* NULL: any. All but the partner's without regard to case. */
struct alert_filter {
    const char *alert_class;
    const char *tier;
    const char *issuer;
    const char *partner;
};
bool alert_view_passes(const struct alert_view *view, const struct alert_filter *filter);

/* Columns of a fixed width, what is longer cut; the last ones, which name the entry and the record,
 * whole. is_redacted: the token in place of the number. */
void alert_view_write_header(bool is_redacted, FILE *out);
void alert_view_write_row(const struct alert_view *view, bool is_redacted, FILE *out);

/* The whole alert as datum_json.h writes it, and a line end. */
void alert_view_write_json(const struct datum_schema *schema, struct bytes datum,
                           const struct alert_view *view, bool is_redacted, FILE *out);

#endif
