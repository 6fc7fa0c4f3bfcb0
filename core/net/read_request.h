// What a buffered read wants.
#pragma once

#include <cstddef>
#include <cstdint>

namespace socket2 {

struct ReadRequest {
    enum class Kind : uint8_t {
        size,   // this many bytes
        peek,   // the same, but the next read gets them again
        until,  // what is before the delimiter; the delimiter is consumed, too
        line,   // what is before LF or CRLF
        all,    // until the end of the stream
    };

    Kind kind = Kind::size;
    size_t limit = 0;  // bytes: the number, or the most that the result may have
    const char* delimiter = nullptr;
    size_t delimiter_size = 0;
};

}  // namespace socket2
