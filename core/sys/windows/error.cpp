#include "core/sys/windows/error.h"

// Comes before windows.h, which has a few of these names and would collide.
#define WIN32_NO_STATUS
#include "core/sys/windows/winsock.h"
#undef WIN32_NO_STATUS
#include <ntstatus.h>
#include <winternl.h>

#include "core/sys/error.h"

namespace socket2 {
namespace {

// mingw's socket headers lack this error, which can end a connection.
constexpr long kHandlesClosed = static_cast<long>(0x8000000A);

}  // namespace

Errc sys::errc_of(int os_code) {
    switch (os_code) {
        case WSAEACCES:
        case ERROR_ACCESS_DENIED:
            return Errc::access_denied;
        case ERROR_PRIVILEGE_NOT_HELD:
            return Errc::not_permitted;
        case WSAEADDRINUSE:
        case ERROR_ADDRESS_ALREADY_ASSOCIATED:
            return Errc::address_already_in_use;
        case WSAEADDRNOTAVAIL:
            return Errc::address_not_available;
        case WSAEAFNOSUPPORT:
        case WSAEPFNOSUPPORT:
            return Errc::address_family_not_supported;
        case WSAEPROTONOSUPPORT:
        case WSAEPROTOTYPE:
            return Errc::protocol_not_supported;
        case WSAESOCKTNOSUPPORT:
            return Errc::socket_type_not_supported;
        case WSAEOPNOTSUPP:
        case WSAENOPROTOOPT:
        case ERROR_NOT_SUPPORTED:
        case ERROR_CALL_NOT_IMPLEMENTED:
            return Errc::not_supported;
        case WSAECONNREFUSED:
        case ERROR_CONNECTION_REFUSED:
            return Errc::connection_refused;
        case WSAECONNRESET:
        case WSAENETRESET:
        case ERROR_NETNAME_DELETED:
            return Errc::connection_reset;
        case WSAECONNABORTED:
        case ERROR_CONNECTION_ABORTED:
            return Errc::connection_aborted;
        case WSAETIMEDOUT:
        case ERROR_SEM_TIMEOUT:
            return Errc::connection_timed_out;
        case WSAESHUTDOWN:
        case ERROR_BROKEN_PIPE:
        case ERROR_NO_DATA:
            return Errc::broken_pipe;
        case WSAENOTCONN:
            return Errc::not_connected;
        case WSAEISCONN:
            return Errc::already_connected;
        case WSAEALREADY:
            return Errc::busy;
        case WSAENETUNREACH:
        case ERROR_NETWORK_UNREACHABLE:
            return Errc::network_unreachable;
        case WSAEHOSTUNREACH:
        case WSAEHOSTDOWN:
        case ERROR_HOST_UNREACHABLE:
        case ERROR_PORT_UNREACHABLE:
            return Errc::host_unreachable;
        case WSAENETDOWN:
            return Errc::network_down;
        case WSAEMSGSIZE:
            return Errc::message_too_long;
        case WSAENOBUFS:
        case ERROR_NO_SYSTEM_RESOURCES:
        case ERROR_MAX_THRDS_REACHED:
            return Errc::no_buffer_space;
        case ERROR_NOT_ENOUGH_MEMORY:
        case ERROR_OUTOFMEMORY:
            return Errc::out_of_memory;
        case WSAEDESTADDRREQ:
            return Errc::destination_address_required;
        case ERROR_FILE_NOT_FOUND:
        case ERROR_PATH_NOT_FOUND:
            return Errc::file_not_found;
        case WSAENAMETOOLONG:
        case ERROR_FILENAME_EXCED_RANGE:
            return Errc::path_too_long;
        case WSAEMFILE:
        case ERROR_TOO_MANY_OPEN_FILES:
            return Errc::too_many_open_files;
        case ERROR_DEV_NOT_EXIST:
            return Errc::no_such_device;
        case ERROR_IO_DEVICE:
            return Errc::io_error;
        case WSAEBADF:
        case WSAENOTSOCK:
        case ERROR_INVALID_HANDLE:
            return Errc::bad_descriptor;
        case WSAEINVAL:
        case WSAEFAULT:
        case ERROR_INVALID_PARAMETER:
            return Errc::invalid_argument;
        case ERROR_OPERATION_ABORTED:
            return Errc::canceled;
        case WSAHOST_NOT_FOUND:
            return Errc::unknown_host;
        case WSATRY_AGAIN:
            return Errc::temporary_lookup_failure;
        case WSANO_RECOVERY:
            return Errc::lookup_failure;
        default:
            return Errc::system_error;
    }
}

namespace windows {

Result failure(int os_code) { return Result(sys::errc_of(os_code), os_code); }

Result connection_failure(int os_code) {
    return os_code == WSAECONNABORTED ? Result(Errc::connection_reset, os_code) : failure(os_code);
}

Result last_failure() { return failure(::WSAGetLastError()); }

int code_of_status(long status) {
    if (status >= 0) return 0;
    switch (status) {
        case STATUS_CANCELLED:
        case kHandlesClosed:
            return ERROR_OPERATION_ABORTED;
        case STATUS_REQUEST_ABORTED:
        case STATUS_CONNECTION_DISCONNECTED:
        case STATUS_LOCAL_DISCONNECT:
        case STATUS_TRANSACTION_ABORTED:
        case STATUS_CONNECTION_ABORTED:
        case STATUS_GRACEFUL_DISCONNECT:
            return WSAECONNABORTED;
        case STATUS_CONNECTION_RESET:
        case STATUS_REMOTE_DISCONNECT:
            return WSAECONNRESET;
        case STATUS_LINK_FAILED:
        case STATUS_IO_TIMEOUT:
            return WSAETIMEDOUT;
        case STATUS_CONNECTION_REFUSED:
        case STATUS_REMOTE_NOT_LISTENING:
            return WSAECONNREFUSED;
        case STATUS_NETWORK_UNREACHABLE:
            return WSAENETUNREACH;
        case STATUS_HOST_UNREACHABLE:
        case STATUS_PROTOCOL_UNREACHABLE:
        case STATUS_PORT_UNREACHABLE:
        case STATUS_HOST_DOWN:
        case STATUS_BAD_NETWORK_PATH:
            return WSAEHOSTUNREACH;
        case STATUS_INVALID_NETWORK_RESPONSE:
        case STATUS_NETWORK_BUSY:
        case STATUS_NO_SUCH_DEVICE:
        case STATUS_NO_SUCH_FILE:
        case STATUS_OBJECT_PATH_NOT_FOUND:
        case STATUS_OBJECT_NAME_NOT_FOUND:
        case STATUS_UNEXPECTED_NETWORK_ERROR:
            return WSAENETDOWN;
        case STATUS_ADDRESS_ALREADY_EXISTS:
        case STATUS_ADDRESS_ALREADY_ASSOCIATED:
        case STATUS_SHARING_VIOLATION:
            return WSAEADDRINUSE;
        case STATUS_TOO_MANY_ADDRESSES:
        case STATUS_INVALID_ADDRESS_COMPONENT:
        case STATUS_INVALID_ADDRESS:
            return WSAEADDRNOTAVAIL;
        case STATUS_CONNECTION_ACTIVE:
            return WSAEISCONN;
        case STATUS_CONNECTION_INVALID:
        case STATUS_PIPE_DISCONNECTED:
        case STATUS_INVALID_CONNECTION:
            return WSAENOTCONN;
        case STATUS_BUFFER_OVERFLOW:
        case STATUS_INVALID_BUFFER_SIZE:
        case STATUS_BUFFER_TOO_SMALL:
            return WSAEMSGSIZE;
        case STATUS_ACCESS_VIOLATION:
            return WSAEFAULT;
        case STATUS_ACCESS_DENIED:
            return WSAEACCES;
        case STATUS_INSUFFICIENT_RESOURCES:
        case STATUS_PAGEFILE_QUOTA:
        case STATUS_PAGEFILE_QUOTA_EXCEEDED:
        case STATUS_COMMITMENT_LIMIT:
        case STATUS_WORKING_SET_QUOTA:
        case STATUS_QUOTA_EXCEEDED:
        case STATUS_TOO_MANY_PAGING_FILES:
        case STATUS_REMOTE_RESOURCES:
        case STATUS_NO_MEMORY:
            return WSAENOBUFS;
        case STATUS_INVALID_HANDLE:
        case STATUS_OBJECT_TYPE_MISMATCH:
            return WSAENOTSOCK;
        case STATUS_FILE_CLOSED:
            return WSAESHUTDOWN;
        case STATUS_NOT_IMPLEMENTED:
        case STATUS_INVALID_DEVICE_REQUEST:
        case STATUS_NOT_SUPPORTED:
            return WSAEOPNOTSUPP;
        case STATUS_INVALID_PARAMETER:
        case STATUS_INVALID_DEVICE_STATE:
            return WSAEINVAL;
        case STATUS_CANT_WAIT:
        case STATUS_DEVICE_NOT_READY:
            return WSAEWOULDBLOCK;
        default:
            return static_cast<int>(::RtlNtStatusToDosError(status));
    }
}

}  // namespace windows
}  // namespace socket2
