#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operators/support/rule_data.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/memory.h"

enum { FILES = 4, PATH_BYTES = 256 };
enum { COUNTRIES, ALIASES, TEMPLATES, PERSONAL };

static const char *const names[FILES] = {"iso_3166.csv", "country_aliases.csv",
                                         "document_templates.csv", "personal_number_issuers.csv"};

/* A small set without fault, which tests change a file of. */
static const char *const sound[FILES] = {
    "# countries\n\nalpha_2,alpha_3\nFR,FRA\nDE,DEU\nHK,HKG\nCN,CHN\n",
    "alias,issuer\nD,DEU\nHK,CHN\nHKG,CHN\nUNO,UNO\nXXX,-\nUTO,SPECIMEN\n",
    "issuer,type,template\nFRA,PASSPORT,D{2}L{2}D{5}\nFRA,ID_CARD,D{12}\n",
    "issuer\nCHN\n",
};

/* --- helpers --- */

static struct rule_data *open_assets(void)
{
    struct error err;
    struct rule_data *data = NULL;
    cr_assert_eq(rule_data_open(NULL, &data, &err), STATUS_OK, "%s", err.text);
    return data;
}

/* Opens a folder with these files; NULL: that file is not there. */
static enum status open_files(const char *const files[FILES], struct rule_data **data,
                              struct error *err)
{
    char folder[] = "/tmp/rule_data_XXXXXX";
    cr_assert(mkdtemp(folder));
    char paths[FILES][PATH_BYTES];
    for (int i = 0; i < FILES; i++) {
        snprintf(paths[i], PATH_BYTES, "%s/%s", folder, names[i]);
        if (!files[i])
            continue;
        FILE *file = fopen(paths[i], "wb");
        cr_assert(file);
        cr_assert_eq(fwrite(files[i], 1, strlen(files[i]), file), strlen(files[i]));
        cr_assert_eq(fclose(file), 0);
    }
    enum status status = rule_data_open(folder, data, err);
    for (int i = 0; i < FILES; i++)
        unlink(paths[i]);
    cr_assert_eq(rmdir(folder), 0);
    return status;
}

/* The sound set with one file changed. */
static struct rule_data *open_with(int file, const char *content)
{
    const char *files[FILES];
    memcpy(files, sound, sizeof files);
    files[file] = content;
    struct error err;
    struct rule_data *data = NULL;
    cr_assert_eq(open_files(files, &data, &err), STATUS_OK, "%s", err.text);
    return data;
}

/* The error names the file, the line and the value, and says what is wrong. */
static void expect_fault(int file, const char *content, const char *text)
{
    const char *files[FILES];
    memcpy(files, sound, sizeof files);
    files[file] = content;
    struct error err = {0};
    struct rule_data *data = NULL;
    cr_expect_eq(open_files(files, &data, &err), STATUS_FAIL, "%s was taken", text);
    cr_expect_null(data);
    rule_data_close(data);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    cr_expect(strstr(err.text, names[file]), "%s", err.text);
    cr_expect(strstr(err.text, text), "'%s' does not say '%s'", err.text, text);
}

static void expect_kind(const struct rule_data *data, struct bytes sent, enum issuer_kind kind,
                        const char *code)
{
    struct issuer issuer = {{'?', '?', '?'}};
    struct issuer expected = {0};
    if (code)
        memcpy(expected.code, code, sizeof expected.code);
    cr_expect_eq(rule_data_find_issuer(data, sent, &issuer), kind, "'%.*s'", (int)sent.size,
                 (const char *)sent.data);
    cr_expect(issuer_equal(issuer, expected), "'%.*s' gives %.3s", (int)sent.size,
              (const char *)sent.data, issuer.code);
}

static void expect_known(const struct rule_data *data, const char *sent, const char *code)
{
    expect_kind(data, bytes_of_text(sent), ISSUER_KNOWN, code);
}

static void expect_none(const struct rule_data *data, const char *sent)
{
    expect_kind(data, bytes_of_text(sent), ISSUER_NONE, NULL);
}

static void expect_unknown(const struct rule_data *data, const char *sent)
{
    expect_kind(data, bytes_of_text(sent), ISSUER_UNKNOWN, NULL);
}

/* --- issuers --- */

Test(rule_data, country_codes_of_two_and_three_letters_known)
{
    struct rule_data *data = open_assets();
    expect_known(data, "FRA", "FRA");
    expect_known(data, "FR", "FRA");
    expect_known(data, "fr", "FRA");
    expect_known(data, "\t\n\v\f\r fra \r\n", "FRA");
    expect_known(data, "F-R.<A", "FRA");
    expect_known(data, "-. F R <", "FRA");
    expect_known(data, "NA", "NAM");
    expect_known(data, "N.A", "NAM"); /* only N.A. with both dots says none */
    rule_data_close(data);
}

Test(rule_data, aliases_win_and_are_final)
{
    struct rule_data *data = open_assets();
    expect_known(data, "D", "DEU");
    expect_known(data, "D<<", "DEU");
    expect_known(data, "GBD", "GBR");
    expect_known(data, "uk", "GBR");
    expect_known(data, "HKG", "CHN"); /* a country of its own in ISO 3166-1 */
    expect_known(data, "HK", "CHN");
    expect_known(data, "XK", "RKS"); /* no country of ISO 3166-1 */
    expect_known(data, "RKS", "RKS");
    expect_known(data, "ZAR", "COD");
    expect_none(data, "XXA");
    expect_none(data, "xxx");
    expect_kind(data, bytes_of_text("UTO"), ISSUER_SPECIMEN, NULL);
    expect_kind(data, bytes_of_text("u.t.o."), ISSUER_SPECIMEN, NULL);
    rule_data_close(data);
}

Test(rule_data, alias_of_an_alias_not_followed)
{
    struct rule_data *data =
        open_with(ALIASES, "alias,issuer\nAAA,BBB\nBBB,FRA\nFR,DEU\nCHN,CHN\n");
    expect_known(data, "AAA", "BBB");
    expect_known(data, "BBB", "FRA");
    expect_known(data, "FR", "DEU");
    expect_known(data, "FRA", "FRA");
    rule_data_close(data);
}

Test(rule_data, absent_or_said_to_be_none_none)
{
    struct rule_data *data = open_assets();
    expect_kind(data, (struct bytes){0}, ISSUER_NONE, NULL);
    const char *const none[] = {"",    "  ",  "\t\r\n", "N/A",    "n/a",    "N.A.", "n.a.", "NIL",
                                "nil", "Nil", "NONE",   " none ", "\tnOnE", "-",    "<<<",  ". -<"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        expect_none(data, none[i]);
    rule_data_close(data);
}

Test(rule_data, anything_else_unknown)
{
    struct rule_data *data = open_assets();
    const char *const unknown[] = {
        "QQQ",  "QQ",      "Q",      "FRAN", "SPECIMEN",  "N-I-L",          "NON",  "N/A.", "N//A",
        "FR1",  "F\tRA",   "1",      "F/RA", "F\xC3\x89", "\xEF\xBC\xA6RA", "@FRA", "[FRA", "`FRA",
        "{FRA", "FRA,DEU", "GERMANY"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        expect_unknown(data, unknown[i]);
    expect_kind(data, bytes_of("FR\0A", 4), ISSUER_UNKNOWN, NULL);
    rule_data_close(data);
}

Test(rule_data, every_code_answered_as_the_files_say)
{
    struct rule_data *data = open_assets();
    uint32_t known = 0;
    char code[3];
    for (code[0] = 'A'; code[0] <= 'Z'; code[0]++)
        for (code[1] = 'A'; code[1] <= 'Z'; code[1]++)
            for (code[2] = 'A'; code[2] <= 'Z'; code[2]++) {
                struct issuer issuer;
                enum issuer_kind kind = rule_data_find_issuer(data, bytes_of(code, 3), &issuer);
                known += kind == ISSUER_KNOWN;
            }
    /* 249 countries (10 of them aliases of another), and the 29 aliases of three letters that are
     * no country: GBD GBN GBO GBP GBS RKS XKX UNK ROM ZAR TMP UNO UNA EUE XOM XPO XBA XIM XCC XCE
     * XCO XEC XMP XES XDC KOS YUG SCG ANT. */
    cr_expect_eq(known, 249 + 29);
    rule_data_close(data);
}

Test(rule_data, country_list_has_the_249_codes)
{
    struct bytes asset = assets_find("config/rules/iso_3166.csv");
    cr_assert(asset.data);
    uint32_t rows = 0;
    const char *end = (const char *)asset.data + asset.size;
    for (const char *at = (const char *)asset.data; at < end; at++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        cr_assert(newline);
        rows += newline - at == strlen("FR,FRA") && at[2] == ',';
        at = newline;
    }
    cr_expect_eq(rows, 249);
}

/* --- personal numbers --- */

Test(rule_data, personal_number_issuers_as_listed)
{
    struct rule_data *data = open_assets();
    const char *const listed[] = {"CHN", "MYS", "PAK", "TUR", "ZAF"};
    struct issuer issuer;
    for (size_t i = 0; i < sizeof listed / sizeof listed[0]; i++) {
        memcpy(issuer.code, listed[i], sizeof issuer.code);
        cr_expect(rule_data_is_personal_number(data, issuer), "%s", listed[i]);
    }
    cr_expect_not(rule_data_is_personal_number(data, (struct issuer){{'F', 'R', 'A'}}));
    cr_expect_not(rule_data_is_personal_number(data, (struct issuer){0}));
    rule_data_close(data);
}

/* --- hash --- */

static uint64_t hash_with(int file, const char *content)
{
    struct rule_data *data = open_with(file, content);
    uint64_t hash = rule_data_canonical_hash(data);
    rule_data_close(data);
    return hash;
}

Test(rule_data, hash_follows_what_canonical_forms_depend_on)
{
    uint64_t hash = hash_with(ALIASES, sound[ALIASES]);
    cr_expect_neq(hash, hash_with(COUNTRIES, "alpha_2,alpha_3\nFR,FRA\nDE,DEU\nHK,HKG\nCN,CHN\n"
                                             "IT,ITA\n"));
    cr_expect_neq(hash, hash_with(ALIASES, "alias,issuer\nD,FRA\nHK,CHN\nHKG,CHN\nUNO,UNO\nXXX,-\n"
                                           "UTO,SPECIMEN\n"));
    cr_expect_neq(hash, hash_with(ALIASES, "alias,issuer\nD,DEU\nHK,CHN\nHKG,CHN\nUNO,UNO\n"
                                           "XXX,SPECIMEN\nUTO,SPECIMEN\n"));
    cr_expect_neq(hash, hash_with(ALIASES, "alias,issuer\nE,DEU\nHK,CHN\nHKG,CHN\nUNO,UNO\nXXX,-\n"
                                           "UTO,SPECIMEN\n"));
}

Test(rule_data, hash_ignores_order_comments_and_other_files)
{
    uint64_t hash = hash_with(ALIASES, sound[ALIASES]);
    cr_expect_eq(hash, hash_with(ALIASES, "# other\nalias,issuer\n\nUTO,SPECIMEN\nXXX,-\nUNO,UNO\n"
                                          "HKG,CHN\nHK,CHN\nD,DEU\n"));
    cr_expect_eq(hash, hash_with(TEMPLATES, "issuer,type,template\n"));
    cr_expect_eq(hash, hash_with(PERSONAL, "issuer\n"));
}

/* --- the format of the files --- */

Test(rule_data, comments_blank_lines_and_line_ends_skipped)
{
    struct rule_data *data =
        open_with(ALIASES, "# a\r\n\r\n  \t\n#\nalias,issuer\r\n# b\n\nD,DEU\r\nE,FRA\n\nCHN,CHN");
    expect_known(data, "D", "DEU");
    expect_known(data, "E", "FRA");
    rule_data_close(data);
}

Test(rule_data, file_missing_named)
{
    for (int i = 0; i < FILES; i++)
        expect_fault(i, NULL, "cannot be opened");
}

Test(rule_data, folder_name_too_long_refused)
{
    char folder[5000];
    memset(folder, 'x', sizeof folder);
    folder[sizeof folder - 1] = 0;
    struct error err = {0};
    struct rule_data *data = NULL;
    cr_expect_eq(rule_data_open(folder, &data, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    cr_expect_null(data);
}

Test(rule_data, file_size_at_limit)
{
    size_t size_max = 1024 * 1024;
    char *text = memory_new(size_max + 2, 1);
    memset(text, '\n', size_max);
    memcpy(text, sound[PERSONAL], strlen(sound[PERSONAL]));
    rule_data_close(open_with(PERSONAL, text));
    text[size_max] = '\n';
    expect_fault(PERSONAL, text, "larger than 1 MiB");
    memory_free(text);
}

Test(rule_data, header_missing_or_other_refused)
{
    for (int i = 0; i < FILES; i++) {
        expect_fault(i, "", "header");
        expect_fault(i, "# only a comment\n\n", "header");
        expect_fault(i, "\nFRA,FRA\n", "line 2: the header must be");
    }
}

Test(rule_data, country_list_without_rows_refused)
{
    expect_fault(COUNTRIES, "alpha_2,alpha_3\n", "no row");
}

Test(rule_data, fields_missing_or_too_many_refused)
{
    expect_fault(COUNTRIES, "alpha_2,alpha_3\nFR\n", "line 2: 1 fields, the header has 2");
    expect_fault(COUNTRIES, "alpha_2,alpha_3\nFR,FRA,250,x\n", "line 2: 4 fields");
    expect_fault(ALIASES, "alias,issuer\nD,DEU,\n", "line 2: 3 fields");
    expect_fault(TEMPLATES, "issuer,type,template\nFRA,PASSPORT\n", "2 fields, the header has 3");
    expect_fault(PERSONAL, "issuer\nCHN,FRA\n", "2 fields, the header has 1");
}

Test(rule_data, header_is_compared_field_by_field)
{
    rule_data_close(open_with(ALIASES, "\"alias\",\"issuer\"\nD,\"DEU\"\n"));
    static const char *const others[] = {"alias",          "alias,",           "alias,issuer,",
                                         "alias,issuer,x", "\"alias,issuer\"", "alias,issue",
                                         "alias, issuer"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        expect_fault(ALIASES, others[i], "line 1: the header must be 'alias,issuer'");
}

Test(rule_data, what_is_no_csv_refused)
{
    expect_fault(ALIASES, "alias,issuer\nD,DEU\nE,\"FRA\n",
                 "country_aliases.csv:3: a quote is opened");
}

Test(rule_data, long_value_cut_in_message)
{
    char text[512] = "issuer\n";
    memset(text + 7, 'x', 400);
    expect_fault(PERSONAL, text, "line 2: 'xxxx");
    char whole[512] = {0};
    memset(whole, 'x', 81);
    struct error err = {0};
    struct rule_data *data = NULL;
    const char *files[FILES] = {sound[0], sound[1], sound[2], text};
    cr_expect_eq(open_files(files, &data, &err), STATUS_FAIL);
    cr_expect_null(strstr(err.text, whole));
    whole[80] = 0;
    cr_expect(strstr(err.text, whole));
}

Test(rule_data, country_faults_named)
{
    expect_fault(COUNTRIES, "#\nalpha_2,alpha_3\nFRA,FRA\n", "line 3: 'FRA' is not an alpha-2");
    expect_fault(COUNTRIES, "alpha_2,alpha_3\nfr,FRA\n", "line 2: 'fr' is not an alpha-2");
    expect_fault(COUNTRIES, "alpha_2,alpha_3\nFR,FR\n", "line 2: 'FR' is not an alpha-3");
    expect_fault(COUNTRIES, "alpha_2,alpha_3\nFR,FRA \n", "line 2: 'FRA ' is not an alpha-3");
    expect_fault(COUNTRIES, "alpha_2,alpha_3\nFR,FRA\nFR,DEU\n", "line 3: 'FR' stands here twice");
    expect_fault(COUNTRIES, "alpha_2,alpha_3\nFR,FRA\nDE,FRA\n", "line 3: 'FRA' stands here twice");
}

Test(rule_data, alias_faults_named)
{
    expect_fault(ALIASES, "alias,issuer\n,DEU\n", "line 2: '' is not an alias");
    expect_fault(ALIASES, "alias,issuer\nABCD,DEU\n", "line 2: 'ABCD' is not an alias");
    expect_fault(ALIASES, "alias,issuer\nd,DEU\n", "line 2: 'd' is not an alias");
    expect_fault(ALIASES, "alias,issuer\nA1,DEU\n", "line 2: 'A1' is not an alias");
    expect_fault(ALIASES, "alias,issuer\nD,DE\n", "line 2: 'DE' is neither");
    expect_fault(ALIASES, "alias,issuer\nD,\n", "line 2: '' is neither");
    expect_fault(ALIASES, "alias,issuer\nD,--\n", "line 2: '--' is neither");
    expect_fault(ALIASES, "alias,issuer\nD,specimen\n", "line 2: 'specimen' is neither");
    expect_fault(ALIASES, "alias,issuer\nD,DEU\nD,DEU\n", "line 3: 'D' stands here twice");
    expect_fault(ALIASES, "alias,issuer\nQQ,-\nQQ,FRA\n", "line 3: 'QQ' stands here twice");
}

Test(rule_data, personal_number_faults_named)
{
    expect_fault(PERSONAL, "issuer\nCN\n", "line 2: 'CN' is not an issuer");
    expect_fault(PERSONAL, "issuer\nQQQ\n", "line 2: 'QQQ' is no issuer");
    expect_fault(PERSONAL, "issuer\nXXX\n", "line 2: 'XXX' is no issuer");
    expect_fault(PERSONAL, "issuer\nUTO\n", "line 2: 'UTO' is no issuer");
    expect_fault(PERSONAL, "issuer\nHKG\n", "line 2: 'HKG' is an alias");
    expect_fault(PERSONAL, "issuer\nCHN\nCHN\n", "line 3: 'CHN' stands here twice");
}

/* --- templates --- */

static void expect_template(const char *template)
{
    char text[256];
    snprintf(text, sizeof text, "issuer,type,template\nFRA,PASSPORT,%s\n", template);
    rule_data_close(open_with(TEMPLATES, text));
}

static void expect_template_fault(const char *template, const char *why)
{
    char text[256];
    char fault[256];
    snprintf(text, sizeof text, "issuer,type,template\nFRA,PASSPORT,%s\n", template);
    snprintf(fault, sizeof fault, "line 2: '%s' %s", template, why);
    expect_fault(TEMPLATES, text, fault);
}

Test(rule_data, templates_within_limits_taken)
{
    expect_template("LDA");
    expect_template("D{3}");
    expect_template("A{24}");
    expect_template("L{1}D{22}L");
    expect_template("[A]LL");
    expect_template("[ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789]{24}");
    expect_template("[LDA]{03}");
}

Test(rule_data, template_faults_named)
{
    const char *const no_element[] = {"X",        "l{9}",  "[",     "[]",      "[A",   "[A{3}",
                                      "[a]LL",    "LL]",   "{3}L",  "L{2}{3}", "LLL ", "L-D",
                                      "[A-Z]{3}", "[:]LL", "[/]LL", "[[]LL",   "[@]LL"};
    for (size_t i = 0; i < sizeof no_element / sizeof no_element[0]; i++)
        expect_template_fault(no_element[i], "is not a template: elements");
    const char *const no_count[] = {"L{",    "L{3",   "L{}",  "L{0}",
                                    "L{25}", "L{-3}", "L{x}", "L{4294967299}"};
    for (size_t i = 0; i < sizeof no_count / sizeof no_count[0]; i++)
        expect_template_fault(no_count[i], "is not a template: {n}");
    expect_template_fault("A{24}D", "is a template of more than 24");
    expect_template_fault("L{2}D{23}", "is a template of more than 24");
    expect_template_fault("LD", "is a template of fewer than 3");
    expect_template_fault("", "is a template of fewer than 3");
}

Test(rule_data, template_of_no_issuer_or_type_refused)
{
    expect_fault(TEMPLATES, "issuer,type,template\nFR,PASSPORT,D{9}\n", "'FR' is not an issuer");
    expect_fault(TEMPLATES, "issuer,type,template\nQQQ,PASSPORT,D{9}\n", "'QQQ' is no issuer");
    expect_fault(TEMPLATES, "issuer,type,template\nHKG,PASSPORT,D{9}\n", "'HKG' is an alias");
    expect_fault(TEMPLATES, "issuer,type,template\nFRA,P,D{9}\n", "'P' is not a type");
    expect_fault(TEMPLATES, "issuer,type,template\nFRA,passport,D{9}\n",
                 "'passport' is not a type");
    expect_fault(TEMPLATES, "issuer,type,template\nFRA,ANY,D{9}\n", "'ANY' is not a type");
    rule_data_close(open_with(TEMPLATES, "issuer,type,template\nFRA,ID_CARD,D{9}\nFRA,VISA,D{9}\n"
                                         "FRA,CREW,D{9}\nFRA,OTHER,D{9}\nUNO,PASSPORT,D{9}\n"));
}

Test(rule_data, template_repeated_refused)
{
    expect_fault(TEMPLATES, "issuer,type,template\nFRA,PASSPORT,D{3}\nFRA,PASSPORT,DDD\n",
                 "line 3: 'DDD' stands here twice");
    rule_data_close(open_with(TEMPLATES,
                              "issuer,type,template\nFRA,PASSPORT,D{3}\n"
                              "FRA,ID_CARD,D{3}\nDEU,PASSPORT,D{3}\nFRA,PASSPORT,D{4}\n"));
}

/* --- others taken while it is used --- */

static struct issuer issuer_named(const char *code)
{
    struct issuer issuer;
    memcpy(issuer.code, code, sizeof issuer.code);
    return issuer;
}

static bool take(struct rule_data *data, int file, const char *content)
{
    struct error err = {0};
    bool changed;
    cr_assert_eq(rule_data_take(data, open_with(file, content), &changed, &err), STATUS_OK, "%s",
                 err.text);
    return changed;
}

Test(rule_data, issuers_taken_count_from_then_on)
{
    struct rule_data *data = open_with(PERSONAL, sound[PERSONAL]);
    cr_assert_not(rule_data_is_personal_number(data, issuer_named("DEU")));
    cr_assert(take(data, PERSONAL, "issuer\nDEU\n"));
    cr_assert(rule_data_is_personal_number(data, issuer_named("DEU")));
    cr_assert_not(rule_data_is_personal_number(data, issuer_named("CHN")));
    cr_assert(take(data, PERSONAL, sound[PERSONAL]));
    cr_assert(rule_data_is_personal_number(data, issuer_named("CHN")));
    rule_data_close(data);
}

Test(rule_data, templates_taken_count_and_who_asked_before_goes_on)
{
    static const struct issuer fra = {{'F', 'R', 'A'}};
    struct rule_data *data = open_with(TEMPLATES, sound[TEMPLATES]);
    const struct templates *before = &rule_data_templates(data)[issuer_index(fra)];
    cr_expect_eq(before->count, 2);
    cr_assert(take(data, TEMPLATES, "issuer,type,template\nFRA,VISA,D{9}\n"));
    cr_expect_eq(rule_data_templates(data)[issuer_index(fra)].count, 1);
    cr_expect_eq(before->count, 2);
    cr_expect(templates_fit(before, TYPE_ID_CARD, "123456789012", 12));
    rule_data_close(data);
}

Test(rule_data, the_same_again_is_no_change)
{
    struct rule_data *data = open_with(PERSONAL, sound[PERSONAL]);
    cr_assert_not(take(data, PERSONAL, "# said otherwise\nissuer\nCHN\n"));
    cr_assert(take(data, TEMPLATES, "issuer,type,template\nFRA,PASSPORT,D{9}\n"));
    cr_assert_not(take(data, TEMPLATES, "issuer,type,template\nFRA,PASSPORT,DDDD{6}\n"));
    cr_assert(take(data, TEMPLATES, "issuer,type,template\nFRA,VISA,D{9}\n"));
    rule_data_close(data);
}

Test(rule_data, other_countries_or_aliases_are_not_taken)
{
    static const struct {
        int file;
        const char *content;
    } others[] = {{COUNTRIES, "alpha_2,alpha_3\nFR,FRA\nDE,DEU\nHK,HKG\nCN,CHN\nNL,NLD\n"},
                  {ALIASES, "alias,issuer\nD,DEU\nHK,CHN\nHKG,CHN\nUNO,UNO\nXXX,-\n"}};
    struct rule_data *data = open_with(PERSONAL, sound[PERSONAL]);
    uint64_t hash = rule_data_canonical_hash(data);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct error err = {0};
        bool changed = true;
        struct rule_data *fresh = open_with(others[i].file, others[i].content);
        cr_assert_eq(rule_data_take(data, fresh, &changed, &err), STATUS_FAIL);
        cr_assert_eq(err.exit_code, EX_CONFIG);
        cr_assert_not_null(strstr(err.text, "restart"), "%s", err.text);
        cr_assert_not(changed);
        cr_assert_eq(rule_data_canonical_hash(data), hash);
    }
    rule_data_close(data);
}
