// The contract with a completion port, on real sockets.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/clock.h"
#include "core/poll/iocp/iocp_poller.h"
#include "spec/core/iocp_fixture.h"
#include "spec/core/poller_contract.h"

namespace socket2 {
namespace {

class SocketChannel final : public Channel {
   public:
    SocketChannel() { source.fd = pair_.ours.get(); }

    void feed(std::string_view data) override {
        send_all(pair_.theirs, data);
        // A read in flight takes the data before the test can see it.
        const Op* reader = source.parked[static_cast<size_t>(Side::read)];
        if (reader == nullptr || reader->kind != OpKind::recv) await(pair_.ours, POLLRDNORM);
    }
    void fill(Poller& poller) override {
        const std::string block(1 << 16, 'x');
        for (int hung = 0; hung < 3; ++hung) {
            if (hung > 0) ::Sleep(50);  // under Wine the system takes more a little later
            while (send(poller, write, block.data(), block.size()).ok()) {
            }
            // The last one hangs: take it back, so that the side is free.
            poller.cancel(write);
            EXPECT_EQ(wait_for(poller, 1), Ops{&write});
        }
    }
    void release() override {
        set_nonblocking(pair_.theirs);
        std::string data(1 << 16, '\0');
        constexpr int kQuiet = 20;  // the sender's system may still be handing over data
        while (shows(pair_.theirs, POLLRDNORM, kQuiet)) {
            while (::recv(pair_.theirs.raw(), data.data(), static_cast<int>(data.size()), 0) > 0) {
            }
        }
    }
    void close() override { pair_.ours.close(); }

   private:
    Pair pair_ = tcp_pair();
};

// One of two pollers on a port; the other takes its packets whenever it can.
class RobbedPoller final : public Poller {
   public:
    Result attach(IoSource& source) override { return own_.attach(source); }
    void detach(IoSource& source) override { own_.detach(source); }
    Result submit(IoOp& op) override { return own_.submit(op); }
    void cancel(IoOp& op) override { own_.cancel(op); }
    Result try_now(IoOp& op) override { return own_.try_now(op); }
    Result wait(double seconds, OpList& completed) override {
        OpList none;
        EXPECT_TRUE(robber_.wait(0, none).ok());
        EXPECT_TRUE(none.empty()) << "it has submitted nothing";
        return own_.wait(seconds, completed);
    }
    void wake() const override { own_.wake(); }

   private:
    const std::shared_ptr<IocpGroup> group_ = make_group();
    IocpPoller own_{group_};
    IocpPoller robber_{group_};
};

template <typename P>
class SocketWorld final : public World {
   public:
    explicit SocketWorld(std::unique_ptr<P> poller) : poller_(std::move(poller)) {}

    Poller& poller() override { return *poller_; }
    double now() const override { return clock_.now(); }
    std::unique_ptr<Channel> channel() override { return std::make_unique<SocketChannel>(); }

   private:
    MonotonicClock clock_;
    const std::unique_ptr<P> poller_;
};

INSTANTIATE_TEST_SUITE_P(
    Implementations, PollerContract,
    ::testing::Values(Implementation{"Fake", [] { return std::make_unique<FakeWorld>(); }},
                      Implementation{
                          "IocpTcp",
                          [] { return std::make_unique<SocketWorld<IocpPoller>>(make_poller()); }},
                      Implementation{"IocpTcpRobbed",
                                     [] {
                                         return std::make_unique<SocketWorld<RobbedPoller>>(
                                             std::make_unique<RobbedPoller>());
                                     }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace socket2
