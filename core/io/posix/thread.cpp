#include "core/io/thread.h"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

namespace socket2 {

Result start_thread(std::function<void()> body) {
    // A thread inherits the mask of the one that makes it.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
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

int process_id() { return ::getpid(); }

}  // namespace socket2
