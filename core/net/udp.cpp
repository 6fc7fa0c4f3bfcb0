#include "core/net/udp.h"

#include "core/io/posix/syscalls.h"

namespace socket2 {

Udp::Udp(Loop& loop, SocketType type, Family family, int32_t protocol)
    : Socket(loop, type, family, protocol) {}

Result Udp::create(Loop& loop, SocketType type, Family family, int32_t protocol,
                   std::unique_ptr<Udp>& out) {
    out.reset(new Udp(loop, type, family, protocol));
    return out->open();
}

Result Udp::connect(const Address* address) {
    if (address == nullptr) return posix::disconnect(source_.fd);
    const Result r = check(*address);
    return r.is_error() ? r : posix::connect(source_.fd, address->raw);
}

Result Udp::send(const void* data, size_t size, const Address* to, double deadline) {
    Result r = to != nullptr ? check(*to) : Result::done();
    if (r.ok()) r = check_free(write_);
    if (r.is_error()) return r;
    write_.only = to != nullptr ? &to->raw : nullptr;
    return submit(write_, OpKind::send_to, const_cast<void*>(data), size, deadline);
}

Result Udp::recv(void* data, size_t size, const Address* only, Address* from, double deadline) {
    Result r = only != nullptr ? check(*only) : Result::done();
    if (r.ok()) r = check_free(read_);
    if (r.is_error()) return r;
    if (from != nullptr) {
        from->type = static_cast<int32_t>(type());
        from->protocol = protocol();
    }
    read_.only = only != nullptr ? &only->raw : nullptr;
    read_.addr = from != nullptr ? &from->raw : nullptr;
    return submit(read_, OpKind::recv_from, data, size, deadline);
}

}  // namespace socket2
