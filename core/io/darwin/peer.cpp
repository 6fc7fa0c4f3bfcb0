#include "core/io/peer.h"

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "core/io/posix/syscalls.h"

namespace socket2 {

Result peer_credentials(Descriptor fd, PeerCredentials& out) {
    uid_t uid;
    gid_t gid;
    if (::getpeereid(static_cast<int>(fd), &uid, &gid) != 0) {
        // What it says of datagram sockets.
        const bool none = errno == EINVAL || errno == ENOTCONN;
        return Result(none ? Errc::not_supported : posix::errc_of(errno), errno);
    }
    pid_t pid = -1;
    socklen_t size = sizeof pid;
    const int told = ::getsockopt(static_cast<int>(fd), SOL_LOCAL, LOCAL_PEERPID, &pid, &size);
    out = {told == 0 && pid > 0 ? pid : -1, uid, gid};
    return Result::done();
}

}  // namespace socket2
