// What the core's tests do to threads.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <cstddef>

namespace socket2 {

constexpr bool kSignals = true;

// Whether signals that end a program may come to this thread.
inline bool takes_signals() {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return ::sigismember(&mask, SIGTERM) == 0 || ::sigismember(&mask, SIGINT) == 0;
}

// While it lives the system has no memory for another thread's stack.
class NoThreads {
   public:
    static constexpr bool kPossible = true;

    NoThreads() {
        ::pthread_getattr_default_np(&before_);
        pthread_attr_t huge;
        ::pthread_attr_init(&huge);
        ::pthread_attr_setstacksize(&huge, size_t{1} << 60);
        EXPECT_EQ(::pthread_setattr_default_np(&huge), 0);
        ::pthread_attr_destroy(&huge);
    }
    ~NoThreads() { ::pthread_setattr_default_np(&before_); }

   private:
    pthread_attr_t before_;
};

}  // namespace socket2
