// One operation in flight.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/clock.h"
#include "core/base/heap.h"
#include "core/base/intrusive_list.h"
#include "core/base/result.h"

namespace socket2 {

class Object;

// A wait is for readiness of its side, without memory to fill or empty. So is readable, of the read side, but
// it believes what was last known and may find nothing: its owner tries.
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
    readable,
    lookup
};

// An object has at most one op of each side; an op of one side never waits for the other.
enum class Side : uint8_t { read = 0, write = 1 };

enum class OpState : uint8_t {
    idle,       // free to be submitted
    deferred,   // the loop holds it back: to be submitted at a later turn
    submitted,  // the poller has it
    external,   // something else has it, another thread for one
    completed,  // has its result, not yet taken from the loop
};

// What a loop knows of any op. Pinned: lives inside its object, which the loop keeps until the op has
// been taken.
struct Op : ListNode<Op>, HeapNode {
    Op(Object& op_owner, Side op_side) : owner(op_owner), side(op_side) {}

    Object& owner;
    const Side side;
    OpKind kind = OpKind::recv;
    OpState state = OpState::idle;
    Errc cancel_reason = Errc::ok;   // why it was canceled; ok: it was not
    Result result = Result::done();  // of a completed op: what its submit would have returned
    double deadline = kNever;
    double since = 0;  // when it began to wait: the time of the loop's turn
};

// An op that no poller knows: something else finishes it, by Loop::finish().
struct ExternalOp : Op {
    using Op::Op;
    virtual ~ExternalOp() = default;

    // Asked before it is canceled: whether what has it lets go of it. If not, it keeps the result that
    // it has or is about to be finished with.
    virtual bool let_go() { return true; }
};

using OpList = IntrusiveList<Op>;

}  // namespace socket2
