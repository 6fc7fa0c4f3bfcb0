// The process at the other end of a unix socket.
#pragma once

#include <cstdint>

#include "core/base/result.h"
#include "core/sys/descriptor.h"

namespace socket2 {

struct PeerCredentials {
    int64_t pid = -1;  // -1: the system does not tell
    int64_t uid = 0;   // effective; so is gid
    int64_t gid = 0;
};

// The peer of a connected unix socket, at the time of its connect or listen. Errc::not_supported
// when the system has not kept it.
Result peer_credentials(Descriptor fd, PeerCredentials& out);

}  // namespace socket2
