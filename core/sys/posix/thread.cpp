#include "core/sys/posix/thread.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include "core/sys/error.h"
#include "core/sys/thread.h"

namespace socket2 {

Result start_thread(std::function<void()> body, SignalMask mask) {
    // A thread inherits the mask of the thread that makes it.
    sigset_t blocked;
    sigset_t before;
    if (mask == SignalMask::all) {
        sigfillset(&blocked);
    } else {
        sigemptyset(&blocked);
    }
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    Result r = Result::done();
    try {
        std::thread(std::move(body)).detach();
    } catch (const std::system_error& error) {
        const int code = error.code().value();
        r = Result(code == ENOMEM ? Errc::out_of_memory : Errc::no_buffer_space, code);
    } catch (const std::bad_alloc&) {
        r = Errc::out_of_memory;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return r;
}

Result set_thread_name(const char* name) {
    const std::string cut(name, ::strnlen(name, posix::kThreadNameSize - 1));
    const int code = posix::set_thread_name(cut.c_str());
    return code == 0 ? Result::done() : Result(sys::errc_of(code), code);
}

std::string thread_name() {
    std::string name(posix::kThreadNameSize, '\0');
    posix::get_thread_name(name.data(), name.size());
    name.resize(::strnlen(name.data(), name.size()));
    return name;
}

int processor_count() {
    const int bound = posix::bound_processor_count();
    return bound > 0 ? bound : static_cast<int>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
}

}  // namespace socket2
