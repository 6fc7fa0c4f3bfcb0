// How the poller begins an op of each kind: with an operation of the system, or with a try and a
// poll.
#include <algorithm>
#include <climits>
#include <utility>

#include "core/poll/iocp/iocp_block.h"
#include "core/poll/iocp/iocp_poller.h"
#include "core/sys/socket.h"
#include "core/sys/windows/error.h"

namespace socket2 {

using windows::handle_of;
using windows::socket_of;

namespace {

ULONG length(size_t size) { return static_cast<ULONG>(std::min<size_t>(size, INT_MAX)); }

}  // namespace

Attempt IocpPoller::begin(IoOp& op) {
    switch (op.kind) {
        case OpKind::recv:
        case OpKind::read:
            return begin_recv(op);
        case OpKind::accept:
            return begin_accept(op);
        case OpKind::connect:
            return begin_connect(op);
        case OpKind::wait:
        case OpKind::readable:
            return begin_wait(op);
        default:
            return try_or_poll(op);
    }
}

Attempt IocpPoller::try_or_poll(IoOp& op) {
    const Attempt a = attempt(op);
    return a.next == Attempt::Next::wait ? poll(op) : a;
}

// Notes that an operation of the slot was begun, with the code that the call has left: 0 if it is
// over.
int IocpPoller::start(Slot& slot, HANDLE on, int code) {
    slot.on = on;
    if (code == WSA_IO_PENDING) {
        slot.state = Slot::State::in_flight;
        ++in_flight_;
    }
    return code;
}

int IocpPoller::start_poll(Slot& slot, Side side) {
    const HANDLE afd = group_->afd();
    slot.kind = Slot::Kind::poll;
    const int code =
        windows::poll_socket(afd, slot.block->fd, direction(side), slot.poll, slot.fresh());
    if (code == 0) slot.block->on_poll(slot.poll);
    return start(slot, afd, code);
}

// Decided when an operation is first wanted, because a socket goes to one port for good: a
// connection that is handed on before it was read belongs to its next loop.
bool IocpPoller::has_operations(const IoSource& source) {
    Block& block = *static_cast<Block*>(source.kept);
    if (block.way == Block::Way::unknown) {
        const bool ours = !source.foreign && group_->add(source.fd);
        block.way = ours ? Block::Way::operations : Block::Way::polls;
    }
    return block.way == Block::Way::operations;
}

Attempt IocpPoller::begin_recv(IoOp& op) {
    Block& block = *static_cast<Block*>(op.source.kept);
    if (!block.stream || op.size == 0 || !has_operations(op.source)) {
        Attempt a = try_or_poll(op);
        a.result = block.read(a.result);
        return a;
    }
    if (!block.is_connected() && block.may_be_connecting(op)) return poll(op);
    if (!block.is_connected() && is_loose(op)) {
        // The connection may be over, but with bytes left to read.
        const Result r = sys::recv(block.fd, op.data, op.size);
        return Attempt::over(r.is_pending() ? Errc::not_connected : r);
    }
    block.connection = Block::Connection::connected;
    Slot& slot = block.slot(op);
    slot.op = &op;
    slot.kind = Slot::Kind::recv;
    WSABUF buffer{length(op.size), static_cast<char*>(op.data)};
    DWORD flags = 0;
    const int failed =
        ::WSARecv(socket_of(block.fd), &buffer, 1, nullptr, &flags, &slot.fresh(), nullptr);
    const int code = start(slot, handle_of(block.fd), failed != 0 ? ::WSAGetLastError() : 0);
    return code == WSA_IO_PENDING ? Attempt::wait() : finish(slot, op, code);
}

Attempt IocpPoller::begin_accept(IoOp& op) {
    Block& block = *static_cast<Block*>(op.source.kept);
    if (!has_operations(op.source)) return try_or_poll(op);
    if (!block.accept) block.accept.reset(new (std::nothrow) Accept);
    if (!block.accept) return Attempt::over(Errc::out_of_memory);
    if (block.family == 0) {
        if (option_of(block.fd, SO_ACCEPTCONN) == 0) return Attempt::over(Errc::not_listening);
        SockAddr local;
        const Result r = sys::local_address(block.fd, local);
        if (r.is_error()) return Attempt::over(r);
        block.family = windows::out(local)->sa_family;
    }
    Accept& accept = *block.accept;
    const Result made = sys::open_socket(block.family, SOCK_STREAM, 0);
    if (made.is_error()) return Attempt::over(made);
    accept.drop();
    accept.fd = made.value();
    Slot& slot = block.slot(op);
    slot.op = &op;
    slot.kind = Slot::Kind::accept;
    DWORD size = 0;
    const BOOL ok = ::AcceptEx(socket_of(block.fd), socket_of(accept.fd), accept.addresses, 0,
                               Accept::kRoom, Accept::kRoom, &size, &slot.fresh());
    const int code = start(slot, handle_of(block.fd), ok == 0 ? ::WSAGetLastError() : 0);
    return code == WSA_IO_PENDING ? Attempt::wait() : finish(slot, op, code);
}

Result IocpPoller::load_connect(Descriptor fd) {
    if (connect_ != nullptr) return Result::done();
    GUID id = WSAID_CONNECTEX;
    DWORD size = 0;
    const int r = ::WSAIoctl(socket_of(fd), SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id,
                             &connect_, sizeof connect_, &size, nullptr, nullptr);
    return r == 0 ? Result::done() : windows::last_failure();
}

Attempt IocpPoller::begin_connect(IoOp& op) {
    Block& block = *static_cast<Block*>(op.source.kept);
    if (!has_operations(op.source)) return try_or_poll(op);
    const Result loaded = load_connect(block.fd);
    if (loaded.is_error()) return Attempt::over(loaded);
    // ConnectEx needs a bound socket. An error means that it is bound already, or the connect fails
    // with the same error.
    SockAddr any{};
    windows::out(any)->sa_family = windows::in(*op.only)->sa_family;
    any.size = op.only->size;
    const Result bound = sys::bind(block.fd, any);
    static_cast<void>(bound);
    Slot& slot = block.slot(op);
    slot.op = &op;
    slot.kind = Slot::Kind::connect;
    const auto begin = [&] {
        const BOOL ok =
            connect_(socket_of(block.fd), windows::in(*op.only), static_cast<int>(op.only->size),
                     nullptr, 0, nullptr, &slot.fresh());
        return start(slot, handle_of(block.fd), ok == 0 ? ::WSAGetLastError() : 0);
    };
    int code = begin();
    if (code == WSAECONNABORTED) code = begin();  // Wine reports an earlier refusal once more
    if (code == WSAEINVAL && block.connection == Block::Connection::called_off)
        return Attempt::over({Errc::not_supported, code});
    return code == WSA_IO_PENDING ? Attempt::wait() : finish(slot, op, code);
}

Attempt IocpPoller::begin_wait(IoOp& op) {
    const Block& block = *static_cast<Block*>(op.source.kept);
    const bool loose = block.stream && !block.is_connected() && !block.may_be_connecting(op) &&
                       is_loose(op) && option_of(block.fd, SO_ACCEPTCONN) == 0;
    return loose || block.is_shut(op) ? Attempt::over(Result::done()) : poll(op);
}

Attempt IocpPoller::poll(IoOp& op) {
    Block& block = *static_cast<Block*>(op.source.kept);
    Slot& slot = block.slot(op);
    slot.op = &op;
    const int code = start_poll(slot, op.side);
    if (code == WSA_IO_PENDING) return Attempt::wait();
    // What became ready since the try goes on in the next turn.
    if (code == 0 && !is_wait(op)) return Attempt::more();
    return Attempt::over(code == 0 ? Result::done() : windows::failure(code));
}

}  // namespace socket2
