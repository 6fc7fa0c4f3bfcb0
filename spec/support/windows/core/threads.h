// Stands in for what the core's tests do to threads on other systems.
#pragma once

namespace socket2 {

constexpr bool kSignals = false;
inline bool takes_signals() { return false; }

struct NoThreads {
    static constexpr bool kPossible = false;
    NoThreads() {}
};

}  // namespace socket2
