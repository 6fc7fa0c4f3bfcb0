// What a completion port's poller keeps for a source: the operations of the system that it has
// begun.
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
        poll,     // AFD's, for readiness. A watch's poll has no op: it only ends a wait().
        recv,     // WSARecv, which brings bytes.
        accept,   // AcceptEx, which connects a socket that was made for it.
        connect,  // ConnectEx.
    };
    enum class State : uint8_t {
        idle,       // The system has no part of it.
        in_flight,  // The system has it, and its packet will come.
        canceled,   // The same, but its op was canceled, so any outcome ends the op.
    };

    windows::AfdPoll poll{};
    HANDLE on = nullptr;  // the handle that the operation is on: the socket, or AFD's
    Block* block = nullptr;
    IoOp* op = nullptr;  // the op that it is for; null: none
    Kind kind = Kind::poll;
    State state = State::idle;

    void cancel() {
        if (state != State::in_flight) return;
        state = State::canceled;
        ::CancelIoEx(on, this);
    }
    // Ends the operation without a cancel: its op goes on, and sees what there is then.
    void interrupt() {
        if (state == State::in_flight) ::CancelIoEx(on, this);
    }
};

struct IocpPoller::Block : ListNode<Block> {
    // How the source's ops are done.
    enum class Way : uint8_t {
        unknown,     // No op has needed to know yet.
        operations,  // By operations of the system that send packets to this port.
        polls,       // By try and poll: the system refuses, or the program owns the socket.
    };
    // What is known about a stream's connection.
    enum class Connection : uint8_t {
        unknown,     // Others may have connected it.
        trying,      // It is being connected in steps of try_now().
        called_off,  // Its connect was canceled: the system takes no other one.
        connected,   // It is known to be, so a read can begin without a check.
    };

    Descriptor fd = kNoDescriptor;
    Way way = Way::unknown;
    Connection connection = Connection::unknown;
    bool stream = false;
    bool detached = false;  // no source has it
    bool reset = false;     // a poll saw it; a read may not report it
    int shut = 0;           // Ready bits that the program shut down: no op waits for them
    int family = 0;         // for a listener
    Slot ops[2];            // by Side; so is the next
    Slot watches[2];
    std::unique_ptr<Accept> accept;

    bool is_connected() const { return connection == Connection::connected; }
    void on_poll(const windows::AfdPoll& poll) { reset |= stream && windows::saw_a_reset(poll); }
    // What a read of a stream came to.
    Result read(Result r) const {
        return reset && r.ok() && r.value() == 0 ? Result(Errc::connection_reset) : r;
    }
    // Begins a connect, and later reports its outcome: a second connect() would be another connect.
    Attempt try_connect(IoOp& op) {
        const bool trying = connection == Connection::trying;
        op.started = trying;
        Attempt a = attempt(op);
        if (trying && a.next == Attempt::Next::wait) {
            // It is busy, or it is over and its error was asked for elsewhere.
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
    // As far as this side knows: others may have begun a connect on a foreign socket.
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

// Whether a stream has no connection, which the system reports for only some operations.
inline bool is_loose(const IoOp& op) {
    SockAddr peer;
    return sys::remote_address(op.source.fd, peer).os_code() == WSAENOTCONN;
}

}  // namespace socket2
