#include "core/io/attempt.h"

#include <algorithm>

#include "core/io/posix/syscalls.h"

namespace socket2 {
namespace {

// One send hands over at most this much before others have their turn: a receiver that keeps up
// would otherwise hold the loop for as long as a buffer lasts.
constexpr size_t kSendShare = size_t{1} << 20;
// Datagrams from strangers that one filtered receive drops before others have their turn.
constexpr int kDropShare = 64;

Attempt outcome(Result r) { return r.is_pending() ? Attempt::wait() : Attempt::over(r); }

// Of a socket a short send has filled the room; another descriptor may stop short for its own reasons.
template <typename Send>
Attempt try_all(Op& op, Send send, bool short_fills) {
    const size_t share = std::min(op.size - op.done, kSendShare);
    const char* data = static_cast<const char*>(op.data) + op.done;
    const Result r = send(op.source.fd, data, share);
    if (r.is_pending() || r.is_error()) return outcome(r);
    op.done += static_cast<size_t>(r.value());
    if (op.done == op.size) return Attempt::over(Result::of(static_cast<int>(op.size)));
    return short_fills && static_cast<size_t>(r.value()) < share ? Attempt::wait()
                                                                 : Attempt::more();
}

Attempt try_connect(Op& op) {
    const Descriptor fd = op.source.fd;
    const Result r = op.started ? posix::connect_result(fd) : posix::connect(fd, *op.only);
    if (r.is_pending()) op.started = true;
    return outcome(r.ok() ? connected(op, fd) : r);
}

Attempt try_recv_from(Op& op) {
    for (int dropped = 0; dropped < kDropShare; ++dropped) {
        SockAddr from;
        const Result r = posix::recv_from(op.source.fd, op.data, op.size, from, op.truncated);
        if (r.is_pending() || r.is_error()) return outcome(r);
        if (op.only != nullptr && !(from == *op.only)) continue;
        if (op.addr != nullptr) *op.addr = from;
        return outcome(r);
    }
    return Attempt::more();
}

}  // namespace

bool is_connecting(const IoSource& source) {
    const Op* const writer = source.parked[static_cast<size_t>(Side::write)];
    return writer != nullptr && writer->kind == OpKind::connect;
}

Result connected(const Op& op, Descriptor fd) {
    if (!op.to_itself) return Result::done();
    SockAddr own;
    SockAddr peer;
    const bool itself =
        posix::local_address(fd, own).ok() && posix::remote_address(fd, peer).ok() && own == peer;
    if (!itself) return Result::done();
    // Leaves an error, which the second takes.
    for (const Result r : {posix::disconnect(fd), posix::connect_result(fd)}) static_cast<void>(r);
    return Errc::connection_refused;
}

uint8_t direction(Side side) { return side == Side::read ? kReadable : kWritable; }

Attempt attempt(Op& op) {
    const Descriptor fd = op.source.fd;
    switch (op.kind) {
        case OpKind::recv:
            return outcome(posix::recv(fd, op.data, op.size));
        case OpKind::accept:
            return outcome(posix::accept(fd, op.accepted, op.addr));
        case OpKind::recv_from:
            return try_recv_from(op);
        case OpKind::read:
            return outcome(posix::read(fd, op.data, op.size));
        case OpKind::send:
            return try_all(op, posix::send, true);
        case OpKind::connect:
            return try_connect(op);
        case OpKind::send_to:
            return outcome(posix::send_to(fd, op.data, op.size, op.only));
        case OpKind::write:
            return try_all(op, posix::write, false);
        case OpKind::wait:
            return outcome(posix::is_ready(fd, direction(op.side)));
        case OpKind::lookup:
            break;  // no poller's
    }
    SOCKET2_ASSERT(false, "an op of no known kind");
    return Attempt::wait();
}

}  // namespace socket2
