// A poller over a completion port, and sources under it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "core/poll/iocp/iocp_poller.h"
#include "core/sys/socket.h"
#include "sockets.h"
#include "spec/core/ops.h"
#include "spec/core/owner.h"

namespace socket2 {

inline std::shared_ptr<IocpGroup> make_group() {
    std::shared_ptr<IocpGroup> group;
    sys::start();
    EXPECT_TRUE(IocpGroup::create(nullptr, group).ok());
    return group;
}

inline std::unique_ptr<IocpPoller> make_poller() {
    return std::make_unique<IocpPoller>(make_group());
}

struct Source {
    explicit Source(const Fd& fd) { source.fd = fd.get(); }
    IoSource source;
    Owner owner;
    IoOp read{owner, source, Side::read};
    IoOp write{owner, source, Side::write};
};

class IocpPollerTest : public ::testing::Test {
   protected:
    Poller& poller() { return *owner; }

    Result accept(Source& s) {
        prepare(s.read, OpKind::accept, nullptr, 0);
        s.read.addr = &peer;
        return poller().submit(s.read);
    }
    Result connect(Source& s, const SockAddr& to) {
        prepare(s.write, OpKind::connect, nullptr, 0);
        target = to;
        s.write.only = &target;
        return poller().submit(s.write);
    }
    Result recv_from(Source& s, const SockAddr* only, void* data, size_t size) {
        prepare(s.read, OpKind::recv_from, data, size);
        s.read.only = only;
        s.read.addr = &peer;
        return poller().submit(s.read);
    }
    int cancel(IoOp& op) {
        poller().cancel(op);
        EXPECT_EQ(wait_for(poller(), 1), Ops{&op});
        return op.result.value();
    }
    std::string read_to_end(Source& s, size_t chunk) {
        std::string all;
        for (std::string data(chunk, '\0');;) {
            const int n = outcome(poller(), s.read, recv(poller(), s.read, data.data(), chunk));
            EXPECT_GE(n, 0) << error_word(n);
            if (n <= 0) return all;
            all.append(data, 0, static_cast<size_t>(n));
        }
    }
    Fd take(Source& s) { return Fd(static_cast<SOCKET>(std::exchange(s.read.accepted, -1))); }

    std::unique_ptr<IocpPoller> owner = make_poller();
    SockAddr peer{};
    SockAddr target{};
};

constexpr int kCanceled = static_cast<int>(Errc::canceled);

}  // namespace socket2
