// Room for one socket address in the operating system's own layout.
#pragma once

#include <cstdint>
#include <cstring>

namespace socket2 {

// A `sockaddr` of any family that the library knows, without its header: only core/sys and
// core/poll look into `bytes`.
struct SockAddr {
    static constexpr uint32_t kCapacity = 112;  // sockaddr_un (110) is the largest

    alignas(8) uint8_t bytes[kCapacity];
    uint32_t size;

    // Whether a unix name may be abstract, without a file.
    static const bool kAbstractNames;

    bool operator==(const SockAddr& other) const {
        return size == other.size && std::memcmp(bytes, other.bytes, size) == 0;
    }
};

}  // namespace socket2
