// What the core's tests do in the way of one POSIX system.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>

#include <cstddef>

namespace socket2 {

// What poll() tells when the peer sends no more.
constexpr short kPollEnd = POLLRDHUP;

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
