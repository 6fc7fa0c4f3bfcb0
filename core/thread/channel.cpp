#include "core/thread/channel.h"

#include <utility>

namespace socket2 {
namespace {

Result size_of(const Message& message) { return Result::of(static_cast<int>(message.size)); }

}  // namespace

// Channels in messages in channels would recurse.
Channel::~Channel() {
    IntrusiveList<Message> doomed;
    doomed.splice(queue_);
    while (Message* const first = doomed.pop_front()) {
        const MessagePtr message(first);
        for (const std::shared_ptr<Channel>& channel : message->channels) {
            // What is in the channel will never be received, unless its number is looked up right
            // now.
            if (channel.use_count() == 1) channel->empty_into(doomed);
        }
    }
}

void Channel::empty_into(IntrusiveList<Message>& messages) {
    const std::lock_guard lock(mutex_);
    messages.splice(queue_);
    length_ = 0;
}

Result Channel::send(MessagePtr& message, Waiter* waiter) {
    Served served;
    {
        const std::lock_guard lock(mutex_);
        if (shut_) return Errc::closed;
        if (receiver() == nullptr && length_ >= capacity_) {
            const Result r = wait(senders_, waiter);
            if (waiter != nullptr) waiter->message = std::move(message);
            return r;
        }
        served = accept(std::move(message));
    }
    post(std::move(served));
    return Result::done();
}

Result Channel::recv(MessagePtr& message, Waiter* waiter) {
    Served served;
    {
        const std::lock_guard lock(mutex_);
        if (queue_.empty() && senders_.empty()) {
            return shut_ ? Result(Errc::closed) : wait(receivers_, waiter);
        }
        if (queue_.empty()) served = refill();  // from a sender, when there is no queue
        message.reset(queue_.pop_front());
        --length_;
        if (length_ < capacity_ && !senders_.empty()) served = refill();
    }
    post(std::move(served));
    return size_of(*message);
}

void Channel::force(MessagePtr message) {
    Served served;
    {
        const std::lock_guard lock(mutex_);
        if (!shut_) served = accept(std::move(message));
    }
    post(std::move(served));
}

void Channel::put_back(MessagePtr message) {
    Served served;
    {
        const std::lock_guard lock(mutex_);
        if (Waiter* const next = receiver()) {
            const Result r = size_of(*message);
            next->message = std::move(message);
            IntrusiveList<Waiter>::remove(*next);
            served = serve(*next, r);
        } else {
            IntrusiveList<Message> older;
            const auto is_older = [&] {
                return !queue_.empty() && queue_.front()->number < message->number;
            };
            while (is_older()) older.push_back(*queue_.pop_front());
            older.push_back(*message.release());
            older.splice(queue_);
            queue_.splice(older);
            ++length_;
        }
    }
    post(std::move(served));
}

bool Channel::withdraw(Waiter& waiter) {
    const std::lock_guard lock(mutex_);
    if (waiter.state != Waiter::State::waiting) return false;
    IntrusiveList<Waiter>::remove(waiter);
    waiter.state = Waiter::State::idle;
    return true;
}

void Channel::shutdown() {
    for (;;) {
        Served served;
        {
            const std::lock_guard lock(mutex_);
            shut_ = true;
            Waiter* waiter = senders_.pop_front();
            if (waiter == nullptr) waiter = receivers_.pop_front();
            if (waiter == nullptr) return;
            served = serve(*waiter, Errc::closed);
        }
        post(std::move(served));
    }
}

size_t Channel::length() const {
    const std::lock_guard lock(mutex_);
    return length_;
}

// Gives the message to the first receiver, or to the queue.
Channel::Served Channel::accept(MessagePtr message) {
    message->number = ++sent_;
    if (Waiter* const next = receiver()) {
        const Result r = size_of(*message);
        next->message = std::move(message);
        IntrusiveList<Waiter>::remove(*next);
        return serve(*next, r);
    }
    queue_.push_back(*message.release());
    ++length_;
    return nullptr;
}

// The first receiver that waits; null when there is none. A receiver in a thread that a fork left
// in the parent is passed over, because it would take the message with it. If its loop is used
// later after all, it lines up again.
Waiter* Channel::receiver() {
    for (;;) {
        Waiter* const first = receivers_.front();
        if (first == nullptr || first->inbox_->is_used()) return first;
        IntrusiveList<Waiter>::remove(*first);
        first->state = Waiter::State::idle;
    }
}

// Moves the message of the first waiting sender into the queue.
Channel::Served Channel::refill() {
    Waiter& sender = *senders_.pop_front();
    accept(std::move(sender.message));
    return serve(sender, Result::done());
}

Channel::Served Channel::serve(Waiter& waiter, Result result) {
    waiter.state = Waiter::State::served;
    waiter.result = result;
    return waiter.shared_from_this();
}

Result Channel::wait(IntrusiveList<Waiter>& line, Waiter* waiter) {
    if (waiter == nullptr) return Errc::timeout;
    waiter->state = Waiter::State::waiting;
    line.push_back(*waiter);
    return Result::pending();
}

void Channel::post(Served served) {
    if (served == nullptr) return;
    const std::shared_ptr<Inbox> inbox = served->inbox_;  // the waiter could be its last owner
    inbox->post(std::move(served));
}

}  // namespace socket2
