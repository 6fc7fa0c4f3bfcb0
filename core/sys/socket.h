// The system's socket calls, with this library's results.
//
// Every function returns a value (>= 0), an error with errno beside it, or pending when the system
// said "would block". Errc::busy means that the system said so, but will not report when to try
// again (the queue of a unix peer is full). An interrupted call is made again. No call raises
// SIGPIPE. The descriptors that calls make are non-blocking and close-on-exec.
#pragma once

#include <cstddef>

#include "core/base/result.h"
#include "core/base/slice.h"
#include "core/sys/descriptor.h"
#include "core/sys/sockaddr.h"

namespace socket2::sys {

// A send takes at most this many pieces at once, and leaves the others for the next.
constexpr size_t kMaxSlices = 64;

// Does what the system requires before sockets and lookups. Any thread.
void start();

// The three numbers are the system's own; the value is the descriptor.
Result open_socket(int family, int type, int protocol);

Result bind(Descriptor fd, const SockAddr& address);
Result listen(Descriptor fd, int backlog);
// On success `accepted` is the new descriptor, which the caller has to close, and `peer` (may be
// null) its address. A connection that died in the queue is passed over.
Result accept(Descriptor fd, Descriptor& accepted, SockAddr* peer);

// Pending: under way; connect_result() tells more once the descriptor is writable.
Result connect(Descriptor fd, const SockAddr& address);
Result connect_result(Descriptor fd);
// Undoes the connect of a datagram socket, or a stream's connect that is under way.
Result disconnect(Descriptor fd);

Result recv(Descriptor fd, void* data, size_t size);
Result send(Descriptor fd, const void* data, size_t size);
// Sends several pieces in one call, in order.
Result send(Descriptor fd, const Slice* slices, size_t count);
Result recv_from(Descriptor fd, void* data, size_t size, SockAddr& from, bool& truncated);
Result send_to(Descriptor fd, const void* data, size_t size, const SockAddr* to);

// Sets up a socket from elsewhere like one from open_socket(). The value is the system's number of
// its type.
Result adopt_socket(Descriptor fd);

// Directions as Ready bits: kReadable, kWritable or both.
Result shutdown(Descriptor fd, int directions);
Result local_address(Descriptor fd, SockAddr& address);
Result remote_address(Descriptor fd, SockAddr& address);

}  // namespace socket2::sys
