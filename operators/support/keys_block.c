#include <assert.h>
#include <sodium.h>

#include "operators/support/keys.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"

enum {
    NONCE_SIZE = crypto_aead_chacha20poly1305_ietf_NPUBBYTES,
    TAG_SIZE = crypto_aead_chacha20poly1305_ietf_ABYTES
};

_Static_assert((int)BLOCK_OVERHEAD == (int)TAG_SIZE, "block");

struct block_key {
    uint8_t key[crypto_aead_chacha20poly1305_ietf_KEYBYTES];
};

struct block_key *block_key_open(void)
{
    int started = sodium_init(); /* 1: it was started before; safe from any thread */
    assert(started >= 0);
    struct block_key *key = memory_new(1, sizeof *key);
    random_secret(key->key, sizeof key->key);
    return key;
}

void block_key_close(struct block_key *key)
{
    if (!key)
        return;
    sodium_memzero(key, sizeof *key);
    memory_free(key);
}

static void nonce_of(uint64_t number, uint8_t nonce[NONCE_SIZE])
{
    memset(nonce, 0, NONCE_SIZE);
    for (size_t i = 0; i < sizeof number; i++)
        nonce[i] = (uint8_t)(number >> (8 * i));
}

void block_key_seal(const struct block_key *key, uint64_t number, struct bytes plain, uint8_t *out)
{
    uint8_t nonce[NONCE_SIZE];
    nonce_of(number, nonce);
    int failed = crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain.data, plain.size, NULL,
                                                           0, NULL, nonce, key->key);
    assert(!failed);
}

bool block_key_unseal(const struct block_key *key, uint64_t number, struct bytes sealed,
                      uint8_t *out)
{
    uint8_t nonce[NONCE_SIZE];
    nonce_of(number, nonce);
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.data, sealed.size,
                                                     NULL, 0, nonce, key->key) == 0;
}
