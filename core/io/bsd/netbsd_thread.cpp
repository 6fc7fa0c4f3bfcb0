// Of NetBSD: a name is a format and its argument.
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/io/posix/syscalls.h"
#include "core/io/thread.h"

namespace socket2 {
namespace {

using Name = std::array<char, PTHREAD_MAX_NAMELEN_NP>;  // with its zero

}  // namespace

Result set_thread_name(const char* name) {
    Name cut{};
    std::memcpy(cut.data(), name, ::strnlen(name, cut.size() - 1));
    const int code = ::pthread_setname_np(::pthread_self(), "%s", cut.data());
    return code == 0 ? Result::done() : Result(posix::errc_of(code), code);
}

std::string thread_name() {
    Name name{};
    ::pthread_getname_np(::pthread_self(), name.data(), name.size());
    return name.data();
}

// Of the system: that a thread is bound to some is not looked at.
int processor_count() { return static_cast<int>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L)); }

}  // namespace socket2
