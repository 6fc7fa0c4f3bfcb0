// What the core's tests do in the way of macOS and the BSDs.
#pragma once

#include <poll.h>

namespace socket2 {

// The end has no word of its own: what is sent before it has to do.
constexpr short kPollEnd = POLLIN;

struct NoThreads {
    static constexpr bool kPossible = false;
    NoThreads() {}
};

}  // namespace socket2
