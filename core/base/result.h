// The outcome of a call: a value, an error or "pending".
#pragma once

#include "core/base/error.h"

namespace socket2 {

// Eight bytes, passed in a register. Holds the value (>= 0), kPending, or an Errc. An error comes
// with the operating system's own code for it, which is 0 when the error is the library's own.
class [[nodiscard]] Result {
   public:
    static constexpr int kPending = -1;

    constexpr Result(Errc error, int os_code = 0)
        : value_(static_cast<int>(error)), os_code_(os_code) {}
    static constexpr Result of(int value) { return Result(value); }
    static constexpr Result pending() { return Result(kPending); }
    static constexpr Result done() { return Result(0); }

    constexpr bool is_pending() const { return value_ == kPending; }
    constexpr bool is_error() const { return value_ < kPending; }
    constexpr bool ok() const { return value_ >= 0; }

    // The number that crosses the ABI.
    constexpr int value() const { return value_; }
    constexpr Errc error() const { return is_error() ? static_cast<Errc>(value_) : Errc::ok; }
    constexpr int os_code() const { return os_code_; }

   private:
    explicit constexpr Result(int value) : value_(value), os_code_(0) {}

    int value_;
    int os_code_;
};

}  // namespace socket2
