/* alert.h - makes of every hit the message that tells of it: schemas/Alert.avsc behind the
 * Confluent prefix, keyed by alert_id.
 *
 * Reads: hits from hits_encoded on, their records, documents and forms, the identity key, the
 * list's state. Writes: HIT_ENTRY_EXPIRED in hit.flags, hit.key, hit.payload (both in the batch's
 * alerts arena), hits_encoded.
 *
 * The event's context is read only here, once a record with hits. A hit is never dropped: a context
 * that cannot be read leaves the alert without it, and the alert says so (flag VALUE_INVALID).
 *
 * The list's offsets and age are taken at the end of each round, thus before the next round looks
 * anything up: an alert says how new its list was at least, never more than it was.
 *
 * Ids (design 6), under the identity key, fields in this order, numbers as 8 bytes little-endian,
 * what is absent as an empty field, texts whole even where the alert quotes them cut:
 *   alert     partner, journey, entry id, revision, class as text
 *   sighting  cluster id, topic, partition, offset, record timestamp, kind, canonical number,
 *             issuer, type as text, nationality, entry id
 *   document  kind, issuer, canonical number
 * The subject of a sighting is named by what makes two documents of a record one (rules 5), not by
 * its place in it, so slices and a new mapping leave ids alone.
 *
 * A round without hits costs one store_offsets.
 */
#ifndef CHECKIT_ALERT_STEP_H
#define CHECKIT_ALERT_STEP_H

#include "pipeline/operator.h"

extern const struct operator_step alert_step;

#endif
