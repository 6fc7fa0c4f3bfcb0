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

    // Takes ownership of the descriptor, unless this fails.
    static Result attach(Loop& loop, SocketType type, Family family, Descriptor fd,
                         std::unique_ptr<Socket>& out);

    // Sets the default destination, which becomes the only accepted sender. Null removes it.
    Result connect(const Address* address);

    // Sends the datagram as a whole or not at all. `to` is null on a connected socket. The address
    // and the data have to stay until the op is over.
    Result send(const void* data, size_t size, const Address* to, double deadline);

    // Receives one datagram. The part that does not fit is lost, and truncated() tells. `only` (may
    // be null): datagrams from other senders are dropped. `from` (may be null) gets the sender.
    // Both have to stay until the op is over.
    Result recv(void* data, size_t size, const Address* only, Address* from, double deadline);
    bool truncated() const { return read_.truncated; }

   private:
    Udp(Loop& loop, SocketType type, Family family, int32_t protocol);
    Result disconnect();
};

}  // namespace socket2
