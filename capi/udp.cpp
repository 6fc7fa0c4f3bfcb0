#include "capi/handles.h"
#include "core/sys/option.h"

using namespace socket2;
using namespace socket2::capi;

namespace {

int new_socket(int loop, SocketType type, int family, int protocol) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        const auto wanted = static_cast<Family>(family);
        if (!is_valid(wanted) || wanted == Family::unspecified) return SOCKET2_EFAMILY;
        std::unique_ptr<Udp> socket;
        const Result r = Udp::create(entry.loop, type, wanted, protocol, socket);
        return r.is_error() ? entry.report(r) : entry.adopt(std::move(socket));
    });
}

int set_group(int loop, int handle, bool join, const socket2_addr* group, const char* ifname) {
    return on_socket<Udp>(loop, handle, [&](Udp& s) -> Result {
        if (group == nullptr || !address(group)->is_valid()) return Errc::invalid_argument;
        if (address(group)->family() != s.family()) return Errc::address_family_not_supported;
        const Result index = ifname == nullptr ? Result::done() : interface_index(ifname);
        if (index.is_error()) return index;
        return set_membership(s.descriptor(), join, address(group)->raw, index.value());
    });
}

}  // namespace

int socket2_udp_new(int loop, int family, int protocol) {
    return new_socket(loop, SocketType::udp, family, protocol);
}

int socket2_raw_new(int loop, int family, int protocol) {
    return new_socket(loop, SocketType::raw, family, protocol);
}

int socket2_udp_connect(int loop, int handle, const socket2_addr* addr) {
    return on_socket<Udp>(loop, handle, [&](Udp& s) { return s.connect(address(addr)); });
}

int socket2_udp_send(int loop, int handle, const void* data, size_t size, const socket2_addr* to,
                     double deadline) {
    return on_socket<Udp>(loop, handle, [&](Udp& s) -> Result {
        if (!is_buffer(data, size) || !is_time(deadline)) return Errc::invalid_argument;
        return s.send(data, size, address(to), deadline);
    });
}

int socket2_udp_recv(int loop, int handle, void* data, size_t size, const socket2_addr* only,
                     socket2_addr* from, double deadline) {
    return on_socket<Udp>(loop, handle, [&](Udp& s) -> Result {
        if (!is_buffer(data, size) || !is_time(deadline)) return Errc::invalid_argument;
        return s.recv(data, size, address(only), address(from), deadline);
    });
}

int socket2_udp_truncated(int loop, int handle) {
    return on_socket<Udp>(loop, handle, [](Udp& s) { return s.truncated() ? 1 : 0; });
}

int socket2_udp_join(int loop, int handle, const socket2_addr* group, const char* ifname) {
    return set_group(loop, handle, true, group, ifname);
}

int socket2_udp_leave(int loop, int handle, const socket2_addr* group, const char* ifname) {
    return set_group(loop, handle, false, group, ifname);
}
