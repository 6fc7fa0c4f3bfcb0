// For macOS and the BSDs.
#include "core/sys/peer.h"

#include <sys/types.h>
#include <unistd.h>

#include <cerrno>

#include "core/sys/error.h"
#include "core/sys/posix/socket_calls.h"

namespace socket2 {

Result peer_credentials(Descriptor fd, PeerCredentials& out) {
    uid_t uid;
    gid_t gid;
    if (::getpeereid(static_cast<int>(fd), &uid, &gid) != 0) {
        // These are the errors for datagram sockets.
        const bool none = errno == EINVAL || errno == ENOTCONN;
        return Result(none ? Errc::not_supported : sys::errc_of(errno), errno);
    }
    out = {posix::peer_process(static_cast<int>(fd)), uid, gid};
    return Result::done();
}

}  // namespace socket2
