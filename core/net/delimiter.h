// The search for a delimiter in bytes that may be followed by more.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace socket2 {

// Returns where in p[from] to p[to - 1] the delimiter begins; or where the last of the `have` bytes at p
// begin if they may turn out to be its beginning; or `to`.
inline size_t find_delimiter(const char* p, size_t from, size_t to, size_t have,
                             const char* delimiter, size_t delimiter_size) {
    while (from < to) {
        const void* const at = std::memchr(p + from, delimiter[0], to - from);
        if (at == nullptr) return to;
        from = static_cast<size_t>(static_cast<const char*>(at) - p);
        const size_t compared = std::min(delimiter_size, have - from);
        if (std::memcmp(p + from, delimiter, compared) == 0) return from;
        ++from;
    }
    return to;
}

}  // namespace socket2
