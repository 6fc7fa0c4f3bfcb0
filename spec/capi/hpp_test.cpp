// The C++ header: handles have one owner, errors are exceptions, and everything that waits learns
// of the end.
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <socket2.hpp>
#include <string>
#include <type_traits>

using socket2::Address;
using socket2::Error;
using socket2::Loop;
using socket2::Socket;
using socket2::Task;

namespace {

static_assert(!std::is_copy_constructible_v<Socket> && !std::is_copy_assignable_v<Socket>);
static_assert(std::is_nothrow_move_constructible_v<Socket>);
static_assert(!std::is_copy_constructible_v<Loop> && !std::is_move_constructible_v<Loop>);

Socket listener_on(Loop& loop) {
    Socket s = Socket::tcp(loop);
    s.bind(Address::lookup("127.0.0.1", "0"));
    s.listen();
    return s;
}

template <typename Body>
int code_of(Body body) {
    try {
        body();
    } catch (const Error& error) {
        return error.code();
    }
    return 0;
}

Task receive(Socket& s, int& code, double deadline = socket2::kNever) {
    std::array<char, 16> room;
    try {
        code = co_await s.recv(room, deadline);
    } catch (const Error& error) {
        code = error.code();
    }
}

// Makes a connection of `loop`, with both ends.
Task connect(Loop& loop, std::optional<Socket>& client, std::optional<Socket>& server) {
    Socket listener = listener_on(loop);
    client.emplace(Socket::tcp(loop));
    co_await client->connect(listener.local_address());
    server.emplace(co_await listener.accept());
}

struct Pair {
    Loop loop;
    std::optional<Socket> client, server;

    Pair() {
        connect(loop, client, server);
        loop.run();
    }
};

TEST(Hpp, AMovedSocketHasOneOwner) {
    Loop loop;
    Socket a = Socket::tcp(loop);
    const int handle = a.handle();
    Socket b = std::move(a);
    EXPECT_EQ(a.handle(), 0);
    EXPECT_EQ(b.handle(), handle);
    a.close();
    EXPECT_EQ(socket2_socket_type(loop.handle(), handle), SOCKET2_TCP);
    b.close();
    EXPECT_EQ(socket2_socket_type(loop.handle(), handle), SOCKET2_EBADHANDLE);
}

TEST(Hpp, AssignmentClosesWhatWasThere) {
    Loop loop;
    Socket a = Socket::tcp(loop);
    const int first = a.handle();
    a = Socket::tcp(loop);
    EXPECT_EQ(socket2_socket_type(loop.handle(), first), SOCKET2_EBADHANDLE);
    EXPECT_EQ(socket2_socket_type(loop.handle(), a.handle()), SOCKET2_TCP);
}

TEST(Hpp, ErrorsHaveTheirCode) {
    EXPECT_EQ(code_of([] { Address::lookup("::1", "0", SOCKET2_TCP, SOCKET2_INET); }),
              SOCKET2_EFAMILY);
    EXPECT_EQ(code_of([] { Address().port(); }), SOCKET2_EINVAL);
    Loop loop;
    Socket s = Socket::tcp(loop);
    EXPECT_EQ(code_of([&] { s.set("no such option", 1); }), SOCKET2_EOPTION);
    s.close();
    EXPECT_EQ(code_of([&] { s.listen(); }), SOCKET2_EBADHANDLE);
}

TEST(Hpp, AnAddressHasItsText) {
    const Address a = Address::lookup("127.0.0.1", "80");
    EXPECT_EQ(a.text(), "127.0.0.1:80");
    EXPECT_EQ(a.port(), 80);
    EXPECT_EQ(a.family(), SOCKET2_INET);
}

TEST(Hpp, WhoeverWaitsHearsThatItWasClosed) {
    Pair p;
    int code = 0;
    receive(*p.server, code);
    EXPECT_EQ(code, 0);
    p.server->close();
    p.loop.run();
    EXPECT_EQ(code, SOCKET2_ECLOSED);
}

TEST(Hpp, ADeadlineEndsAnOperation) {
    Pair p;
    int code = 0;
    receive(*p.server, code, socket2_clock() + 0.01);
    p.loop.run();
    EXPECT_EQ(code, SOCKET2_ETIMEOUT);
}

TEST(Hpp, StopEndsRunThoughSomebodyWaits) {
    Pair p;
    int code = 1;
    receive(*p.server, code);
    p.loop.stop();
    p.loop.run();
    EXPECT_EQ(code, 1);
    p.client->close();
    p.loop.run();
    EXPECT_EQ(code, 0);  // the end of the stream
    EXPECT_EQ(socket2_socket_pending(p.loop.handle(), p.server->handle(), SOCKET2_READ, nullptr),
              0);
}

TEST(Hpp, ALoopEndsThoseThatStillWait) {
    struct Told {
        bool& gone;
        ~Told() { gone = true; }
    };
    bool gone = false;
    bool went_on = false;
    {
        Loop loop;
        const auto wait = [&](Socket s) -> Task {
            const Told told{gone};
            co_await s.accept();
            went_on = true;
        };
        wait(listener_on(loop));
        EXPECT_FALSE(gone);
    }
    EXPECT_TRUE(gone);
    EXPECT_FALSE(went_on);
}

TEST(Hpp, DatagramsGoThereAndTellWhoSentThem) {
    Loop loop;
    std::string got, sender, expected;
    const auto body = [&]() -> Task {
        Socket to = Socket::udp(loop), from = Socket::udp(loop);
        to.bind(Address::lookup("127.0.0.1", "0", SOCKET2_UDP));
        from.bind(Address::lookup("127.0.0.1", "0", SOCKET2_UDP));
        co_await from.send_to("hello", to.local_address());
        std::array<char, 16> room;
        Address who;
        const int n = co_await to.recv_from(room, who);
        got.assign(room.data(), static_cast<size_t>(n));
        sender = who.text();
        expected = from.local_address().text();
    };
    body();
    loop.run();
    EXPECT_EQ(got, "hello");
    EXPECT_EQ(sender, expected);
}

}  // namespace
