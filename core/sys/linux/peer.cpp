#include "core/sys/peer.h"

#include <sys/socket.h>

#include <cerrno>

#include "core/sys/error.h"

namespace socket2 {

Result peer_credentials(Descriptor fd, PeerCredentials& out) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(static_cast<int>(fd), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return Result(sys::errc_of(errno), errno);
    }
    // The system's answer for datagram sockets that were connected.
    if (peer.uid == static_cast<uid_t>(-1)) return Errc::not_supported;
    // 0: the process is in another PID namespace.
    out = {peer.pid > 0 ? peer.pid : -1, peer.uid, peer.gid};
    return Result::done();
}

}  // namespace socket2
