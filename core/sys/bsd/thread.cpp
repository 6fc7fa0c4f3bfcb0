// For FreeBSD and OpenBSD.
#include "core/sys/posix/thread.h"

#include <pthread.h>
#include <pthread_np.h>

namespace socket2::posix {

const size_t kThreadNameSize = 16;  // every BSD has room for this

int set_thread_name(const char* name) {
    ::pthread_set_name_np(::pthread_self(), name);
    return 0;
}

void get_thread_name(char* name, size_t size) {
    ::pthread_get_name_np(::pthread_self(), name, size);
}

// Which processors a thread is bound to is not looked at.
int bound_processor_count() { return 0; }

}  // namespace socket2::posix
