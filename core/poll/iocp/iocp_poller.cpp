#include "core/poll/iocp/iocp_poller.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

#include "core/base/clock.h"
#include "core/poll/iocp/iocp_block.h"
#include "core/sys/descriptor.h"
#include "core/sys/windows/error.h"

namespace socket2 {

using windows::code_of_status;
using windows::handle_of;
using windows::socket_of;

namespace {

// Whether the accepted connection was gone before it was taken.
bool died_in_the_queue(int code) {
    return code == WSAECONNRESET || code == WSAECONNABORTED || code == ERROR_NETNAME_DELETED ||
           code == ERROR_SEM_TIMEOUT || code == WSAETIMEDOUT || code == WSAENOTCONN;
}

// Completes an accept or a connect: before this not all calls take the socket. `other` is the
// listener, or null.
int update(Descriptor fd, int name, const SOCKET* other) {
    return ::setsockopt(socket_of(fd), SOL_SOCKET, name, reinterpret_cast<const char*>(other),
                        other != nullptr ? sizeof *other : 0);
}

// What the failure of an operation means for its op.
Attempt failure_of(const IoOp& op, int code, bool canceled) {
    if (op.kind == OpKind::recv) {
        // This side is shut down: the end of the stream, like on other systems.
        if (code == WSAESHUTDOWN) return Attempt::over(Result::done());
        if (!canceled) return Attempt::over(windows::connection_failure(code));
    }
    return Attempt::over(canceled ? Result(Errc::canceled) : windows::failure(code));
}

}  // namespace

IocpPoller::IocpPoller(std::shared_ptr<IocpGroup> group) : group_(std::move(group)) {}

IocpPoller::~IocpPoller() {
    IntrusiveList<Block> left;
    left.splice(blocks_);
    while (Block* const block = left.pop_front()) {
        blocks_.push_back(*block);
        for (Slot& slot : block->ops) slot.op = nullptr;  // their owners are gone
        block->detached = true;
        let_go(*block);
    }
    OpList ended;
    while (in_flight_ > 0 && !next_packets(kNever, ended).is_error()) {
    }
}

// ---- sources ----

Result IocpPoller::attach(IoSource& source) {
    if (source.kept != nullptr) return Result::done();
    std::unique_ptr<Block> block(new (std::nothrow) Block);
    if (!block) return Errc::out_of_memory;
    block->fd = source.fd;
    block->stream = option_of(source.fd, SO_TYPE) == SOCK_STREAM;
    for (Slot* slots : {block->ops, block->watches}) {
        slots[0].block = slots[1].block = block.get();
        slots[0].member = slots[1].member = &member_;
    }
    blocks_.push_back(*block);
    source.kept = block.release();
    source.registered = true;
    return Result::done();
}

void IocpPoller::detach(IoSource& source) {
    if (source.kept == nullptr) return;
    source.registered = false;
    Block& block = *static_cast<Block*>(std::exchange(source.kept, nullptr));
    block.detached = true;
    let_go(block);
}

void IocpPoller::shut(IoSource& source, int directions) {
    if (source.kept == nullptr) return;
    Block& block = *static_cast<Block*>(source.kept);
    block.shut |= directions;
    for (Slot& slot : block.ops) slot.interrupt();
}

// Cancels what is in flight. Frees the block of a gone source once nothing is in flight.
void IocpPoller::let_go(Block& block) {
    for (Slot* slots : {block.ops, block.watches}) {
        slots[0].cancel();
        slots[1].cancel();
    }
    if (!block.idle()) return;
    IntrusiveList<Block>::remove(block);
    delete &block;
}

// ---- ops ----

Result IocpPoller::submit(IoOp& op) {
    const Result attached = attach(op.source);
    if (attached.is_error()) return attached;
    const Attempt a = begin(op);
    if (a.next == Attempt::Next::over && (a.result.ok() || op.done == 0)) return a.result;
    if (a.next == Attempt::Next::over) {
        // A part was sent: only a completion can report how much.
        op.result = a.result;
        finished_.push_back(op);
        return Result::pending();
    }
    op.source.parked[static_cast<size_t>(op.side)] = &op;
    if (a.next == Attempt::Next::more) hot_.push_back(op);
    return Result::pending();
}

void IocpPoller::cancel(IoOp& op) {
    IoOp*& parked = op.source.parked[static_cast<size_t>(op.side)];
    if (parked != &op) {
        SOCKET2_ASSERT(op.in_list(), "an op is canceled that the poller does not have");
        return;  // it has failed already
    }
    Block& block = *static_cast<Block*>(op.source.kept);
    Slot& slot = block.slot(op);
    if (slot.state != Slot::State::idle) {
        slot.cancel();
        return;
    }
    parked = nullptr;
    OpList::remove(op);
    op.result = Errc::canceled;
    finished_.push_back(op);
}

Result IocpPoller::try_now(IoOp& op) {
    const Result attached = attach(op.source);
    if (attached.is_error()) return attached;
    Block& block = *static_cast<Block*>(op.source.kept);
    if (is_wait(op) && block.is_shut(op)) return Result::done();
    const Attempt a = op.kind == OpKind::connect ? block.try_connect(op) : attempt(op);
    if (a.next == Attempt::Next::over)
        return op.kind == OpKind::recv || op.kind == OpKind::read ? block.read(a.result) : a.result;
    if (op.done > 0) return Result::of(static_cast<int>(op.done));
    const Result watched = watch(op.source, op.side);
    return watched.is_error() ? watched : Result::pending();
}

// Makes a wait() return once the direction has something.
Result IocpPoller::watch(IoSource& source, Side side) {
    Slot& slot = static_cast<Block*>(source.kept)->watches[static_cast<size_t>(side)];
    if (slot.state != Slot::State::idle) return Result::done();
    const int code = start_poll(slot, side);
    if (code == 0) wake();
    return code == 0 || code == WSA_IO_PENDING ? Result::done() : windows::failure(code);
}

// ---- packets ----

// What the end of an operation means for its op.
Attempt IocpPoller::finish(Slot& slot, IoOp& op, int code) {
    const bool canceled = std::exchange(slot.state, Slot::State::idle) == Slot::State::canceled;
    // Something else aborted it, for example a shutdown. What there is now counts.
    if (code == ERROR_OPERATION_ABORTED && !canceled && op.kind != OpKind::connect) {
        return begin(op);
    }
    switch (slot.kind) {
        case Slot::Kind::poll:
            return finish_poll(slot, op, code, canceled);
        case Slot::Kind::recv:
            return finish_recv(slot, op, code, canceled);
        case Slot::Kind::accept:
            return finish_accept(slot, op, code, canceled);
        case Slot::Kind::connect:
            return finish_connect(slot, op, code, canceled);
    }
    return Attempt::over(Errc::canceled);
}

// Tries the op again. An op that only waits is over if the socket is still ready.
Attempt IocpPoller::finish_poll(Slot& slot, IoOp& op, int code, bool canceled) {
    Block& block = *slot.block;
    if (code != 0) return failure_of(op, code, canceled);
    block.on_poll(slot.poll);
    if (!canceled && windows::saw_it_closed(slot.poll)) return Attempt::over(Errc::bad_descriptor);
    if (!is_wait(op)) return canceled ? Attempt::over(Errc::canceled) : begin(op);
    if (block.detached) return Attempt::over(Errc::canceled);
    if (op.kind == OpKind::readable) return Attempt::over(Result::done());
    // Others may have taken what was there.
    const Result r = sys::is_ready(block.fd, direction(op.side));
    if (!r.is_pending()) return Attempt::over(r);
    return canceled ? Attempt::over(Errc::canceled) : poll(op);
}

// Gives the op its bytes, or the end of the stream.
Attempt IocpPoller::finish_recv(Slot& slot, IoOp& op, int code, bool canceled) {
    Block& block = *slot.block;
    // Wine reports a reset as the end. (When the socket is gone its number may belong to another
    // one.)
    if (code == 0 && slot.InternalHigh == 0 && !block.detached && windows::was_reset(block.fd)) {
        code = WSAECONNRESET;
    }
    if (code != 0) return failure_of(op, code, canceled);
    return Attempt::over(block.read(Result::of(static_cast<int>(slot.InternalHigh))));
}

// Gives the op the new socket and its address. If the listener is gone, the socket is closed.
Attempt IocpPoller::finish_accept(Slot& slot, IoOp& op, int code, bool canceled) {
    Block& block = *slot.block;
    Accept& accept = *block.accept;
    if (code != 0 || block.detached) {
        accept.drop();
        if (code == 0) return Attempt::over(Errc::canceled);
        if (!canceled && died_in_the_queue(code)) return Attempt::more();
        return failure_of(op, code, canceled);
    }
    const SOCKET listener = socket_of(block.fd);
    update(accept.fd, SO_UPDATE_ACCEPT_CONTEXT, &listener);
    sockaddr* local = nullptr;
    sockaddr* peer = nullptr;
    int local_size = 0;
    int peer_size = 0;
    ::GetAcceptExSockaddrs(accept.addresses, 0, Accept::kRoom, Accept::kRoom, &local, &local_size,
                           &peer, &peer_size);
    if (op.addr != nullptr) {
        op.addr->size = std::min(static_cast<uint32_t>(peer_size), SockAddr::kCapacity);
        std::memcpy(op.addr->bytes, peer, op.addr->size);
    }
    op.accepted = std::exchange(accept.fd, kNoDescriptor);
    return Attempt::over(sys::make_nonblocking(op.accepted));
}

// Marks the socket as connected. Other calls refuse it without that.
Attempt IocpPoller::finish_connect(Slot& slot, IoOp& op, int code, bool canceled) {
    Block& block = *slot.block;
    if (canceled) block.connection = Block::Connection::called_off;
    if (code != 0) return failure_of(op, code, canceled);
    if (!block.detached) update(block.fd, SO_UPDATE_CONNECT_CONTEXT, nullptr);
    return Attempt::over(connected(op, block.fd));
}

void IocpPoller::on_packet(Slot& slot, OpList& completed) {
    --in_flight_;
    Block& block = *slot.block;
    if (slot.op == nullptr) {
        slot.state = Slot::State::idle;
        if (slot.Internal == 0) block.on_poll(slot.poll);
    } else {
        IoOp& op = *slot.op;
        const long status = static_cast<long>(slot.Internal);
        go_on(op, finish(slot, op, code_of_status(status)), completed);
    }
    if (block.detached) let_go(block);
}

void IocpPoller::go_on(IoOp& op, Attempt a, OpList& completed) {
    if (a.next == Attempt::Next::wait) return;
    if (a.next == Attempt::Next::more) {
        hot_.push_back(op);
        return;
    }
    op.source.parked[static_cast<size_t>(op.side)] = nullptr;
    if (op.kind == OpKind::connect && a.result.is_error()) end_polls_beside(op);
    op.result = a.result;
    completed.push_back(op);
}

// A read has waited for the end of the connect, which its poll does not report. It goes on.
void IocpPoller::end_polls_beside(IoOp& connect) {
    if (connect.source.kept == nullptr) return;
    static_cast<Block*>(connect.source.kept)->ops[static_cast<size_t>(Side::read)].interrupt();
}

// Takes the packets that come within so many seconds. Their ops need not be over.
Result IocpPoller::next_packets(double seconds, OpList& completed) {
    IocpGroup::Packets arrived_packets;
    const Result r = group_->wait(member_, seconds, arrived_packets);
    while (IocpGroup::Packet* packet = arrived_packets.pop_front()) {
        on_packet(static_cast<Slot&>(*packet), completed);
    }
    return r;
}

Result IocpPoller::wait(double seconds, OpList& completed) {
    OpList hot;  // an op that turns hot again below waits for the next turn
    hot.splice(hot_);
    const bool idle = hot.empty() && finished_.empty();
    completed.splice(finished_);
    const Result r = next_packets(idle ? seconds : 0, completed);
    while (IoOp* op = pop_io_op(hot)) go_on(*op, begin(*op), completed);
    return r;
}

void IocpPoller::wake() const { group_->wake(member_); }

}  // namespace socket2
