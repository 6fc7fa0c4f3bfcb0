#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "core/sys/posix/socket_calls.h"

namespace socket2::posix {

pid_t peer_process(int fd) {
    pid_t pid = -1;
    socklen_t size = sizeof pid;
    const int told = ::getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &pid, &size);
    return told == 0 && pid > 0 ? pid : -1;
}

}  // namespace socket2::posix
