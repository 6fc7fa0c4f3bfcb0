// The socket calls of POSIX systems, with this library's results.
//
// Every function returns a value (>= 0), an error with errno beside it, or pending where the
// system said "would block", or Errc::busy where it said so but will not tell when to try again (a
// unix peer whose queue is full); an interrupted call is made again. None raises SIGPIPE.
// Descriptors that they make are non-blocking and close-on-exec.
#pragma once

#include <cstddef>
#include <string>

#include "core/base/result.h"
#include "core/io/io_op.h"
#include "core/io/sockaddr.h"

namespace socket2::posix {

// So many pieces a send takes at once; more are left for the next.
constexpr size_t kMaxSlices = 64;

// What the system wants to be called before sockets and look-ups; nothing on POSIX. Any thread.
void start();

// Where the system's hosts file is.
std::string hosts_path();
// Whether the system's resolver answers for localhost without the hosts file and the network.
bool knows_localhost();

// The error behind an errno.
Errc errc_of(int os_code);

// The three numbers are the system's own; the value is the descriptor.
Result open_socket(int family, int type, int protocol);
void close_descriptor(Descriptor fd);

Result bind(Descriptor fd, const SockAddr& address);
Result listen(Descriptor fd, int backlog);
// On success `accepted` is the new descriptor, the caller's to close, and `peer` (may be null) its
// address. A connection that died in the queue is passed over.
Result accept(Descriptor fd, Descriptor& accepted, SockAddr* peer);

// Pending: under way; connect_result() tells more once the descriptor is writable.
Result connect(Descriptor fd, const SockAddr& address);
Result connect_result(Descriptor fd);
// Undoes the connect of a datagram socket, and one of a stream that is under way.
Result disconnect(Descriptor fd);

Result recv(Descriptor fd, void* data, size_t size);
Result send(Descriptor fd, const void* data, size_t size);
// Of several pieces in one call, in order.
Result send(Descriptor fd, const Slice* slices, size_t count);
Result recv_from(Descriptor fd, void* data, size_t size, SockAddr& from, bool& truncated);
Result send_to(Descriptor fd, const void* data, size_t size, const SockAddr* to);

// Opens a path for reading and writing: the value is the descriptor.
Result open_path(const char* path);
// Of descriptors that are no sockets, in blocking mode or not: neither blocks, but for a disk, and for
// who else reads from or writes to the same descriptor meanwhile. A write in blocking mode takes a
// part, and is Errc::not_supported of what is neither pipe nor file.
Result read(Descriptor fd, void* data, size_t size);
Result write(Descriptor fd, const void* data, size_t size);

// Done when the direction (kReadable or kWritable) has something to do, or an error to give;
// pending when not.
Result is_ready(Descriptor fd, uint8_t direction);
// Makes a descriptor that others have made non-blocking and close-on-exec.
Result make_nonblocking(Descriptor fd);
// Makes a socket that others have made as one of open_socket(): the value is the system's number of
// its type.
Result adopt_socket(Descriptor fd);
// Of an open descriptor: 1 when its mode does not matter to recv() and send(), as of sockets where calls
// have a flag for it (this one raises no SIGPIPE from now on); 0 when read() and write() are for it.
Result never_blocks(Descriptor fd);

// Directions as Ready bits: kReadable, kWritable or both.
Result shutdown(Descriptor fd, int directions);
Result local_address(Descriptor fd, SockAddr& address);
Result remote_address(Descriptor fd, SockAddr& address);

}  // namespace socket2::posix
