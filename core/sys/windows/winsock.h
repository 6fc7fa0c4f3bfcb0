// Windows' socket headers, without the macros that collide with this library's names.
#pragma once

#include <winsock2.h>
#include <ws2tcpip.h>

// Needs the two above.
#include <afunix.h>
#include <iphlpapi.h>
#include <mswsock.h>

#undef interface

#include "core/sys/descriptor.h"
#include "core/sys/sockaddr.h"

// Names that only POSIX has; the others are the same.
using sa_family_t = ADDRESS_FAMILY;
constexpr int EAI_SYSTEM = -1;  // no lookup returns it: the others are the system's own codes

namespace socket2::windows {

inline SOCKET socket_of(Descriptor fd) { return static_cast<SOCKET>(fd); }
inline HANDLE handle_of(Descriptor fd) { return reinterpret_cast<HANDLE>(fd); }

inline const sockaddr* in(const SockAddr& address) {
    return reinterpret_cast<const sockaddr*>(address.bytes);
}

inline sockaddr* out(SockAddr& address) { return reinterpret_cast<sockaddr*>(address.bytes); }

// What the system knows about a socket, for example its family and type. All zeros when it is not a
// socket.
WSAPROTOCOL_INFOW protocol_of(Descriptor fd);

// Whether the peer has reset the connection.
bool was_reset(Descriptor fd);

}  // namespace socket2::windows
