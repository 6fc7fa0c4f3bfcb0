// Work that may block: one pool of OS threads, with a lane for each kind of work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "core/base/result.h"
#include "core/sys/process.h"

namespace socket2 {

// Threads start when there is work for them, and end after a while without work. They are never
// joined, because the system can block one for minutes. They share ownership of what they use, so
// the pool can go, or the process end, at any time. A forked child has its own pool, and none of
// the work that its parent had begun.
//
// Every function is for any thread.
class Workers {
   public:
    static constexpr double kIdleSeconds = 10;

    class Task;
    class Lane;

    // May throw bad_alloc; lane() may, too.
    explicit Workers(double idle_seconds = kIdleSeconds);
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;
    // Work that was started is still done.
    ~Workers();

    // A lane of the present process's pool. At most `limit` threads work on its tasks at once, or
    // `most` with the abandoned ones. Threads have the lane's name while they work for it.
    std::shared_ptr<Lane> lane(const char* name, int limit, int most);

    size_t threads() const;

   private:
    struct Core;

    std::shared_ptr<Core> core() const;

    const double idle_seconds_;
    // Guards the members below; the pool's threads never take it.
    std::mutex& mutex_ = process_lock(LockKind::object);
    mutable std::shared_ptr<Core> core_;
    mutable uint32_t process_ = process_number();
};

// A piece of work, for one start().
class Workers::Task {
   public:
    Task() = default;
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    virtual ~Task() = default;

   private:
    friend class Workers::Lane;
    friend struct Workers::Core;

    enum class State { idle, queued, chosen, running, abandoned };

    // Both run in a thread of the pool, without a lock. run() does the work. finish() is called
    // when the thread is free for other tasks, and reports the end, for example with a post to an
    // Inbox.
    virtual void run() noexcept = 0;
    virtual void finish() noexcept = 0;

    State state_ = State::idle;
    std::shared_ptr<Lane> lane_;                        // the lane that it is in, if any
    void* asker_ = nullptr;                             // belongs to that lane
    std::list<std::shared_ptr<Task>>::iterator place_;  // while queued or chosen
};

// Each asker's tasks begin in their order, and the askers take turns. An asker that is alone gets
// half of the threads, the next one half of the rest: no asker can take them all.
class Workers::Lane : public std::enable_shared_from_this<Lane> {
   public:
    Lane(std::shared_ptr<Core> core, const char* name, int limit, int most);
    ~Lane();

    // Pending: it will be done. An error: no thread exists, and none can be started. May throw
    // bad_alloc, with nothing started.
    Result start(const std::shared_ptr<Task>& task, const void* asker);
    // The caller no longer waits for the task. True: the task has not begun, and never will. False:
    // its thread no longer counts, except for the lane's `most`.
    bool leave(Task& task);
    // A caller waits for the task again.
    void want(Task& task);

   private:
    friend struct Workers::Core;

    using Tasks = std::list<std::shared_ptr<Task>>;
    struct Asker;

    // With the core's lock held.
    Asker& asker_of(const void* id);
    Result begin_all();
    bool begin_one();
    void count(Task& task, int working, int all);
    void release(Task& task);

    const std::shared_ptr<Core> core_;
    const std::string name_;
    const int limit_;
    const int most_;
    int working_ = 0;  // begun tasks with results that are wanted
    int all_ = 0;      // those and the abandoned ones
    std::list<Asker> askers_;
};

}  // namespace socket2
