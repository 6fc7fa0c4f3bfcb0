#include "core/sys/posix/thread.h"

#include <pthread.h>

namespace socket2::posix {

const size_t kThreadNameSize = 64;

int set_thread_name(const char* name) { return ::pthread_setname_np(name); }

void get_thread_name(char* name, size_t size) {
    ::pthread_getname_np(::pthread_self(), name, size);
}

// Threads are not bound to processors here.
int bound_processor_count() { return 0; }

}  // namespace socket2::posix
