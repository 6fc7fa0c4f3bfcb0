// An operation on a descriptor, and what a poller knows of the descriptor.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/slice.h"
#include "core/io/op.h"
#include "core/sys/descriptor.h"
#include "core/sys/sockaddr.h"

namespace socket2 {

struct IoOp;

struct IoSource {
    Descriptor fd = kNoDescriptor;
    IoOp* parked[2] = {nullptr, nullptr};   // by Side: ops that wait for readiness
    bool registered = false;                // with the selector
    bool foreign = false;                   // the program uses the descriptor, too
    void* kept = nullptr;                   // belongs to the poller, from attach() until detach()
    uint8_t ready = kReadable | kWritable;  // unknown counts as ready: try before waiting
    // TCP only: a read that returned less than it asked for has drained the socket, like epoll(7)
    // says about streams. On unix streams that does not hold, because a read also stops at passed
    // descriptors.
    bool short_read_drains = false;
    double accept_not_before = 0;  // after a failed accept the listener rests until then
};

// The memory that an op fills or sends. It belongs to the caller, and the caller leaves it alone
// until the op has been taken.
struct Memory {
    void* data = nullptr;  // recv*, read: filled; send*, write: what is left of the first slice
    size_t size = 0;       // of data, in bytes
    const Slice* more = nullptr;  // send, write: the slices behind it
    size_t more_count = 0;
};

// The addresses, too, belong to the caller and stay until the op has been taken.
struct IoOp : Op, Memory {
    IoOp(Object& op_owner, IoSource& op_source, Side op_side)
        : Op(op_owner, op_side), source(op_source) {}

    IoSource& source;
    bool started = false;            // connect: the system has begun it
    bool to_itself = false;          // connect: may lead to the socket itself
    bool truncated = false;          // recv_from: the datagram was longer than the buffer
    size_t done = 0;                 // send, write: bytes the system has taken
    SockAddr* addr = nullptr;        // accept, recv_from: the peer goes here; may be null
    const SockAddr* only = nullptr;  // recv_from: drop what others send; connect, send_to: the peer
    intptr_t accepted = -1;          // accept: the new descriptor, until somebody takes it
};

// Takes out the oldest op. For lists that hold only ops on descriptors; a poller's lists do.
inline IoOp* pop_io_op(OpList& list) { return static_cast<IoOp*>(list.pop_front()); }

}  // namespace socket2
