// A global that is never destroyed, as a thread or a finalizer may still come while the process ends.
#pragma once

namespace socket2 {

template <typename T>
union Forever {
    constexpr Forever() : value() {}
    constexpr ~Forever() {}

    T value;
};

}  // namespace socket2
