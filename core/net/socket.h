// What every kind of socket has: a descriptor of its own, options and addresses.
#pragma once

#include <cstdint>
#include <string>

#include "core/net/waitable.h"
#include "core/sys/address.h"
#include "core/sys/peer.h"

namespace socket2 {

class Socket : public Waitable {
   public:
    static constexpr unsigned kKinds = kTcp | kUdp;

    ~Socket() override;

    SocketType type() const { return type_; }
    Family family() const { return family_; }
    int32_t protocol() const { return protocol_; }

    Result bind(const Address& address);

    // Directions as Ready bits: kReadable, kWritable or both.
    Result shutdown(int directions);
    Result local_address(Address& out) const;
    Result remote_address(Address& out) const;

    // Errc::not_supported unless it is a unix socket.
    Result peer_credentials(PeerCredentials& out) const;

    Result set_option(const char* name, int value);
    Result get_option(const char* name, int& value) const;
    Result set_option(const char* name, const char* text);
    Result get_option(const char* name, std::string& text) const;

   protected:
    Socket(Loop& loop, SocketType type, Family family, int32_t protocol);

    // Makes the descriptor / takes over one that is non-blocking and close-on-exec.
    Result open();
    Result adopt(Descriptor fd);

    // Whether the socket has, or may have, a port that the program has chosen.
    bool bound_ = false;

    // Closes the connection of an accept that was not taken.
    void drop_accepted();

    bool inet6() const { return family_ == Family::inet6; }
    // An error unless the address has the socket's family.
    Result check(const Address& address) const;

   private:
    void close_descriptor() override;
    Result complete(Result result, Address& address) const;

    const SocketType type_;
    const Family family_;
    const int32_t protocol_;
};

}  // namespace socket2
