#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/clock.h"
#include "pipeline/limits.h"
#include "tests/unit/registry_fixture.h"

/* --- time is what the tests say; looks at it are counted -------------------------------------- */

static const uint64_t ms_ns = 1000000;
static _Atomic uint64_t now_ns = 1;
static _Atomic uint64_t looks;

uint64_t clock_monotonic_ns(void)
{
    atomic_fetch_add(&looks, 1);
    return atomic_load(&now_ns);
}

int64_t clock_wall_ms(void)
{
    return 0;
}

uint64_t clock_process_cpu_ns(void)
{
    return 0;
}

void clock_sleep_ms(uint32_t ms)
{
    (void)ms;
}

/* The fetch thread, which has something to try again, went round with the time as it is. Each round
 * looks at the time once, a fetch a few times more. */
static void let_it_go_round(void)
{
    uint64_t enough = atomic_load(&looks) + 20;
    while (atomic_load(&looks) < enough)
        (void)sched_yield();
}

/* --- a folder of its own for each test -------------------------------------------------------- */

static char folder[] = "/tmp/checkit-registry-XXXXXX";

static const char *path_of(const char *name)
{
    static _Thread_local char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

static void write_file_of_size(const char *name, off_t size)
{
    int file = open(path_of(name), O_WRONLY | O_CREAT, 0600);
    cr_assert_geq(file, 0);
    cr_assert_eq(ftruncate(file, size), 0);
    (void)close(file);
}

static void open_registry(void)
{
    struct error err = {0};
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(registry_open_folder(folder, &registry, &err), STATUS_OK, "%s", err.text);
}

static void close_registry(void)
{
    registry_close(registry);
    DIR *directory = opendir(folder);
    cr_assert_not_null(directory);
    for (const struct dirent *file = readdir(directory); file; file = readdir(directory))
        if (unlink(path_of(file->d_name)) != 0)
            (void)rmdir(path_of(file->d_name)); /* also "." and "..", in vain */
    (void)closedir(directory);
    (void)rmdir(folder);
}

static void expect_still_pending(uint32_t id)
{
    cr_assert_eq(find_now(id), REGISTRY_PENDING);
    let_it_go_round();
    cr_assert_eq(find_now(id), REGISTRY_PENDING);
}

TestSuite(registry, .init = open_registry, .fini = close_registry, .timeout = 100);

/* --- found, absent, pending ------------------------------------------------------------------- */

Test(registry, first_question_is_pending)
{
    write_file("7.avsc", "\"string\"");
    cr_assert_eq(find_now(7), REGISTRY_PENDING);
    expect_found(7, "\"string\"");
}

Test(registry, schema_found_stays_where_it_is)
{
    struct bytes first;
    struct bytes later;
    write_file("1.avsc", "\"int\"");
    cr_assert_eq(wait_for_answer(1, &first), REGISTRY_FOUND);
    (void)unlink(path_of("1.avsc"));
    for (uint32_t id = 2; id < 100; id++)
        expect_absent(id);
    atomic_fetch_add(&now_ns, 3600000 * ms_ns);
    cr_assert_eq(registry_find(registry, 1, &later), REGISTRY_FOUND);
    cr_assert_eq(later.data, first.data);
    cr_assert(bytes_equal_text(later, "\"int\""));
}

Test(registry, lowest_and_highest_id_are_found)
{
    write_file("1.avsc", "\"int\"");
    write_file("4294967295.avsc", "\"long\"");
    expect_found(UINT32_MAX, "\"long\"");
    expect_found(1, "\"int\"");
}

Test(registry, id_zero_is_absent_at_once)
{
    write_file("0.avsc", "\"int\"");
    cr_assert_eq(find_now(0), REGISTRY_ABSENT);
}

Test(registry, absent_is_remembered_for_30_seconds)
{
    expect_absent(5);
    write_file("5.avsc", "\"int\"");
    atomic_fetch_add(&now_ns, 30000 * ms_ns - 1);
    cr_assert_eq(find_now(5), REGISTRY_ABSENT);
    atomic_fetch_add(&now_ns, 1);
    cr_assert_eq(find_now(5), REGISTRY_PENDING);
    expect_found(5, "\"int\"");
}

Test(registry, more_absent_ids_than_are_remembered_forget_the_oldest)
{
    for (uint32_t id = 1; id <= 1024; id++) {
        atomic_fetch_add(&now_ns, 1);
        expect_absent(id);
    }
    cr_assert_eq(find_now(1), REGISTRY_ABSENT);
    atomic_fetch_add(&now_ns, 1);
    expect_absent(1025);
    cr_assert_eq(find_now(2), REGISTRY_ABSENT);
    cr_assert_eq(find_now(1025), REGISTRY_ABSENT);
    cr_assert_eq(find_now(1), REGISTRY_PENDING);
}

Test(registry, schema_at_the_limit_is_found_and_one_above_absent)
{
    struct bytes schema;
    write_file_of_size("1.avsc", SCHEMA_BYTES_MAX);
    write_file_of_size("2.avsc", SCHEMA_BYTES_MAX + 1);
    cr_assert_eq(wait_for_answer(1, &schema), REGISTRY_FOUND);
    cr_assert_eq(schema.size, SCHEMA_BYTES_MAX);
    expect_absent(2);
}

Test(registry, folder_that_is_gone_holds_and_is_asked_again_with_back_off)
{
    char aside[sizeof folder + 8];
    (void)snprintf(aside, sizeof aside, "%s.aside", folder);
    write_file("3.avsc", "\"int\"");
    cr_assert_eq(rename(folder, aside), 0);

    static const uint64_t waits_ms[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};
    expect_still_pending(3);
    for (size_t i = 0; i < sizeof waits_ms / sizeof *waits_ms; i++) {
        atomic_fetch_add(&now_ns, waits_ms[i] * ms_ns - 1);
        expect_still_pending(3);
        if (i + 1 == sizeof waits_ms / sizeof *waits_ms) {
            cr_assert_eq(rename(aside, folder), 0);
            expect_still_pending(3); /* it is there, but it is not yet time */
        }
        atomic_fetch_add(&now_ns, 1);
        if (i + 1 < sizeof waits_ms / sizeof *waits_ms)
            expect_still_pending(3);
    }
    expect_found(3, "\"int\"");
}

Test(registry, back_off_begins_at_100_ms)
{
    write_file("3.avsc", "");
    expect_still_pending(3);
    write_file("3.avsc", "\"int\"");
    atomic_fetch_add(&now_ns, 100 * ms_ns - 1);
    expect_still_pending(3);
    atomic_fetch_add(&now_ns, 1);
    expect_found(3, "\"int\"");
}

Test(registry, what_is_not_a_readable_file_holds)
{
    cr_assert_eq(mkdir(path_of("1.avsc"), 0700), 0);
    cr_assert_eq(mkfifo(path_of("2.avsc"), 0600), 0);
    write_file("3.avsc", "");
    cr_assert_eq(symlink("4.avsc", path_of("4.avsc")), 0);
    for (uint32_t id = 1; id <= 4; id++)
        expect_still_pending(id);
}

Test(registry, pending_id_does_not_keep_others_waiting)
{
    write_file("1.avsc", "");
    write_file("2.avsc", "\"int\"");
    expect_still_pending(1);
    expect_found(2, "\"int\"");
    expect_absent(9);
    expect_still_pending(1);
}

enum { ASKERS = 4, ASKED_IDS = 64 };

static void *ask_for_all(void *argument)
{
    (void)argument;
    for (uint32_t id = 1; id <= ASKED_IDS; id++) {
        struct bytes schema;
        bool is_there = id % 2 == 0;
        enum registry_answer answer = wait_for_answer(id, &schema);
        cr_assert_eq(answer, is_there ? REGISTRY_FOUND : REGISTRY_ABSENT);
        if (is_there)
            cr_assert(bytes_equal_text(schema, "\"int\""));
    }
    return NULL;
}

Test(registry, many_threads_get_the_same_answers)
{
    pthread_t threads[ASKERS];
    char name[32];
    for (uint32_t id = 2; id <= ASKED_IDS; id += 2) {
        (void)snprintf(name, sizeof name, "%u.avsc", id);
        write_file(name, "\"int\"");
    }
    for (int i = 0; i < ASKERS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, ask_for_all, NULL), 0);
    for (int i = 0; i < ASKERS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
}

/* --- by fingerprint --------------------------------------------------------------------------- */

static const uint64_t fingerprint_of_int = 8247732601305521295U;

static enum registry_answer wait_for_fingerprint(struct bytes *schema)
{
    enum registry_answer answer;
    while ((answer = registry_find_fingerprint(registry, fingerprint_of_int, schema)) ==
           REGISTRY_PENDING)
        (void)sched_yield();
    return answer;
}

Test(registry, schema_is_found_by_its_fingerprint)
{
    struct bytes schema;
    write_file("1.avsc", "\"long\"");
    write_file("2.avsc", "no schema");
    write_file("9.avsc", "{\"type\": \"int\"}");
    write_file("10.avsc", "\"int\"");
    cr_assert_eq(wait_for_fingerprint(&schema), REGISTRY_FOUND);
    cr_assert(bytes_equal_text(schema, "{\"type\": \"int\"}"));
    expect_found(1, "\"long\""); /* ids and fingerprints stand side by side */
}

Test(registry, absent_fingerprint_is_remembered_for_30_seconds)
{
    struct bytes schema;
    cr_assert_eq(wait_for_fingerprint(&schema), REGISTRY_ABSENT);
    write_file("5.avsc", "\"int\"");
    atomic_fetch_add(&now_ns, 30000 * ms_ns - 1);
    cr_assert_eq(wait_for_fingerprint(&schema), REGISTRY_ABSENT);
    atomic_fetch_add(&now_ns, 1);
    cr_assert_eq(wait_for_fingerprint(&schema), REGISTRY_FOUND);
}

Test(registry, fingerprint_is_held_while_a_file_cannot_be_read)
{
    struct bytes schema;
    write_file("5.avsc", "");
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(registry_find_fingerprint(registry, fingerprint_of_int, &schema),
                     REGISTRY_PENDING);
        let_it_go_round();
    }
    write_file("5.avsc", "\"int\"");
    atomic_fetch_add(&now_ns, 100 * ms_ns);
    cr_assert_eq(wait_for_fingerprint(&schema), REGISTRY_FOUND);
}

/* --- the id of our own ------------------------------------------------------------------------ */

static const char ours[] = "{\n  \"type\": \"record\", \"name\": \"Alert\",\n"
                           "  \"doc\": \"a \\\" b  c\", \"fields\": [] }\n";
static const char ours_otherwise_spaced[] =
    "{\"type\":\"record\",\"name\":\"Alert\",\r\n\t\"doc\":\"a \\\" b  c\",\"fields\":[]}";
static const char another[] =
    "{\"type\":\"record\",\"name\":\"Alert\",\"doc\":\"a \\\" b c\",\"fields\":[]}";

static void expect_no_id(const char *word)
{
    struct error err = {0};
    uint32_t id = 0;
    cr_assert_eq(registry_id_of(registry, "alerts", ours, &id, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_CONFIG);
    cr_assert_not_null(strstr(err.text, word), "%s", err.text);
    cr_assert_not_null(strstr(err.text, folder), "%s", err.text);
}

static void expect_id(uint32_t expected)
{
    struct error err = {0};
    uint32_t id = 0;
    cr_assert_eq(registry_id_of(registry, "alerts", ours, &id, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(id, expected);
}

Test(registry, our_schema_is_known_whatever_its_spacing)
{
    write_file("3.avsc", another);
    write_file("12.avsc", ours_otherwise_spaced);
    expect_id(12);
}

Test(registry, our_schema_twice_gives_the_lowest_id)
{
    write_file("10.avsc", ours);
    write_file("9.avsc", ours_otherwise_spaced);
    write_file("4294967295.avsc", ours);
    expect_id(9);
}

Test(registry, our_schema_missing_gives_its_name_and_what_to_do)
{
    expect_no_id(" Alert");
    write_file("3.avsc", another);
    write_file("4.avsc", "\"name");
    expect_no_id("checkit schemas");
}

Test(registry, other_file_names_are_no_ids)
{
    static const char *const names[] = {
        "0.avsc",     "007.avsc", "x.avsc",          ".avsc",
        "5.avsc.tmp", "5",        "-5.avsc",         "+5.avsc",
        "5 .avsc",    "5.AVSC",   "4294967296.avsc", "99999999999999999999999999.avsc"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        write_file(names[i], ours);
    expect_no_id("Alert");
}

Test(registry, folder_gone_gives_no_id)
{
    cr_assert_eq(rmdir(folder), 0);
    expect_no_id("cannot be read");
    cr_assert_eq(mkdir(folder, 0700), 0);
}

Test(registry_open, missing_folder_is_a_configuration_fault)
{
    struct error err = {0};
    struct registry *none = NULL;
    cr_assert_eq(registry_open_folder("/tmp/checkit-there-is-no-such-folder", &none, &err),
                 STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_CONFIG);
    cr_assert_not_null(strstr(err.text, "no-such-folder"));
    cr_assert_null(none);
}

Test(registry_open, close_of_nothing_is_fine)
{
    registry_close(NULL);
}
