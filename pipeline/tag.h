/* tag.h - what a message carries through the producer and back with its delivery report: its kind,
 * the ledger interval it was sent in, and one value. It is the producer's opaque 64-bit number. */
#ifndef CHECKIT_TAG_H
#define CHECKIT_TAG_H

#include <stdint.h>

enum tag_kind {
    TAG_ALERT,       /* value: timestamp of the event's record in ms, for the latency */
    TAG_RECEIPT,     /* value: 0 */
    TAG_DEAD_LETTER, /* value: index of its place in dead_letters */
};

struct tag {
    enum tag_kind kind;
    uint32_t interval; /* the low 14 bits of the interval's number: enough for the ledger */
    uint64_t value;    /* 48 bits */
};

enum { TAG_VALUE_BITS = 48, TAG_INTERVAL_BITS = 14 };

static inline uint64_t tag_pack(struct tag tag)
{
    uint64_t interval = tag.interval & ((1U << TAG_INTERVAL_BITS) - 1);
    uint64_t value = tag.value & ((UINT64_C(1) << TAG_VALUE_BITS) - 1);
    return (uint64_t)tag.kind << (TAG_VALUE_BITS + TAG_INTERVAL_BITS) | interval << TAG_VALUE_BITS |
           value;
}

static inline struct tag tag_unpack(uint64_t packed)
{
    return (struct tag){
        .kind = (enum tag_kind)(packed >> (TAG_VALUE_BITS + TAG_INTERVAL_BITS)),
        .interval = (uint32_t)(packed >> TAG_VALUE_BITS) & ((1U << TAG_INTERVAL_BITS) - 1),
        .value = packed & ((UINT64_C(1) << TAG_VALUE_BITS) - 1),
    };
}

#endif
