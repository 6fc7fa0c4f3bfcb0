// What other threads hand to a loop: the only way into it besides wake().
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "core/sys/process.h"

namespace socket2 {

class Poller;

// Filled by one thread and consumed by the loop's thread. It contains its own link, so posting
// never fails.
class Posted {
   public:
    Posted() = default;
    Posted(const Posted&) = delete;
    Posted& operator=(const Posted&) = delete;
    virtual ~Posted() = default;

    // Called in the loop's thread, in the middle of a turn. It finishes ops, and calls nothing
    // else.
    virtual void arrive() = 0;

   private:
    friend class Inbox;

    std::shared_ptr<Posted> next_;
};

// Everything that may still post keeps it alive, so it can outlive its loop.
class Inbox {
   public:
    Inbox() = default;
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;
    ~Inbox() { close(); }

    // From any thread: `item` arrives in the loop's present or next turn. It is dropped once the
    // loop is gone. An item is in one inbox at a time.
    void post(std::shared_ptr<Posted> item);

    // Whether the loop has been used in this process. A forked child has copies of loops, and
    // the threads of these exist only in the parent. From any thread.
    bool is_used() const { return process_.load(std::memory_order_relaxed) == process_number(); }

    // The rest is for the loop's thread. Posts wake `poller` until the next open() or close().
    void open(const Poller& poller);
    void close();
    void deliver();

   private:
    std::shared_ptr<Posted> take();

    std::atomic<uint32_t> process_ = 0;
    std::atomic<bool> any_ = false;                       // lets deliver() pass without the lock
    std::mutex& mutex_ = process_lock(LockKind::object);  // guards the members below
    bool closed_ = true;
    std::shared_ptr<Posted> first_;
    Posted* last_ = nullptr;

    std::mutex& poller_mutex_ =
        process_lock(LockKind::waking);  // keeps the poller while it is woken
    const Poller* poller_ = nullptr;
};

}  // namespace socket2
