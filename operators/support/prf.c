#include <assert.h>
#include <endian.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <string.h>

#include "operators/support/keys.h"
#include "operators/support/keys_internal.h"
#include "pipeline/base/memory.h"

enum {
    BLOCK_SIZE = 16,
    CHUNK = 1024, /* forms a pass: the blocks stay in the first-level cache */
    FIRST_AT = offsetof(struct canonical, issuer) - 1, /* its first byte is the kind */
    SECOND_AT = FIRST_AT + BLOCK_SIZE,
    FOLD_END = offsetof(struct canonical, fold) + NUMBER_SIZE_MAX,
    UNUSED_BITS = 8 * (SECOND_AT + BLOCK_SIZE - FOLD_END) /* behind the fold in the second block */
};

_Static_assert(offsetof(struct canonical, size) == FIRST_AT + 4, "kind, issuer, size, fold");
_Static_assert(offsetof(struct canonical, fold) == FIRST_AT + 5, "kind, issuer, size, fold");
_Static_assert(UNUSED_BITS > 0 && UNUSED_BITS < 64, "a document is two blocks");
_Static_assert(SECOND_AT + BLOCK_SIZE <= sizeof(struct canonical), "which can be loaded whole");
_Static_assert(sizeof(struct key) == BLOCK_SIZE, "a fingerprint is one block");

struct key_prf {
    EVP_CIPHER_CTX *cipher; /* owned */
    uint8_t blocks[CHUNK][BLOCK_SIZE];
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

static void write_first(const struct canonical *form, uint8_t out[BLOCK_SIZE])
{
    memcpy(out, (const uint8_t *)form + FIRST_AT, BLOCK_SIZE);
    out[0] = KIND_DOCUMENT;
}

/* block ^= what is left of the fold, padded with zeros. */
static void add_second(const struct canonical *form, uint8_t block[BLOCK_SIZE])
{
    uint64_t sum[2];
    uint64_t second[2];
    memcpy(sum, block, sizeof sum);
    memcpy(second, (const uint8_t *)form + SECOND_AT, sizeof second);
    sum[0] ^= second[0];
    sum[1] ^= second[1] & htole64(UINT64_MAX >> UNUSED_BITS);
    memcpy(block, sum, sizeof sum);
}

static void encrypt(struct key_prf *prf, uint32_t count, uint8_t *out)
{
    int bytes = (int)count * BLOCK_SIZE;
    int written = 0;
    int done = EVP_EncryptUpdate(prf->cipher, out, &written, prf->blocks[0], bytes);
    assert(done == 1 && written == bytes);
}

/* CBC-MAC is E(E(first) ^ second): two passes of independent blocks, which the processor overlaps,
 * where CBC itself would chain them. */
static void chunk_documents(struct key_prf *prf, const struct canonical *forms, uint32_t count,
                            struct key *out)
{
    for (uint32_t i = 0; i < count; i++)
        write_first(&forms[i], prf->blocks[i]);
    encrypt(prf, count, prf->blocks[0]);
    for (uint32_t i = 0; i < count; i++)
        add_second(&forms[i], prf->blocks[i]);
    encrypt(prf, count, out->bytes);
}

void key_prf_documents(struct key_prf *prf, const struct canonical *forms, uint32_t count,
                       struct key *out)
{
    for (uint32_t done = 0; done < count; done += CHUNK) {
        uint32_t left = count - done;
        chunk_documents(prf, forms + done, left < CHUNK ? left : CHUNK, out + done);
    }
}
