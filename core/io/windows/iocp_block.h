// What a completion port's poller keeps of a source: the operations of the system that it has begun.
#pragma once

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "core/base/intrusive_list.h"
#include "core/io/attempt.h"
#include "core/io/posix/syscalls.h"
#include "core/io/windows/afd.h"
#include "core/io/windows/iocp_poller.h"

namespace socket2 {

// What an accept needs: the socket for the connection, and room for its addresses.
struct IocpPoller::Accept {
    static constexpr DWORD kRoom = sizeof(sockaddr_storage) + 16;

    Descriptor fd = kNoDescriptor;
    char addresses[2 * kRoom] = {};

    ~Accept() { drop(); }
    void drop() {
        if (fd != kNoDescriptor) posix::close_descriptor(std::exchange(fd, kNoDescriptor));
    }
};

// One operation of the system.
struct IocpPoller::Slot : IocpGroup::Packet {
    windows::AfdPoll poll{};
    HANDLE on = nullptr;  // the handle of the operation: the socket's, or that of polls
    Block* block = nullptr;
    IoOp* op = nullptr;  // whose; null: a watch, which only ends a wait()
    bool in_flight = false;
    bool canceled = false;

    // Ends it without it being canceled: its op goes on, and sees what there is now.
    void interrupt() {
        if (in_flight && !canceled) ::CancelIoEx(on, this);
    }
};

struct IocpPoller::Block : ListNode<Block> {
    Descriptor fd = kNoDescriptor;
    bool asked = false;       // whether operations of the system can be used
    bool overlapped = false;  // they can; else all goes by try and poll
    bool stream = false;
    bool connected = false;   // a stream that was seen to be
    bool called_off = false;  // a connect was: the system takes no other
    bool trying = false;      // to connect, in steps of try_now()
    bool detached = false;    // no source has it any more
    bool reset = false;       // a poll saw it; a read may not tell any more
    int shut = 0;             // Ready, by the program: nothing more has to be waited for there
    int family = 0;           // of a listener
    Slot ops[2];              // by Side, as the next
    Slot watches[2];
    std::unique_ptr<Accept> accept;

    void polled(const windows::AfdPoll& poll) { reset |= stream && windows::saw_a_reset(poll); }
    // What a read of a stream came to.
    Result read(Result r) const {
        return reset && r.ok() && r.value() == 0 ? Result(Errc::connection_reset) : r;
    }
    // Begins a connect, then tells what came of it: a second connect() would be another.
    Attempt try_connect(IoOp& op) {
        op.started = trying;
        Attempt a = attempt(op);
        if (trying && a.next == Attempt::Next::wait) {
            // Busy, or it is over and somebody has asked for its error.
            op.started = false;
            a = attempt(op);
        }
        trying = a.next == Attempt::Next::wait || a.result.error() == Errc::busy;
        return a;
    }
    // As far as is known: others may have begun one of a foreign socket.
    bool may_be_connecting(const IoOp& op) const {
        return op.source.foreign || trying || is_connecting(op.source);
    }
    bool is_shut(const IoOp& op) const { return (shut & direction(op.side)) != 0; }
    Slot& slot(const IoOp& op) { return ops[static_cast<size_t>(op.side)]; }
    bool idle() const {
        const auto in_flight = [](const Slot& slot) { return slot.in_flight; };
        return std::none_of(std::begin(ops), std::end(ops), in_flight) &&
               std::none_of(std::begin(watches), std::end(watches), in_flight);
    }
};

inline int option_of(Descriptor fd, int name) {
    int value = 0;
    int size = sizeof value;
    ::getsockopt(windows::socket_of(fd), SOL_SOCKET, name, reinterpret_cast<char*>(&value), &size);
    return value;
}

// Whether a stream has no connection: that the system tells only some operations.
inline bool is_loose(const IoOp& op) {
    SockAddr peer;
    return posix::remote_address(op.source.fd, peer).os_code() == WSAENOTCONN;
}

}  // namespace socket2
