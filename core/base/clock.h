// Time as the library knows it: seconds of the monotonic clock, as a double.
#pragma once

#include <chrono>
#include <limits>

namespace socket2 {

constexpr double kNever = std::numeric_limits<double>::infinity();
// The deadline of a caller that does not wait at all, not even for the next turn of a loop.
constexpr double kAtOnce = -kNever;

class Clock {
   public:
    virtual ~Clock() = default;
    virtual double now() const = 0;
};

// Seconds since 1970 (UTC).
inline double time_of_day() {
    using Seconds = std::chrono::duration<double>;
    return Seconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

class MonotonicClock final : public Clock {
   public:
    double now() const override {
        using Seconds = std::chrono::duration<double>;
        return Seconds(std::chrono::steady_clock::now().time_since_epoch()).count();
    }
};

}  // namespace socket2
