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

// Who waits in a channel, to send or to receive. It is in one channel, and waits once at a time:
//
//     idle -> waiting   no room, or nothing there
//     waiting -> served   a message was handed over, or the channel was shut down: it is posted
//     waiting -> idle     withdrawn
//     served -> idle      it has arrived, or nobody will look at it any more
//
// Waiting, it is the channel's, and else for the thread of its loop alone.
class Waiter : public Posted, public ListNode<Waiter>, public std::enable_shared_from_this<Waiter> {
   public:
    enum class State : uint8_t { idle, waiting, served };

    explicit Waiter(std::shared_ptr<Inbox> inbox) : inbox_(std::move(inbox)) {}

    State state = State::idle;
    Result result = Result::done();  // when served
    // A sender's: until it is served with success. A receiver's: from then on.
    MessagePtr message;

   private:
    friend class Channel;

    const std::shared_ptr<Inbox> inbox_;
};

// Whoever comes first hands his message over under the lock: a message is always with one of the
// sender, the queue and the receiver. While receivers wait the queue is empty, and while senders
// wait it is full.
//
// Every function is for any thread, and throws nothing. A channel that is in a message of another
// one which is in a message of the first is never freed, unless the messages are received.
class Channel {
   public:
    explicit Channel(size_t capacity) : capacity_(capacity) {}
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;
    ~Channel();

    // Done: the message is taken from the caller. Errc::closed after a shutdown. With no room it is
    // pending and `waiter` has the message, or, without a waiter, Errc::timeout.
    Result send(MessagePtr& message, Waiter* waiter);
    // The size of the oldest message, which goes to `message`. With none Errc::closed after a
    // shutdown, else pending for `waiter`, or, without a waiter, Errc::timeout.
    Result recv(MessagePtr& message, Waiter* waiter);

    // Sends without regard to the capacity; dropped after a shutdown.
    void force(MessagePtr message);
    // A message that was received by nobody after all goes back to its place.
    void put_back(MessagePtr message);
    // True: it waits no longer, and nobody will serve it. False: it was served, or did not wait.
    bool withdraw(Waiter& waiter);

    // Nothing can be sent any more; who waits is served with Errc::closed.
    void shutdown();
    size_t length() const;

   private:
    using Served = std::shared_ptr<Waiter>;

    void empty_into(IntrusiveList<Message>& messages);

    // With the lock.
    Served accept(MessagePtr message);
    Served refill();
    Waiter* receiver();
    static Served serve(Waiter& waiter, Result result);
    static Result wait(IntrusiveList<Waiter>& line, Waiter* waiter);

    // Without it: who is woken will want it.
    static void post(Served served);

    const size_t capacity_;
    std::mutex& mutex_ = process_lock(LockKind::object);  // for all below
    IntrusiveList<Message> queue_;
    size_t length_ = 0;
    uint64_t sent_ = 0;
    bool shut_ = false;
    IntrusiveList<Waiter> senders_;
    IntrusiveList<Waiter> receivers_;
};

}  // namespace socket2
