#include "core/sys/process.h"

#include <atomic>
#include <cstddef>

namespace socket2 {
namespace {

constexpr size_t kKinds = 3;
// How many locks there are of each kind: enough that threads seldom meet at one.
constexpr size_t kLocks = 16;
constexpr size_t kCacheLine = 64;

struct alignas(kCacheLine) Lock {
    std::mutex mutex;
};

struct Locks {
    Lock locks[kLocks];
    std::atomic<size_t> next{0};
};

// Never destroyed: threads may still be at work while the process ends.
Locks* all_locks() {
    static auto* const the_locks = new Locks[kKinds];
    return the_locks;
}

}  // namespace

std::mutex& process_lock(LockKind kind) {
    Locks& locks = all_locks()[static_cast<size_t>(kind)];
    return locks.locks[locks.next++ % kLocks].mutex;
}

void lock_process() {
    for (size_t kind = 0; kind < kKinds; ++kind) {
        for (Lock& lock : all_locks()[kind].locks) lock.mutex.lock();
    }
}

void unlock_process() {
    for (size_t kind = 0; kind < kKinds; ++kind) {
        for (Lock& lock : all_locks()[kind].locks) lock.mutex.unlock();
    }
}

}  // namespace socket2
