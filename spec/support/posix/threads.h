// What the core's tests do to threads.
#pragma once

#include <pthread.h>
#include <signal.h>

#include "no_threads.h"

namespace socket2 {

constexpr bool kSignals = true;

// Whether signals that end a program may come to this thread.
inline bool takes_signals() {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return sigismember(&mask, SIGTERM) == 0 || sigismember(&mask, SIGINT) == 0;
}

}  // namespace socket2
