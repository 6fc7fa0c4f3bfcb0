#include "core/io/thread.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/io/posix/syscalls.h"

namespace socket2 {
namespace {

constexpr size_t kNameSize = 64;  // with its zero

}  // namespace

Result set_thread_name(const char* name) {
    char cut[kNameSize] = "";
    std::memcpy(cut, name, ::strnlen(name, kNameSize - 1));
    const int code = ::pthread_setname_np(cut);
    return code == 0 ? Result::done() : Result(posix::errc_of(code), code);
}

std::string thread_name() {
    char name[kNameSize] = "";
    ::pthread_getname_np(::pthread_self(), name, sizeof name);
    return name;
}

// Threads are bound to none here.
int processor_count() { return static_cast<int>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L)); }

}  // namespace socket2
