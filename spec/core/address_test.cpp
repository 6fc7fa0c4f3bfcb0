// Addresses: literals to memory, memory to text, and memory that was never filled.
#include "core/sys/address.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <climits>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/sys/lookup.h"

namespace socket2 {
namespace {

Endpoint endpoint(const char* host, const char* service, Family family = Family::unspecified,
                  SocketType type = SocketType::tcp) {
    return {host, service, type, family, 0, 0};
}

// The address as text, or the word of the error, or "pending".
std::string parsed(const Endpoint& e) {
    Address address{};
    const Result r = parse_address(e, address);
    if (r.is_pending()) return "pending";
    if (r.is_error()) return error_word(r.value());
    EXPECT_TRUE(address.is_valid());
    return address.to_string();
}

std::string looked_up(const Endpoint& e) {
    Lookup found;
    const Result r = lookup(e, found);
    EXPECT_FALSE(r.is_pending());
    if (r.is_error()) return error_word(r.value());
    EXPECT_FALSE(found.addresses.empty());
    for (const Address& address : found.addresses) EXPECT_TRUE(address.is_valid());
    return found.addresses.front().to_string();
}

struct Case {
    const char* host;
    const char* service;
    Family family;
    const char* expected;
};

constexpr Family kAny = Family::unspecified;
constexpr Family k4 = Family::inet;
constexpr Family k6 = Family::inet6;
constexpr Family kUnix = Family::local;

const bool kAbstract = SockAddr::kAbstractNames;

TEST(ParseAddress, KnowsLiterals) {
    const Case cases[] = {
        {"1.2.3.4", "80", kAny, "1.2.3.4:80"},
        {"1.2.3.4", "80", k4, "1.2.3.4:80"},
        {"255.255.255.255", "65535", kAny, "255.255.255.255:65535"},
        {"0.0.0.0", "0", kAny, "0.0.0.0:0"},
        {"127.0.0.1", nullptr, kAny, "127.0.0.1:0"},
        {"127.0.0.1", "00080", kAny, "127.0.0.1:80"},
        {"::1", "80", kAny, "[::1]:80"},
        {"::1", "80", k6, "[::1]:80"},
        {"::", "1", kAny, "[::]:1"},
        {"2001:DB8:0:0:0:0:0:1", "443", kAny, "[2001:db8::1]:443"},
        {"::ffff:1.2.3.4", "5", kAny, "[::ffff:1.2.3.4]:5"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "65535", kAny,
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
        {"*", "80", kAny, "0.0.0.0:80"},
        {"*", "80", k4, "0.0.0.0:80"},
        {"*", "80", k6, "[::]:80"},
        {nullptr, "80", kAny, "127.0.0.1:80"},
        {nullptr, "80", k4, "127.0.0.1:80"},
        {nullptr, "80", k6, "[::1]:80"},
        {nullptr, nullptr, k6, "[::1]:0"},
        {"/tmp/socket", nullptr, kUnix, "/tmp/socket"},
        {"/tmp/socket", "80", kUnix, "/tmp/socket"},
        {"relative", nullptr, kUnix, "relative"},
        {"./@file", nullptr, kUnix, "./@file"},
        {"@abstract", nullptr, kUnix, kAbstract ? "@abstract" : "not_supported"},
        {"@@", nullptr, kUnix, kAbstract ? "@@" : "not_supported"},
        {" ", nullptr, kUnix, " "},
    };
    for (const Case& c : cases) {
        const Endpoint e = endpoint(c.host, c.service, c.family);
        EXPECT_EQ(parsed(e), c.expected);
        EXPECT_EQ(looked_up(e), c.expected);
    }
}

TEST(ParseAddress, RefusesWhatIsWrong) {
    const std::string longest(107, 'p'), too_long(108, 'p');
    const std::string abstract = "@" + std::string(107, 'a'), long_abstract = abstract + "a";
    const Case cases[] = {
        {"1.2.3.4", "65536", kAny, "invalid_port"},
        {"1.2.3.4", "99999999999999999999999", kAny, "invalid_port"},
        {"::1", "70000", kAny, "invalid_port"},
        {nullptr, "70000", kAny, "invalid_port"},
        {"*", "70000", kAny, "invalid_port"},
        {"1.2.3.4", "80", k6, "address_family_not_supported"},
        {"::1", "80", k4, "address_family_not_supported"},
        {"fe80::1%no_such_if", "80", kAny, "no_such_device"},
        {"fe80::1%", "80", kAny, "no_such_device"},
        {"fe80::1%0", "80", kAny, "no_such_device"},
        {"fe80::1%99999999999999", "80", kAny, "no_such_device"},
        {nullptr, nullptr, kUnix, "invalid_argument"},
        {"*", nullptr, kUnix, "invalid_argument"},
        {"", nullptr, kUnix, "invalid_argument"},
        {"@", nullptr, kUnix, "invalid_argument"},
        {longest.c_str(), nullptr, kUnix, longest.c_str()},
        {too_long.c_str(), nullptr, kUnix, "path_too_long"},
        {abstract.c_str(), nullptr, kUnix, kAbstract ? abstract.c_str() : "not_supported"},
        {long_abstract.c_str(), nullptr, kUnix, kAbstract ? "path_too_long" : "not_supported"},
    };
    for (const Case& c : cases) {
        const Endpoint e = endpoint(c.host, c.service, c.family);
        EXPECT_EQ(parsed(e), c.expected) << (c.host ? c.host : "(null)");
        EXPECT_EQ(looked_up(e), c.expected) << (c.host ? c.host : "(null)");
    }
}

TEST(ParseAddress, LeavesNamesToTheResolver) {
    for (const char* host : {"localhost", "example.com", "", "1.2.3", "1.2.3.4.5", "1.2.3.256",
                             "01.2.3.4x", ":", "::g", "[::1]", " 1.2.3.4", "1.2.3.4 "}) {
        EXPECT_EQ(parsed(endpoint(host, "80")), "pending") << host;
        Endpoint numeric = endpoint(host, "80");
        numeric.flags = kNumericHost;
        EXPECT_EQ(parsed(numeric), "unknown_host") << host;
    }
    for (const char* service : {"http", "", " 80", "80 ", "+80", "-1", "0x50", "8O"}) {
        EXPECT_EQ(parsed(endpoint("1.2.3.4", service)), "pending") << service;
        Endpoint numeric = endpoint("1.2.3.4", service);
        numeric.flags = kNumericService;
        EXPECT_EQ(parsed(numeric), "unknown_service") << service;
    }
}

TEST(ParseAddress, LeavesTheOutputAloneUnlessItSucceeds) {
    Address address;
    std::memset(static_cast<void*>(&address), 0x5a, sizeof address);
    Address before;
    std::memcpy(static_cast<void*>(&before), &address, sizeof address);
    EXPECT_FALSE(parse_address(endpoint("localhost", "80"), address).ok());
    EXPECT_FALSE(parse_address(endpoint("1.2.3.4", "80000"), address).ok());
    EXPECT_EQ(std::memcmp(&before, &address, sizeof address), 0);
}

TEST(ParseAddress, FillsInTypeAndProtocol) {
    struct {
        SocketType type;
        int32_t protocol;
        Family family;
        int32_t expected;
    } const cases[] = {
        {SocketType::tcp, 0, kAny, IPPROTO_TCP},    {SocketType::udp, 0, kAny, IPPROTO_UDP},
        {SocketType::raw, 0, kAny, IPPROTO_RAW},    {SocketType::raw, IPPROTO_ICMP, kAny, 1},
        {SocketType::tcp, IPPROTO_SCTP, kAny, 132}, {SocketType::tcp, 0, kUnix, 0},
    };
    for (const auto& c : cases) {
        Endpoint e = endpoint("1.2.3.4", nullptr, c.family, c.type);
        e.protocol = c.protocol;
        Address address{};
        ASSERT_TRUE(parse_address(e, address).ok());
        EXPECT_EQ(address.type, static_cast<int32_t>(c.type));
        EXPECT_EQ(address.protocol, c.expected);
    }
}

TEST(ParseAddress, MapsAnInetLiteralWhenAsked) {
    Endpoint e = endpoint("1.2.3.4", "80", k6);
    e.flags = kV4Mapped;
    EXPECT_EQ(parsed(e), "[::ffff:1.2.3.4]:80");
    e.host = "::1";
    EXPECT_EQ(parsed(e), "[::1]:80");
}

TEST(ParseAddress, KnowsZonesByNameAndNumber) {
    char name[IF_NAMESIZE];
    const unsigned index = ::if_nametoindex("lo");
    if (index == 0) GTEST_SKIP() << "no interface lo";
    const std::string by_number = "fe80::1%" + std::to_string(index);
    EXPECT_EQ(parsed(endpoint("fe80::1%lo", "80")), "[fe80::1%lo]:80");
    EXPECT_EQ(parsed(endpoint(by_number.c_str(), "80")), "[fe80::1%lo]:80");

    // A number is not checked: the interface may come later.
    ASSERT_EQ(::if_indextoname(99999, name), nullptr);
    EXPECT_EQ(parsed(endpoint("fe80::1%99999", "80")), "[fe80::1%99999]:80");
}

TEST(ParseAddress, RoundTripsThroughText) {
    std::mt19937 random(3);
    for (int i = 0; i < 2000; ++i) {
        const bool inet6 = i % 2 == 1;
        Address address{};
        address.type = static_cast<int32_t>(SocketType::tcp);
        const auto port = static_cast<uint16_t>(random());
        if (inet6) {
            sockaddr_in6 a{};
            a.sin6_family = AF_INET6;
            a.sin6_port = htons(port);
            for (uint8_t& byte : a.sin6_addr.s6_addr) {
                byte = random() % 3 == 0 ? 0 : static_cast<uint8_t>(random());
            }
            std::memcpy(address.raw.bytes, &a, sizeof a);
            address.raw.size = sizeof a;
        } else {
            sockaddr_in a{};
            a.sin_family = AF_INET;
            a.sin_port = htons(port);
            a.sin_addr.s_addr = static_cast<uint32_t>(random());
            std::memcpy(address.raw.bytes, &a, sizeof a);
            address.raw.size = sizeof a;
        }
        ASSERT_TRUE(address.is_valid());
        EXPECT_EQ(address.port(), port);
        const std::string host = address.host();
        Address again{};
        const std::string service = std::to_string(address.port());
        ASSERT_TRUE(parse_address(endpoint(host.c_str(), service.c_str()), again).ok()) << host;
        EXPECT_TRUE(again.raw == address.raw) << host;
    }
}

TEST(ParseAddress, RoundTripsUnixPaths) {
    std::mt19937 random(4);
    for (int i = 0; i < 500; ++i) {
        std::string path = i % 2 == 0 && kAbstract ? "@" : "/";
        const size_t size = 1 + random() % 106;
        for (size_t k = 0; k < size; ++k) path += static_cast<char>(1 + random() % 255);
        Address address{};
        ASSERT_TRUE(parse_address(endpoint(path.c_str(), nullptr, kUnix), address).ok());
        EXPECT_EQ(address.to_string(), path);
        EXPECT_EQ(address.host(), path);
        EXPECT_EQ(address.port(), 0);
        EXPECT_EQ(address.family(), kUnix);
    }
}

// ---- lookups that stay in the process -----------------------------------------------------------

TEST(Lookup, AWordIsNoPort) {
    // strtoul would take these for numbers, and "-1" for 65535.
    for (const char* service : {"-1", "-80", "+80", " 80", "80 ", "0x50", "\t80", ""}) {
        for (const char* host : {"127.0.0.1", "::1", static_cast<const char*>(nullptr), "*"}) {
            const std::string r = looked_up(endpoint(host, service));
            EXPECT_TRUE(r == "unknown_service" || r == "invalid_port")
                << "'" << service << "' gave " << r;
        }
    }
}

TEST(Lookup, HostsThatCannotBeNamesAreUnknown) {
    const std::string long_name(300, 'a');
    EXPECT_EQ(looked_up(endpoint("", "80")), "unknown_host");
    EXPECT_EQ(looked_up(endpoint(long_name.c_str(), "80")), "unknown_host");
    Endpoint numeric = endpoint("localhost", "80");
    numeric.flags = kNumericHost;
    EXPECT_EQ(looked_up(numeric), "unknown_host");
}

TEST(Lookup, TheCanonicalNameOfALiteralIsItself) {
    Endpoint e = endpoint("::1", "80");
    Lookup found;
    ASSERT_TRUE(lookup(e, found).ok());
    EXPECT_EQ(found.canonical_name, "");
    e.flags = kCanonName;
    ASSERT_TRUE(lookup(e, found).ok());
    EXPECT_EQ(found.canonical_name, "::1");
}

TEST(Lookup, ALiteralHasOneAddress) {
    Lookup found;
    ASSERT_TRUE(lookup(endpoint("127.0.0.1", "80"), found).ok());
    EXPECT_EQ(found.addresses.size(), 1u);
    ASSERT_TRUE(lookup(endpoint("127.0.0.2", "80"), found).ok());
    EXPECT_EQ(found.addresses.size(), 1u) << "what was there before is gone";
}

// ---- memory -------------------------------------------------------------------------------------

// Asks everything that can be asked of an address; under a sanitizer that is the test.
size_t ask_everything(const Address& address) {
    size_t answers = address.is_valid() ? 1 : 0;
    answers += static_cast<size_t>(address.family());
    answers += static_cast<size_t>(address.port());
    answers += address.host().size() + address.to_string().size();
    return answers;
}

TEST(AddressMemory, ZerosAndOnesAreInvalid) {
    for (const int byte : {0, 0xff, 0x5a, 1}) {
        Address address;
        std::memset(static_cast<void*>(&address), byte, sizeof address);
        EXPECT_FALSE(address.is_valid()) << byte;
        ask_everything(address);
    }
}

TEST(AddressMemory, AnyContentIsSafe) {
    std::mt19937 random(1);
    int valid = 0;
    for (int i = 0; i < 100000; ++i) {
        Address address;
        auto* bytes = reinterpret_cast<unsigned char*>(&address);
        for (size_t k = 0; k < sizeof address; ++k) {
            bytes[k] = static_cast<unsigned char>(random());
        }
        // Most would fail at the first check, so some are made nearly right.
        if (i % 2 == 0) {
            constexpr sa_family_t kFamilies[] = {AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC};
            const sa_family_t family = kFamilies[random() % 4];
            std::memcpy(address.raw.bytes, &family, sizeof family);
            address.raw.size = static_cast<uint32_t>(random() % 130);
        }
        if (i % 4 == 0) address.type = static_cast<int32_t>(random() % 5);
        ask_everything(address);
        valid += address.is_valid();
        if (address.is_valid()) {
            EXPECT_LE(address.raw.size, SockAddr::kCapacity);
        }
    }
    EXPECT_GT(valid, 1000);
}

TEST(AddressMemory, EveryUnixSizeIsSafe) {
    for (const char fill : {'\0', 'x'}) {
        for (uint32_t size = 0; size <= SockAddr::kCapacity + 2; ++size) {
            Address address{};
            std::memset(address.raw.bytes, fill, sizeof address.raw.bytes);
            const sa_family_t family = AF_UNIX;
            std::memcpy(address.raw.bytes, &family, sizeof family);
            address.raw.size = size;
            address.type = static_cast<int32_t>(SocketType::udp);
            ask_everything(address);
            EXPECT_EQ(address.is_valid(), size >= 2 && size <= SockAddr::kCapacity) << size;
        }
    }
}

TEST(AddressMemory, TheSizeHasToFitTheFamily) {
    struct {
        sa_family_t family;
        uint32_t size;
        bool valid;
    } const cases[] = {
        {AF_INET, sizeof(sockaddr_in), true},
        {AF_INET, sizeof(sockaddr_in) - 1, false},
        {AF_INET6, sizeof(sockaddr_in6), true},
        {AF_INET6, sizeof(sockaddr_in6) - 1, false},
        {AF_INET6, sizeof(sockaddr_in), false},
        {AF_UNIX, 2, true},  // unnamed
        {AF_UNSPEC, 16, false},
        {AF_APPLETALK, 16, false},
    };
    for (const auto& c : cases) {
        Address address{};
        address.type = static_cast<int32_t>(SocketType::tcp);
        std::memcpy(address.raw.bytes, &c.family, sizeof c.family);
        address.raw.size = c.size;
        EXPECT_EQ(address.is_valid(), c.valid) << c.family << " " << c.size;
    }
}

// A type or protocol that is garbage must not come out as an answer: a negative one would look like
// an error.
TEST(AddressMemory, TypeAndProtocolHaveToBeKnown) {
    Address address{};
    ASSERT_TRUE(parse_address(endpoint("1.2.3.4", "80"), address).ok());
    for (const int32_t type : {0, 4, -1, INT32_MIN, INT32_MAX}) {
        Address other = address;
        other.type = type;
        EXPECT_FALSE(other.is_valid()) << type;
    }
    for (const int32_t protocol : {-1, INT32_MIN}) {
        Address other = address;
        other.protocol = protocol;
        EXPECT_FALSE(other.is_valid()) << protocol;
    }
}

TEST(AddressMemory, AnUnnamedUnixAddressIsEmptyText) {
    Address address{};
    address.type = static_cast<int32_t>(SocketType::udp);
    const sa_family_t family = AF_UNIX;
    std::memcpy(address.raw.bytes, &family, sizeof family);
    address.raw.size = sizeof family;
    EXPECT_TRUE(address.is_valid());
    EXPECT_EQ(address.to_string(), "");
    EXPECT_EQ(address.host(), "");
}

TEST(SockAddrEquality, IgnoresWhatLiesBehindTheSize) {
    SockAddr a{}, b{};
    a.size = b.size = 4;
    std::memcpy(a.bytes, "abcdX", 5);
    std::memcpy(b.bytes, "abcdY", 5);
    EXPECT_TRUE(a == b);
    b.size = 5;
    EXPECT_FALSE(a == b);
    b.size = 4;
    b.bytes[3] = 'x';
    EXPECT_FALSE(a == b);
}

}  // namespace
}  // namespace socket2
