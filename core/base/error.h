// The error codes of the library: one list, the same numbers on every operating system.
//
// tools/errors.lua makes the block in capi/socket2.h and the annotation in types/socket2.lua from it,
// tools/docs the table in docs/errors.md. The numbers are part of the ABI: append, never renumber.
#pragma once

namespace socket2 {

// X(identifier, name in C, number, message); the identifier is Lua's word.
#define SOCKET2_ERROR_LIST(X)                                                               \
    X(closed, ECLOSED, -2, "the socket was closed on this side")                            \
    X(timeout, ETIMEOUT, -3, "the deadline passed first")                                   \
    X(canceled, ECANCELED, -4, "the operation was canceled")                                \
    X(busy, EBUSY, -5, "another operation of this kind is already waiting on the socket")   \
    X(bad_handle, EBADHANDLE, -6, "not a live handle of this kind")                         \
    X(invalid_argument, EINVAL, -7, "an argument is out of its range")                      \
    X(not_supported, ENOTSUPPORTED, -8, "not supported on this system or by this socket")   \
    X(out_of_memory, ENOMEM, -9, "out of memory")                                           \
    X(too_many_open_files, EMFILE, -10, "the process has no free descriptor left")          \
    X(too_many_open_files_in_system, ENFILE, -11, "the system has no free descriptor left") \
    X(access_denied, EACCES, -12, "the system denied access (a privileged port or path?)")  \
    X(not_permitted, EPERM, -13, "this needs a privilege that the process lacks")           \
    X(address_already_in_use, EADDRINUSE, -14, "another socket is bound to this address")   \
    X(address_not_available, EADDRNOTAVAIL, -15,                                            \
      "the address belongs to no interface of this machine, or no local port is free")      \
    X(address_family_not_supported, EFAMILY, -16,                                           \
      "the address is of a family that the socket or the system cannot use")                \
    X(protocol_not_supported, EPROTOCOL, -17,                                               \
      "the protocol is unknown or does not fit the socket")                                 \
    X(socket_type_not_supported, ESOCKTYPE, -18, "the socket type is unknown")              \
    X(connection_refused, ECONNREFUSED, -19, "nobody listens at that address")              \
    X(connection_reset, ECONNRESET, -20, "the peer reset the connection")                   \
    X(connection_aborted, ECONNABORTED, -21, "the connection was aborted")                  \
    X(connection_timed_out, ECONNTIMEDOUT, -22, "the peer did not answer the system")       \
    X(broken_pipe, EPIPE, -23, "the sending direction of the connection is shut")           \
    X(not_connected, ENOTCONN, -24, "the socket is not connected")                          \
    X(already_connected, EISCONN, -25, "the socket is connected already")                   \
    X(not_listening, ENOTLISTENING, -26, "the socket does not listen")                      \
    X(network_unreachable, ENETUNREACH, -27, "no route to that network")                    \
    X(host_unreachable, EHOSTUNREACH, -28, "no route to that host")                         \
    X(network_down, ENETDOWN, -29, "the network is down")                                   \
    X(message_too_long, EMSGSIZE, -30, "the datagram is larger than can be sent")           \
    X(no_buffer_space, ENOBUFS, -31, "the system is out of buffer space")                   \
    X(destination_address_required, EDESTADDRREQ, -32,                                      \
      "an unconnected socket needs an address to send to")                                  \
    X(file_not_found, ENOENT, -33, "no such file (unix socket path)")                       \
    X(path_too_long, EPATHTOOLONG, -34, "the unix socket path is too long for the system")  \
    X(unknown_host, EUNKNOWNHOST, -35, "the host name is not known")                        \
    X(unknown_service, EUNKNOWNSERVICE, -36, "the service name is not known")               \
    X(invalid_port, EPORT, -37, "a port is a whole number from 0 to 65535")                 \
    X(temporary_lookup_failure, ELOOKUPAGAIN, -38,                                          \
      "the name server did not answer: try again later")                                    \
    X(lookup_failure, ELOOKUP, -39, "the name lookup failed for good")                      \
    X(unknown_option, EOPTION, -40, "no socket option of that name here")                   \
    X(no_such_device, ENODEV, -41, "no network interface of that name")                     \
    X(bad_descriptor, EDESCRIPTOR, -42, "not an open descriptor of the needed kind")        \
    X(too_many_handles, ENOHANDLE, -43, "the library has no free handle left")              \
    X(system_error, ESYSTEM, -44, "a system error without a name here: ask for its code")   \
    X(end_of_stream, EENDOFSTREAM, -45, "the peer ended the stream before all of it came")  \
    X(too_long, ETOOLONG, -46, "more came than the given maximum")                          \
    X(not_suspended, ENOTSUSPENDED, -47, "the thread does not wait in suspend()")           \
    X(io_error, EIO, -48, "the device failed, or its other side is gone")

enum class Errc : int {
    ok = 0,
#define SOCKET2_ERROR_ENUM(id, name, number, message) id = (number),
    SOCKET2_ERROR_LIST(SOCKET2_ERROR_ENUM)
#undef SOCKET2_ERROR_ENUM
};

// The short word of a code and its sentence; a number outside the list has "unknown_error".
// Both are literals: never null, never freed.
const char* error_word(int code);
const char* error_message(int code);

}  // namespace socket2
