/* output.h - where generated records go: a topic, an Avro object container file, or CSV. */
#ifndef CHECKIT_OUTPUT_H
#define CHECKIT_OUTPUT_H

#include <stdint.h>

#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"
#include "pipeline/config.h"

struct output;

enum output_form { OUTPUT_AVRO, OUTPUT_CSV };

/* contract: the asset of the records' schema, "schemas/BookingEvent.avsc". The topic must exist and
 * the schema have an id in the configured folder (EX_UNAVAILABLE, EX_CONFIG). Messages go in large
 * batches, unless the configuration says otherwise. config is not kept, topic is borrowed until
 * close. *out is the caller's: output_close. */
enum status output_open_topic(const struct config *config, const char *topic, const char *contract,
                              struct output **out, struct error *err) MUST_USE;

/* By the end of path: .avro, else CSV, which begins with csv_header; "-" is standard output. */
enum status output_open_file(const char *path, const char *contract, const char *csv_header,
                             uint64_t seed, struct output **out, struct error *err) MUST_USE;

/* What output_put is given: a record behind the wire prefix, or lines. */
enum output_form output_form(const struct output *output);
uint32_t output_schema_id(const struct output *output); /* for the prefix */

/* Both are copied. Waits while a topic takes nothing, and gives up after a minute of that
 * (EX_UNAVAILABLE). key: of a topic's message. */
enum status output_put(struct output *output, struct bytes key, struct bytes data,
                       struct error *err) MUST_USE;

/* All of it is delivered, or stands in the file. */
enum status output_finish(struct output *output, struct error *err) MUST_USE;

/* What was not finished is lost; a file is then not there. output may be NULL. */
void output_close(struct output *output);

#endif
