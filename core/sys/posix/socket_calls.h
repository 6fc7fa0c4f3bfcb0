// What is not the same in the calls of POSIX systems: as those, -1 with errno for an error.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>

namespace socket2::posix {

// Non-blocking, close-on-exec, and quiet: with kSendFlags they raise no SIGPIPE.
int new_socket(int family, int type, int protocol);
int new_accepted(int listener, sockaddr* peer, socklen_t* size);
// Makes a socket quiet that others have made.
int make_quiet(int fd);
extern const int kSendFlags;

// One datagram: how many of its bytes were copied; `truncated` tells whether it was longer.
ssize_t receive_datagram(int fd, void* data, size_t size, sockaddr* from, socklen_t* from_size,
                         bool& truncated);

// pipe(2), close-on-exec.
int new_pipe(int ends[2]);

// write(2), of a descriptor that is no socket, without SIGPIPE.
ssize_t write_quietly(int fd, const void* data, size_t size);

// Who is at the other end of a unix socket, where getpeereid(3) tells of its user alone; -1: the system does
// not tell.
pid_t peer_process(int fd);

}  // namespace socket2::posix
