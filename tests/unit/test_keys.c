#include "operators/support/keys.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"
#include "tests/unit/temp_folder.h"

/* The key 00 01 02 .. 1f, from which the known answers below were computed with Python's hashlib,
 * a SipHash written from its paper, and `openssl enc -aes-128-cbc`. They are part of format 1: a
 * change here makes every store unreadable. */
#define DIGITS "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define STORE_HEADER "checkit store key 1\n"
#define IDENTITY_HEADER "checkit identity key 1\n"

static void write_file(const char *path, const char *text, size_t size, mode_t mode)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(file >= 0);
    cr_assert_eq(write(file, text, size), (ssize_t)size);
    cr_assert_eq(fchmod(file, mode), 0);
    cr_assert_eq(close(file), 0);
}

/* A store key file with the given text, opened. */
static enum status open_text(const char *text, size_t size, mode_t mode, struct store_key **key,
                             struct error *err)
{
    struct temp_folder folder = temp_folder_make();
    char path[TEMP_PATH_SIZE];
    write_file(temp_path(&folder, "key", path), text, size, mode);
    enum status status = store_key_open(path, key, err);
    if (status != STATUS_OK)
        cr_expect_not_null(strstr(err->text, path), "names the file: %s", err->text);
    temp_folder_remove(&folder);
    return status;
}

static struct store_key *known_key(void)
{
    struct store_key *key = NULL;
    struct error err;
    enum status status =
        open_text(STORE_HEADER DIGITS "\n", strlen(STORE_HEADER DIGITS "\n"), 0400, &key, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    return key;
}

static void expect_hex(const void *bytes, size_t size, const char *expected)
{
    char text[129];
    cr_assert(size <= 64);
    cr_expect_str_eq(sodium_bin2hex(text, sizeof text, bytes, size), expected);
}

static void expect_refused(const char *text, mode_t mode, const char *because)
{
    struct store_key *key = NULL;
    struct error err = {0};
    cr_assert_eq(open_text(text, strlen(text), mode, &key, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    cr_expect_not_null(strstr(err.text, because), "'%s' lacks '%s'", err.text, because);
    cr_expect_null(strstr(err.text, "0001020304"), "the key is told");
}

/* --- files ---------------------------------------------------------------------------------- */

Test(keys, created_file_is_private_and_opens)
{
    struct temp_folder folder = temp_folder_make();
    char path[TEMP_PATH_SIZE];
    struct error err;
    struct stat info;
    (void)umask(0);
    cr_assert_eq(keys_create(temp_path(&folder, "s", path), KEY_STORE, &err), STATUS_OK);
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_eq(info.st_mode & 07777, 0400);
    cr_expect_eq(info.st_size, 20 + 64 + 1);
    struct store_key *key;
    cr_assert_eq(store_key_open(path, &key, &err), STATUS_OK);
    store_key_close(key);

    cr_assert_eq(keys_create(temp_path(&folder, "i", path), KEY_IDENTITY, &err), STATUS_OK);
    struct identity *identity;
    cr_assert_eq(identity_open(path, &identity, &err), STATUS_OK);
    identity_close(identity);
    temp_folder_remove(&folder);
}

Test(keys, two_created_keys_differ)
{
    struct temp_folder folder = temp_folder_make();
    char path[TEMP_PATH_SIZE];
    struct error err;
    struct id checks[2];
    for (int i = 0; i < 2; i++) {
        struct store_key *key;
        temp_path(&folder, i ? "a" : "b", path);
        cr_assert_eq(keys_create(path, KEY_STORE, &err), STATUS_OK);
        cr_assert_eq(store_key_open(path, &key, &err), STATUS_OK);
        checks[i] = store_key_check_value(key);
        store_key_close(key);
    }
    cr_expect_neq(memcmp(&checks[0], &checks[1], sizeof checks[0]), 0);
    temp_folder_remove(&folder);
}

Test(keys, existing_file_is_not_overwritten)
{
    struct temp_folder folder = temp_folder_make();
    char path[TEMP_PATH_SIZE];
    struct error err;
    write_file(temp_path(&folder, "k", path), "precious", 8, 0600);
    cr_assert_eq(keys_create(path, KEY_STORE, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    cr_expect_not_null(strstr(err.text, path));
    struct stat info;
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_eq(info.st_size, 8);
    temp_folder_remove(&folder);
}

Test(keys, folder_that_is_missing_is_an_error)
{
    struct error err;
    cr_assert_eq(keys_create("/nonexistent/k", KEY_STORE, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
}

Test(keys, missing_file_names_the_command)
{
    struct store_key *key;
    struct identity *identity;
    struct error err;
    cr_assert_eq(store_key_open("/nonexistent/store.key", &key, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    cr_expect_not_null(strstr(err.text, "checkit key new"));
    cr_expect_not_null(strstr(err.text, "/nonexistent/store.key"));
    cr_assert_eq(identity_open("/nonexistent/identity.key", &identity, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    cr_expect_not_null(strstr(err.text, "checkit key new"));
}

Test(keys, every_wider_mode_is_refused)
{
    static const mode_t modes[] = {0600, 0500, 0440, 0420, 0410, 0404, 0402, 0401, 0644, 0777};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        expect_refused(STORE_HEADER DIGITS "\n", modes[i], "chmod 0400");
}

Test(keys, folder_instead_of_file_is_refused)
{
    struct temp_folder folder = temp_folder_make();
    struct store_key *key;
    struct error err;
    cr_assert_eq(store_key_open(folder.path, &key, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    temp_folder_remove(&folder);
}

Test(keys, wrong_kind_is_refused)
{
    expect_refused(IDENTITY_HEADER DIGITS "\n", 0400, "identity key");
    struct temp_folder folder = temp_folder_make();
    char path[TEMP_PATH_SIZE];
    struct identity *identity;
    struct error err;
    write_file(temp_path(&folder, "k", path), STORE_HEADER DIGITS "\n",
               strlen(STORE_HEADER DIGITS "\n"), 0400);
    cr_assert_eq(identity_open(path, &identity, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    cr_expect_not_null(strstr(err.text, "store key"));
    temp_folder_remove(&folder);
}

Test(keys, wrong_length_or_text_is_refused)
{
    static const char *const texts[] = {
        "",
        "checkit store key 1",
        STORE_HEADER,
        STORE_HEADER "\n",
        STORE_HEADER DIGITS,        /* no line end */
        STORE_HEADER DIGITS "\n\n", /* one byte more */
        STORE_HEADER DIGITS "00\n", /* one byte of key more */
        STORE_HEADER DIGITS "0\n",  /* one digit more */
        STORE_HEADER "0" DIGITS "", /* right size, no line end */
        "checkit store key 2\n" DIGITS "\n",
        "checkit store key 1\r\n" DIGITS "\n",
        STORE_HEADER "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
        STORE_HEADER "0001020304050607 8090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
        STORE_HEADER DIGITS DIGITS DIGITS DIGITS "\n", /* more than is read */
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_refused(texts[i], 0400, "checkit key new");
    char cut[sizeof STORE_HEADER DIGITS];
    memcpy(cut, STORE_HEADER DIGITS, sizeof cut);
    cut[sizeof cut - 3] = '\n'; /* one byte of key less */
    cut[sizeof cut - 2] = 0;
    expect_refused(cut, 0400, "checkit key new");
}

/* --- known answers -------------------------------------------------------------------------- */

Test(keys, known_key_gives_known_answers)
{
    struct store_key *key = known_key();
    struct id check = store_key_check_value(key);
    expect_hex(check.bytes, ID_SIZE, "311f50371f88d8573707f41f37b78431");
    cr_expect_eq(store_key_id_hash(key, bytes_of("E-1", 3)), 0x424616fd2013b2fbU);
    store_key_close(key);
    struct id plain = keys_plain_hash(bytes_of("abc", 3));
    expect_hex(plain.bytes, ID_SIZE, "cf4ab791c62b8d2b2109c90275287816");
}

static struct identity *known_identity(void)
{
    struct temp_folder folder = temp_folder_make();
    char path[TEMP_PATH_SIZE];
    struct identity *identity = NULL;
    struct error err;
    write_file(temp_path(&folder, "k", path), IDENTITY_HEADER DIGITS "\n",
               strlen(IDENTITY_HEADER DIGITS "\n"), 0400);
    cr_assert_eq(identity_open(path, &identity, &err), STATUS_OK, "%s", err.text);
    temp_folder_remove(&folder);
    return identity;
}

static struct id hash_two(const struct identity *identity, const char *label, struct bytes a,
                          struct bytes b)
{
    struct bytes fields[] = {a, b};
    return identity_hash(identity, label, fields, 2);
}

Test(keys, identity_hash_is_known_and_keeps_fields_apart)
{
    struct identity *identity = known_identity();
    struct id known = hash_two(identity, "alert", bytes_of("a", 1), bytes_of("bc", 2));
    expect_hex(known.bytes, ID_SIZE, "75d8cb5b5d74bc3b057ed6523c75ee4b");
    struct id others[] = {
        hash_two(identity, "alert", bytes_of("ab", 2), bytes_of("c", 1)),
        hash_two(identity, "alerta", bytes_of("", 0), bytes_of("bc", 2)),
        hash_two(identity, "token", bytes_of("a", 1), bytes_of("bc", 2)),
        identity_hash(identity, "alert", &(struct bytes){(const uint8_t *)"abc", 3}, 1),
        identity_hash(identity, "alert", NULL, 0),
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_expect_neq(memcmp(&others[i], &known, sizeof known), 0, "other %zu", i);
    struct id absent = hash_two(identity, "alert", bytes_of(NULL, 0), bytes_of("x", 1));
    struct id empty = hash_two(identity, "alert", bytes_of("", 0), bytes_of("x", 1));
    cr_expect_eq(memcmp(&absent, &empty, sizeof absent), 0);
    identity_close(identity);
}

Test(keys, id_as_text_is_32_digits)
{
    struct id id = {{0x00, 0x0f, 0xf0, 0xff}};
    char text[ID_TEXT_SIZE];
    id_to_text(&id, text);
    cr_expect_str_eq(text, "000ff0ff000000000000000000000000");
}

/* --- fingerprints --------------------------------------------------------------------------- */

static struct canonical form_of(const char *issuer, const char *fold)
{
    struct canonical form = {.size = (uint8_t)strlen(fold)};
    memcpy(form.fold, fold, form.size);
    memcpy(form.number, fold, form.size);
    if (issuer)
        memcpy(form.issuer.code, issuer, sizeof form.issuer.code);
    return form;
}

static struct key_prf *open_prf(const struct store_key *key)
{
    struct key_prf *prf = NULL;
    struct error err;
    cr_assert_eq(key_prf_open(key, &prf, &err), STATUS_OK);
    return prf;
}

Test(keys, fingerprints_are_known)
{
    struct store_key *key = known_key();
    struct key_prf *prf = open_prf(key);
    struct canonical forms[] = {form_of("UTO", "A81234567"),
                                form_of("D\0\0", "ABCDEFHJKMNPRTUVWXY34567")};
    struct key keys[2];
    key_prf_documents(prf, forms, 2, keys);
    expect_hex(keys[0].bytes, sizeof keys[0], "6ad3cfd6aa7287cfcf07daef4bad5b2c");
    expect_hex(keys[1].bytes, sizeof keys[1], "88673f8762c3f6a38654fbd4cf1e22cc");
    key_prf_close(prf);
    store_key_close(key);
}

/* The same through CBC itself, with the subkey derived here. */
static void cbc_mac(const struct canonical *form, uint8_t out[16])
{
    uint8_t key[32];
    uint8_t subkey[16];
    for (int i = 0; i < 32; i++)
        key[i] = (uint8_t)i;
    cr_assert_eq(crypto_generichash(subkey, 16, (const uint8_t *)"prf documents", 13, key, 32), 0);
    uint8_t text[32] = {KIND_DOCUMENT};
    memcpy(text + 1, form->issuer.code, 3);
    text[4] = form->size;
    memcpy(text + 5, form->fold, NUMBER_SIZE_MAX);
    uint8_t cipher_text[48];
    uint8_t zeros[16] = {0};
    int size = 0;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    cr_assert_eq(EVP_EncryptInit_ex(cipher, EVP_aes_128_cbc(), NULL, subkey, zeros), 1);
    cr_assert_eq(EVP_CIPHER_CTX_set_padding(cipher, 0), 1);
    cr_assert_eq(EVP_EncryptUpdate(cipher, cipher_text, &size, text, sizeof text), 1);
    cr_assert_eq(size, 32);
    EVP_CIPHER_CTX_free(cipher);
    memcpy(out, cipher_text + 16, 16);
}

static struct canonical random_form(struct random *random)
{
    struct canonical form = {0};
    form.size = (uint8_t)(3 + random_below(random, NUMBER_SIZE_MAX - 2));
    for (int i = 0; i < form.size; i++)
        form.fold[i] = (char)('0' + random_below(random, 10));
    for (int i = 0; i < 3; i++)
        form.issuer.code[i] = (char)('A' + random_below(random, 26));
    /* What stands beside them in the form, and must not matter. */
    form.type = (uint8_t)random_below(random, TYPE_COUNT);
    form.flags = (uint8_t)random_below(random, 2 * CANONICAL_DUPLICATE);
    memcpy(form.nationality.code, "UTO", sizeof form.nationality.code);
    return form;
}

/* Counts around the size of one pass, which is 1,024. */
Test(keys, batches_of_every_size_equal_cbc_one_by_one)
{
    static const uint32_t counts[] = {0, 1, 2, 1023, 1024, 1025, 2048, 2049};
    enum { MOST = 2049 };
    struct store_key *key = known_key();
    struct key_prf *prf = open_prf(key);
    struct canonical *forms = memory_new(MOST, sizeof *forms);
    struct key *keys = memory_new(MOST + 1, sizeof *keys);
    struct random random;
    random_init(&random, 7);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        for (uint32_t i = 0; i < counts[c]; i++)
            forms[i] = random_form(&random);
        memset(keys, 0xaa, (MOST + 1) * sizeof *keys);
        key_prf_documents(prf, forms, counts[c], keys);
        for (uint32_t i = 0; i < counts[c]; i++) {
            uint8_t expected[16];
            cbc_mac(&forms[i], expected);
            cr_assert_eq(memcmp(keys[i].bytes, expected, 16), 0);
        }
        cr_expect_eq(keys[counts[c]].bytes[0], 0xaa, "nothing written behind the last");
    }
    memory_free(forms);
    memory_free(keys);
    key_prf_close(prf);
    store_key_close(key);
}

Test(keys, issuer_size_and_fold_all_make_another_fingerprint)
{
    struct store_key *key = known_key();
    struct key_prf *prf = open_prf(key);
    struct canonical forms[] = {form_of("UTO", "A812"), form_of("UTP", "A812"),
                                form_of(NULL, "A812"), form_of("UTO", "A813"),
                                form_of("UTO", "A8120")};
    enum { COUNT = sizeof forms / sizeof *forms };
    struct key keys[COUNT];
    key_prf_documents(prf, forms, COUNT, keys);
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < i; j++)
            cr_expect_neq(memcmp(&keys[i], &keys[j], sizeof *keys), 0);
    key_prf_close(prf);
    store_key_close(key);
}

/* --- seals ---------------------------------------------------------------------------------- */

Test(keys, sealed_text_opens_with_its_key_and_id_only)
{
    struct store_key *key = known_key();
    struct bytes id = bytes_of("E-1", 3);
    uint8_t sealed[5 + SEAL_OVERHEAD];
    uint8_t again[5 + SEAL_OVERHEAD];
    uint8_t plain[5];
    store_key_seal(key, id, bytes_of("12345", 5), sealed);
    store_key_seal(key, id, bytes_of("12345", 5), again);
    cr_expect_eq(memcmp(sealed, again, sizeof sealed), 0, "nothing random in it");
    store_key_seal(key, bytes_of("E-2", 3), bytes_of("12345", 5), again);
    for (size_t i = 0; i + 4 <= sizeof sealed; i += 4)
        cr_expect_neq(memcmp(sealed + i, again + i, 4), 0, "another id seals otherwise");
    store_key_seal(key, id, bytes_of("12346", 5), again);
    cr_expect_neq(memcmp(sealed, again, 16), 0, "another text has another tag");
    cr_expect_neq(memcmp(sealed + 16, again + 16, 4), 0, "and another stream");
    cr_assert(store_key_unseal(key, id, bytes_of(sealed, sizeof sealed), plain));
    cr_expect_eq(memcmp(plain, "12345", 5), 0);

    cr_expect_not(
        store_key_unseal(key, bytes_of("E-2", 3), bytes_of(sealed, sizeof sealed), plain));
    cr_expect_not(store_key_unseal(key, id, bytes_of(sealed, sizeof sealed - 1), plain));
    cr_expect_not(store_key_unseal(key, id, bytes_of(sealed, SEAL_OVERHEAD - 1), plain));
    cr_expect_not(store_key_unseal(key, id, bytes_of(sealed, 0), plain));
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 1;
        cr_expect_not(store_key_unseal(key, id, bytes_of(sealed, sizeof sealed), plain));
        sealed[i] ^= 1;
    }
    store_key_close(key);
}

Test(keys, nothing_can_be_sealed)
{
    struct store_key *key = known_key();
    uint8_t sealed[SEAL_OVERHEAD];
    uint8_t plain[1];
    store_key_seal(key, bytes_of("E", 1), bytes_of("", 0), sealed);
    cr_expect(store_key_unseal(key, bytes_of("E", 1), bytes_of(sealed, sizeof sealed), plain));
    store_key_close(key);
}

Test(keys, closing_nothing_is_allowed)
{
    store_key_close(NULL);
    identity_close(NULL);
    key_prf_close(NULL);
}
