#include "core/sys/process.h"

#include <pthread.h>

#include <atomic>

namespace socket2 {
namespace {

std::atomic<uint32_t> number{1};

void before_fork() { lock_process(); }
void in_parent() { unlock_process(); }

void in_child() {
    number.fetch_add(1, std::memory_order_relaxed);
    unlock_process();
}

// When the library is loaded: a fork that comes before its first use is none of ours. Without memory it
// has no number for its children, and nothing can be done about it.
const int handled = ::pthread_atfork(before_fork, in_parent, in_child);

}  // namespace

uint32_t process_number() {
    static_cast<void>(handled);
    return number.load(std::memory_order_relaxed);
}

}  // namespace socket2
