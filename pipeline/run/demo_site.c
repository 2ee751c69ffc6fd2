#include "pipeline/run/demo_site.h"

#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/support/kafka.h"
#include "operators/support/keys.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/file_writer.h"
#include "pipeline/base/memory.h"

enum {
    FOLDER_SIZE = PATH_MAX - 64,
    FOLDER_MODE = 0700,
    TEXT_SIZE = 1024,
    FOLDERS_OPEN_MAX = 16, /* while removing */
    PARTITION_BYTES = 2 * 1024 * 1024,
    /* With what the broker adds, rounded up. */
    ENTRY_BYTES = 128,
    BOOKING_BYTES = 256,
    BANKING_BYTES = 192,
    ALERT_BYTES = 32 /* an event: 1.6 hits in 100, 1 KB each, twice that */
};

struct demo_site {
    struct kafka_mock *mock;
    struct config *config;
    char folder[FOLDER_SIZE]; /* empty: not made */
};

static enum status make_folder(struct demo_site *site, struct error *err)
{
    const char *base = getenv("TMPDIR");
    char path[FOLDER_SIZE];
    int size = snprintf(path, sizeof path, "%s/checkit-demo-XXXXXX", base && *base ? base : "/tmp");
    if (size >= (int)sizeof path)
        return error_fail(err, EX_UNAVAILABLE, "TMPDIR is too long a path");
    if (!mkdtemp(path))
        return error_fail(err, EX_UNAVAILABLE, "'%s' cannot be made: %s", path, strerror(errno));
    memcpy(site->folder, path, sizeof path);
    return STATUS_OK;
}

static void path_in(const struct demo_site *site, const char *name, char out[PATH_MAX])
{
    int size = snprintf(out, PATH_MAX, "%s/%s", site->folder, name);
    assert(size > 0 && size < PATH_MAX);
}

static enum status write_schema(const struct demo_site *site, uint32_t id, const char *contract,
                                struct error *err)
{
    char name[32];
    char path[PATH_MAX];
    (void)snprintf(name, sizeof name, "schemas/%u.avsc", (unsigned)id);
    path_in(site, name, path);
    struct file_writer *writer = NULL;
    TRY(file_writer_open(path, &writer, err));
    enum status status = file_writer_put(writer, assets_find(contract), err);
    if (status == STATUS_OK)
        status = file_writer_finish(writer, err);
    file_writer_close(writer);
    return status;
}

static enum status write_schemas(const struct demo_site *site, struct error *err)
{
    static const char *const contracts[] = {
        "schemas/BookingEvent.avsc", "schemas/BankingEvent.avsc", "schemas/DocumentChange.avsc",
        "schemas/Alert.avsc", "schemas/Receipt.avsc"};
    char path[PATH_MAX];
    path_in(site, "schemas", path);
    if (mkdir(path, FOLDER_MODE) != 0)
        return error_fail(err, EX_UNAVAILABLE, "'%s' cannot be made: %s", path, strerror(errno));
    for (uint32_t i = 0; i < sizeof contracts / sizeof *contracts; i++)
        TRY(write_schema(site, i + 1, contracts[i], err));
    return STATUS_OK;
}

static enum status make_keys(const struct demo_site *site, struct error *err)
{
    char path[PATH_MAX];
    path_in(site, "store.key", path);
    TRY(keys_create(path, KEY_STORE, err));
    path_in(site, "identity.key", path);
    return keys_create(path, KEY_IDENTITY, err);
}

static uint32_t partitions_for(uint64_t count, uint64_t bytes)
{
    return (uint32_t)(count * bytes / PARTITION_BYTES) + 1;
}

static enum status start_broker(struct demo_site *site, const struct demo_sizes *sizes,
                                struct error *err)
{
    const struct {
        const char *name;
        uint32_t partitions;
    } topics[] = {
        {"document-changes", partitions_for(sizes->entries, ENTRY_BYTES)},
        {"bookings", partitions_for(sizes->bookings, BOOKING_BYTES)},
        {"banking", partitions_for(sizes->bankings, BANKING_BYTES)},
        {"alerts", partitions_for(sizes->bookings + sizes->bankings, ALERT_BYTES)},
        {"receipts", 1},
        {"dead-letters", 1},
    };
    TRY(kafka_mock_open(&site->mock, err));
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        TRY(kafka_mock_topic(site->mock, topics[i].name, topics[i].partitions, err));
    return STATUS_OK;
}

/* One worker: the embedded broker lets a member that joins late wait for the session timeout, and
 * when that member has lost patience by then and asks again, an assertion of the broker ends us. */
static enum status configure(struct demo_site *site, struct error *err)
{
    char name[PATH_MAX];
    char text[TEXT_SIZE];
    path_in(site, "demo.yaml", name); /* what the paths begin from; there is no such file */
    int size = snprintf(text, sizeof text,
                        "kafka: {bootstrap.servers: '%s',\n"
                        "  session.timeout.ms: 6000, heartbeat.interval.ms: 500}\n" /* kafka.h */
                        "group: demo\n"
                        "workers: 1\n"
                        "heartbeat: {interval_s: 0}\n" /* nothing runs long enough */
                        "inputs:\n"
                        "  - {topic: bookings, preset: booking}\n"
                        "  - {topic: banking, preset: banking}\n"
                        "store: {path: store, key: store.key}\n"
                        "identity_key: identity.key\n"
                        "schemas: {folder: schemas}\n"
                        "http: {listen: off}\n" /* the port may be a real process's */
                        "log: {level: error}\n",
                        kafka_mock_bootstrap(site->mock));
    assert(size > 0 && size < (int)sizeof text);
    return config_parse(name, text, (size_t)size, &site->config, err);
}

static enum status open_parts(struct demo_site *site, const struct demo_sizes *sizes,
                              struct error *err)
{
    TRY(make_folder(site, err));
    TRY(write_schemas(site, err));
    TRY(make_keys(site, err));
    TRY(start_broker(site, sizes, err));
    return configure(site, err);
}

enum status demo_site_open(const struct demo_sizes *sizes, struct demo_site **out,
                           struct error *err)
{
    struct demo_site *site = memory_new(1, sizeof *site);
    enum status status = open_parts(site, sizes, err);
    if (status != STATUS_OK) {
        demo_site_close(site);
        return status;
    }
    *out = site;
    return STATUS_OK;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

void demo_site_close(struct demo_site *site)
{
    if (!site)
        return;
    config_close(site->config);
    kafka_mock_close(site->mock);
    if (site->folder[0])
        (void)nftw(site->folder, remove_one, FOLDERS_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
    memory_free(site);
}

struct config *demo_site_config(const struct demo_site *site)
{
    return site->config;
}

const char *demo_site_folder(const struct demo_site *site)
{
    return site->folder;
}
