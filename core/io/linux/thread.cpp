#include "core/io/thread.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/io/posix/syscalls.h"

namespace socket2 {
namespace {

constexpr size_t kNameSize = 16;  // with its zero

}  // namespace

Result set_thread_name(const char* name) {
    char cut[kNameSize] = "";
    std::memcpy(cut, name, ::strnlen(name, kNameSize - 1));
    const int code = ::pthread_setname_np(::pthread_self(), cut);
    return code == 0 ? Result::done() : Result(posix::errc_of(code), code);
}

std::string thread_name() {
    char name[kNameSize] = "";
    ::pthread_getname_np(::pthread_self(), name, sizeof name);
    return name;
}

int processor_count() {
    cpu_set_t set;
    CPU_ZERO(&set);
    // It fails with more processors than the set has room for.
    const bool known = ::sched_getaffinity(0, sizeof set, &set) == 0;
    const long count = known ? CPU_COUNT(&set) : ::sysconf(_SC_NPROCESSORS_ONLN);
    return static_cast<int>(std::max(count, 1L));
}

}  // namespace socket2
