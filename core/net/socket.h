// What every kind of socket has: a descriptor on a loop, two ops, options and addresses.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/io/loop.h"
#include "core/net/address.h"

namespace socket2 {

// Whoever made it owns it until close(); from then on the loop does, until its ops were taken.
class Socket : public OpOwner {
   public:
    ~Socket() override;

    SocketType type() const { return type_; }
    Family family() const { return family_; }
    int32_t protocol() const { return protocol_; }
    Descriptor descriptor() const { return source_.fd; }

    // The owner's name for the socket, handed back with its ops (op.source.user).
    void set_user(int64_t user) { source_.user = user; }

    // Pending ops complete with Errc::closed; the descriptor is closed at once.
    static void close(std::unique_ptr<Socket> socket);

    Result bind(const Address& address);
    // Directions as Ready bits: kReadable, kWritable or both.
    Result shutdown(int directions);
    Result local_address(Address& out) const;
    Result remote_address(Address& out) const;

    Result set_option(const char* name, int value);
    Result get_option(const char* name, int& value) const;
    Result set_option(const char* name, const char* text);
    Result get_option(const char* name, std::string& text) const;

    bool idle() const override {
        return read_.state == OpState::idle && write_.state == OpState::idle;
    }

   protected:
    Socket(Loop& loop, SocketType type, Family family, int32_t protocol);

    // Makes the descriptor / takes over one that is non-blocking and close-on-exec.
    Result open();
    Result adopt(Descriptor fd);

    // Closes the connection of an accept that nobody has taken.
    void drop_accepted();

    bool inet6() const { return family_ == Family::inet6; }
    // An error unless the address is of the socket's family.
    Result check(const Address& address) const;
    Result submit(Op& op, OpKind kind, void* data, size_t size, double deadline);
    // A free op of the side, or Errc::busy.
    static Result check_free(const Op& op);

    Loop& loop_;
    IoSource source_;
    Op read_;
    Op write_;

   private:
    Result complete(Result result, Address& address) const;

    const SocketType type_;
    const Family family_;
    const int32_t protocol_;
};

}  // namespace socket2
