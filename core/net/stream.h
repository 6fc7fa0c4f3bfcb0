// Ordered bytes in both directions: of a TCP connection, a unix one, a pipe, a terminal.
#pragma once

#include <cstddef>

#include "core/base/result.h"
#include "core/base/slice.h"

namespace socket2 {

class Stream {
   public:
    Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // All of the slices or an error; the op's `done` tells how far it came. Of several the array, too, has
    // to stay until the op is over.
    virtual Result send(Slices slices, double deadline) = 0;
    // What has come, at most `size` bytes (> 0); 0: the end.
    virtual Result recv(void* data, size_t size, double deadline) = 0;

   protected:
    ~Stream() = default;
};

}  // namespace socket2
