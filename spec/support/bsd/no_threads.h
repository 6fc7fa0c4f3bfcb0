// Threads cannot be kept from starting here.
#pragma once

namespace socket2 {

struct NoThreads {
    static constexpr bool kPossible = false;
    NoThreads() {}
};

}  // namespace socket2
