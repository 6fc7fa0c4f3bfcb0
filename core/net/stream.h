// Ordered bytes in both directions: of a TCP connection, a unix one, a pipe, a terminal.
#pragma once

#include <cstddef>

#include "core/base/result.h"
#include "core/base/slice.h"
#include "core/net/read_request.h"

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

    // The number of bytes, which data() has until the next read. Errc::end_of_stream when it ends before
    // all of it came, Errc::too_long as soon as that is certain. A read that fails consumes nothing. The
    // delimiter has to stay until the op is over. May throw bad_alloc.
    virtual Result read(const ReadRequest& request, double deadline) = 0;
    virtual const char* data() const = 0;
    // Bytes that were received and not read.
    virtual size_t buffered() const = 0;
    // These bytes come before all others. Errc::busy during a read. May throw bad_alloc.
    virtual Result unread(const void* data, size_t size) = 0;

   protected:
    ~Stream() = default;
};

}  // namespace socket2
