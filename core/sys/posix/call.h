// Results of calls that return -1 and set errno on errors.
#pragma once

#include <cerrno>

#include "core/base/result.h"
#include "core/sys/descriptor.h"
#include "core/sys/error.h"

namespace socket2::posix {

inline int fd_of(Descriptor fd) { return static_cast<int>(fd); }

inline Result failure() { return Result(sys::errc_of(errno), errno); }

// The value of a call that is repeated while signals interrupt it.
template <typename Call>
Result checked(Call call) {
    for (;;) {
        const auto n = call();
        if (n >= 0) return Result::of(static_cast<int>(n));
        if (errno == EAGAIN || errno == EWOULDBLOCK) return Result::pending();
        if (errno != EINTR) return failure();
    }
}

}  // namespace socket2::posix
