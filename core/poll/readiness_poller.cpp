#include "core/poll/readiness_poller.h"

#include <utility>

#include "core/poll/attempt.h"
#include "core/sys/socket.h"

namespace socket2 {
namespace {

// Whether a read has shown that nothing is left, which saves the EAGAIN that would say the same.
// After a hang-up no further edge comes for the end of the stream, and a read stops early at urgent
// data, so in these cases only EAGAIN counts.
bool drained(const IoOp& op, Result r) {
    const IoSource& source = op.source;
    return op.kind == OpKind::recv && r.ok() && source.short_read_drains &&
           static_cast<size_t>(r.value()) < op.size && (source.ready & (kHangup | kUrgent)) == 0;
}

// After a try that found nothing, only an edge makes the source ready again.
Attempt try_if_ready(IoOp& op) {
    IoSource& source = op.source;
    const uint8_t side = direction(op.side);
    if ((source.ready & side) == 0) return Attempt::wait();
    const bool reads = op.kind == OpKind::recv || op.kind == OpKind::readable;
    if (reads && is_connecting(source)) return Attempt::wait();
    const Attempt a = attempt(op);
    const bool over = a.next == Attempt::Next::over;
    if (a.next == Attempt::Next::wait || (over && drained(op, a.result))) {
        source.ready = static_cast<uint8_t>(source.ready & ~side);
    }
    return a;
}

IoOp*& parking_place(IoOp& op) { return op.source.parked[static_cast<size_t>(op.side)]; }

}  // namespace

ReadinessPoller::ReadinessPoller(std::unique_ptr<Selector> selector)
    : selector_(std::move(selector)) {}

Result ReadinessPoller::attach(IoSource&) { return Result::done(); }

void ReadinessPoller::detach(IoSource& source) {
    SOCKET2_ASSERT(source.parked[0] == nullptr && source.parked[1] == nullptr,
                   "a source is detached while ops wait on it");
    if (source.registered) selector_->remove(source);
}

Result ReadinessPoller::submit(IoOp& op) {
    const Attempt a = try_if_ready(op);
    if (a.next == Attempt::Next::more) {
        parking_place(op) = &op;
        hot_.push_back(op);
        return Result::pending();
    }
    const Result r = a.next == Attempt::Next::wait ? watch(op.source) : a.result;
    if (r.is_error() && op.done > 0) {
        // A part was sent: only a completion can report how much.
        op.result = r;
        finished_.push_back(op);
        return Result::pending();
    }
    if (a.next == Attempt::Next::over || r.is_error()) return r;
    parking_place(op) = &op;
    return Result::pending();
}

// The registration reports what became ready since the try, so no edge is lost.
Result ReadinessPoller::watch(IoSource& source) {
    if (source.registered) return Result::done();
    const Result r = selector_->add(source);
    if (r.is_error()) source.ready = kReadable | kWritable;  // no report will come: try again
    return r;
}

void ReadinessPoller::cancel(IoOp& op) {
    if (parking_place(op) != &op) {
        SOCKET2_ASSERT(op.in_list(), "an op is canceled that the poller does not have");
        return;  // it has failed already
    }
    leave(op);
    if (op.in_list()) OpList::remove(op);
    // The system would go on with the connect, and refuse the next one.
    if (op.kind == OpKind::connect && op.started) {
        const Result undone = sys::disconnect(op.source.fd);
        // Linux keeps a reset as the socket's error, for the next call that asks for it.
        const Result cleared = sys::connect_result(op.source.fd);
        static_cast<void>(undone);
        static_cast<void>(cleared);
    }
    op.result = Errc::canceled;
    finished_.push_back(op);
}

Result ReadinessPoller::try_now(IoOp& op) {
    // Only a caller that has just polled can rely on what the system said, and ops that look for
    // readiness have.
    if (op.kind != OpKind::wait) op.source.ready |= direction(op.side);
    Attempt a = try_if_ready(op);
    // No edge would report what is left.
    while (a.next == Attempt::Next::more && op.done == 0) a = try_if_ready(op);
    if (a.next == Attempt::Next::over) return a.result;
    if (op.done > 0) return Result::of(static_cast<int>(op.done));
    const Result r = watch(op.source);
    return r.is_error() ? r : Result::pending();
}

void ReadinessPoller::retry(IoOp& op, OpList& completed) {
    Attempt a = try_if_ready(op);
    if (a.next == Attempt::Next::wait) {
        a.result = watch(op.source);
        if (a.result.ok()) return;
    }
    if (a.next == Attempt::Next::more) {
        hot_.push_back(op);
        return;
    }
    leave(op);
    op.result = a.result;
    completed.push_back(op);
}

void ReadinessPoller::leave(IoOp& op) {
    parking_place(op) = nullptr;
    // A read has waited for the end of the connect.
    IoOp* const reader = op.source.parked[static_cast<size_t>(Side::read)];
    if (op.kind == OpKind::connect && reader != nullptr && !reader->in_list()) {
        hot_.push_back(*reader);
    }
}

Result ReadinessPoller::wait(double seconds, OpList& completed) {
    constexpr int kBatch = 64;
    Selector::Event events[kBatch];

    OpList hot;  // an op that turns hot again below waits for the next turn
    hot.splice(hot_);
    const bool idle = hot.empty() && finished_.empty();
    const Result n = selector_->wait(idle ? seconds : 0, events, kBatch);
    completed.splice(finished_);
    while (IoOp* op = pop_io_op(hot)) retry(*op, completed);
    if (n.is_error()) return n;

    for (int i = 0; i < n.value(); ++i) {
        IoSource& source = *events[i].source;
        source.ready |= events[i].ready;
        for (IoOp* op : source.parked) {
            if (op != nullptr && !op->in_list()) retry(*op, completed);
        }
    }
    return n;
}

void ReadinessPoller::wake() const { selector_->wake(); }

void ReadinessPoller::abandon(OpList& unfinished, OpList& finished) {
    finished.splice(finished_);
    while (IoOp* op = pop_io_op(hot_)) {
        parking_place(*op) = nullptr;
        unfinished.push_back(*op);
    }
    while (IoSource* source = selector_->forget_one()) {
        source->ready = kReadable | kWritable;
        // The writer first: a reader waits for the end of its connect.
        for (const Side side : {Side::write, Side::read}) {
            IoOp* const op = std::exchange(source->parked[static_cast<size_t>(side)], nullptr);
            if (op != nullptr) unfinished.push_back(*op);
        }
    }
}

}  // namespace socket2
