/* What a service manager is told, with a socket of the test's in its place. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pipeline/base/notify.h"
#include "tests/unit/temp_folder.h"

enum { TEXT_SIZE = 256, TOLD_MAX = 100000 };

static struct temp_folder folder;
static int manager = -1;

static void listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(name);
    cr_assert(size < sizeof address.sun_path);
    memcpy(address.sun_path, name, size);
    if (name[0] == '@')
        address.sun_path[0] = 0;
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    cr_assert(manager >= 0);
    cr_assert_eq(bind(manager, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
}

static void set_up(void)
{
    folder = temp_folder_make();
    cr_assert_eq(unsetenv("NOTIFY_SOCKET") + unsetenv("WATCHDOG_USEC") + unsetenv("WATCHDOG_PID"),
                 0);
}

static void tear_down(void)
{
    if (manager >= 0)
        (void)close(manager);
    temp_folder_remove(&folder);
}

TestSuite(notify, .init = set_up, .fini = tear_down);

static void expect_told(const char *text)
{
    char got[TEXT_SIZE] = {0};
    cr_assert_geq(recv(manager, got, sizeof got - 1, 0), 0);
    cr_expect_str_eq(got, text);
}

Test(notify, a_path_is_told)
{
    char path[TEMP_PATH_SIZE];
    struct notify notify;
    listen_at(temp_path(&folder, "socket", path));
    notify_open(&notify);
    cr_assert(notify.fd >= 0);
    cr_expect(notify_tell(&notify, "READY=1\nSTATUS=a b"));
    expect_told("READY=1\nSTATUS=a b");
    notify_close(&notify);
    cr_expect_eq(notify.fd, -1);
}

Test(notify, an_abstract_name_is_told)
{
    char name[TEXT_SIZE];
    struct notify notify;
    (void)snprintf(name, sizeof name, "@checkit-test-notify-%d", (int)getpid());
    listen_at(name);
    notify_open(&notify);
    cr_expect(notify_tell(&notify, "STOPPING=1"));
    expect_told("STOPPING=1");
    notify_close(&notify);
}

Test(notify, nobody_who_wants_to_know_is_well)
{
    static const char *const names[] = {
        NULL, "", "/", "@", "relative", "vsock:2:1", "/no/such/folder/socket"};
    char long_name[TEXT_SIZE];
    struct notify notify;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i])
            cr_assert_eq(setenv("NOTIFY_SOCKET", names[i], 1), 0);
        notify_open(&notify);
        cr_expect_eq(notify.fd, -1);
        cr_expect(notify_tell(&notify, "READY=1"));
    }
    memset(long_name, '/', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    cr_assert_eq(setenv("NOTIFY_SOCKET", long_name, 1), 0);
    notify_open(&notify);
    cr_expect_eq(notify.fd, -1);
}

Test(notify, a_manager_that_takes_nothing_is_not_waited_for)
{
    char path[TEMP_PATH_SIZE];
    struct notify notify;
    listen_at(temp_path(&folder, "socket", path));
    notify_open(&notify);
    int told = 0;
    while (told < TOLD_MAX && notify_tell(&notify, "WATCHDOG=1"))
        told++;
    cr_expect_lt(told, TOLD_MAX);
    expect_told("WATCHDOG=1");
    cr_expect(notify_tell(&notify, "WATCHDOG=1"), "there is room again");
    cr_assert_eq(close(manager), 0);
    manager = -1;
    cr_expect_not(notify_tell(&notify, "WATCHDOG=1"), "and nobody there any more");
    notify_close(&notify);
}

static uint64_t watchdog_of(const char *microseconds, const char *pid)
{
    struct notify notify;
    cr_assert_eq(
        microseconds ? setenv("WATCHDOG_USEC", microseconds, 1) : unsetenv("WATCHDOG_USEC"), 0);
    cr_assert_eq(pid ? setenv("WATCHDOG_PID", pid, 1) : unsetenv("WATCHDOG_PID"), 0);
    notify_open(&notify);
    uint64_t ms = notify.watchdog_ms;
    notify_close(&notify);
    return ms;
}

Test(notify, the_watchdog_is_fed_by_whom_it_is_meant_for)
{
    char path[TEMP_PATH_SIZE];
    char pid[TEXT_SIZE];
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    cr_expect_eq(watchdog_of("60000000", NULL), 0, "nobody listens");
    listen_at(temp_path(&folder, "socket", path));
    cr_expect_eq(watchdog_of("60000000", NULL), 60000);
    cr_expect_eq(watchdog_of("60000000", pid), 60000);
    cr_expect_eq(watchdog_of("60000000", "1"), 0);
    cr_expect_eq(watchdog_of("60000000", "x"), 0);
    cr_expect_eq(watchdog_of(NULL, pid), 0);
    cr_expect_eq(watchdog_of("", NULL), 0);
    cr_expect_eq(watchdog_of("-1", NULL), 0);
    cr_expect_eq(watchdog_of("99999999999999999999", NULL), 0);
}
