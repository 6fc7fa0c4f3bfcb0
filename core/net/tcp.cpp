#include "core/net/tcp.h"

#include <climits>
#include <utility>

#include "core/sys/process_settings.h"
#include "core/sys/socket.h"

namespace socket2 {

Tcp::Tcp(Loop& loop, Family family, int32_t protocol)
    : IoStream(loop, SocketType::tcp, family, protocol) {
    source_.short_read_drains = family != Family::local;
}

Result Tcp::create(Loop& loop, Family family, int32_t protocol, std::unique_ptr<Tcp>& out) {
    out.reset(new Tcp(loop, family, protocol));
    out->has_no_peer_ = true;
    const Result r = out->open();
    return r.is_error() ? r : out->send_at_once();
}

Result Tcp::attach(Loop& loop, Family family, Descriptor fd, std::unique_ptr<Socket>& out) {
    std::unique_ptr<Tcp> socket(new Tcp(loop, family, 0));
    socket->bound_ = true;
    const Result r = socket->adopt(fd);
    out = std::move(socket);
    return r;
}

Result Tcp::listen(int backlog) {
    if (family() != Family::local) {
        // bind() does not set it when the system picks the port. The next server may want the same
        // port.
        const Result r = set_option("reuseaddr", 1);
        if (r.is_error()) return r;
    }
    return sys::listen(source_.fd, backlog < 0 ? INT_MAX : backlog);
}

Result Tcp::accept(Address* peer, double deadline) {
    const Result r = check_free(read_, deadline);
    if (r.is_error()) return r;
    if (peer != nullptr) {
        peer->type = static_cast<int32_t>(type());
        peer->protocol = protocol();
    }
    read_.addr = peer != nullptr ? &peer->raw : nullptr;
    drop_accepted();
    return submit(read_, OpKind::accept, {}, deadline);
}

Result Tcp::take_accepted(std::unique_ptr<Tcp>& out) {
    out.reset(new Tcp(loop_, family(), protocol()));
    const Result r = out->adopt(std::exchange(read_.accepted, kNoDescriptor));
    return r.is_error() ? r : out->send_at_once();
}

// Turns Nagle's delay off: the second part of a request would otherwise wait for the peer's delayed
// acknowledgement of the first, and programs that batch writes do better without it, too. Other
// stream protocols have no such option.
Result Tcp::send_at_once() {
    if (family() == Family::local) return Result::done();
    const Result r = set_option("tcp_nodelay", 1);
    return r.error() == Errc::not_supported ? Result::done() : r;
}

Result Tcp::connect(const Address& address, double deadline) {
    Result r = check(address);
    if (r.ok()) r = check_free(write_, deadline);
    if (r.is_error()) return r;
    // Linux would let a second connect succeed, to any address.
    SockAddr peer;
    if (!std::exchange(has_no_peer_, false) && sys::remote_address(source_.fd, peer).ok()) {
        return Errc::already_connected;
    }
    write_.only = &address.raw;
    write_.to_itself = bound_ || address.port() >= lowest_picked_port();
    return submit(write_, OpKind::connect, {}, deadline);
}

}  // namespace socket2
