#include "core/net/socket.h"

#include <utility>

#include "core/sys/descriptor.h"
#include "core/sys/option.h"
#include "core/sys/socket.h"

namespace socket2 {

Socket::Socket(Loop& loop, SocketType type, Family family, int32_t protocol)
    : Waitable(loop, type == SocketType::tcp ? kTcp : kUdp),
      type_(type),
      family_(family),
      protocol_(protocol != 0 ? protocol : default_protocol(type, family)) {}

Socket::~Socket() {
    drop_accepted();
    // A descriptor that is still open never got an owner, so no op can be in flight.
    if (source_.fd != kNoDescriptor) sys::close_descriptor(source_.fd);
}

void Socket::drop_accepted() {
    if (read_.accepted == kNoDescriptor) return;
    sys::close_descriptor(std::exchange(read_.accepted, kNoDescriptor));
}

Result Socket::open() {
    const Result r =
        sys::open_socket(os_family(family_), os_socket_type(type_), static_cast<int>(protocol_));
    if (r.is_error()) return r;
    return adopt(r.value());
}

Result Socket::adopt(Descriptor fd) {
    source_.fd = fd;
    return loop_.attach(source_);
}

void Socket::close_descriptor() { sys::close_descriptor(source_.fd); }

Result Socket::check(const Address& address) const {
    if (!address.is_valid()) return Errc::invalid_argument;
    return address.family() == family_ ? Result::done() : Errc::address_family_not_supported;
}

Result Socket::bind(const Address& address) {
    Result r = check(address);
    if (r.is_error()) return r;
    // Otherwise a restarted server would have to wait for the TIME_WAIT of its old connections. Not
    // when the system picks the port: it could pick one on which another such socket is about to
    // listen.
    if (type_ == SocketType::tcp && address.port() != 0) r = set_option("reuseaddr", 1);
    if (r.ok()) r = sys::bind(source_.fd, address.raw);
    bound_ = bound_ || r.ok();
    return r;
}

Result Socket::shutdown(int directions) {
    const Result r = sys::shutdown(source_.fd, directions);
    if (r.ok()) loop_.shut(source_, directions);
    return r;
}

Result Socket::complete(Result result, Address& address) const {
    address.type = static_cast<int32_t>(type_);
    address.protocol = protocol_;
    // The system puts a raw socket's protocol where the port is.
    if (result.ok() && type_ == SocketType::raw) set_port(address.raw, 0);
    return result;
}

Result Socket::local_address(Address& out) const {
    return complete(sys::local_address(source_.fd, out.raw), out);
}

Result Socket::remote_address(Address& out) const {
    return complete(sys::remote_address(source_.fd, out.raw), out);
}

Result Socket::peer_credentials(PeerCredentials& out) const {
    if (family_ != Family::local) return Errc::not_supported;
    SockAddr peer;
    const Result r = sys::remote_address(source_.fd, peer);
    return r.is_error() ? r : socket2::peer_credentials(source_.fd, out);
}

Result Socket::set_option(const char* name, int value) {
    const Option* option = find_option(name);
    if (option == nullptr) return Errc::unknown_option;
    return socket2::set_option(source_.fd, inet6(), *option, value);
}

Result Socket::get_option(const char* name, int& value) const {
    const Option* option = find_option(name);
    if (option == nullptr) return Errc::unknown_option;
    // Reading the error clears it, and a connect that is under way learns its result from it.
    const bool connecting = write_.state != OpState::idle && write_.kind == OpKind::connect;
    if (option->kind == OptionKind::error && connecting) return Errc::busy;
    return socket2::get_option(source_.fd, inet6(), *option, value);
}

Result Socket::set_option(const char* name, const char* text) {
    const Option* option = find_option(name);
    if (option == nullptr) return Errc::unknown_option;
    return socket2::set_option(source_.fd, inet6(), *option, text);
}

Result Socket::get_option(const char* name, std::string& text) const {
    const Option* option = find_option(name);
    if (option == nullptr) return Errc::unknown_option;
    return socket2::get_option(source_.fd, *option, text);
}

}  // namespace socket2
