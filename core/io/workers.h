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

// Threads start when there is work for them and end after a while without. Nobody joins them: the
// system can keep one for minutes. What they share is theirs too, so the pool can go, or the process
// end, at any time. A forked child has a pool of its own, and nothing of what its parent had begun.
//
// Every function is for any thread.
class Workers {
   public:
    static constexpr double kIdleSeconds = 10;

    class Task;
    class Lane;

    // May throw bad_alloc, as lane() may.
    explicit Workers(double idle_seconds = kIdleSeconds);
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;
    // What was started is still done.
    ~Workers();

    // A lane of the present process's pool. Its tasks have at most `limit` threads at once, and with
    // those that are abandoned `most`. The name is that of the threads while they work for it.
    std::shared_ptr<Lane> lane(const char* name, int limit, int most);

    size_t threads() const;

   private:
    struct Core;

    std::shared_ptr<Core> core() const;

    const double idle_seconds_;
    // For what follows; no thread of the pool takes it.
    std::mutex& mutex_ = process_lock(LockKind::object);
    mutable std::shared_ptr<Core> core_;
    mutable uint32_t process_ = process_number();
};

// Something to do, for one start().
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

    // In a thread of the pool, neither of them with a lock: the work, and then, when the thread is
    // free for others, the end of it: to post it to an Inbox for one.
    virtual void run() noexcept = 0;
    virtual void finish() noexcept = 0;

    State state_ = State::idle;
    std::shared_ptr<Lane> lane_;                        // the one it is in, while it is in one
    void* asker_ = nullptr;                             // likewise: the lane's
    std::list<std::shared_ptr<Task>>::iterator place_;  // queued, chosen
};

// Each asker's tasks are begun in their order, the askers taking turns. One that asks alone has half of
// the threads, the next half of what is left: no asker can take them all.
class Workers::Lane : public std::enable_shared_from_this<Lane> {
   public:
    Lane(std::shared_ptr<Core> core, const char* name, int limit, int most);
    ~Lane();

    // Pending: it will be done. An error: there is no thread and cannot be one. May throw bad_alloc,
    // with nothing started.
    Result start(const std::shared_ptr<Task>& task, const void* asker);
    // Nobody waits for the task. True: it was not begun and will not be. Else its thread no longer
    // counts, but for the lane's `most`.
    bool leave(Task& task);
    // Somebody waits for it again.
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
    int working_ = 0;  // wanted tasks that are begun
    int all_ = 0;      // with those that are abandoned
    std::list<Asker> askers_;
};

}  // namespace socket2
