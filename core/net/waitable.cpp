#include "core/net/waitable.h"

#include <utility>

namespace socket2 {

Waitable::Waitable(Loop& loop)
    : loop_(loop), read_(source_, Side::read), write_(source_, Side::write) {
    loop_.reserve(2);
    loop_.count_source(1);
}

Waitable::~Waitable() {
    loop_.release(2);
    loop_.count_source(-1);
}

void Waitable::close(std::unique_ptr<Waitable> waitable) {
    Waitable& w = *waitable;
    w.loop_.detach(w.source_, w.read_, w.write_);
    w.close_descriptor();
    w.source_.fd = kNoDescriptor;
    w.loop_.retire(std::move(waitable));
}

Descriptor Waitable::detach(std::unique_ptr<Waitable> waitable) {
    Waitable& w = *waitable;
    w.loop_.detach(w.source_, w.read_, w.write_);
    const Descriptor fd = std::exchange(w.source_.fd, kNoDescriptor);
    w.loop_.retire(std::move(waitable));
    return fd;
}

Result Waitable::check_free(const Op& op, double deadline) {
    const bool beside = op.kind == OpKind::wait && deadline == kAtOnce;
    return op.state == OpState::idle || beside ? Result::done() : Errc::busy;
}

Result Waitable::try_now(Op& op, OpKind kind, void* data, size_t size) {
    Op once(source_, op.side);
    once.kind = kind;
    once.data = data;
    once.size = size;
    once.addr = op.addr;
    once.only = op.only;
    const Result r = loop_.try_now(once);
    // Who asks for these finds them where he does after an event.
    op.truncated = once.truncated;
    op.accepted = once.accepted;
    return r.is_pending() ? Errc::timeout : r;
}

Result Waitable::submit(Op& op, OpKind kind, void* data, size_t size, double deadline) {
    const Result free = check_free(op, deadline);
    if (free.is_error()) return free;
    if (deadline == kAtOnce) return try_now(op, kind, data, size);
    op.kind = kind;
    op.data = data;
    op.size = size;
    op.deadline = deadline;
    return loop_.submit(op);
}

Result Waitable::wait(Side side, double deadline) {
    return submit(side == Side::read ? read_ : write_, OpKind::wait, nullptr, 0, deadline);
}

}  // namespace socket2
