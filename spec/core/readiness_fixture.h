// A readiness poller over a selector that the test can meddle with, and streams under it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/base/clock.h"
#include "core/poll/readiness_poller.h"
#include "sockets.h"
#include "spec/core/ops.h"
#include "spec/core/owner.h"
#include "spec/core/selectors.h"

namespace socket2 {

// A selector that lets something happen between the failed try and the registration. It can be told
// to fail, and to report what is not true.
class MeddlingSelector final : public Selector {
   public:
    Result add(IoSource& source) override {
        if (before_add) std::exchange(before_add, nullptr)();
        return add_fails.is_error() ? add_fails : inner_->add(source);
    }
    void remove(IoSource& source) override { inner_->remove(source); }
    Result wait(double seconds, Event* events, int capacity) override {
        ++waits;
        if (made_up.source == nullptr) return inner_->wait(seconds, events, capacity);
        events[0] = std::exchange(made_up, {});
        return Result::of(1);
    }
    void wake() const override { inner_->wake(); }
    IoSource* forget_one() override { return inner_->forget_one(); }

    std::function<void()> before_add;
    Result add_fails = Result::done();
    Event made_up{};
    int waits = 0;

   private:
    std::unique_ptr<Selector> inner_ = selector_kinds().front().make();
};

struct Socket {
    explicit Socket(int fd, bool short_read_drains = false) {
        source.fd = fd;
        source.short_read_drains = short_read_drains;
    }
    Owner owner;
    IoSource source;
    IoOp read{owner, source, Side::read};
    IoOp write{owner, source, Side::write};
};

class ReadinessPollerTest : public ::testing::Test {
   protected:
    ReadinessPollerTest() {
        auto owned = std::make_unique<MeddlingSelector>();
        selector = owned.get();
        owner = std::make_unique<ReadinessPoller>(std::move(owned));
    }

    ReadinessPoller& poller() { return *owner; }

    // Makes one read that waits, so that the source is registered.
    void register_by_reading(Socket& s, int theirs) {
        char byte;
        ASSERT_TRUE(recv(poller(), s.read, &byte, 1).is_pending());
        send_all(theirs, "!");
        EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
        EXPECT_TRUE(s.source.registered);
    }

    std::string read_some(Socket& s, size_t size) {
        std::string data(size, '\0');
        const int n = outcome(poller(), s.read, recv(poller(), s.read, data.data(), size));
        EXPECT_GE(n, 0) << error_word(n);
        data.resize(static_cast<size_t>(std::max(n, 0)));
        return data;
    }

    std::string read_to_end(Socket& s, size_t chunk) {
        std::string all;
        for (;;) {
            const std::string some = read_some(s, chunk);
            if (some.empty()) return all;
            all += some;
        }
    }

    void cancel(IoOp& op) {
        poller().cancel(op);
        EXPECT_EQ(wait_for(poller(), 1), Ops{&op});
    }

    MeddlingSelector* selector;
    std::unique_ptr<ReadinessPoller> owner;
};

class Streams : public ReadinessPollerTest, public ::testing::WithParamInterface<bool> {
   protected:
    bool tcp() const { return GetParam(); }
    Pair pair = tcp() ? tcp_pair() : unix_pair();
    Socket s{pair.ours.get(), tcp()};

    void TearDown() override { poller().detach(s.source); }

    // Sends what the systems on both sides take, and leaves a wait for more room.
    void fill(Socket& t) {
        const std::string data(size_t{16} << 20, 'x');
        const MonotonicClock clock;
        const double limit = clock.now() + kLimit;
        while (clock.now() < limit) {
            EXPECT_TRUE(send(poller(), t.write, data.data(), data.size()).is_pending());
            size_t before = 0;
            do {
                before = t.write.done;
                EXPECT_EQ(wait(poller(), 0.02), Ops{});
            } while (t.write.done != before);
            cancel(t.write);
            const Result r = wait_ready(poller(), t.write);
            if (r.is_pending() && wait(poller(), 0.02).empty()) return;
        }
        ADD_FAILURE() << "there is always room";
    }
};

}  // namespace socket2
