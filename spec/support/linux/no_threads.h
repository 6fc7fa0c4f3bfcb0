// How the core's tests keep threads from starting.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>

#include <cstddef>

namespace socket2 {

// While it lives the system has no memory for the stack of another thread.
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
