// The contract with this system's selectors, on real sockets.
#include "spec/core/poller_contract.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/poll/readiness_poller.h"
#include "sockets.h"
#include "spec/core/selectors.h"

namespace socket2 {
namespace {

class SocketChannel final : public Channel {
   public:
    SocketChannel(Pair pair, bool short_read_drains) : pair_(std::move(pair)) {
        source.fd = pair_.ours.get();
        source.short_read_drains = short_read_drains;
    }

    void feed(std::string_view data) override {
        send_all(pair_.theirs.get(), data);
        await(pair_.ours.get(), POLLIN);
    }
    void fill(Poller& poller) override {
        const std::string block(1 << 16, 'x');
        while (send(poller, write, block.data(), block.size()).ok()) {
        }
        // The last one hangs: take it back, so that the side is free.
        poller.cancel(write);
        EXPECT_EQ(wait_for(poller, 1), Ops{&write});
    }
    void release() override {
        set_nonblocking(pair_.theirs.get());
        char data[1 << 16];
        for (;;) {
            pollfd entry{pair_.theirs.get(), POLLIN, 0};
            constexpr int kQuiet = 20;  // the sender's system may still be handing over data
            if (::poll(&entry, 1, kQuiet) == 0) return;
            while (::recv(pair_.theirs.get(), data, sizeof data, 0) > 0) {
            }
        }
    }
    void close() override { pair_.ours.close(); }

   private:
    Pair pair_;
};

class SocketWorld final : public World {
   public:
    SocketWorld(const SelectorKind& kind, bool tcp) : tcp_(tcp), poller_(kind.make()) {}

    Poller& poller() override { return poller_; }
    double now() const override { return clock_.now(); }
    std::unique_ptr<Channel> channel() override {
        return std::make_unique<SocketChannel>(tcp_ ? tcp_pair() : unix_pair(), tcp_);
    }

   private:
    const bool tcp_;
    MonotonicClock clock_;
    ReadinessPoller poller_;
};

std::vector<Implementation> implementations() {
    std::vector<Implementation> all{{"Fake", [] { return std::make_unique<FakeWorld>(); }}};
    for (const SelectorKind& kind : selector_kinds()) {
        for (const bool tcp : {true, false}) {
            all.push_back({kind.name + std::string(tcp ? "Tcp" : "Unix"),
                           [kind, tcp] { return std::make_unique<SocketWorld>(kind, tcp); }});
        }
    }
    return all;
}

INSTANTIATE_TEST_SUITE_P(Implementations, PollerContract, ::testing::ValuesIn(implementations()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace socket2
