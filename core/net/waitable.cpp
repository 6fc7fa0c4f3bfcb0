#include "core/net/waitable.h"

#include <utility>

namespace socket2 {

Waitable::Waitable(Loop& loop, ObjectKind kind)
    : Object(kind),
      loop_(loop),
      read_(*this, source_, Side::read),
      write_(*this, source_, Side::write) {
    loop_.reserve(2);
    loop_.count_source(1);
}

Waitable::~Waitable() {
    loop_.release(2);
    loop_.count_source(-1);
}

void Waitable::let_go() { loop_.detach(source_, read_, write_); }

void Waitable::on_close(Loop&) {
    if (source_.fd == kNoDescriptor) return;
    let_go();
    close_descriptor();
    source_.fd = kNoDescriptor;
}

Descriptor Waitable::detach(std::unique_ptr<Waitable> waitable) {
    Waitable& w = *waitable;
    w.let_go();
    const Descriptor fd = std::exchange(w.source_.fd, kNoDescriptor);
    w.loop_.close(std::move(waitable));
    return fd;
}

Result Waitable::check_free(const IoOp& op, double deadline) {
    const bool beside = op.kind == OpKind::wait && deadline == kAtOnce;
    return op.state == OpState::idle || beside ? Result::done() : Errc::busy;
}

Result Waitable::try_now(IoOp& op, OpKind kind, const Memory& memory) {
    IoOp once(*this, source_, op.side);
    once.kind = kind;
    static_cast<Memory&>(once) = memory;
    once.addr = op.addr;
    once.only = op.only;
    const Result r = loop_.try_now(once);
    // Callers read these fields in the same place as after an event.
    op.truncated = once.truncated;
    op.accepted = once.accepted;
    return r.is_pending() ? Errc::timeout : r;
}

Result Waitable::submit(IoOp& op, OpKind kind, const Memory& memory, double deadline) {
    const Result free = check_free(op, deadline);
    if (free.is_error()) return free;
    if (deadline == kAtOnce) return try_now(op, kind, memory);
    op.kind = kind;
    static_cast<Memory&>(op) = memory;
    op.deadline = deadline;
    return loop_.submit(op);
}

Result Waitable::wait(Side side, double deadline) {
    return submit(side == Side::read ? read_ : write_, OpKind::wait, {}, deadline);
}

Result Waitable::send_all(OpKind kind, Slices slices, double deadline) {
    while (!slices.empty() && slices.front().size == 0) slices = slices.subspan(1);
    if (slices.empty()) return Result::done();
    const Slice& first = slices.front();
    return submit(write_, kind,
                  {const_cast<void*>(first.data), first.size, slices.data() + 1, slices.size() - 1},
                  deadline);
}

}  // namespace socket2
