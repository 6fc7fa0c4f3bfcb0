#include "core/io/readiness_poller.h"

#include <algorithm>

#include "core/io/posix/syscalls.h"

namespace socket2 {
namespace {

// One send hands over at most this much before others have their turn: a receiver that keeps up
// would otherwise hold the loop for as long as a buffer lasts.
constexpr size_t kSendShare = size_t{1} << 20;
// Datagrams from strangers that one filtered receive drops before others have their turn.
constexpr int kDropShare = 64;

// What one try came to, when it is not over: kWait (nothing there: wait for readiness) or kMore
// (could go on at once, but had its share).
enum class Next : uint8_t { over, wait, more };

struct Attempt {
    Next next;
    Result result;
};

constexpr Attempt kWait{Next::wait, Result::pending()};
constexpr Attempt kMore{Next::more, Result::pending()};

Attempt over(Result result) { return {Next::over, result}; }

uint8_t direction(const Op& op) { return op.side == Side::read ? kReadable : kWritable; }

// The system had nothing (no room): only an edge says otherwise.
Attempt drained(Op& op) {
    op.source.ready = static_cast<uint8_t>(op.source.ready & ~direction(op));
    return kWait;
}

Attempt try_recv(Op& op) {
    IoSource& source = op.source;
    const Result r = posix::recv(source.fd, op.data, op.size);
    if (r.is_pending()) return drained(op);
    // Saves the EAGAIN that would tell the same. Once a hang-up was seen no further edge comes for
    // the end of the stream, and a read stops early at urgent data, so then only EAGAIN counts.
    if (r.ok() && source.short_read_drains && static_cast<size_t>(r.value()) < op.size &&
        (source.ready & (kHangup | kUrgent)) == 0) {
        drained(op);
    }
    return over(r);
}

Attempt try_read(Op& op) {
    const Result r = posix::read(op.source.fd, op.data, op.size);
    return r.is_pending() ? drained(op) : over(r);
}

// Of a socket a short send has filled the room; another descriptor may stop short for its own reasons.
template <typename Send>
Attempt try_all(Op& op, Send send, bool short_fills) {
    const size_t share = std::min(op.size - op.done, kSendShare);
    const char* data = static_cast<const char*>(op.data) + op.done;
    const Result r = send(op.source.fd, data, share);
    if (r.is_pending()) return drained(op);
    if (r.is_error()) return over(r);
    op.done += static_cast<size_t>(r.value());
    if (op.done == op.size) return over(Result::of(static_cast<int>(op.size)));
    return short_fills && static_cast<size_t>(r.value()) < share ? drained(op) : kMore;
}

Attempt try_send(Op& op) { return try_all(op, posix::send, true); }

Attempt try_write(Op& op) { return try_all(op, posix::write, false); }

Attempt try_accept(Op& op) {
    const Result r = posix::accept(op.source.fd, op.accepted, op.addr);
    return r.is_pending() ? drained(op) : over(r);
}

Attempt try_connect(Op& op) {
    const Result r =
        op.started ? posix::connect_result(op.source.fd) : posix::connect(op.source.fd, *op.only);
    if (!r.is_pending()) return over(r);
    op.started = true;
    return drained(op);
}

Attempt try_recv_from(Op& op) {
    for (int dropped = 0; dropped < kDropShare; ++dropped) {
        SockAddr from;
        const Result r = posix::recv_from(op.source.fd, op.data, op.size, from, op.truncated);
        if (r.is_pending()) return drained(op);
        if (r.is_error()) return over(r);
        if (op.only != nullptr && !(from == *op.only)) continue;
        if (op.addr != nullptr) *op.addr = from;
        return over(r);
    }
    return kMore;
}

Attempt try_send_to(Op& op) {
    const Result r = posix::send_to(op.source.fd, op.data, op.size, op.only);
    return r.is_pending() ? drained(op) : over(r);
}

Attempt try_wait(Op& op) {
    const Result r = posix::is_ready(op.source.fd, direction(op));
    return r.is_pending() ? drained(op) : over(r);
}

Attempt attempt(Op& op) {
    if ((op.source.ready & direction(op)) == 0) return kWait;
    switch (op.kind) {
        case OpKind::recv:
            return try_recv(op);
        case OpKind::accept:
            return try_accept(op);
        case OpKind::recv_from:
            return try_recv_from(op);
        case OpKind::read:
            return try_read(op);
        case OpKind::send:
            return try_send(op);
        case OpKind::connect:
            return try_connect(op);
        case OpKind::send_to:
            return try_send_to(op);
        case OpKind::write:
            return try_write(op);
        case OpKind::wait:
            return try_wait(op);
        case OpKind::lookup:
            break;  // no poller's
    }
    SOCKET2_ASSERT(false, "an op of no known kind");
    return kWait;
}

Op*& parking_place(Op& op) { return op.source.parked[static_cast<size_t>(op.side)]; }

}  // namespace

ReadinessPoller::ReadinessPoller(std::unique_ptr<Selector> selector)
    : selector_(std::move(selector)) {}

Result ReadinessPoller::attach(IoSource&) { return Result::done(); }

void ReadinessPoller::detach(IoSource& source) {
    SOCKET2_ASSERT(source.parked[0] == nullptr && source.parked[1] == nullptr,
                   "a source is detached while ops wait on it");
    if (source.registered) selector_->remove(source);
}

Result ReadinessPoller::submit(Op& op) {
    const Attempt a = attempt(op);
    if (a.next == Next::over) return a.result;
    if (a.next == Next::more) {
        parking_place(op) = &op;
        hot_.push_back(op);
        return Result::pending();
    }
    const Result r = watch(op.source);
    if (r.is_error() && op.done == 0) return r;
    if (r.is_error()) {
        // A part went out: only a completion tells how much.
        op.result = r;
        finished_.push_back(op);
    } else {
        parking_place(op) = &op;
    }
    return Result::pending();
}

// The registration reports what became ready since the try, so no edge is lost.
Result ReadinessPoller::watch(IoSource& source) {
    if (source.registered) return Result::done();
    const Result r = selector_->add(source);
    if (r.is_error()) source.ready = kReadable | kWritable;  // nobody will tell: try again
    return r;
}

void ReadinessPoller::cancel(Op& op) {
    if (parking_place(op) != &op) {
        SOCKET2_ASSERT(op.in_list(), "an op is canceled that the poller does not have");
        return;  // it has failed already
    }
    parking_place(op) = nullptr;
    if (op.in_list()) OpList::remove(op);
    // The system would go on with it, and refuse the next connect.
    if (op.kind == OpKind::connect && op.started) {
        const Result undone = posix::disconnect(op.source.fd);
        // Linux keeps a reset as the socket's error, for whoever asks for it.
        const Result cleared = posix::connect_result(op.source.fd);
        static_cast<void>(undone);
        static_cast<void>(cleared);
    }
    op.result = Errc::canceled;
    finished_.push_back(op);
}

Result ReadinessPoller::try_now(Op& op) {
    // Only who has just polled can rely on what the system said, as those who look for readiness do.
    if (op.kind != OpKind::wait) op.source.ready |= direction(op);
    const Attempt a = attempt(op);
    if (a.next == Next::over) return a.result;
    if (op.done > 0) return Result::of(static_cast<int>(op.done));
    const Result r = watch(op.source);
    return r.is_error() ? r : Result::pending();
}

void ReadinessPoller::retry(Op& op, OpList& completed) {
    Attempt a = attempt(op);
    if (a.next == Next::wait) {
        a.result = watch(op.source);
        if (a.result.ok()) return;
    }
    if (a.next == Next::more) {
        hot_.push_back(op);
        return;
    }
    parking_place(op) = nullptr;
    op.result = a.result;
    completed.push_back(op);
}

Result ReadinessPoller::wait(double seconds, OpList& completed) {
    constexpr int kBatch = 64;
    Selector::Event events[kBatch];

    OpList hot;  // what turns hot again below waits for the next turn
    hot.splice(hot_);
    const bool idle = hot.empty() && finished_.empty();
    const Result n = selector_->wait(idle ? seconds : 0, events, kBatch);
    completed.splice(finished_);
    while (Op* op = hot.pop_front()) retry(*op, completed);
    if (n.is_error()) return n;

    for (int i = 0; i < n.value(); ++i) {
        IoSource& source = *events[i].source;
        source.ready |= events[i].ready;
        for (Op* op : source.parked) {
            if (op != nullptr && !op->in_list()) retry(*op, completed);
        }
    }
    return n;
}

void ReadinessPoller::wake() const { selector_->wake(); }

}  // namespace socket2
