// The header in a C++ program. What is asserted here is a promise: numbers and layouts that other
// languages have copied.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <type_traits>

#include "capi/socket2.h"

static_assert(SOCKET2_ABI_VERSION == 1);
static_assert(SOCKET2_PENDING == -1);
static_assert(SOCKET2_ECLOSED == -2 && SOCKET2_ETIMEOUT == -3 && SOCKET2_ECANCELED == -4);
static_assert(SOCKET2_EBUSY == -5 && SOCKET2_EBADHANDLE == -6 && SOCKET2_EINVAL == -7);
static_assert(SOCKET2_ENOTSUPPORTED == -8 && SOCKET2_ENOMEM == -9 && SOCKET2_EMFILE == -10);
static_assert(SOCKET2_ENFILE == -11 && SOCKET2_EACCES == -12 && SOCKET2_EPERM == -13);
static_assert(SOCKET2_EADDRINUSE == -14 && SOCKET2_EADDRNOTAVAIL == -15 && SOCKET2_EFAMILY == -16);
static_assert(SOCKET2_EPROTOCOL == -17 && SOCKET2_ESOCKTYPE == -18 && SOCKET2_ECONNREFUSED == -19);
static_assert(SOCKET2_ECONNRESET == -20 && SOCKET2_ECONNABORTED == -21);
static_assert(SOCKET2_ECONNTIMEDOUT == -22 && SOCKET2_EPIPE == -23 && SOCKET2_ENOTCONN == -24);
static_assert(SOCKET2_EISCONN == -25 && SOCKET2_ENOTLISTENING == -26);
static_assert(SOCKET2_ENETUNREACH == -27 && SOCKET2_EHOSTUNREACH == -28);
static_assert(SOCKET2_ENETDOWN == -29 && SOCKET2_EMSGSIZE == -30 && SOCKET2_ENOBUFS == -31);
static_assert(SOCKET2_EDESTADDRREQ == -32 && SOCKET2_ENOENT == -33 && SOCKET2_EPATHTOOLONG == -34);
static_assert(SOCKET2_EUNKNOWNHOST == -35 && SOCKET2_EUNKNOWNSERVICE == -36);
static_assert(SOCKET2_EPORT == -37 && SOCKET2_ELOOKUPAGAIN == -38 && SOCKET2_ELOOKUP == -39);
static_assert(SOCKET2_EOPTION == -40 && SOCKET2_ENODEV == -41 && SOCKET2_EDESCRIPTOR == -42);
static_assert(SOCKET2_ENOHANDLE == -43 && SOCKET2_ESYSTEM == -44);

static_assert(SOCKET2_READ == 1 && SOCKET2_WRITE == 2);
static_assert(SOCKET2_TCP == 1 && SOCKET2_UDP == 2 && SOCKET2_RAW == 3);
static_assert(SOCKET2_UNSPECIFIED == 0 && SOCKET2_INET == 1 && SOCKET2_INET6 == 2);
static_assert(SOCKET2_UNIX == 3);
static_assert(SOCKET2_PASSIVE == 1 && SOCKET2_CANONNAME == 2 && SOCKET2_NUMERICHOST == 4);
static_assert(SOCKET2_NUMERICSERV == 8 && SOCKET2_ALL == 16 && SOCKET2_V4MAPPED == 32);
static_assert(SOCKET2_ADDRCONFIG == 64);
static_assert(SOCKET2_SHUT_READ == 1 && SOCKET2_SHUT_WRITE == 2);
static_assert(SOCKET2_OPTION_BOOLEAN == 1 && SOCKET2_OPTION_INTEGER == 2);
static_assert(SOCKET2_OPTION_LINGER == 3 && SOCKET2_OPTION_TEXT == 4);
static_assert(SOCKET2_OPTION_INTERFACE == 5 && SOCKET2_OPTION_ERROR == 6);

static_assert(sizeof(socket2_event) == 16 && alignof(socket2_event) == 4);
static_assert(offsetof(socket2_event, handle) == 0 && offsetof(socket2_event, kind) == 4);
static_assert(offsetof(socket2_event, result) == 8 && offsetof(socket2_event, detail) == 12);
static_assert(sizeof(socket2_addr) == 128 && alignof(socket2_addr) == 8);
static_assert(std::is_trivially_copyable_v<socket2_addr> && std::is_trivial_v<socket2_event>);

// Only pointers, in the order in which other languages fill them.
static_assert(sizeof(socket2_lua) == 8 * sizeof(void*) && alignof(socket2_lua) == alignof(void*));
static_assert(offsetof(socket2_lua, newstate) == 0 * sizeof(void*));
static_assert(offsetof(socket2_lua, openlibs) == 1 * sizeof(void*));
static_assert(offsetof(socket2_lua, loadbuffer) == 2 * sizeof(void*));
static_assert(offsetof(socket2_lua, pushnumber) == 3 * sizeof(void*));
static_assert(offsetof(socket2_lua, pcall) == 4 * sizeof(void*));
static_assert(offsetof(socket2_lua, cpcall) == 5 * sizeof(void*));
static_assert(offsetof(socket2_lua, tolstring) == 6 * sizeof(void*));
static_assert(offsetof(socket2_lua, close) == 7 * sizeof(void*));
static_assert(std::is_trivial_v<socket2_lua> && std::is_standard_layout_v<socket2_lua>);

namespace {

TEST(Header, NeverIsInfinity) {
    EXPECT_TRUE(std::isinf(SOCKET2_NEVER));
    EXPECT_GT(SOCKET2_NEVER, 0);
}

TEST(Header, TheLibraryHasTheVersionOfTheHeader) {
    EXPECT_EQ(socket2_abi_version(), SOCKET2_ABI_VERSION);
    const std::string version = socket2_version();
    EXPECT_EQ(version.find_first_not_of("0123456789."), std::string::npos) << version;
    EXPECT_EQ(std::count(version.begin(), version.end(), '.'), 2) << version;
}

TEST(Header, EveryCodeHasAName) {
    for (int code = SOCKET2_ECLOSED; code >= SOCKET2_EIO; --code) {
        EXPECT_STRNE(socket2_error_name(code), "unknown_error") << code;
        EXPECT_GT(std::string(socket2_error_message(code)).size(), 0u) << code;
    }
    EXPECT_STREQ(socket2_error_name(SOCKET2_ECONNREFUSED), "connection_refused");
    EXPECT_STREQ(socket2_error_name(SOCKET2_EIO - 1), "unknown_error");
}

}  // namespace
