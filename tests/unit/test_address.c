#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "pipeline/base/address.h"

static void expect(const char *text, const char *formatted)
{
    struct address address;
    char again[ADDRESS_TEXT_SIZE];
    cr_assert(address_parse(text, &address), "%s", text);
    address_format(&address, again);
    cr_assert_str_eq(again, formatted);
}

Test(address, addresses_are_read_and_written_alike)
{
    expect("127.0.0.1:10644", "127.0.0.1:10644");
    expect("localhost:80", "127.0.0.1:80");
    expect("0.0.0.0:0", "0.0.0.0:0");
    expect("255.255.255.255:65535", "255.255.255.255:65535");
    expect("[::]:1", "[::]:1");
    expect("[::1]:00080", "[::1]:80");
    expect("[2001:db8:1:2:3:4:5:6]:9", "[2001:db8:1:2:3:4:5:6]:9");
    expect("[::ffff:10.0.0.1]:9", "[::ffff:10.0.0.1]:9");
}

Test(address, family_and_size_fit)
{
    struct address address;
    cr_assert(address_parse("10.1.2.3:4", &address));
    cr_assert_eq(address.socket.ss_family, AF_INET);
    cr_assert_eq(address.size, sizeof(struct sockaddr_in));
    cr_assert(address_parse("[::1]:4", &address));
    cr_assert_eq(address.socket.ss_family, AF_INET6);
    cr_assert_eq(address.size, sizeof(struct sockaddr_in6));
}

Test(address, what_is_no_address_is_refused)
{
    static const char *const texts[] = {
        "",
        ":",
        ":80",
        "80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:999999",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1x",
        "127.0.0.256:1",
        "127.1:1",
        "::1:80",
        "[::1]",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[:80",
        "[127.0.0.1]:80",
        "[fe80::1%lo]:80",
        "example.org:80",
        "Localhost:80",
        " 127.0.0.1:80",
        "http://127.0.0.1:80",
        "[2001:0db8:0001:0002:0003:0004:0005:0006:0007:0008:0009:000a:000b:000c:000d:000e:00]:1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct address address;
        cr_assert_not(address_parse(texts[i], &address), "'%s'", texts[i]);
    }
}
