// Of FreeBSD and OpenBSD.
#include "core/io/thread.h"

#include <pthread.h>
#include <pthread_np.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace socket2 {
namespace {

constexpr size_t kNameSize = 16;  // with its zero; none has less room

}  // namespace

Result set_thread_name(const char* name) {
    char cut[kNameSize] = "";
    std::memcpy(cut, name, ::strnlen(name, kNameSize - 1));
    ::pthread_set_name_np(::pthread_self(), cut);
    return Result::done();
}

std::string thread_name() {
    char name[kNameSize] = "";
    ::pthread_get_name_np(::pthread_self(), name, sizeof name);
    return name;
}

// Of the system: that a thread is bound to some is not looked at.
int processor_count() { return static_cast<int>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L)); }

}  // namespace socket2
