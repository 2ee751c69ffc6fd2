/* keys_internal.h - between keys.c and prf.c: the subkeys that libcrypto needs. */
#ifndef CHECKIT_KEYS_INTERNAL_H
#define CHECKIT_KEYS_INTERNAL_H

#include "operators/support/keys.h"

enum { PRF_SUBKEY_SIZE = 16 };

/* The caller wipes out when done with it. */
void store_key_prf_subkey(const struct store_key *key, enum subject_kind kind,
                          uint8_t out[PRF_SUBKEY_SIZE]);

#endif
