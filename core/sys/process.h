// What a fork does to the library: a child has copies of everything but the threads, and shares what the
// system keeps, an epoll for one, with its parent.
#pragma once

#include <cstdint>
#include <mutex>

namespace socket2 {

// Another in a forked child than in its parent: what was made under another number is the parent's.
// Cheap. It sees forks by any library, but not a raw clone(2), which runs no handlers.
uint32_t process_number();

// A lock that a child finds free, with what it guards as no thread was changing it: a fork waits for all
// of these. There is a fixed number of them, so several objects can have the same one: who holds one may
// take another only of a later kind.
enum class LockKind : uint8_t { registry, waking, object };
std::mutex& process_lock(LockKind kind);

// A call of the system library that holds locks of its own, at its beginning and its end, which a child
// would find held and wait for: glibc's getaddrinfo(), for one. While one lives, a fork waits. In between
// such a call may take long, so a fork does not wait for those that began a while ago.
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
