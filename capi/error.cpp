#include "core/base/error.h"

#include "capi/socket2.h"
#include "core/base/result.h"

namespace {

using socket2::Errc;

constexpr bool same(int code, Errc error) { return code == static_cast<int>(error); }

// The header's numbers are the core's.
static_assert(SOCKET2_PENDING == socket2::Result::kPending);
static_assert(same(SOCKET2_ECLOSED, Errc::closed));
static_assert(same(SOCKET2_ETIMEOUT, Errc::timeout));
static_assert(same(SOCKET2_ECANCELED, Errc::canceled));
static_assert(same(SOCKET2_EBUSY, Errc::busy));
static_assert(same(SOCKET2_EBADHANDLE, Errc::bad_handle));
static_assert(same(SOCKET2_EINVAL, Errc::invalid_argument));
static_assert(same(SOCKET2_ENOTSUPPORTED, Errc::not_supported));
static_assert(same(SOCKET2_ENOMEM, Errc::out_of_memory));
static_assert(same(SOCKET2_EMFILE, Errc::too_many_open_files));
static_assert(same(SOCKET2_ENFILE, Errc::too_many_open_files_in_system));
static_assert(same(SOCKET2_EACCES, Errc::access_denied));
static_assert(same(SOCKET2_EPERM, Errc::not_permitted));
static_assert(same(SOCKET2_EADDRINUSE, Errc::address_already_in_use));
static_assert(same(SOCKET2_EADDRNOTAVAIL, Errc::address_not_available));
static_assert(same(SOCKET2_EFAMILY, Errc::address_family_not_supported));
static_assert(same(SOCKET2_EPROTOCOL, Errc::protocol_not_supported));
static_assert(same(SOCKET2_ESOCKTYPE, Errc::socket_type_not_supported));
static_assert(same(SOCKET2_ECONNREFUSED, Errc::connection_refused));
static_assert(same(SOCKET2_ECONNRESET, Errc::connection_reset));
static_assert(same(SOCKET2_ECONNABORTED, Errc::connection_aborted));
static_assert(same(SOCKET2_ECONNTIMEDOUT, Errc::connection_timed_out));
static_assert(same(SOCKET2_EPIPE, Errc::broken_pipe));
static_assert(same(SOCKET2_ENOTCONN, Errc::not_connected));
static_assert(same(SOCKET2_EISCONN, Errc::already_connected));
static_assert(same(SOCKET2_ENOTLISTENING, Errc::not_listening));
static_assert(same(SOCKET2_ENETUNREACH, Errc::network_unreachable));
static_assert(same(SOCKET2_EHOSTUNREACH, Errc::host_unreachable));
static_assert(same(SOCKET2_ENETDOWN, Errc::network_down));
static_assert(same(SOCKET2_EMSGSIZE, Errc::message_too_long));
static_assert(same(SOCKET2_ENOBUFS, Errc::no_buffer_space));
static_assert(same(SOCKET2_EDESTADDRREQ, Errc::destination_address_required));
static_assert(same(SOCKET2_ENOENT, Errc::file_not_found));
static_assert(same(SOCKET2_EPATHTOOLONG, Errc::path_too_long));
static_assert(same(SOCKET2_EUNKNOWNHOST, Errc::unknown_host));
static_assert(same(SOCKET2_EUNKNOWNSERVICE, Errc::unknown_service));
static_assert(same(SOCKET2_EPORT, Errc::invalid_port));
static_assert(same(SOCKET2_ELOOKUPAGAIN, Errc::temporary_lookup_failure));
static_assert(same(SOCKET2_ELOOKUP, Errc::lookup_failure));
static_assert(same(SOCKET2_EOPTION, Errc::unknown_option));
static_assert(same(SOCKET2_ENODEV, Errc::no_such_device));
static_assert(same(SOCKET2_EDESCRIPTOR, Errc::bad_descriptor));
static_assert(same(SOCKET2_ENOHANDLE, Errc::too_many_handles));
static_assert(same(SOCKET2_ESYSTEM, Errc::system_error));
static_assert(same(SOCKET2_EENDOFSTREAM, Errc::end_of_stream));
static_assert(same(SOCKET2_ETOOLONG, Errc::too_long));
static_assert(same(SOCKET2_ENOTSUSPENDED, Errc::not_suspended));
static_assert(same(SOCKET2_EIO, Errc::io_error));

}  // namespace

const char* socket2_error_name(int code) { return socket2::error_word(code); }

const char* socket2_error_message(int code) { return socket2::error_message(code); }
