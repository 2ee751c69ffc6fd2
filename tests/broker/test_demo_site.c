#include "pipeline/run/demo_site.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "operators/support/kafka.h"

static struct demo_site *site;
static struct error err;

static void open_site(void)
{
    const struct demo_sizes sizes = {.entries = 1000, .bookings = 100000, .bankings = 1000};
    cr_assert_eq(demo_site_open(&sizes, &site, &err), STATUS_OK, "%s", err.text);
}

static void close_site(void)
{
    demo_site_close(site);
}

TestSuite(demo_site, .init = open_site, .fini = close_site);

static uint32_t partitions_of(const char *topic)
{
    struct kafka_consumer *reader = NULL;
    uint32_t count = 0;
    cr_assert_eq(kafka_reader_open(demo_site_config(site), topic, "test", &reader, &err), STATUS_OK,
                 "%s", err.text);
    cr_assert_eq(kafka_partitions(reader, 0, &count, &err), STATUS_OK, "%s", err.text);
    kafka_consumer_close(reader);
    return count;
}

Test(demo_site, topics_have_room_for_what_is_to_come)
{
    const struct config *config = demo_site_config(site);
    cr_assert_eq(config->inputs_count, 2);
    cr_assert_geq(partitions_of(config->inputs[0].topic) * 5, 100000 * 171 / 1000000,
                  "5 MB a partition");
    cr_assert_geq(partitions_of(config->feed_topic), 1);
    cr_assert_geq(partitions_of(config->alerts_topic), 1);
    cr_assert_geq(partitions_of(config->receipts_topic), 1);
    cr_assert_geq(partitions_of(config->dead_letters_topic), 1);
}

/* With a second worker one run in about twenty ended with SIGABRT, on a machine that was busy. */
Test(demo_site, group_has_one_member)
{
    cr_assert_eq(demo_site_config(site)->workers, 1);
}

Test(demo_site, folder_is_ours_alone_and_holds_keys_and_contracts)
{
    const struct config *config = demo_site_config(site);
    struct stat info;
    cr_assert_eq(stat(demo_site_folder(site), &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0700);
    cr_assert_eq(stat(config->store_key_path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0400);
    cr_assert_eq(stat(config->identity_key_path, &info), 0);
    cr_assert_eq(stat(config->schemas_folder, &info), 0);
    cr_assert_eq(
        strncmp(config->store_path, demo_site_folder(site), strlen(demo_site_folder(site))), 0);
}

Test(demo_site, closing_leaves_nothing_behind)
{
    char folder[4096];
    struct stat info;
    (void)snprintf(folder, sizeof folder, "%s", demo_site_folder(site));
    demo_site_close(site);
    site = NULL;
    cr_assert_neq(stat(folder, &info), 0);
    demo_site_close(NULL);
}

Test(demo_site, folder_that_cannot_be_made_is_told_and_leaves_nothing, .init = NULL)
{
    struct demo_site *none = NULL;
    const struct demo_sizes sizes = {1, 1, 1};
    cr_assert_eq(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
    cr_assert_eq(demo_site_open(&sizes, &none, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "/nowhere/at/all"), "%s", err.text);
    cr_assert_null(none);
}
