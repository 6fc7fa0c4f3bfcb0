#include "core/io/workers.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <iterator>
#include <new>
#include <utility>

#include "core/sys/thread.h"

namespace socket2 {

// What the pool, its lanes and its threads share. While there are chosen tasks, there are threads.
struct Workers::Core : std::enable_shared_from_this<Core> {
    explicit Core(double the_idle_seconds) : idle_seconds(the_idle_seconds) {}

    void work();
    std::shared_ptr<Task> next();
    Result add_thread();

    const double idle_seconds;
    std::mutex mutex;  // guards the members below
    std::condition_variable changed;
    Lane::Tasks chosen;  // tasks that only need a thread, and one is on its way
    size_t threads = 0;
    size_t idle = 0;  // threads that are about to take a task, or are being started
    bool ending = false;
};

struct Workers::Lane::Asker {
    const void* id;
    Tasks queue;
    int working = 0;
    int all = 0;
};

// ---- the pool ----

Workers::Workers(double idle_seconds)
    : idle_seconds_(idle_seconds), core_(std::make_shared<Core>(idle_seconds)) {}

Workers::~Workers() {
    const std::shared_ptr<Core> c = core();
    const std::lock_guard lock(c->mutex);
    c->ending = true;
    c->changed.notify_all();
}

std::shared_ptr<Workers::Core> Workers::core() const {
    const std::lock_guard lock(mutex_);
    const uint32_t process = process_number();
    if (process != process_) {
        // A forked child has no threads, and a thread of the parent may have held the lock. The old
        // core cannot be freed: its condition variable has waiters forever.
        auto fresh = std::make_shared<Core>(idle_seconds_);
        new std::shared_ptr<Core>(core_);
        core_ = std::move(fresh);
        process_ = process;
    }
    return core_;
}

std::shared_ptr<Workers::Lane> Workers::lane(const char* name, int limit, int most) {
    return std::make_shared<Lane>(core(), name, limit, most);
}

size_t Workers::threads() const {
    const std::shared_ptr<Core> c = core();
    const std::lock_guard lock(c->mutex);
    return c->threads;
}

// ---- the threads ----

// Called with the lock held after a task was chosen: wakes an idle thread, or starts one more.
Result Workers::Core::add_thread() {
    if (chosen.size() <= idle) {
        changed.notify_one();
        return Result::done();
    }
    Result r = Errc::out_of_memory;
    try {
        r = start_thread([self = shared_from_this()] { self->work(); });
    } catch (const std::bad_alloc&) {
        return r;
    }
    if (r.is_error()) return r;
    ++threads;
    ++idle;
    return r;
}

void Workers::Core::work() {
    const Lane* last = nullptr;
    while (const std::shared_ptr<Task> task = next()) {
        const std::shared_ptr<Lane> lane = task->lane_;
        if (std::exchange(last, lane.get()) != lane.get()) {
            static_cast<void>(set_thread_name(lane->name_.c_str()));
        }
        task->run();
        {
            const std::lock_guard lock(mutex);
            ++idle;
            lane->release(*task);
        }
        task->finish();
    }
}

// Waits for a task; null: this thread has to end.
std::shared_ptr<Workers::Task> Workers::Core::next() {
    const std::chrono::duration<double> limit(idle_seconds);
    std::unique_lock lock(mutex);
    changed.wait_for(lock, limit, [this] { return !chosen.empty() || ending; });
    --idle;
    if (chosen.empty()) {
        --threads;
        return nullptr;
    }
    std::shared_ptr<Task> task = std::move(chosen.front());
    chosen.pop_front();
    task->state_ = Task::State::running;
    return task;
}

// ---- a lane ----

Workers::Lane::Lane(std::shared_ptr<Core> core, const char* name, int limit, int most)
    : core_(std::move(core)), name_(name), limit_(limit), most_(most) {}

Workers::Lane::~Lane() = default;

Result Workers::Lane::start(const std::shared_ptr<Task>& task, const void* asker) {
    Tasks made{task};
    const std::lock_guard lock(core_->mutex);
    Asker& its = asker_of(asker);
    // From here on nothing throws.
    task->place_ = made.begin();
    its.queue.splice(its.queue.end(), made);
    task->state_ = Task::State::queued;
    task->lane_ = shared_from_this();
    task->asker_ = &its;
    const Result r = begin_all();
    if (!r.is_error() || core_->threads > 0) return Result::pending();
    core_->chosen.erase(task->place_);
    release(*task);
    return r;
}

bool Workers::Lane::leave(Task& task) {
    std::shared_ptr<Task> gone;  // freed after the lock is released
    const std::lock_guard lock(core_->mutex);
    switch (task.state_) {
        case Task::State::queued:
        case Task::State::chosen: {
            Tasks& place = task.state_ == Task::State::queued
                               ? static_cast<Asker*>(task.asker_)->queue
                               : core_->chosen;
            gone = std::move(*task.place_);
            place.erase(task.place_);
            release(task);
            return true;
        }
        case Task::State::running:
            task.state_ = Task::State::abandoned;
            count(task, -1, 0);
            static_cast<void>(begin_all());
            return false;
        case Task::State::idle:
        case Task::State::abandoned:
            break;
    }
    return false;
}

void Workers::Lane::want(Task& task) {
    const std::lock_guard lock(core_->mutex);
    if (task.state_ != Task::State::abandoned) return;
    task.state_ = Task::State::running;
    count(task, 1, 0);
}

// ---- with the lock ----

Workers::Lane::Asker& Workers::Lane::asker_of(const void* id) {
    for (Asker& each : askers_) {
        if (each.id == id) return each;
    }
    return askers_.emplace_back(Asker{id, {}});
}

// An error means that no thread could be started. Chosen tasks then wait for one of the threads
// that exist.
Result Workers::Lane::begin_all() {
    Result r = Result::done();
    while (begin_one()) {
        const Result added = core_->add_thread();
        if (added.is_error()) r = added;
    }
    return r;
}

bool Workers::Lane::begin_one() {
    for (auto each = askers_.begin(); each != askers_.end(); ++each) {
        const bool room = each->working < limit_ - working_ && each->all < most_ - all_;
        if (each->queue.empty() || !room) continue;
        Task& task = *each->queue.front();
        core_->chosen.splice(core_->chosen.end(), each->queue, each->queue.begin());
        task.state_ = Task::State::chosen;
        count(task, 1, 1);
        askers_.splice(askers_.end(), askers_, each);
        return true;
    }
    return false;
}

void Workers::Lane::count(Task& task, int working, int all) {
    auto& asker = *static_cast<Asker*>(task.asker_);
    working_ += working;
    asker.working += working;
    all_ += all;
    asker.all += all;
}

// The task is over, or will not begin: its thread is free for another one.
void Workers::Lane::release(Task& task) {
    const Task::State state = std::exchange(task.state_, Task::State::idle);
    if (state != Task::State::queued) count(task, state == Task::State::abandoned ? 0 : -1, -1);
    auto* const asker = static_cast<Asker*>(std::exchange(task.asker_, nullptr));
    const std::shared_ptr<Lane> self = std::move(task.lane_);
    if (asker->queue.empty() && asker->all == 0) {
        askers_.remove_if([asker](const Asker& each) { return &each == asker; });
    }
    static_cast<void>(begin_all());
}

}  // namespace socket2
