// What a fork does to the library: a child has copies of everything but the threads, and shares
// with its parent what the system keeps, for example an epoll.
#pragma once

#include <cstdint>
#include <mutex>

namespace socket2 {

// The number of the process. A forked child has another number than its parent: what was made under
// another number belongs to the parent. Cheap. It notices forks by any library, but not a raw
// clone(2), which runs no handlers.
uint32_t process_number();

// A lock that a forked child finds free, with consistent data, because a fork waits for all of
// these locks. Their number is fixed, so several objects can have the same one: a thread that holds
// one may take another only of a later kind.
enum class LockKind : uint8_t { registry, waking, object };
std::mutex& process_lock(LockKind kind);

// Goes around a call of the system library that holds locks of its own at its beginning and its
// end, for example glibc's getaddrinfo(). A child would find these locks held, and wait forever.
// While an instance lives, a fork waits. In between such a call may take long, so a fork does not
// wait for calls that began a while ago.
class CallAroundForks {
   public:
    CallAroundForks();
    CallAroundForks(const CallAroundForks&) = delete;
    CallAroundForks& operator=(const CallAroundForks&) = delete;
    ~CallAroundForks();
};

// For the handlers around a fork.
void lock_process();
void unlock_process();

}  // namespace socket2
