// What a poller knows of one socket.
#pragma once

#include <cstdint>

#include "core/io/op.h"

namespace socket2 {

using Descriptor = intptr_t;
constexpr Descriptor kNoDescriptor = -1;

// Readiness, as bits: what the system said last and nobody has used up since.
enum Ready : uint8_t {
    kReadable = 1,
    kWritable = 2,
    kHangup = 4,  // the peer's close or an error was seen: a short read does not mean "drained"
    kUrgent = 8,  // urgent data was seen: a read stops short at its mark
};

struct IoSource {
    Descriptor fd = kNoDescriptor;
    Op* parked[2] = {nullptr, nullptr};     // by Side: ops that wait for readiness
    bool registered = false;                // with the selector
    bool foreign = false;                   // the program has it, too, for whatever it does with it
    void* kept = nullptr;                   // the poller's own, from attach() until detach()
    uint8_t ready = kReadable | kWritable;  // unknown counts as ready: try before waiting
    // TCP only: a read that returned less than asked has drained the socket, as epoll(7) says of
    // streams. Not so of unix streams, where a read also stops at passed descriptors.
    bool short_read_drains = false;
    double accept_not_before = 0;  // a listener backs off after an accept failed
    int64_t user = 0;              // the owner's name for this source; the core never looks at it
};

}  // namespace socket2
