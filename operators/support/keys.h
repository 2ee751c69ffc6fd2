/* keys.h - key files, and everything made with a key: fingerprints, tags, sealed texts, ids.
 *
 * Two key files, each 32 bytes behind a text header, mode 0400 (anything wider is refused): the
 * store key (fingerprints, seals; one store) and the identity key (alert ids, sighting ids,
 * tokens; shared by all processes, never rotated with the store's). A missing file is EX_CONFIG and
 * names `checkit key new`.
 *
 *   fingerprint  PRF of design 4: AES-128 CBC-MAC over exactly two blocks, subkey per kind, through
 *                libcrypto in batches. Input: kind (1 byte), issuer (3), size (1), fold (24),
 *                zeros; for a number under any issuer none, and the number itself for its fold
 *   id           keyed BLAKE2b-128 (libsodium), each field preceded by its length as 4 bytes
 *                little-endian
 *   id hash      SipHash-2-4 (libsodium) of an entry id: keyed, so that nobody can make two ids
 *   seal         a synthetic IV (the shape of RFC 5297, from libsodium's parts): keyed BLAKE2b-128
 *                of entry id and plain text is tag and nonce of XChaCha20 at once. Nothing random:
 *                16 bytes an entry where a nonce and a tag of their own take 40
 *   block        ChaCha20-Poly1305 (libsodium), its number as nonce
 *
 * Open handles are read-only and may be used by any thread, but for struct key_prf: one a thread.
 */
#ifndef CHECKIT_KEYS_H
#define CHECKIT_KEYS_H

#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"
#include "pipeline/batch.h"

struct store_key;
struct identity;
struct key_prf;

enum { ID_SIZE = 16, ID_TEXT_SIZE = 33, SEAL_OVERHEAD = 16 };

/* A keyed BLAKE2b-128; as text 32 hexadecimal digits and a NUL. */
struct id {
    uint8_t bytes[ID_SIZE];
};
void id_to_text(const struct id *id, char text[ID_TEXT_SIZE]);

enum key_kind { KEY_STORE, KEY_IDENTITY };

/* Creates the file, mode 0400, synced; refuses to overwrite. */
enum status keys_create(const char *path, enum key_kind kind, struct error *err) MUST_USE;

enum status store_key_open(const char *path, struct store_key **out, struct error *err) MUST_USE;
void store_key_close(struct store_key *key);
enum status identity_open(const char *path, struct identity **out, struct error *err) MUST_USE;
void identity_close(struct identity *identity);

/* Tells stores of different keys apart without telling the key. */
struct id store_key_check_value(const struct store_key *key);

enum status key_prf_open(const struct store_key *key, struct key_prf **out,
                         struct error *err) MUST_USE;
void key_prf_close(struct key_prf *prf);

/* One fingerprint a form; of forms that are not screened it means nothing. count may be anything;
 * the cost is about 4 ns each. */
void key_prf_documents(struct key_prf *prf, const struct canonical *forms, uint32_t count,
                       struct key *out);

/* Names an entry id in eight bytes: the second half of a point's key, and the store's hash tables.
 */
uint64_t store_key_id_hash(const struct store_key *key, struct bytes entry_id);

/* out holds plain.size + SEAL_OVERHEAD bytes. */
void store_key_seal(const struct store_key *key, struct bytes entry_id, struct bytes plain,
                    uint8_t *out);
/* False when the bytes were not sealed with this key for this id. out: sealed.size - overhead. */
bool store_key_unseal(const struct store_key *key, struct bytes entry_id, struct bytes sealed,
                      uint8_t *out) MUST_USE;

/* The checksum of a file read or written in pieces: over the piece and that of what came before it,
 * all zeros in front of the first. Who has no key can neither make nor change such a file. */
struct id store_key_checksum(const struct store_key *key, struct id before, struct bytes piece);

/* Ids under the identity key, over fields in order (design 6). label separates the uses; an absent
 * field counts as an empty one. */
struct id identity_hash(const struct identity *identity, const char *label,
                        const struct bytes *fields, uint32_t count);

/* A key that no file holds: what this process seals with it to put it aside on disk, nobody else
 * reads, and nobody once the process has ended. Blocks are numbered; a number is sealed once. */
struct block_key;

enum { BLOCK_OVERHEAD = 16 };

struct block_key *block_key_open(void); /* the caller's: block_key_close */
void block_key_close(struct block_key *key);

/* out holds plain.size + BLOCK_OVERHEAD bytes. */
void block_key_seal(const struct block_key *key, uint64_t number, struct bytes plain, uint8_t *out);
/* False when the bytes are not the block of this number. out holds sealed.size - overhead. */
bool block_key_unseal(const struct block_key *key, uint64_t number, struct bytes sealed,
                      uint8_t *out) MUST_USE;

/* A keyless hash, for key check values and for naming what is too large to quote. */
struct id keys_plain_hash(struct bytes data);

#endif
