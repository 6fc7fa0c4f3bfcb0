// What a completion port's poller keeps of a source: the operations of the system that it has begun.
#pragma once

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "core/base/intrusive_list.h"
#include "core/poll/attempt.h"
#include "core/poll/iocp/afd.h"
#include "core/poll/iocp/iocp_poller.h"
#include "core/sys/descriptor.h"
#include "core/sys/socket.h"

namespace socket2 {

// What an accept needs: the socket for the connection, and room for its addresses.
struct IocpPoller::Accept {
    static constexpr DWORD kRoom = sizeof(sockaddr_storage) + 16;

    Descriptor fd = kNoDescriptor;
    char addresses[2 * kRoom] = {};

    ~Accept() { drop(); }
    void drop() {
        if (fd != kNoDescriptor) sys::close_descriptor(std::exchange(fd, kNoDescriptor));
    }
};

// One operation of the system.
struct IocpPoller::Slot : IocpGroup::Packet {
    enum class Kind : uint8_t {
        poll,     // AFD's, for readiness. That of a watch has no op: it only ends a wait().
        recv,     // WSARecv, which brings bytes.
        accept,   // AcceptEx, which connects a socket that was made for it.
        connect,  // ConnectEx.
    };
    enum class State : uint8_t {
        idle,       // Nothing of it is the system's.
        in_flight,  // The system has it, and its packet will come.
        canceled,   // The same, but its op was canceled: whatever comes is the op's end.
    };

    windows::AfdPoll poll{};
    HANDLE on = nullptr;  // the handle of the operation: the socket's, or that of polls
    Block* block = nullptr;
    IoOp* op = nullptr;  // whose; null: nobody's
    Kind kind = Kind::poll;
    State state = State::idle;

    void cancel() {
        if (state != State::in_flight) return;
        state = State::canceled;
        ::CancelIoEx(on, this);
    }
    // Ends it without it being canceled: its op goes on, and sees what there is now.
    void interrupt() {
        if (state == State::in_flight) ::CancelIoEx(on, this);
    }
};

struct IocpPoller::Block : ListNode<Block> {
    // How its ops go.
    enum class Way : uint8_t {
        unknown,     // None has needed to know yet.
        operations,  // By the system's operations, whose packets come to this port.
        polls,       // By try and poll, as the system refuses that, or it is the program's own.
    };
    // What is known of a stream's connection.
    enum class Connection : uint8_t {
        unknown,     // Others may have connected it, or not.
        trying,      // It is being connected in steps of try_now().
        called_off,  // Its connect was canceled: the system takes no other.
        connected,   // It was seen to be, and a read can be begun without a look.
    };

    Descriptor fd = kNoDescriptor;
    Way way = Way::unknown;
    Connection connection = Connection::unknown;
    bool stream = false;
    bool detached = false;  // no source has it any more
    bool reset = false;     // a poll saw it; a read may not tell any more
    int shut = 0;           // Ready, by the program: nothing more has to be waited for there
    int family = 0;         // of a listener
    Slot ops[2];            // by Side, as the next
    Slot watches[2];
    std::unique_ptr<Accept> accept;

    bool is_connected() const { return connection == Connection::connected; }
    void on_poll(const windows::AfdPoll& poll) { reset |= stream && windows::saw_a_reset(poll); }
    // What a read of a stream came to.
    Result read(Result r) const {
        return reset && r.ok() && r.value() == 0 ? Result(Errc::connection_reset) : r;
    }
    // Begins a connect, then tells what came of it: a second connect() would be another.
    Attempt try_connect(IoOp& op) {
        const bool trying = connection == Connection::trying;
        op.started = trying;
        Attempt a = attempt(op);
        if (trying && a.next == Attempt::Next::wait) {
            // Busy, or it is over and somebody has asked for its error.
            op.started = false;
            a = attempt(op);
        }
        if (a.next == Attempt::Next::wait || a.result.error() == Errc::busy) {
            connection = Connection::trying;
        } else if (trying) {
            connection = Connection::unknown;
        }
        return a;
    }
    // As far as is known: others may have begun one of a foreign socket.
    bool may_be_connecting(const IoOp& op) const {
        return op.source.foreign || connection == Connection::trying || is_connecting(op.source);
    }
    bool is_shut(const IoOp& op) const { return (shut & direction(op.side)) != 0; }
    Slot& slot(const IoOp& op) { return ops[static_cast<size_t>(op.side)]; }
    bool idle() const {
        const auto idle = [](const Slot& slot) { return slot.state == Slot::State::idle; };
        return std::all_of(std::begin(ops), std::end(ops), idle) &&
               std::all_of(std::begin(watches), std::end(watches), idle);
    }
};

inline bool is_wait(const IoOp& op) {
    return op.kind == OpKind::wait || op.kind == OpKind::readable;
}

inline int option_of(Descriptor fd, int name) {
    int value = 0;
    int size = sizeof value;
    ::getsockopt(windows::socket_of(fd), SOL_SOCKET, name, reinterpret_cast<char*>(&value), &size);
    return value;
}

// Whether a stream has no connection: that the system tells only some operations.
inline bool is_loose(const IoOp& op) {
    SockAddr peer;
    return sys::remote_address(op.source.fd, peer).os_code() == WSAENOTCONN;
}

}  // namespace socket2
