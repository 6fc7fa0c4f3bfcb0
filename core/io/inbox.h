// What other threads hand to a loop: the one way into it beside wake().
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "core/sys/process.h"

namespace socket2 {

class Poller;

// Made ready by one thread, used up by the loop's. Its links are its own, so that posting never
// fails.
class Posted {
   public:
    Posted() = default;
    Posted(const Posted&) = delete;
    Posted& operator=(const Posted&) = delete;
    virtual ~Posted() = default;

    // In the loop's thread, in the middle of its turn: ends ops, and calls nobody else.
    virtual void arrive() = 0;

   private:
    friend class Inbox;

    std::shared_ptr<Posted> next_;
};

// Outlives its loop in the hands of whoever is to post.
class Inbox {
   public:
    Inbox() = default;
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;
    ~Inbox() { close(); }

    // Any thread: `item` arrives in the loop's present or next turn; dropped once the loop is gone.
    // An item is in one inbox at a time.
    void post(std::shared_ptr<Posted> item);

    // Whether its loop has been used in this process: a forked child has copies of those whose threads
    // are the parent's. Any thread.
    bool is_used() const { return process_.load(std::memory_order_relaxed) == process_number(); }

    // The rest is for the loop's thread. `poller` is woken by posts until the next open() or
    // close().
    void open(const Poller& poller);
    void close();
    void deliver();

   private:
    std::shared_ptr<Posted> take();

    std::atomic<uint32_t> process_ = 0;
    std::atomic<bool> any_ = false;                       // lets deliver() pass without the lock
    std::mutex& mutex_ = process_lock(LockKind::object);  // for what follows
    bool closed_ = true;
    std::shared_ptr<Posted> first_;
    Posted* last_ = nullptr;

    std::mutex& poller_mutex_ =
        process_lock(LockKind::waking);  // keeps the poller while it is woken
    const Poller* poller_ = nullptr;
};

}  // namespace socket2
