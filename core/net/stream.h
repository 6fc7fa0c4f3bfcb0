// Ordered bytes in both directions: a TCP or unix connection, a pipe, a terminal.
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

    // Sends all of the slices, or fails; after an error the op's `done` tells how many bytes were
    // sent. If there are several slices, their array has to stay until the op is over, too.
    virtual Result send(Slices slices, double deadline) = 0;
    // Receives what has come, at most `size` bytes (> 0); 0 is the end of the stream.
    virtual Result recv(void* data, size_t size, double deadline) = 0;

    // Completes with the number of bytes, which stay at last_read() until the next read or
    // release(). Errc::end_of_stream when the stream ends before all of it came, Errc::too_long as
    // soon as that is certain. A read that fails consumes nothing. The delimiter and the caller's
    // memory have to stay until the op is over. May throw bad_alloc.
    virtual Result read(const ReadRequest& request, double deadline) = 0;
    virtual ReadResult last_read() const = 0;
    // Gives back the memory of the last read's bytes.
    virtual void release() = 0;
    // Undoes the last read: the next one gets what it took from the buffer. Errc::busy during a read.
    virtual Result undo() = 0;
    // The number of bytes that were received but not read.
    virtual size_t buffered() const = 0;
    // The next reads return these bytes first. Errc::busy during a read. May throw bad_alloc.
    virtual Result unread(const void* data, size_t size) = 0;

   protected:
    ~Stream() = default;
};

}  // namespace socket2
