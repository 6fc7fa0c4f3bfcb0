#include "core/net/waitable.h"

#include "core/io/posix/syscalls.h"

namespace socket2 {

Waitable::Waitable(Loop& loop)
    : loop_(loop), read_(source_, Side::read), write_(source_, Side::write) {
    loop_.reserve(2);
}

void Waitable::close(std::unique_ptr<Waitable> waitable) {
    Waitable& w = *waitable;
    w.loop_.detach(w.source_, w.read_, w.write_);
    w.close_descriptor();
    w.source_.fd = kNoDescriptor;
    w.loop_.retire(std::move(waitable));
}

Result Waitable::check_free(const Op& op) {
    return op.state == OpState::idle ? Result::done() : Errc::busy;
}

Result Waitable::submit(Op& op, OpKind kind, void* data, size_t size, double deadline) {
    if (op.state != OpState::idle) return Errc::busy;
    op.kind = kind;
    op.data = data;
    op.size = size;
    op.deadline = deadline;
    return loop_.submit(op);
}

Result Waitable::wait(Side side, double deadline) {
    return submit(side == Side::read ? read_ : write_, OpKind::wait, nullptr, 0, deadline);
}

Result Foreign::create(Loop& loop, Descriptor fd, std::unique_ptr<Foreign>& out) {
    const Result open = posix::check_open(fd);
    if (open.is_error()) return open;
    out.reset(new Foreign(loop));
    out->source_.fd = fd;
    return loop.attach(out->source_);
}

}  // namespace socket2
