#include "pipeline/base/unix_socket.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/unit/temp_folder.h"

static struct temp_folder folder;
static char path[TEMP_PATH_SIZE];
static struct error err;

static void set_up(void)
{
    folder = temp_folder_make();
    (void)temp_path(&folder, "socket", path);
    err = (struct error){0};
}

static void tear_down(void)
{
    temp_folder_remove(&folder);
}

TestSuite(unix_socket, .init = set_up, .fini = tear_down);

static int listen_there(void)
{
    int fd = -1;
    cr_assert_eq(unix_socket_listen(path, 8, &fd, &err), STATUS_OK, "%s", err.text);
    return fd;
}

static void expect_refused(const char *said)
{
    int fd = -1;
    cr_assert_eq(unix_socket_listen(path, 8, &fd, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    cr_expect_not_null(strstr(err.text, said), "%s", err.text);
    cr_expect_eq(fd, -1);
}

Test(unix_socket, it_is_of_its_user_alone_and_live)
{
    struct stat info;
    cr_expect_eq(unix_socket_probe(path), UNIX_SOCKET_SILENT);
    int fd = listen_there();
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0600);
    cr_expect_eq(unix_socket_probe(path), UNIX_SOCKET_LIVE);
    (void)close(fd);
}

Test(unix_socket, one_whose_process_is_gone_is_replaced)
{
    (void)close(listen_there());
    cr_assert_eq(access(path, F_OK), 0);
    cr_expect_eq(unix_socket_probe(path), UNIX_SOCKET_SILENT);
    int fd = listen_there();
    cr_expect_eq(unix_socket_probe(path), UNIX_SOCKET_LIVE);
    (void)close(fd);
}

Test(unix_socket, one_that_is_live_is_refused_and_stays)
{
    int fd = listen_there();
    expect_refused("another process answers");
    cr_expect_eq(unix_socket_probe(path), UNIX_SOCKET_LIVE);
    (void)close(fd);
}

Test(unix_socket, file_that_is_no_socket_is_refused_and_stays)
{
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs("mine", file) >= 0 && fclose(file) == 0);
    expect_refused("no socket");
    cr_expect_eq(access(path, F_OK), 0);
}

Test(unix_socket, folder_that_is_missing_is_told)
{
    (void)temp_path(&folder, "none/socket", path);
    expect_refused("No such file");
}

Test(unix_socket, path_at_the_limit_and_beyond)
{
    size_t size = strlen(folder.path);
    memcpy(path, folder.path, size);
    path[size] = '/';
    memset(path + size + 1, 's', UNIX_SOCKET_PATH_MAX - size - 1);
    path[UNIX_SOCKET_PATH_MAX] = 0;
    cr_expect(unix_socket_fits(path));
    int fd = listen_there();
    cr_expect_eq(unix_socket_probe(path), UNIX_SOCKET_LIVE);
    (void)close(fd);
    path[UNIX_SOCKET_PATH_MAX] = 's';
    path[UNIX_SOCKET_PATH_MAX + 1] = 0;
    cr_expect_not(unix_socket_fits(path));
    cr_expect_eq(unix_socket_probe(path), UNIX_SOCKET_SILENT);
    expect_refused("107 bytes");
}
