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

// wait is for readiness of a side, and has no memory to fill or empty. readable has none either and
// is always on the read side, but it trusts the last known readiness and may find nothing: its
// owner then tries. recv and send are for sockets, read and write for other descriptors.
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
    deferred,   // the loop holds it back and submits it in a later turn
    submitted,  // the poller has it
    external,   // something else has it, for example another thread
    completed,  // has its result, but is not taken from the loop yet
};

// What a loop knows about any op. An op cannot move: it lives inside its object, which the loop
// keeps until the op has been taken.
struct Op : ListNode<Op>, HeapNode {
    Op(Object& op_owner, Side op_side) : owner(op_owner), side(op_side) {}

    Object& owner;
    const Side side;
    OpKind kind = OpKind::recv;
    OpState state = OpState::idle;
    Errc cancel_reason = Errc::ok;   // why it was canceled; ok: it was not canceled
    Result result = Result::done();  // when completed: what submit() would have returned
    double deadline = kNever;
    double since = 0;  // when it began to wait: the time of the loop's turn
};

// An op that no poller knows: something else finishes it, by Loop::finish().
struct ExternalOp : Op {
    using Op::Op;
    virtual ~ExternalOp() = default;

    // Called before a cancel. True: whatever holds the op gives it up. False: the op keeps the
    // result that it has, or with which it is about to be finished.
    virtual bool let_go() { return true; }
};

using OpList = IntrusiveList<Op>;

}  // namespace socket2
