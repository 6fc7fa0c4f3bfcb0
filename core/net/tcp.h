// Stream sockets: TCP, and unix sockets of the stream kind.
#pragma once

#include "core/net/io_stream.h"
#include "core/net/socket.h"

namespace socket2 {

class Tcp final : public IoStream<Socket> {
   public:
    static constexpr unsigned kKinds = kTcp;

    static Result create(Loop& loop, Family family, int32_t protocol, std::unique_ptr<Tcp>& out);

    // Takes ownership of the descriptor, unless this fails.
    static Result attach(Loop& loop, Family family, Descriptor fd, std::unique_ptr<Socket>& out);

    // Backlog < 0: the system's maximum. If the socket is not bound, the system picks a port.
    Result listen(int backlog);

    // When done, take_accepted() has the connection. `peer` may be null.
    Result accept(Address* peer, double deadline);
    // The connection of the last accept, which must have succeeded. The descriptor is closed if
    // this fails.
    Result take_accepted(std::unique_ptr<Tcp>& out);

    // `address` has to stay until the op is over.
    Result connect(const Address& address, double deadline);

   private:
    bool as_socket() const override { return true; }
    Tcp(Loop& loop, Family family, int32_t protocol);

    Result send_at_once();

    bool has_no_peer_ = false;  // true: certainly has none; false: ask the system
};

}  // namespace socket2
