// What a buffered read wants, and its result.
#pragma once

#include <cstddef>
#include <cstdint>

namespace socket2 {

struct ReadRequest {
    enum class Kind : uint8_t {
        size,   // this many bytes
        peek,   // the same, but the next read gets them again
        into,   // the same as size, but into the caller's memory
        until,  // what is before the delimiter; the delimiter is consumed, too
        line,   // what is before LF or CRLF
        all,    // until the end of the stream
    };

    Kind kind = Kind::size;
    size_t limit = 0;  // the number of bytes, or the most that the result may have
    const char* delimiter = nullptr;
    size_t delimiter_size = 0;
    char* memory = nullptr;
};

struct ReadResult {
    const char* data;  // null if the last read failed, or is not over
    size_t left;       // bytes that are buffered behind the result
    bool received;     // whether the read had to receive some of it
};

}  // namespace socket2
