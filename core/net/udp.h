// Datagram sockets: UDP, raw IP, and unix sockets of the datagram kind.
#pragma once

#include "core/net/socket.h"

namespace socket2 {

class Udp final : public Socket {
   public:
    static constexpr unsigned kKinds = kUdp;

    // `type` is udp or raw.
    static Result create(Loop& loop, SocketType type, Family family, int32_t protocol,
                         std::unique_ptr<Udp>& out);

    // Of a descriptor that it owns from then on, unless this fails.
    static Result attach(Loop& loop, SocketType type, Family family, Descriptor fd,
                         std::unique_ptr<Socket>& out);

    // The default destination, and the only sender that is heard. Null: none again.
    Result connect(const Address* address);

    // The datagram goes as a whole or not at all. `to` is null on a connected socket, else it has
    // to stay until the op is over, as has the data.
    Result send(const void* data, size_t size, const Address* to, double deadline);

    // One datagram; what does not fit is lost, and truncated() tells. `only` (may be null): what
    // others send is dropped. `from` (may be null) gets the sender. Both have to stay until the op
    // is over.
    Result recv(void* data, size_t size, const Address* only, Address* from, double deadline);
    bool truncated() const { return read_.truncated; }

   private:
    Udp(Loop& loop, SocketType type, Family family, int32_t protocol);
    Result disconnect();
};

}  // namespace socket2
