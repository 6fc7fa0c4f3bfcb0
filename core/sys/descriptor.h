// How the system names a socket, a pipe or a file, and what all of them can be asked.
#pragma once

#include <cstdint>

#include "core/base/result.h"

namespace socket2 {

using Descriptor = intptr_t;
constexpr Descriptor kNoDescriptor = -1;

// Readiness, as bits: what the system reported last and no call has used up since.
enum Ready : uint8_t {
    kReadable = 1,
    kWritable = 2,
    kHangup = 4,  // the peer's close or an error was seen: a short read does not mean "drained"
    kUrgent = 8,  // urgent data was seen: a read stops short at its mark
};

namespace sys {

void close_descriptor(Descriptor fd);

// Done when the direction (kReadable or kWritable) has something to do, or an error to give;
// pending when not.
Result is_ready(Descriptor fd, uint8_t direction);
// Makes a descriptor from elsewhere non-blocking and close-on-exec.
Result make_nonblocking(Descriptor fd);
// 1 when the descriptor's mode does not matter to recv() and send(): sockets, if calls have a flag
// for it (such a socket raises no SIGPIPE from now on). 0 when read() and write() are for it.
Result never_blocks(Descriptor fd);

}  // namespace sys

}  // namespace socket2
