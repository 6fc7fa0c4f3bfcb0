// The process at the other end of a unix socket.
#pragma once

#include <cstdint>

#include "core/base/result.h"
#include "core/sys/descriptor.h"

namespace socket2 {

struct PeerCredentials {
    int64_t pid = -1;  // -1: the system does not tell
    int64_t uid = 0;   // effective, as is gid
    int64_t gid = 0;
};

// Of a connected unix socket, as of its connect or listen; Errc::not_supported where the system keeps
// nothing of it.
Result peer_credentials(Descriptor fd, PeerCredentials& out);

}  // namespace socket2
