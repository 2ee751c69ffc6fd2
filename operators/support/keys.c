#include "operators/support/keys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/keys_internal.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"

enum {
    KEY_SIZE = 32,
    KEY_DIGITS = 2 * KEY_SIZE,
    KEY_FILE_SIZE_MAX = 128, /* more than any header with its digits */
    KEY_MODE = 0400,
};

_Static_assert((int)SEAL_OVERHEAD == (int)ID_SIZE, "a tag is what a seal adds");

struct store_key {
    uint8_t check[KEY_SIZE];
    uint8_t seal_tag[KEY_SIZE];
    uint8_t seal[crypto_stream_xchacha20_KEYBYTES];
    uint8_t checksum[KEY_SIZE];
    uint8_t id_hash[crypto_shorthash_KEYBYTES];
    uint8_t prf_documents[PRF_SUBKEY_SIZE];
};

struct identity {
    uint8_t key[KEY_SIZE];
};

struct kind_text {
    const char *name;
    const char *header;
};

static const struct kind_text kind_texts[] = {
    [KEY_STORE] = {"store key", "checkit store key 1\n"},
    [KEY_IDENTITY] = {"identity key", "checkit identity key 1\n"},
};

static void start_sodium(void)
{
    int started = sodium_init(); /* 1: it was started before; safe from any thread */
    assert(started >= 0);
}

/* --- key files ------------------------------------------------------------------------------ */

static enum status write_all(int file, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(file, text, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return STATUS_FAIL;
        text += written;
        size -= (size_t)written;
    }
    return STATUS_OK;
}

/* Makes the new name itself durable. */
static enum status sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash ? memory_copy_text(path, (size_t)(slash - path) + 1) : memory_copy_text(".", 1);
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    memory_free(folder);
    if (file < 0)
        return STATUS_FAIL;
    int failed = fsync(file);
    (void)close(file);
    return failed ? STATUS_FAIL : STATUS_OK;
}

static enum status write_key_file(int file, const char *path, enum key_kind kind)
{
    uint8_t key[KEY_SIZE];
    char digits[KEY_DIGITS + 1];
    char text[KEY_FILE_SIZE_MAX];
    random_secret(key, sizeof key);
    (void)sodium_bin2hex(digits, sizeof digits, key, sizeof key);
    int size = snprintf(text, sizeof text, "%s%s\n", kind_texts[kind].header, digits);

    enum status status = write_all(file, text, (size_t)size);
    if (status == STATUS_OK && fsync(file) != 0)
        status = STATUS_FAIL;
    if (status == STATUS_OK)
        status = sync_folder_of(path);
    sodium_memzero(key, sizeof key);
    sodium_memzero(digits, sizeof digits);
    sodium_memzero(text, sizeof text);
    return status;
}

enum status keys_create(const char *path, enum key_kind kind, struct error *err)
{
    start_sodium();
    const char *name = kind_texts[kind].name;
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, KEY_MODE);
    if (file < 0 && errno == EEXIST)
        return error_fail(err, EX_CONFIG,
                          "%s '%s' is there already and is not overwritten: what was made with it "
                          "would be lost; move it away first if that is meant",
                          name, path);
    if (file < 0)
        return error_fail(err, EX_CONFIG, "%s '%s' cannot be created: %s", name, path,
                          strerror(errno));

    enum status status = write_key_file(file, path, kind);
    int reason = errno;
    (void)close(file);
    if (status == STATUS_OK)
        return STATUS_OK;
    (void)unlink(path); /* half a key is worse than none */
    return error_fail(err, EX_UNAVAILABLE, "%s '%s' cannot be written: %s", name, path,
                      strerror(reason));
}

static enum status check_file(int file, const char *path, const char *name, struct error *err)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return error_fail(err, EX_CONFIG, "%s '%s' cannot be read: %s", name, path,
                          strerror(errno));
    if (!S_ISREG(info.st_mode))
        return error_fail(err, EX_CONFIG,
                          "%s '%s' is not a file: name the file that "
                          "'checkit key new' made",
                          name, path);
    if (info.st_mode & 07777 & ~(mode_t)KEY_MODE)
        return error_fail(err, EX_CONFIG,
                          "%s '%s' has mode %04o, wider than 0400: run chmod 0400 on it, or make "
                          "another with 'checkit key new' if others may have read it",
                          name, path, (unsigned)(info.st_mode & 07777));
    return STATUS_OK;
}

/* Reads what is there, one byte more than any key file has at most. */
static enum status read_file(const char *path, const char *name, char text[KEY_FILE_SIZE_MAX],
                             size_t *size, struct error *err)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return error_fail(err, EX_CONFIG,
                          "%s '%s' cannot be opened (%s): 'checkit key new' makes "
                          "one",
                          name, path, strerror(errno));
    enum status status = check_file(file, path, name, err);
    *size = 0;
    while (status == STATUS_OK && *size < KEY_FILE_SIZE_MAX) {
        ssize_t got = read(file, text + *size, KEY_FILE_SIZE_MAX - *size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = error_fail(err, EX_CONFIG, "%s '%s' cannot be read: %s", name, path,
                                strerror(errno));
        if (got <= 0)
            break;
        *size += (size_t)got;
    }
    (void)close(file);
    return status;
}

static bool starts_with(const char *text, size_t size, const char *start)
{
    return size >= strlen(start) && memcmp(text, start, strlen(start)) == 0;
}

static enum status parse_key(const char *path, enum key_kind kind, const char *text, size_t size,
                             uint8_t key[KEY_SIZE], struct error *err)
{
    const struct kind_text *wanted = &kind_texts[kind];
    const struct kind_text *other = &kind_texts[kind == KEY_STORE ? KEY_IDENTITY : KEY_STORE];
    if (starts_with(text, size, other->header))
        return error_fail(err, EX_CONFIG,
                          "'%s' is an %s where a %s is needed: name the right file "
                          "(both are made by 'checkit key new')",
                          path, other->name, wanted->name);
    size_t header_size = strlen(wanted->header);
    size_t got = 0;
    if (!starts_with(text, size, wanted->header) || size != header_size + KEY_DIGITS + 1 ||
        text[size - 1] != '\n' ||
        sodium_hex2bin(key, KEY_SIZE, text + header_size, KEY_DIGITS, NULL, &got, NULL) != 0 ||
        got != KEY_SIZE)
        return error_fail(err, EX_CONFIG,
                          "'%s' is not a %s (a line '%.*s', then %d hexadecimal digits): restore "
                          "it from its copy, or make another with 'checkit key new'",
                          path, wanted->name, (int)header_size - 1, wanted->header, KEY_DIGITS);
    return STATUS_OK;
}

static enum status read_key(const char *path, enum key_kind kind, uint8_t key[KEY_SIZE],
                            struct error *err)
{
    start_sodium();
    char text[KEY_FILE_SIZE_MAX];
    size_t size = 0;
    enum status status = read_file(path, kind_texts[kind].name, text, &size, err);
    if (status == STATUS_OK)
        status = parse_key(path, kind, text, size, key, err);
    sodium_memzero(text, sizeof text);
    return status;
}

/* --- handles -------------------------------------------------------------------------------- */

static void derive(const uint8_t key[KEY_SIZE], const char *label, uint8_t *out, size_t size)
{
    int failed =
        crypto_generichash(out, size, (const uint8_t *)label, strlen(label), key, KEY_SIZE);
    assert(!failed);
}

enum status store_key_open(const char *path, struct store_key **out, struct error *err)
{
    uint8_t key[KEY_SIZE];
    TRY(read_key(path, KEY_STORE, key, err));
    struct store_key *opened = memory_new(1, sizeof *opened);
    (void)sodium_mlock(opened, sizeof *opened); /* as far as the process may lock memory */
    derive(key, "check value", opened->check, sizeof opened->check);
    derive(key, "seal tag", opened->seal_tag, sizeof opened->seal_tag);
    derive(key, "seal stream", opened->seal, sizeof opened->seal);
    derive(key, "checksum", opened->checksum, sizeof opened->checksum);
    derive(key, "id hash", opened->id_hash, sizeof opened->id_hash);
    derive(key, "prf documents", opened->prf_documents, sizeof opened->prf_documents);
    sodium_memzero(key, sizeof key);
    *out = opened;
    return STATUS_OK;
}

void store_key_close(struct store_key *key)
{
    if (!key)
        return;
    (void)sodium_munlock(key, sizeof *key); /* wipes it, locked or not */
    memory_free(key);
}

enum status identity_open(const char *path, struct identity **out, struct error *err)
{
    uint8_t key[KEY_SIZE];
    TRY(read_key(path, KEY_IDENTITY, key, err));
    struct identity *opened = memory_new(1, sizeof *opened);
    (void)sodium_mlock(opened, sizeof *opened);
    derive(key, "identity", opened->key, sizeof opened->key);
    sodium_memzero(key, sizeof key);
    *out = opened;
    return STATUS_OK;
}

void identity_close(struct identity *identity)
{
    if (!identity)
        return;
    (void)sodium_munlock(identity, sizeof *identity);
    memory_free(identity);
}

void store_key_prf_subkey(const struct store_key *key, enum subject_kind kind,
                          uint8_t out[PRF_SUBKEY_SIZE])
{
    assert(kind == KIND_DOCUMENT);
    memcpy(out, key->prf_documents, PRF_SUBKEY_SIZE);
}

/* --- what is made with them ----------------------------------------------------------------- */

static void hash_begin(crypto_generichash_state *hash, const uint8_t key[KEY_SIZE])
{
    int failed = crypto_generichash_init(hash, key, KEY_SIZE, ID_SIZE);
    assert(!failed);
}

static void hash_field(crypto_generichash_state *hash, struct bytes field)
{
    assert(field.size <= UINT32_MAX);
    uint8_t size[4];
    for (int i = 0; i < 4; i++)
        size[i] = (uint8_t)(field.size >> (8 * i));
    (void)crypto_generichash_update(hash, size, sizeof size);
    (void)crypto_generichash_update(hash, field.data, field.size);
}

static struct id hash_end(crypto_generichash_state *hash)
{
    struct id id;
    (void)crypto_generichash_final(hash, id.bytes, sizeof id.bytes);
    sodium_memzero(hash, sizeof *hash); /* its state holds the key */
    return id;
}

void id_to_text(const struct id *id, char text[ID_TEXT_SIZE])
{
    (void)sodium_bin2hex(text, ID_TEXT_SIZE, id->bytes, sizeof id->bytes);
}

struct id store_key_check_value(const struct store_key *key)
{
    struct id id;
    memcpy(id.bytes, key->check, sizeof id.bytes);
    return id;
}

struct id store_key_checksum(const struct store_key *key, struct id before, struct bytes piece)
{
    crypto_generichash_state hash;
    hash_begin(&hash, key->checksum);
    hash_field(&hash, bytes_of(before.bytes, sizeof before.bytes));
    hash_field(&hash, piece);
    return hash_end(&hash);
}

uint64_t store_key_id_hash(const struct store_key *key, struct bytes entry_id)
{
    _Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "one word");
    uint64_t hash;
    (void)crypto_shorthash((uint8_t *)&hash, entry_id.data, entry_id.size, key->id_hash);
    return hash;
}

struct id identity_hash(const struct identity *identity, const char *label,
                        const struct bytes *fields, uint32_t count)
{
    crypto_generichash_state hash;
    hash_begin(&hash, identity->key);
    hash_field(&hash, bytes_of_text(label));
    for (uint32_t i = 0; i < count; i++)
        hash_field(&hash, fields[i]);
    return hash_end(&hash);
}

struct id keys_plain_hash(struct bytes data)
{
    struct id id;
    int failed = crypto_generichash(id.bytes, sizeof id.bytes, data.data, data.size, NULL, 0);
    assert(!failed);
    return id;
}

static struct id seal_tag(const struct store_key *key, struct bytes entry_id, struct bytes plain)
{
    crypto_generichash_state hash;
    hash_begin(&hash, key->seal_tag);
    hash_field(&hash, entry_id);
    hash_field(&hash, plain);
    return hash_end(&hash);
}

static void cipher(const struct store_key *key, const struct id *tag, const uint8_t *in,
                   size_t size, uint8_t *out)
{
    uint8_t nonce[crypto_stream_xchacha20_NONCEBYTES] = {0};
    memcpy(nonce, tag->bytes, sizeof tag->bytes);
    (void)crypto_stream_xchacha20_xor(out, in, size, nonce, key->seal);
}

void store_key_seal(const struct store_key *key, struct bytes entry_id, struct bytes plain,
                    uint8_t *out)
{
    struct id tag = seal_tag(key, entry_id, plain);
    memcpy(out, tag.bytes, sizeof tag.bytes);
    cipher(key, &tag, plain.data, plain.size, out + SEAL_OVERHEAD);
}

bool store_key_unseal(const struct store_key *key, struct bytes entry_id, struct bytes sealed,
                      uint8_t *out)
{
    if (sealed.size < SEAL_OVERHEAD)
        return false;
    struct id tag;
    size_t size = sealed.size - SEAL_OVERHEAD;
    memcpy(tag.bytes, sealed.data, sizeof tag.bytes);
    cipher(key, &tag, sealed.data + SEAL_OVERHEAD, size, out);
    struct id wanted = seal_tag(key, entry_id, bytes_of(out, size));
    return sodium_memcmp(wanted.bytes, tag.bytes, sizeof tag.bytes) == 0;
}
