#include "core/poll/attempt.h"

#include <algorithm>

#include "core/sys/descriptor.h"
#include "core/sys/file.h"
#include "core/sys/socket.h"

namespace socket2 {
namespace {

// One send hands over at most this much before others have their turn: a receiver that keeps up
// would otherwise hold the loop for as long as the buffer lasts.
constexpr size_t kSendShare = size_t{1} << 20;
// How many datagrams from strangers one filtered receive drops before others have their turn.
constexpr int kDropShare = 64;

Attempt outcome(Result r) { return r.is_pending() ? Attempt::wait() : Attempt::over(r); }

// Removes what the system has taken from what is left.
void advance(IoOp& op, size_t taken) {
    op.done += taken;
    while (taken >= op.size && op.more_count > 0) {
        taken -= op.size;
        op.data = const_cast<void*>(op.more->data);
        op.size = op.more->size;
        ++op.more;
        --op.more_count;
    }
    op.data = static_cast<char*>(op.data) + taken;
    op.size -= taken;
}

// Sends at most `size` bytes of the remaining slices, and sets `size` to how many they had.
Result send_slices(const IoOp& op, size_t& size) {
    Slice slices[sys::kMaxSlices] = {{op.data, std::min(op.size, size)}};
    size_t count = 1;
    size_t total = slices[0].size;
    for (; count < sys::kMaxSlices && count <= op.more_count && total < size; ++count) {
        const Slice& next = op.more[count - 1];
        slices[count] = {next.data, std::min(next.size, size - total)};
        total += slices[count].size;
    }
    size = total;
    return sys::send(op.source.fd, slices, count);
}

// Sends as much of the rest as one system call takes, at most `size` bytes, and sets `size` to how
// many it was given.
Result send_some(const IoOp& op, size_t& size) {
    if (op.kind == OpKind::send && op.more_count > 0) return send_slices(op, size);
    size = std::min(size, op.size);
    return op.kind == OpKind::send ? sys::send(op.source.fd, op.data, size)
                                   : sys::write(op.source.fd, op.data, size);
}

Attempt try_all(IoOp& op) {
    for (size_t share = kSendShare; share > 0;) {
        size_t size = share;
        const Result r = send_some(op, size);
        if (r.is_pending() || r.is_error()) return outcome(r);
        const auto taken = static_cast<size_t>(r.value());
        advance(op, taken);
        if (op.size == 0 && op.more_count == 0) {
            return Attempt::over(Result::of(static_cast<int>(op.done)));
        }
        // On a socket a short send means that there is no room left. Another descriptor may stop
        // short for reasons of its own.
        if (taken < size) return op.kind == OpKind::send ? Attempt::wait() : Attempt::more();
        share -= taken;
    }
    return Attempt::more();
}

Attempt try_connect(IoOp& op) {
    const Descriptor fd = op.source.fd;
    const Result r = op.started ? sys::connect_result(fd) : sys::connect(fd, *op.only);
    if (r.is_pending()) op.started = true;
    return outcome(r.ok() ? connected(op, fd) : r);
}

Attempt try_recv_from(IoOp& op) {
    for (int dropped = 0; dropped < kDropShare; ++dropped) {
        SockAddr from;
        const Result r = sys::recv_from(op.source.fd, op.data, op.size, from, op.truncated);
        if (r.is_pending() || r.is_error()) return outcome(r);
        if (op.only != nullptr && !(from == *op.only)) continue;
        if (op.addr != nullptr) *op.addr = from;
        return outcome(r);
    }
    return Attempt::more();
}

}  // namespace

bool is_connecting(const IoSource& source) {
    const IoOp* const writer = source.parked[static_cast<size_t>(Side::write)];
    return writer != nullptr && writer->kind == OpKind::connect;
}

Result connected(const IoOp& op, Descriptor fd) {
    if (!op.to_itself) return Result::done();
    SockAddr own;
    SockAddr peer;
    const bool itself =
        sys::local_address(fd, own).ok() && sys::remote_address(fd, peer).ok() && own == peer;
    if (!itself) return Result::done();
    // The disconnect leaves an error, which the second call takes.
    for (const Result r : {sys::disconnect(fd), sys::connect_result(fd)}) static_cast<void>(r);
    return Errc::connection_refused;
}

uint8_t direction(Side side) { return side == Side::read ? kReadable : kWritable; }

Attempt attempt(IoOp& op) {
    const Descriptor fd = op.source.fd;
    switch (op.kind) {
        case OpKind::recv:
            return outcome(sys::recv(fd, op.data, op.size));
        case OpKind::accept:
            return outcome(sys::accept(fd, op.accepted, op.addr));
        case OpKind::recv_from:
            return try_recv_from(op);
        case OpKind::read:
            return outcome(sys::read(fd, op.data, op.size));
        case OpKind::send:
            return try_all(op);
        case OpKind::connect:
            return try_connect(op);
        case OpKind::send_to:
            return outcome(sys::send_to(fd, op.data, op.size, op.only));
        case OpKind::write:
            return try_all(op);
        case OpKind::wait:
            return outcome(sys::is_ready(fd, direction(op.side)));
        case OpKind::readable:
            return Attempt::over(Result::done());
        case OpKind::lookup:
            break;  // no poller has these
    }
    SOCKET2_ASSERT(false, "an op of no known kind");
    return Attempt::wait();
}

}  // namespace socket2
