#include "core/net/udp.h"

#include "core/sys/socket.h"

namespace socket2 {

Udp::Udp(Loop& loop, SocketType type, Family family, int32_t protocol)
    : Socket(loop, type, family, protocol) {}

Result Udp::create(Loop& loop, SocketType type, Family family, int32_t protocol,
                   std::unique_ptr<Udp>& out) {
    if (type == SocketType::raw && family == Family::local) {
        return Errc::address_family_not_supported;
    }
    out.reset(new Udp(loop, type, family, protocol));
    return out->open();
}

Result Udp::attach(Loop& loop, SocketType type, Family family, Descriptor fd,
                   std::unique_ptr<Socket>& out) {
    std::unique_ptr<Udp> socket(new Udp(loop, type, family, 0));
    const Result r = socket->adopt(fd);
    out = std::move(socket);
    return r;
}

Result Udp::connect(const Address* address) {
    if (address == nullptr) return disconnect();
    const Result r = check(*address);
    if (r.is_error()) return r;
    SockAddr to = address->raw;
    // Raw sockets have no ports, but Linux treats them as connected only if the address has one.
    if (type() == SocketType::raw) set_port(to, 1);
    Result made = sys::connect(source_.fd, to);
    while (made.is_pending())
        made = sys::connect(source_.fd, to);  // interrupted: there is no handshake
    return made;
}

// Linux also takes back a port that it picked itself, although others may know it.
Result Udp::disconnect() {
    Address before;
    Address after;
    Result r = local_address(before);
    if (r.ok()) r = sys::disconnect(source_.fd);
    if (r.ok()) r = local_address(after);
    if (r.is_error() || after.port() == before.port()) return r;
    set_port(after.raw, before.port());
    return sys::bind(source_.fd, after.raw);
}

Result Udp::send(const void* data, size_t size, const Address* to, double deadline) {
    Result r = to != nullptr ? check(*to) : Result::done();
    if (r.ok()) r = check_free(write_, deadline);
    if (r.is_error()) return r;
    write_.only = to != nullptr ? &to->raw : nullptr;
    return submit(write_, OpKind::send_to, {const_cast<void*>(data), size}, deadline);
}

Result Udp::recv(void* data, size_t size, const Address* only, Address* from, double deadline) {
    Result r = only != nullptr ? check(*only) : Result::done();
    if (r.ok()) r = check_free(read_, deadline);
    if (r.is_error()) return r;
    if (from != nullptr) {
        from->type = static_cast<int32_t>(type());
        from->protocol = protocol();
    }
    read_.only = only != nullptr ? &only->raw : nullptr;
    read_.addr = from != nullptr ? &from->raw : nullptr;
    return submit(read_, OpKind::recv_from, {data, size}, deadline);
}

}  // namespace socket2
