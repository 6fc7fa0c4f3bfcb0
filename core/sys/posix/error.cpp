#include "core/sys/error.h"

#include <cerrno>

namespace socket2::sys {

Errc errc_of(int os_code) {
    if (os_code == ENOTSUP) return Errc::not_supported;  // on Linux the same as EOPNOTSUPP
    switch (os_code) {
        case EACCES:
            return Errc::access_denied;
        case EPERM:
            return Errc::not_permitted;
        case EADDRINUSE:
            return Errc::address_already_in_use;
        case EADDRNOTAVAIL:
            return Errc::address_not_available;
        case EAFNOSUPPORT:
            return Errc::address_family_not_supported;
        case EPROTONOSUPPORT:
        case EPROTOTYPE:
            return Errc::protocol_not_supported;
        case ESOCKTNOSUPPORT:
            return Errc::socket_type_not_supported;
        case EOPNOTSUPP:
        case ENOPROTOOPT:
        case ENOSYS:
            return Errc::not_supported;
        case ECONNREFUSED:
            return Errc::connection_refused;
        case ECONNRESET:
            return Errc::connection_reset;
        case ECONNABORTED:
            return Errc::connection_aborted;
        case ETIMEDOUT:
            return Errc::connection_timed_out;
        case EPIPE:
            return Errc::broken_pipe;
        case ENOTCONN:
            return Errc::not_connected;
        case EISCONN:
            return Errc::already_connected;
        case EALREADY:
        case EBUSY:
            return Errc::busy;
        case ENETUNREACH:
            return Errc::network_unreachable;
        case EHOSTUNREACH:
        case EHOSTDOWN:
            return Errc::host_unreachable;
        case ENETDOWN:
            return Errc::network_down;
        case EMSGSIZE:
            return Errc::message_too_long;
        case ENOBUFS:
            return Errc::no_buffer_space;
        case ENOMEM:
            return Errc::out_of_memory;
        case EDESTADDRREQ:
            return Errc::destination_address_required;
        case ENOENT:
            return Errc::file_not_found;
        case ENAMETOOLONG:
            return Errc::path_too_long;
        case EMFILE:
            return Errc::too_many_open_files;
        case ENFILE:
            return Errc::too_many_open_files_in_system;
        case ENODEV:
        case ENXIO:
            return Errc::no_such_device;
        case EIO:
            return Errc::io_error;
        case EBADF:
        case ENOTSOCK:
            return Errc::bad_descriptor;
        case EINVAL:
        case EDOM:
        case EFAULT:
            return Errc::invalid_argument;
        default:
            return Errc::system_error;
    }
}

}  // namespace socket2::sys
