#include "capi/handles.h"

namespace socket2::capi {

int adopt_accepted(LoopEntry& entry, Tcp& listener) {
    std::unique_ptr<Tcp> connection;
    const Result r = listener.take_accepted(connection);
    return r.is_error() ? entry.report(r) : entry.adopt(std::move(connection));
}

}  // namespace socket2::capi

using namespace socket2;
using namespace socket2::capi;

int socket2_tcp_new(int loop, int family, int protocol) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        const auto wanted = static_cast<Family>(family);
        if (!is_valid(wanted) || wanted == Family::unspecified) return SOCKET2_EFAMILY;
        std::unique_ptr<Tcp> socket;
        const Result r = Tcp::create(entry.loop, wanted, protocol, socket);
        return r.is_error() ? entry.report(r) : entry.adopt(std::move(socket));
    });
}

int socket2_tcp_listen(int loop, int handle, int backlog) {
    return on_socket<Tcp>(loop, handle, [&](Tcp& s) { return s.listen(backlog); });
}

int socket2_tcp_accept(int loop, int handle, socket2_addr* peer, double deadline) {
    return on_object<Tcp>(loop, handle, [&](LoopEntry& entry, Tcp& listener) -> int {
        if (!is_time(deadline)) return SOCKET2_EINVAL;
        const Result r = listener.accept(address(peer), deadline);
        return r.ok() ? adopt_accepted(entry, listener) : entry.report(r);
    });
}

int socket2_tcp_connect(int loop, int handle, const socket2_addr* addr, double deadline) {
    return on_socket<Tcp>(loop, handle, [&](Tcp& s) -> Result {
        if (addr == nullptr || !is_time(deadline)) return Errc::invalid_argument;
        return s.connect(*address(addr), deadline);
    });
}
