// A loop's end of a channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/io/loop.h"
#include "core/thread/channel.h"

namespace socket2 {

// For the loop's thread only.
//
// When it is closed, its pending ops complete with Errc::closed, except for a send if its message
// was accepted. A message that was received but not taken from the loop goes back to the channel.
class Port final : public Object {
   public:
    static constexpr unsigned kKinds = kPort;

    // May throw bad_alloc.
    Port(Loop& loop, std::shared_ptr<Channel> channel);
    ~Port() override { loop_.release(2); }

    const std::shared_ptr<Channel>& channel() const { return channel_; }

    // Done when the message is in the channel, or, in a channel without capacity, with its
    // receiver. After an error at once the caller still owns the descriptors; a later error leaves
    // the message in unsent().
    Result send(MessagePtr message, double deadline);
    // Completes with the size of a message, which message() then gives. The one before is gone.
    Result recv(double deadline);
    // The message received last; null when there is none, or while it is not taken from the loop.
    Message* message() const { return read_.state == OpState::idle ? message_.get() : nullptr; }
    // Frees the message before the next recv() would.
    void drop_message() {
        if (message() != nullptr) message_ = nullptr;
    }
    // The message that was pending and could not be sent, until the next send(); null when there is
    // none.
    Message* unsent() const { return write_.state == OpState::idle ? unsent_.get() : nullptr; }
    // A channel in that message; null when there is no such channel.
    std::shared_ptr<Channel> message_channel(size_t index) const;

    using Object::op;
    Op* op(Side side) override { return side == Side::read ? &read_ : &write_; }

    // In a forked child: puts a receiver in line again if the channel took it for one in the
    // parent.
    void line_up_again();

    // From now on the channel is shut down with this port.
    void own() { owner_ = true; }

   private:
    class Line;

    // An op, and its place in the channel's line.
    struct End final : ExternalOp {
        End(Port& port, Side side);
        bool let_go() override;

        Port& port;
        std::shared_ptr<Line> line;
    };

    void on_close(Loop&) override;
    Result submit(End& end, Result result, double deadline);
    void arrived(End& end);
    void leave(End& end);

    Loop& loop_;
    const std::shared_ptr<Channel> channel_;
    MessagePtr message_;
    MessagePtr unsent_;
    bool owner_ = false;
    End read_;
    End write_;
};

}  // namespace socket2
