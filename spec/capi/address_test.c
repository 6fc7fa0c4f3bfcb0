/* Addresses as text, lookups that wait, and names of this host. */
#define _GNU_SOURCE
#include <time.h>

#include "spec/capi/sockets.h"

static void test_text_of_an_address(void) {
    const socket2_addr addr = lookup("1.2.3.4", "80", SOCKET2_UDP, SOCKET2_UNSPECIFIED);
    char text[192];
    CHECK_INT(socket2_addr_type(&addr), SOCKET2_UDP);
    CHECK_INT(socket2_addr_family(&addr), SOCKET2_INET);
    CHECK_INT(socket2_addr_protocol(&addr), 17);
    CHECK_INT(socket2_addr_port(&addr), 80);
    CHECK_INT(socket2_addr_ip(&addr, text, sizeof text), 7);
    CHECK_TEXT(text, "1.2.3.4");
    CHECK_INT(socket2_addr_format(&addr, text, sizeof text), 10);
    CHECK_TEXT(text, "1.2.3.4:80");
    /* Cut to fit, with the whole length. */
    memset(text, 'x', sizeof text);
    CHECK_INT(socket2_addr_format(&addr, text, 4), 10);
    CHECK_TEXT(text, "1.2");
    CHECK(text[4] == 'x');
    CHECK_INT(socket2_addr_format(&addr, text, 1), 10);
    CHECK_TEXT(text, "");
    memset(text, 'x', sizeof text);
    CHECK_INT(socket2_addr_format(&addr, text, 0), 10);
    CHECK(text[0] == 'x');
    CHECK_INT(socket2_addr_format(&addr, NULL, 100), 10);
    /* Exactly enough room, and one byte too little. */
    CHECK_INT(socket2_addr_format(&addr, text, 11), 10);
    CHECK_TEXT(text, "1.2.3.4:80");
    CHECK_INT(socket2_addr_format(&addr, text, 10), 10);
    CHECK_TEXT(text, "1.2.3.4:8");
}

static void test_lookups(void) {
    char name[64] = "?";
    socket2_addr addrs[2];
    CHECK_INT(socket2_addr_lookup("::1", "9", SOCKET2_TCP, SOCKET2_UNSPECIFIED, 0,
                                  SOCKET2_CANONNAME, addrs, 2, name, sizeof name),
              1);
    CHECK_TEXT(name, "::1");
    CHECK_INT(socket2_addr_lookup("::1", "9", SOCKET2_TCP, SOCKET2_UNSPECIFIED, 0, 0, addrs, 2,
                                  name, sizeof name),
              1);
    CHECK_TEXT(name, "");
    CHECK_INT(
        socket2_addr_lookup("::1", "9", SOCKET2_TCP, SOCKET2_UNSPECIFIED, 0, 0, NULL, 0, NULL, 0),
        1);
    CHECK_INT(lookup_code("::1", "9", SOCKET2_TCP, SOCKET2_INET, 0, 0), SOCKET2_EFAMILY);
    CHECK_INT(lookup_code("1.2.3.4", "9", SOCKET2_TCP, SOCKET2_INET6, 0, 0), SOCKET2_EFAMILY);
    CHECK_INT(lookup_code("name", "9", SOCKET2_TCP, SOCKET2_INET, 0, SOCKET2_NUMERICHOST),
              SOCKET2_EUNKNOWNHOST);
    CHECK_INT(lookup_code("::1", "http", SOCKET2_TCP, SOCKET2_INET6, 0, SOCKET2_NUMERICSERV),
              SOCKET2_EUNKNOWNSERVICE);
    CHECK_INT(lookup_code("", "9", SOCKET2_TCP, SOCKET2_INET, 0, 0), SOCKET2_EUNKNOWNHOST);
    CHECK_INT(lookup_code("fe80::1%nowhere", "9", SOCKET2_TCP, SOCKET2_INET6, 0, 0),
              SOCKET2_ENODEV);
    char path[200];
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    CHECK_INT(lookup_code(path, NULL, SOCKET2_TCP, SOCKET2_UNIX, 0, 0), SOCKET2_EPATHTOOLONG);
    CHECK_INT(lookup_code("", NULL, SOCKET2_TCP, SOCKET2_UNIX, 0, 0), SOCKET2_EINVAL);
    CHECK_INT(lookup_code(NULL, NULL, SOCKET2_TCP, SOCKET2_UNIX, 0, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_addr_protocol(&addrs[0]), 6);
}

static void test_names_and_the_time_of_day(void) {
    char ours[256], systems[256] = "";
    CHECK_INT(gethostname(systems, sizeof systems), 0);
    CHECK_INT(socket2_hostname(ours, sizeof ours), (int)strlen(systems));
    CHECK(strcmp(ours, systems) == 0);
    const double before = (double)time(NULL);
    const double now = socket2_time();
    CHECK(now >= before && now < before + LIMIT);

    socket2_addr address;
    char name[256] = "";
    CHECK_INT(socket2_addr_parse("127.0.0.1", NULL, SOCKET2_TCP, SOCKET2_INET, 0, SOCKET2_REVERSE,
                                 &address),
              0);
    CHECK_INT(socket2_addr_lookup("127.0.0.1", NULL, SOCKET2_TCP, SOCKET2_INET, 0, SOCKET2_REVERSE,
                                  &address, 1, name, sizeof name),
              1);
    CHECK(strlen(name) > 0 && strcmp(name, "127.0.0.1") != 0);
    CHECK_INT(socket2_addr_lookup("localhost", NULL, SOCKET2_TCP, SOCKET2_INET, 0, SOCKET2_REVERSE,
                                  &address, 1, name, sizeof name),
              SOCKET2_EUNKNOWNHOST);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
    TEST(text_of_an_address),
    TEST(lookups),
    TEST(names_and_the_time_of_day),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
