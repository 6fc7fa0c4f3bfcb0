#include "core/sys/option_calls.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "core/sys/error.h"
#include "core/sys/posix/multicast.h"

namespace socket2::sys {
namespace {

Result result_of(int r) { return r == 0 ? Result::done() : Result(errc_of(errno), errno); }

// Calls visit(name, address) for the interfaces' IPv4 addresses until it returns true.
template <typename Visit>
Result visit_inet_addresses(Visit visit) {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return Result(errc_of(errno), errno);
    for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
        if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET) continue;
        sockaddr_in address;
        std::memcpy(&address, i->ifa_addr, sizeof address);
        if (visit(i->ifa_name, address.sin_addr)) break;
    }
    ::freeifaddrs(list);
    return Result::done();
}

}  // namespace

Result set_raw(Descriptor fd, OptionName option, const void* value, size_t size) {
    return result_of(::setsockopt(static_cast<int>(fd), option.level, option.name, value,
                                  static_cast<socklen_t>(size)));
}

Result get_raw(Descriptor fd, OptionName option, void* value, size_t& size) {
    auto length = static_cast<socklen_t>(size);
    const int r = ::getsockopt(static_cast<int>(fd), option.level, option.name, value, &length);
    size = length;
    return result_of(r);
}

Result set_number(Descriptor fd, OptionName option, int value) {
    return result_of(posix::set_number(static_cast<int>(fd), option.level, option.name, value));
}

Result get_number(Descriptor fd, OptionName option, int& value) {
    size_t size = sizeof value;
    return get_raw(fd, option, &value, size);
}

Result set_inet_interface(Descriptor fd, OptionName, int index) {
    return result_of(posix::set_multicast_interface(static_cast<int>(fd), index));
}

Result set_inet6_interface(Descriptor fd, OptionName option, int index) {
    return set_raw(fd, option, &index, sizeof index);
}

Result set_membership(Descriptor fd, bool join, const SockAddr& group, int index) {
    sockaddr_storage address{};
    std::memcpy(&address, group.bytes, group.size);
    return result_of(posix::set_membership(static_cast<int>(fd), join, address, index));
}

Result interface_with(const in_addr& wanted) {
    Result found = Errc::no_such_device;
    const Result r = visit_inet_addresses([&](const char* name, const in_addr& address) {
        if (address.s_addr != wanted.s_addr) return false;
        found = Result::of(static_cast<int>(::if_nametoindex(name)));
        return true;
    });
    return r.is_error() ? r : found;
}

}  // namespace socket2::sys

in_addr socket2::posix::inet_address(int index) {
    in_addr found{htonl(INADDR_ANY)};
    const Result r = sys::visit_inet_addresses([&](const char* name, const in_addr& address) {
        if (static_cast<int>(::if_nametoindex(name)) != index) return false;
        found = address;
        return true;
    });
    static_cast<void>(r);
    return found;
}
