// Calls that differ between POSIX systems. Like the system's own they return -1 and set errno on
// errors.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>

namespace socket2::posix {

// Makes a socket that is non-blocking, close-on-exec, and quiet: with kSendFlags it raises no
// SIGPIPE.
int new_socket(int family, int type, int protocol);
int new_accepted(int listener, sockaddr* peer, socklen_t* size);
// Makes a socket from elsewhere quiet.
int make_quiet(int fd);
extern const int kSendFlags;

// Receives one datagram and returns how many of its bytes were copied; `truncated` tells whether it
// was longer.
ssize_t receive_datagram(int fd, void* data, size_t size, sockaddr* from, socklen_t* from_size,
                         bool& truncated);

// pipe(2), close-on-exec.
int new_pipe(int ends[2]);

// write(2) without SIGPIPE, for a descriptor that is not a socket.
ssize_t write_quietly(int fd, const void* data, size_t size);

// The process at the other end of a unix socket, on systems with a getpeereid(3) that reports only
// its user; -1: the system does not tell.
pid_t peer_process(int fd);

}  // namespace socket2::posix
