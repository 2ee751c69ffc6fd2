/* checkit feed against the embedded broker: what stands on the topic afterwards. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "operators/support/kafka_internal.h"
#include "operators/support/projection.h"
#include "operators/support/wire.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/command.h"
#include "tests/unit/temp_folder.h"

enum {
    PATIENCE_MS = 30000, /* only a failing test waits so long */
    POLL_MS = 100,
    PARTITIONS = 4,
    SCHEMA_ID = 77,
    API_PRODUCE = 0,
    TEXT_BYTES = 4096,
    ARGUMENTS_COUNT_MAX = 16,
    PENDING_ERRORS = 10000, /* more than a client asks for within a test */
};

/* --- fixture --- */

static struct temp_folder folder;
static struct kafka_mock *mock;

static void write_file(const char *name, const char *text, size_t size)
{
    char path[TEMP_PATH_SIZE];
    FILE *file = fopen(temp_path(&folder, name, path), "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

static void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

static void write_config(const char *more)
{
    char text[TEXT_BYTES];
    (void)snprintf(text, sizeof text,
                   "kafka: {bootstrap.servers: '%s'%s}\n"
                   "inputs: [{topic: bookings, preset: booking}]\n"
                   "store: {path: store, key: store.key}\n"
                   "identity_key: identity.key\n"
                   "schemas: {folder: schemas}\n"
                   "log: {level: error}\n",
                   kafka_mock_bootstrap(mock), more);
    write_text("checkit.yaml", text);
}

static void set_up(void)
{
    struct error err = {0};
    char path[TEMP_PATH_SIZE];
    cr_redirect_stdout(); /* closes it for a moment: no thread may open a socket just then */
    folder = temp_folder_make();
    cr_assert_eq(kafka_mock_open(&mock, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(mkdir(temp_path(&folder, "schemas", path), 0700), 0);
    struct bytes schema = assets_find("schemas/DocumentChange.avsc");
    write_file("schemas/77.avsc", (const char *)schema.data, schema.size);
    write_config("");
}

static void tear_down(void)
{
    kafka_mock_close(mock);
    temp_folder_remove(&folder);
}

TestSuite(feed_command, .init = set_up, .fini = tear_down);

static void make_topic(void)
{
    struct error err = {0};
    cr_assert_eq(kafka_mock_topic(mock, "document-changes", PARTITIONS, &err), STATUS_OK, "%s",
                 err.text);
}

/* Runs `checkit feed -c checkit.yaml` with more arguments, the last one NULL. */
static enum status feed(struct error *err, ...)
{
    char config[TEMP_PATH_SIZE];
    char list[TEMP_PATH_SIZE];
    char *arguments[ARGUMENTS_COUNT_MAX] = {"feed", "-c",
                                            (char *)temp_path(&folder, "checkit.yaml", config),
                                            (char *)temp_path(&folder, "list.csv", list)};
    int count = 4;
    va_list more;
    va_start(more, err);
    while ((arguments[count] = va_arg(more, char *)))
        count++;
    va_end(more);
    *err = (struct error){0};
    return command_feed(count, arguments, err);
}

/* --- reading the topic back --- */

struct topic {
    struct kafka_consumer *reader;
    struct projection *projection;
    struct config *config;
    struct kafka_position positions[PARTITIONS];
    int64_t ends[PARTITIONS];
    int64_t left;
};

static void open_topic(struct topic *topic)
{
    struct error err = {0};
    char path[TEMP_PATH_SIZE];
    struct bytes schema = assets_find("schemas/DocumentChange.avsc");
    *topic = (struct topic){0};
    cr_assert_eq(
        projection_compile_change((const char *)schema.data, schema.size, &topic->projection, &err),
        STATUS_OK, "%s", err.text);
    cr_assert_eq(config_open(temp_path(&folder, "checkit.yaml", path), &topic->config, &err),
                 STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_reader_open(topic->config, "document-changes", "test", &topic->reader, &err),
                 STATUS_OK, "%s", err.text);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        int64_t low;
        cr_assert_eq(kafka_watermarks(topic->reader, 0, i, &low, &topic->ends[i], &err), STATUS_OK,
                     "%s", err.text);
        topic->positions[i] = (struct kafka_position){0, i, low};
        topic->left += topic->ends[i] - low;
    }
    cr_assert_eq(kafka_assign(topic->reader, topic->positions, PARTITIONS, &err), STATUS_OK, "%s",
                 err.text);
}

static void close_topic(struct topic *topic)
{
    kafka_consumer_close(topic->reader);
    projection_close(topic->projection);
    config_close(topic->config);
}

static int64_t count_topic(void)
{
    struct topic topic;
    open_topic(&topic);
    int64_t left = topic.left;
    close_topic(&topic);
    return left;
}

/* A change as it stands on the topic, with what it borrows. */
struct found {
    struct record record;
    struct change change;
};

/* All records, those of one partition in their order. The caller's: release. */
static uint32_t read_topic(struct topic *topic, struct found *found, uint32_t capacity)
{
    uint32_t count = 0;
    struct error err = {0};
    cr_assert_leq(topic->left, capacity);
    uint64_t began_ns = clock_monotonic_ns();
    while (count < topic->left) {
        struct record records[BATCH_RECORDS_MAX];
        uint32_t got = 0;
        cr_assert_lt(clock_monotonic_ns() - began_ns, PATIENCE_MS * UINT64_C(1000000));
        cr_assert_eq(kafka_poll(topic->reader, records, BATCH_RECORDS_MAX, POLL_MS, &got, &err),
                     STATUS_OK, "%s", err.text);
        for (uint32_t i = 0; i < got; i++, count++) {
            struct bytes datum;
            uint32_t schema_id;
            struct found *next = &found[count];
            next->record = records[i];
            cr_assert_eq(next->record.status, RECORD_OK);
            cr_assert(wire_split(next->record.payload, &schema_id, &datum));
            cr_assert_eq(schema_id, SCHEMA_ID);
            cr_assert_eq(projection_change(topic->projection, datum, &next->change), RECORD_OK);
            cr_assert(bytes_equal(next->record.key, next->change.entry_id));
        }
    }
    return count;
}

static void release(struct found *found, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        kafka_release(&found[i].record);
}

/* The nth change of this entry. */
static const struct found *find(const struct found *found, uint32_t count, const char *id, int nth)
{
    for (uint32_t i = 0; i < count; i++)
        if (bytes_equal_text(found[i].record.key, id) && nth-- == 0)
            return &found[i];
    return NULL;
}

/* --- tests --- */

Test(feed_command, what_the_file_says_stands_on_the_topic)
{
    make_topic();
    write_text("list.csv",
               "\xEF\xBB\xBF"
               "op,entry_id,revision,number,number_to,issuer,type,loss,flags,contributor,"
               "reported_on,lost_on,expiry,review_on,national_ref,effective_at\r\n"
               "UPSERT,E-1,3,\"AB 100\",AB-199,FR,passport,STOLEN,SILENT|DISPUTED,DEU-1,"
               "2024-02-01,2024-01-31,2030-01-01,2025-01-01,\"r \"\"7\"\"\","
               "2024-02-02T00:00:00Z\r\n"
               "withdraw,E-2,4,,,,,,,,,,,,,2024-02-02\r\n"
               ",E-3,,\xD0\x90"
               "B200,,DEU,,,,,,,,,,\r\n");
    struct error err;
    int64_t before_ms = clock_wall_ms();
    cr_assert_eq(feed(&err, "--contributor", "FRA-1", NULL), STATUS_OK, "%s", err.text);
    int64_t after_ms = clock_wall_ms();

    struct topic topic;
    struct found found[8];
    open_topic(&topic);
    uint32_t count = read_topic(&topic, found, 8);
    cr_assert_eq(count, 3);
    const struct change *first = &find(found, count, "E-1", 0)->change;
    cr_assert_eq(first->op, CHANGE_UPSERT);
    cr_assert_eq(first->revision, 3);
    cr_assert(bytes_equal_text(first->number, "AB 100"));
    cr_assert(bytes_equal_text(first->number_to, "AB-199"));
    cr_assert(bytes_equal_text(first->issuer, "FR"));
    cr_assert(bytes_equal_text(first->type, "passport"));
    cr_assert_eq(first->loss, LOSS_STOLEN);
    cr_assert_eq(first->flags, ENTRY_SILENT | ENTRY_DISPUTED);
    cr_assert(bytes_equal_text(first->contributor, "DEU-1"));
    cr_assert_eq(first->reported_on, 19754);
    cr_assert_eq(first->lost_on, 19753);
    cr_assert_eq(first->expiry, 21915);
    cr_assert_eq(first->review_on, 20089);
    cr_assert(bytes_equal_text(first->national_ref, "r \"7\""));
    cr_assert_eq(first->effective_at_ms, 1706832000000);

    const struct change *second = &find(found, count, "E-2", 0)->change;
    cr_assert_eq(second->op, CHANGE_WITHDRAW);
    cr_assert_eq(second->revision, 4);
    cr_assert_null(second->number.data);
    cr_assert(bytes_equal_text(second->contributor, "FRA-1"));

    const struct change *third = &find(found, count, "E-3", 0)->change;
    cr_assert(bytes_equal_text(third->number, "\xD0\x90"
                                              "B200"));
    cr_assert_eq(third->revision, 0);
    cr_assert_eq(third->loss, LOSS_UNKNOWN);
    cr_assert_eq(third->expiry, DATE_NONE);
    cr_assert_geq(third->effective_at_ms, before_ms);
    cr_assert_leq(third->effective_at_ms, after_ms);
    release(found, count);
    close_topic(&topic);

    (void)fflush(stdout);
    cr_assert_stdout_eq_str("sent 2 upserts, 1 withdrawals, rejected 0\n");
}

Test(feed_command, changes_of_one_entry_keep_their_order_and_lower_revisions_stay_out)
{
    make_topic();
    write_text("list.csv", "entry_id,op,revision,number,issuer\n"
                           "E-1,,0,AB100,FRA\n"
                           "E-2,,7,AB200,FRA\n"
                           "E-1,,0,AB101,FRA\n"
                           "E-2,WITHDRAW,6,,\n"
                           "E-1,WITHDRAW,1,,\n"
                           "E-1,,0,AB102,FRA\n"
                           "E-1,,1,AB103,FRA\n");
    struct error err;
    cr_assert_eq(feed(&err, "--contributor", "FRA-1", NULL), STATUS_OK, "%s", err.text);
    struct topic topic;
    struct found found[8];
    open_topic(&topic);
    uint32_t count = read_topic(&topic, found, 8);
    cr_assert_eq(count, 5);
    cr_assert(bytes_equal_text(find(found, count, "E-1", 0)->change.number, "AB100"));
    cr_assert(bytes_equal_text(find(found, count, "E-1", 1)->change.number, "AB101"));
    cr_assert_eq(find(found, count, "E-1", 2)->change.op, CHANGE_WITHDRAW);
    cr_assert(bytes_equal_text(find(found, count, "E-1", 3)->change.number, "AB103"));
    cr_assert_eq(find(found, count, "E-2", 0)->change.revision, 7);
    for (int i = 1; i < 4; i++)
        cr_assert_eq(find(found, count, "E-1", i)->record.origin.partition,
                     find(found, count, "E-1", 0)->record.origin.partition);
    release(found, count);
    close_topic(&topic);
    (void)fflush(stdout);
    cr_assert_stdout_eq_str(
        "sent 4 upserts, 1 withdrawals, rejected 0, left out 2 of a lower revision\n");
}

static const char one_is_rejected[] = "entry_id,number,issuer\n"
                                      "E-1,AB100,FRA\n"
                                      "E-2,AB200,QQQ\n"
                                      "E-3,AB300,FRA\n";

Test(feed_command, one_rejection_stops_all)
{
    make_topic();
    write_text("list.csv", one_is_rejected);
    struct error err;
    cr_assert_eq(feed(&err, "--contributor", "FRA-1", NULL), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_DATAERR);
    cr_assert_str_eq(err.text, "feed: nothing was sent, rejected 1 of 3 rows (issuer_unknown 1); "
                               "--skip-rejected sends the others");
    cr_assert_eq(count_topic(), 0);
}

Test(feed_command, rejections_are_skipped_when_asked)
{
    make_topic();
    write_text("list.csv", one_is_rejected);
    struct error err;
    cr_assert_eq(feed(&err, "--contributor", "FRA-1", "--skip-rejected", NULL), STATUS_OK, "%s",
                 err.text);
    cr_assert_eq(count_topic(), 2);
    (void)fflush(stdout);
    cr_assert_stdout_eq_str("sent 2 upserts, 0 withdrawals, rejected 1\n");
}

/* More than the producer queues and the spool keeps in memory. */
static void write_long_list(uint32_t rows)
{
    char path[TEMP_PATH_SIZE];
    FILE *file = fopen(temp_path(&folder, "list.csv", path), "w");
    cr_assert_not_null(file);
    (void)fputs("entry_id,number,issuer,contributor\n", file);
    for (uint32_t i = 0; i < rows; i++)
        (void)fprintf(file, "E-%u,AB%07u,FRA,FRA-1\n", (unsigned)i, (unsigned)i + 1);
    cr_assert_eq(fclose(file), 0);
}

Test(feed_command, a_long_file_is_delivered_whole)
{
    enum { ROWS = 250000 };
    make_topic();
    write_long_list(ROWS);
    struct error err;
    cr_assert_eq(feed(&err, NULL), STATUS_OK, "%s", err.text);
    struct topic topic;
    open_topic(&topic); /* the embedded broker keeps the last part only, but counts on */
    int64_t sent = 0;
    for (int i = 0; i < PARTITIONS; i++) {
        cr_assert_gt(topic.ends[i], 0);
        sent += topic.ends[i];
    }
    cr_assert_eq(sent, ROWS);
    close_topic(&topic);
    (void)fflush(stdout);
    cr_assert_stdout_eq_str("sent 250000 upserts, 0 withdrawals, rejected 0\n");
}

Test(feed_command, a_topic_that_is_missing_is_told)
{
    write_text("list.csv", "entry_id,number,issuer,contributor\nE-1,AB100,FRA,FRA-1\n");
    struct error err;
    cr_assert_eq(feed(&err, NULL), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_str_eq(err.text, "nothing was sent: topic document-changes does not exist: create it "
                               "first, compacted");
}

Test(feed_command, a_broker_that_is_not_there_is_told)
{
    make_topic();
    write_text("list.csv", "entry_id,number,issuer,contributor\nE-1,AB100,FRA,FRA-1\n");
    rd_kafka_mock_broker_set_down(kafka_mock_cluster(mock), 1);
    struct error err;
    cr_assert_eq(feed(&err, NULL), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "nothing was sent: kafka: "), "%s", err.text);
}

static void refuse_produce(rd_kafka_resp_err_t code, int times)
{
    for (int i = 0; i < times; i++)
        rd_kafka_mock_push_request_errors(kafka_mock_cluster(mock), API_PRODUCE, 1, code);
}

Test(feed_command, what_the_broker_refuses_is_told_with_how_many_came)
{
    make_topic();
    write_text("list.csv", "entry_id,number,issuer,contributor\nE-1,AB100,FRA,FRA-1\n");
    refuse_produce(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
    struct error err;
    cr_assert_eq(feed(&err, NULL), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_str_eq(err.text,
                     "0 of 1 changes were delivered to document-changes: Broker: Topic "
                     "authorization failed; send all again, those that are there do no harm");
    cr_assert_eq(count_topic(), 0);
}

Test(feed_command, no_delivery_in_time_gives_up)
{
    make_topic();
    write_text("list.csv", "entry_id,number,issuer,contributor\nE-1,AB100,FRA,FRA-1\n");
    refuse_produce(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, PENDING_ERRORS);
    struct error err;
    cr_assert_eq(feed(&err, "--timeout-s", "1", NULL), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_str_eq(err.text,
                     "0 of 1 changes were delivered to document-changes: nothing for 1 s; send all "
                     "again, those that are there do no harm");
}

/* Of two changes the second is larger than the client lets through. */
static void expect_one_too_large(void)
{
    enum { HYPHENS = 1000 };
    char text[TEXT_BYTES] = "entry_id,number,issuer,contributor\nE-1,AB100,FRA,F\nE-2,AB";
    size_t size = strlen(text);
    make_topic();
    write_config(", message.max.bytes: 1000");
    memset(text + size, '-', HYPHENS); /* they do not count in a number */
    (void)snprintf(text + size + HYPHENS, sizeof text - size - HYPHENS, "200,FRA,F\n");
    write_text("list.csv", text);
    struct error err;
    cr_assert_eq(feed(&err, NULL), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_str_eq(err.text,
                     "1 of 2 changes were delivered to document-changes: Broker: Message size too "
                     "large; send all again, those that are there do no harm");
}

Test(feed_command, a_record_above_the_limit_is_told)
{
    expect_one_too_large();
}

Test(feed_command, what_is_on_its_way_while_another_is_refused_is_waited_for)
{
    enum { SECONDS_MS = 3000 };
    rd_kafka_mock_broker_push_request_error_rtts(kafka_mock_cluster(mock), 1, API_PRODUCE, 1,
                                                 RD_KAFKA_RESP_ERR_NO_ERROR, SECONDS_MS);
    expect_one_too_large();
}

Test(feed_command, a_signal_ends_the_sending)
{
    make_topic();
    write_text("list.csv", "entry_id,number,issuer,contributor\nE-1,AB100,FRA,FRA-1\n");
    refuse_produce(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, PENDING_ERRORS);
    sigset_t set; /* as if it came while sending: it waits to be asked for */
    cr_assert_eq(sigemptyset(&set), 0);
    cr_assert_eq(sigaddset(&set, SIGTERM), 0);
    cr_assert_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    cr_assert_eq(raise(SIGTERM), 0);
    struct error err;
    cr_assert_eq(feed(&err, NULL), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_str_eq(err.text, "0 of 1 changes were delivered to document-changes: stopped; send "
                               "all again, those that are there do no harm");
}

Test(feed_command, a_schema_folder_without_our_contract_is_told)
{
    char path[TEMP_PATH_SIZE];
    cr_assert_eq(unlink(temp_path(&folder, "schemas/77.avsc", path)), 0);
    write_text("list.csv", "entry_id,number,issuer,contributor\nE-1,AB100,FRA,FRA-1\n");
    struct error err;
    cr_assert_eq(feed(&err, NULL), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_CONFIG);
    cr_assert_not_null(strstr(err.text, "DocumentChange"));
}
