// Datagrams under a readiness poller.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <string_view>

#include "core/poll/readiness_poller.h"
#include "spec/core/readiness_fixture.h"

namespace socket2 {
namespace {

Result recv_from(Poller& poller, IoOp& op, void* data, size_t size, const SockAddr* only,
                 SockAddr* from) {
    prepare(op, OpKind::recv_from, data, size);
    op.only = only;
    op.addr = from;
    return poller.submit(op);
}

Result send_to(Poller& poller, IoOp& op, std::string_view data, const SockAddr* to) {
    prepare(op, OpKind::send_to, const_cast<char*>(data.data()), data.size());
    op.only = to;
    return poller.submit(op);
}

class Datagrams : public ReadinessPollerTest {
   protected:
    Datagrams() { set_nonblocking(fd.get()); }

    void send_from(const Fd& from, std::string_view data) {
        ASSERT_EQ(::sendto(from.get(), data.data(), data.size(), 0, raw(here), here.size),
                  static_cast<ssize_t>(data.size()));
    }

    Fd fd = inet_socket(SOCK_DGRAM);
    SockAddr here = local_address(fd.get());
    Fd friend_fd = inet_socket(SOCK_DGRAM), stranger_fd = inet_socket(SOCK_DGRAM);
    SockAddr friend_address = local_address(friend_fd.get());
    Socket s{fd.get()};
    char buffer[64] = {};
};

TEST_F(Datagrams, OneAtATimeWithTheirSender) {
    SockAddr from{};
    EXPECT_TRUE(recv_from(poller(), s.read, buffer, sizeof buffer, nullptr, &from).is_pending());
    send_from(friend_fd, "one");
    send_from(friend_fd, "");
    send_from(stranger_fd, "three");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 3);
    EXPECT_TRUE(from == friend_address);
    const auto next = [&] {
        return outcome(poller(), s.read,
                       recv_from(poller(), s.read, buffer, sizeof buffer, nullptr, &from));
    };
    EXPECT_EQ(next(), 0) << "an empty datagram is one";
    EXPECT_EQ(next(), 5);
    EXPECT_TRUE(from == local_address(stranger_fd.get()));
    poller().detach(s.source);
}

TEST_F(Datagrams, ACutOneIsReported) {
    send_from(friend_fd, "12345678");
    send_from(friend_fd, "1234");
    await(fd.get(), POLLIN);
    EXPECT_EQ(outcome(poller(), s.read, recv_from(poller(), s.read, buffer, 4, nullptr, nullptr)),
              4);
    EXPECT_TRUE(s.read.truncated);
    EXPECT_EQ(outcome(poller(), s.read, recv_from(poller(), s.read, buffer, 4, nullptr, nullptr)),
              4);
    EXPECT_FALSE(s.read.truncated);
    poller().detach(s.source);
}

TEST_F(Datagrams, StrangersAreDroppedInShares) {
    constexpr int kStrangers = 150;
    for (int i = 0; i < kStrangers; ++i) send_from(stranger_fd, "spam");
    send_from(friend_fd, "ham");
    SockAddr from{};
    EXPECT_TRUE(
        recv_from(poller(), s.read, buffer, sizeof buffer, &friend_address, &from).is_pending());
    const int before = selector->waits;
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_GT(selector->waits, before + 1) << "others have their turn in between";
    EXPECT_EQ(s.read.result.value(), 3);
    EXPECT_EQ(std::string(buffer, 3), "ham");
    EXPECT_TRUE(from == friend_address);
    poller().detach(s.source);
}

// No edge would report the one behind them.
TEST_F(Datagrams, ATryDropsAllStrangers) {
    for (int i = 0; i < 100; ++i) send_from(stranger_fd, "spam");
    send_from(friend_fd, "ham");
    await(fd.get(), POLLIN);
    prepare(s.read, OpKind::recv_from, buffer, sizeof buffer);
    s.read.only = &friend_address;
    s.read.addr = nullptr;
    EXPECT_EQ(poller().try_now(s.read).value(), 3);
    EXPECT_EQ(std::string(buffer, 3), "ham");
    EXPECT_TRUE(poller().try_now(s.read).is_pending());
    poller().detach(s.source);
}

TEST_F(Datagrams, OnlyStrangersLeaveTheOpWaiting) {
    EXPECT_TRUE(
        recv_from(poller(), s.read, buffer, sizeof buffer, &friend_address, nullptr).is_pending());
    for (int i = 0; i < 100; ++i) send_from(stranger_fd, "spam");
    for (int i = 0; i < 10; ++i) EXPECT_EQ(wait(poller(), 0.001), Ops{});
    send_from(friend_fd, "ham");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 3);
    poller().detach(s.source);
}

TEST_F(Datagrams, AnOpThatDropsStrangersCanBeCanceled) {
    for (int i = 0; i < 100; ++i) send_from(stranger_fd, "spam");
    await(fd.get(), POLLIN);
    EXPECT_TRUE(
        recv_from(poller(), s.read, buffer, sizeof buffer, &friend_address, nullptr).is_pending());
    cancel(s.read);
    EXPECT_EQ(s.read.result.error(), Errc::canceled);
    EXPECT_EQ(wait(poller(), 0), Ops{});
    poller().detach(s.source);
}

TEST_F(Datagrams, TooLargeIsAnError) {
    const std::string large(70000, 'x');
    const Result r = send_to(poller(), s.write, large, &friend_address);
    EXPECT_EQ(r.error(), Errc::message_too_long);
}

TEST_F(Datagrams, SendingToNobodyNeedsAnAddress) {
    EXPECT_EQ(send_to(poller(), s.write, "x", nullptr).error(), Errc::destination_address_required);
}

}  // namespace
}  // namespace socket2
