// One operation in flight on one socket.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/clock.h"
#include "core/base/heap.h"
#include "core/base/intrusive_list.h"
#include "core/base/result.h"
#include "core/io/sockaddr.h"

namespace socket2 {

struct IoSource;

// A wait is for readiness of its side, without memory to fill or empty.
// recv and send are of sockets, read and write of other descriptors.
enum class OpKind : uint8_t {
    recv,
    accept,
    recv_from,
    read,
    send,
    connect,
    send_to,
    write,
    wait,
    lookup
};

// A source has one op of each side; an op of one side never waits for the other.
enum class Side : uint8_t { read = 0, write = 1 };

enum class OpState : uint8_t {
    idle,       // free to be submitted
    deferred,   // the loop holds it back: to be submitted at a later turn
    submitted,  // the poller has it
    outside,    // somebody else has it, another thread for one
    completed,  // has its result, not yet taken from the loop
};

// Pinned: lives inside its socket, which the loop keeps until the op has been taken.
// The memory that data, addr and only point to belongs to the caller, who leaves it alone until
// the op was taken.
struct Op : ListNode<Op>, HeapNode {
    explicit Op(IoSource& owner, Side op_side) : source(owner), side(op_side) {}

    IoSource& source;
    const Side side;
    OpKind kind = OpKind::recv;
    OpState state = OpState::idle;
    bool started = false;            // connect: the system is at it
    bool to_itself = false;          // connect: may lead to the socket itself
    bool truncated = false;          // recv_from: the datagram was longer than the buffer
    Errc cancel_reason = Errc::ok;   // why it was canceled; ok: it was not
    Result result = Result::done();  // of a completed op: what its submit would have returned
    void* data = nullptr;            // recv*, read: filled; send*, write: read only
    size_t size = 0;                 // of data, in bytes
    size_t done = 0;                 // send, write: bytes the system has taken
    SockAddr* addr = nullptr;        // accept, recv_from: the peer goes here; may be null
    const SockAddr* only = nullptr;  // recv_from: drop what others send; connect, send_to: to whom
    intptr_t accepted = -1;          // accept: the new descriptor, until somebody takes it
    double deadline = kNever;
    double since = 0;  // when it began to wait: the time of the loop's turn
};

// An op that no poller knows; see Loop::submit_outside().
struct OutsideOp : Op {
    using Op::Op;
    virtual ~OutsideOp() = default;

    // Asked before it is canceled: whether whoever has it lets go of it. If not, it keeps the result
    // that it has or is about to be finished with.
    virtual bool let_go() { return true; }
};

using OpList = IntrusiveList<Op>;

}  // namespace socket2
