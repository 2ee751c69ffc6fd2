#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "operators/support/keys.h"
#include "operators/support/keys_internal.h"
#include "pipeline/base/memory.h"

enum {
    BLOCK_SIZE = 16,
    CHUNK = 1024, /* forms a pass: both arrays stay in the first-level cache */
    FOLD_IN_FIRST = BLOCK_SIZE - 5,
    FOLD_IN_SECOND = NUMBER_SIZE_MAX - FOLD_IN_FIRST
};

_Static_assert(FOLD_IN_SECOND <= BLOCK_SIZE, "a document is two blocks");
_Static_assert(sizeof(struct key) == BLOCK_SIZE, "a fingerprint is one block");

struct key_prf {
    EVP_CIPHER_CTX *cipher; /* owned */
    uint8_t first[CHUNK][BLOCK_SIZE];
    uint8_t second[CHUNK][BLOCK_SIZE];
};

enum status key_prf_open(const struct store_key *key, struct key_prf **out, struct error *err)
{
    uint8_t subkey[PRF_SUBKEY_SIZE];
    store_key_prf_subkey(key, KIND_DOCUMENT, subkey);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    bool ready = cipher && EVP_EncryptInit_ex(cipher, EVP_aes_128_ecb(), NULL, subkey, NULL) == 1 &&
                 EVP_CIPHER_CTX_set_padding(cipher, 0) == 1;
    OPENSSL_cleanse(subkey, sizeof subkey);
    if (!ready) {
        EVP_CIPHER_CTX_free(cipher);
        return error_fail(err, EX_SOFTWARE,
                          "libcrypto gives no AES-128-ECB: check its provider configuration");
    }
    *out = memory_new(1, sizeof **out);
    (*out)->cipher = cipher;
    return STATUS_OK;
}

void key_prf_close(struct key_prf *prf)
{
    if (!prf)
        return;
    EVP_CIPHER_CTX_free(prf->cipher); /* wipes the key schedule */
    memory_free(prf);
}

static void write_blocks(const struct canonical *form, uint8_t first[BLOCK_SIZE],
                         uint8_t second[BLOCK_SIZE])
{
    first[0] = KIND_DOCUMENT;
    memcpy(first + 1, form->issuer.code, sizeof form->issuer.code);
    first[4] = form->size;
    memcpy(first + 5, form->fold, FOLD_IN_FIRST);
    memset(second, 0, BLOCK_SIZE);
    memcpy(second, form->fold + FOLD_IN_FIRST, FOLD_IN_SECOND);
}

static void encrypt(struct key_prf *prf, uint8_t (*blocks)[BLOCK_SIZE], uint32_t count)
{
    int bytes = (int)count * BLOCK_SIZE;
    int written = 0;
    int done = EVP_EncryptUpdate(prf->cipher, blocks[0], &written, blocks[0], bytes);
    assert(done == 1 && written == bytes);
}

/* to ^= from, then cut to nothing where keep is 0. */
static void combine(uint8_t to[BLOCK_SIZE], const uint8_t from[BLOCK_SIZE], uint64_t keep)
{
    uint64_t a[2];
    uint64_t b[2];
    memcpy(a, to, sizeof a);
    memcpy(b, from, sizeof b);
    a[0] = (a[0] ^ b[0]) & keep;
    a[1] = (a[1] ^ b[1]) & keep;
    memcpy(to, a, sizeof a);
}

/* CBC-MAC is E(E(first) ^ second): two passes of independent blocks, which the processor overlaps,
 * where CBC itself would chain them. Forms that are not screened are computed too and cleared by
 * a mask: they are few, and a branch that cannot be foretold costs more. */
static void chunk_documents(struct key_prf *prf, const struct canonical *forms, uint32_t count,
                            struct key *out)
{
    static const uint8_t zeros[BLOCK_SIZE];
    for (uint32_t i = 0; i < count; i++)
        write_blocks(&forms[i], prf->first[i], prf->second[i]);
    encrypt(prf, prf->first, count);
    for (uint32_t i = 0; i < count; i++)
        combine(prf->second[i], prf->first[i], UINT64_MAX);
    encrypt(prf, prf->second, count);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(out[i].bytes, prf->second[i], BLOCK_SIZE);
        combine(out[i].bytes, zeros, canonical_is_screened(&forms[i]) ? UINT64_MAX : 0);
    }
}

void key_prf_documents(struct key_prf *prf, const struct canonical *forms, uint32_t count,
                       struct key *out)
{
    for (uint32_t done = 0; done < count; done += CHUNK) {
        uint32_t left = count - done;
        chunk_documents(prf, forms + done, left < CHUNK ? left : CHUNK, out + done);
    }
}
