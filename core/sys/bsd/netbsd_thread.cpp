// For NetBSD: a name is a format and its argument.
#include <pthread.h>

#include "core/sys/posix/thread.h"

namespace socket2::posix {

const size_t kThreadNameSize = PTHREAD_MAX_NAMELEN_NP;

int set_thread_name(const char* name) {
    return ::pthread_setname_np(::pthread_self(), "%s", const_cast<char*>(name));
}

void get_thread_name(char* name, size_t size) {
    ::pthread_getname_np(::pthread_self(), name, size);
}

// Which processors a thread is bound to is not looked at.
int bound_processor_count() { return 0; }

}  // namespace socket2::posix
