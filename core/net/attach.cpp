#include "core/net/attach.h"

#include "core/net/tcp.h"
#include "core/net/udp.h"
#include "core/sys/socket.h"

namespace socket2 {

Result attach_socket(Loop& loop, Descriptor fd, std::unique_ptr<Socket>& out) {
    SockAddr local;
    Result r = sys::local_address(fd, local);
    if (r.is_error()) return r;
    const Family family = family_of(local);
    if (family == Family::unspecified) return Errc::address_family_not_supported;
    r = sys::adopt_socket(fd);
    if (r.is_error()) return r;
    SocketType type;
    if (!socket_type_of(r.value(), type)) return Errc::socket_type_not_supported;
    return type == SocketType::tcp ? Tcp::attach(loop, family, fd, out)
                                   : Udp::attach(loop, type, family, fd, out);
}

}  // namespace socket2
