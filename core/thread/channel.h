// A queue of messages between loops, of any threads of the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "core/base/intrusive_list.h"
#include "core/base/result.h"
#include "core/io/inbox.h"
#include "core/sys/process.h"
#include "core/thread/message.h"

namespace socket2 {

// A place in a channel's line, to send or to receive. It is in one channel, and waits once at a
// time:
//
//     idle -> waiting    there is no room, or no message
//     waiting -> served  a message was handed over, or the channel was shut down: it is posted
//     waiting -> idle    it is withdrawn
//     served -> idle     it has arrived, or will never be looked at
//
// While it waits it belongs to the channel; otherwise only its loop's thread may touch it.
class Waiter : public Posted, public ListNode<Waiter>, public std::enable_shared_from_this<Waiter> {
   public:
    enum class State : uint8_t { idle, waiting, served };

    explicit Waiter(std::shared_ptr<Inbox> inbox) : inbox_(std::move(inbox)) {}

    State state = State::idle;
    Result result = Result::done();  // when served
    // A sender's message, until the sender is served with success; a receiver's, from then on.
    MessagePtr message;

   private:
    friend class Channel;

    const std::shared_ptr<Inbox> inbox_;
};

// Either side hands the message over under the lock, when it comes second: a message is always with
// exactly one of the sender, the queue and the receiver. While receivers wait the queue is empty,
// and while senders wait it is full.
//
// Every function is for any thread, and throws nothing. Two channels that are each in a message of
// the other are never freed, unless the messages are received.
class Channel {
   public:
    explicit Channel(size_t capacity) : capacity_(capacity) {}
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;
    ~Channel();

    // Done: the message was taken from the caller. Errc::closed after a shutdown. When there is no
    // room the result is pending and `waiter` has the message; without a waiter it is
    // Errc::timeout.
    Result send(MessagePtr& message, Waiter* waiter);
    // The value is the size of the oldest message, which goes to `message`. When there is none:
    // Errc::closed after a shutdown, else pending for `waiter`, or Errc::timeout without a waiter.
    Result recv(MessagePtr& message, Waiter* waiter);

    // Sends without regard to the capacity; the message is dropped after a shutdown.
    void force(MessagePtr message);
    // Puts a message back in its place when its receiver has not taken it after all.
    void put_back(MessagePtr message);
    // True: it no longer waits, and will not be served. False: it was served, or did not wait.
    bool withdraw(Waiter& waiter);

    // Nothing can be sent from now on, and every waiter is served with Errc::closed.
    void shutdown();
    size_t length() const;

   private:
    using Served = std::shared_ptr<Waiter>;

    void empty_into(IntrusiveList<Message>& messages);

    // With the lock held.
    Served accept(MessagePtr message);
    Served refill();
    Waiter* receiver();
    static Served serve(Waiter& waiter, Result result);
    static Result wait(IntrusiveList<Waiter>& line, Waiter* waiter);

    // Without the lock, because the woken thread takes it.
    static void post(Served served);

    const size_t capacity_;
    std::mutex& mutex_ = process_lock(LockKind::object);  // guards the members below
    IntrusiveList<Message> queue_;
    size_t length_ = 0;
    uint64_t sent_ = 0;
    bool shut_ = false;
    IntrusiveList<Waiter> senders_;
    IntrusiveList<Waiter> receivers_;
};

}  // namespace socket2
