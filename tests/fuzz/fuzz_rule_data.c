/* The four files of rule data, NUL between them; behind a fifth NUL an issuer to look up. */
#include <unistd.h>

#include "operators/support/rule_data.h"
#include "tests/fuzz/fuzz.h"

enum { FILES = 4, PATH_SIZE = 64 };

static char folder[PATH_SIZE / 2];
static const char *const names[FILES] = {"iso_3166.csv", "country_aliases.csv",
                                         "document_templates.csv", "personal_number_issuers.csv"};

static void path_of(int file, char path[PATH_SIZE])
{
    (void)snprintf(path, PATH_SIZE, "%s/%s", folder, names[file]);
}

static void remove_folder(void)
{
    char path[PATH_SIZE];
    for (int i = 0; i < FILES; i++) {
        path_of(i, path);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

/* Once a process; in memory where that can be had. */
static void make_folder(void)
{
    if (*folder)
        return;
    (void)snprintf(folder, sizeof folder, "%s/fuzz_rules_XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(folder) && atexit(remove_folder) == 0);
}

static void write_file(int file, struct bytes content)
{
    char path[PATH_SIZE];
    path_of(file, path);
    FILE *out = fopen(path, "wb");
    CHECK(out);
    CHECK(content.size == 0 || fwrite(content.data, content.size, 1, out) == 1);
    CHECK(fclose(out) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct rule_data *rules = NULL;
    struct error err = {0};
    make_folder();
    for (int i = 0; i < FILES; i++)
        write_file(i, fuzz_take(&input, 0));
    if (rule_data_open(folder, &rules, &err) == STATUS_OK) {
        struct issuer issuer;
        enum issuer_kind kind = rule_data_find_issuer(rules, input, &issuer);
        CHECK((kind == ISSUER_KNOWN) == !issuer_is_none(issuer));
        (void)rule_data_is_personal_number(rules, issuer);
        (void)rule_data_canonical_hash(rules);
    } else {
        CHECK(err.exit_code == EX_CONFIG && err.text[0] && !rules);
    }
    rule_data_close(rules);
    return 0;
}
