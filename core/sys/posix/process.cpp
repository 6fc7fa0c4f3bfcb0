#include "core/sys/process.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "core/base/clock.h"

namespace socket2 {
namespace {

// How long a fork waits for a call: a call that takes longer waits for the network.
constexpr double kCallSeconds = 0.1;
constexpr auto kCallPoll = std::chrono::microseconds(100);

std::atomic<uint32_t> number{1};
std::atomic<uint32_t> calls{0};
std::atomic<double> last_call{-kNever};

// While this lock is held no call begins.
std::mutex& call_lock = process_lock(LockKind::object);

void before_fork() {
    lock_process();
    while (calls != 0 && MonotonicClock().now() < last_call + kCallSeconds) {
        std::this_thread::sleep_for(kCallPoll);
    }
}

void in_parent() { unlock_process(); }

void in_child() {
    number.fetch_add(1, std::memory_order_relaxed);
    calls = 0;
    unlock_process();
}

// Runs when the library is loaded, so no fork after that is missed. If memory is out, children have
// no number of their own, and nothing can be done about it.
const int handled = ::pthread_atfork(before_fork, in_parent, in_child);

}  // namespace

CallAroundForks::CallAroundForks() {
    const std::lock_guard lock(call_lock);
    last_call = MonotonicClock().now();
    ++calls;
}

CallAroundForks::~CallAroundForks() { --calls; }

uint32_t process_number() {
    static_cast<void>(handled);
    return number.load(std::memory_order_relaxed);
}

}  // namespace socket2
