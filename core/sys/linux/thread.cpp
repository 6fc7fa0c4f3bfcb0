#include "core/sys/posix/thread.h"

#include <pthread.h>
#include <sched.h>

namespace socket2::posix {

const size_t kThreadNameSize = 16;

int set_thread_name(const char* name) { return ::pthread_setname_np(::pthread_self(), name); }

void get_thread_name(char* name, size_t size) {
    ::pthread_getname_np(::pthread_self(), name, size);
}

int bound_processor_count() {
    cpu_set_t set;
    CPU_ZERO(&set);
    // It fails when there are more processors than the set has room for.
    return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

}  // namespace socket2::posix
