// The error codes of the library: one list, the same numbers on every operating system.
//
// The numbers are part of the ABI (capi/socket2.h repeats them and capi/error.cpp compares):
// append, never renumber. The word is what Lua returns as `err`.
#pragma once

namespace socket2 {

// X(identifier, number, word, message)
#define SOCKET2_ERROR_LIST(X)                                                                     \
    X(closed, -2, "closed", "the socket was closed on this side")                                 \
    X(timeout, -3, "timeout", "the deadline passed first")                                        \
    X(canceled, -4, "canceled", "the operation was canceled")                                     \
    X(busy, -5, "busy", "another operation of this kind is already waiting on the socket")        \
    X(bad_handle, -6, "bad_handle", "not a live handle of this kind")                             \
    X(invalid_argument, -7, "invalid_argument", "an argument is out of its range")                \
    X(not_supported, -8, "not_supported", "not supported on this system or by this socket")       \
    X(out_of_memory, -9, "out_of_memory", "out of memory")                                        \
    X(too_many_open_files, -10, "too_many_open_files", "the process has no free descriptor left") \
    X(too_many_open_files_in_system, -11, "too_many_open_files_in_system",                        \
      "the system has no free descriptor left")                                                   \
    X(access_denied, -12, "access_denied",                                                        \
      "the system denied access (a privileged port or path?)")                                    \
    X(not_permitted, -13, "not_permitted", "this needs a privilege that the process lacks")       \
    X(address_already_in_use, -14, "address_already_in_use",                                      \
      "another socket is bound to this address")                                                  \
    X(address_not_available, -15, "address_not_available",                                        \
      "the address belongs to no interface of this machine, or no local port is free")            \
    X(address_family_not_supported, -16, "address_family_not_supported",                          \
      "the address is of a family that the socket or the system cannot use")                      \
    X(protocol_not_supported, -17, "protocol_not_supported",                                      \
      "the protocol is unknown or does not fit the socket")                                       \
    X(socket_type_not_supported, -18, "socket_type_not_supported", "the socket type is unknown")  \
    X(connection_refused, -19, "connection_refused", "nobody listens at that address")            \
    X(connection_reset, -20, "connection_reset", "the peer reset the connection")                 \
    X(connection_aborted, -21, "connection_aborted", "the connection was aborted")                \
    X(connection_timed_out, -22, "connection_timed_out", "the peer did not answer the system")    \
    X(broken_pipe, -23, "broken_pipe", "the sending direction of the connection is shut")         \
    X(not_connected, -24, "not_connected", "the socket is not connected")                         \
    X(already_connected, -25, "already_connected", "the socket is connected already")             \
    X(not_listening, -26, "not_listening", "the socket does not listen")                          \
    X(network_unreachable, -27, "network_unreachable", "no route to that network")                \
    X(host_unreachable, -28, "host_unreachable", "no route to that host")                         \
    X(network_down, -29, "network_down", "the network is down")                                   \
    X(message_too_long, -30, "message_too_long", "the datagram is larger than can be sent")       \
    X(no_buffer_space, -31, "no_buffer_space", "the system is out of buffer space")               \
    X(destination_address_required, -32, "destination_address_required",                          \
      "an unconnected socket needs an address to send to")                                        \
    X(file_not_found, -33, "file_not_found", "no such file (unix socket path)")                   \
    X(path_too_long, -34, "path_too_long", "the unix socket path is too long for the system")     \
    X(unknown_host, -35, "unknown_host", "the host name is not known")                            \
    X(unknown_service, -36, "unknown_service", "the service name is not known")                   \
    X(invalid_port, -37, "invalid_port", "a port is a whole number from 0 to 65535")              \
    X(temporary_lookup_failure, -38, "temporary_lookup_failure",                                  \
      "the name server did not answer: try again later")                                          \
    X(lookup_failure, -39, "lookup_failure", "the name look-up failed for good")                  \
    X(unknown_option, -40, "unknown_option", "no socket option of that name here")                \
    X(no_such_device, -41, "no_such_device", "no network interface of that name")                 \
    X(bad_descriptor, -42, "bad_descriptor", "not an open descriptor of the needed kind")         \
    X(too_many_handles, -43, "too_many_handles", "the library has no free handle left")           \
    X(system_error, -44, "system_error", "a system error without a name here: ask for its code")  \
    X(end_of_stream, -45, "end_of_stream", "the peer ended the stream before all of it came")     \
    X(too_long, -46, "too_long", "more came than the given maximum")                              \
    X(not_suspended, -47, "not_suspended", "the thread does not wait in suspend()")               \
    X(io_error, -48, "io_error", "the device failed, or its other side is gone")

enum class Errc : int {
    ok = 0,
#define SOCKET2_ERROR_ENUM(id, number, word, message) id = (number),
    SOCKET2_ERROR_LIST(SOCKET2_ERROR_ENUM)
#undef SOCKET2_ERROR_ENUM
};

// The short word of a code and its sentence; a number outside the list has "unknown_error".
// Both are literals: never null, never freed.
const char* error_word(int code);
const char* error_message(int code);

}  // namespace socket2
