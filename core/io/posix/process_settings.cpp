#include "core/io/process_settings.h"

#include <sys/resource.h>

#include <algorithm>
#include <climits>
#include <csignal>

namespace socket2 {

void ignore_broken_pipes() {
    struct sigaction action = {};
    if (::sigaction(SIGPIPE, nullptr, &action) != 0) return;
    if ((action.sa_flags & SA_SIGINFO) != 0 || action.sa_handler != SIG_DFL) return;
    action.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &action, nullptr);
}

int descriptor_limit() {
    rlimit limit = {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return INT_MAX;
    return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, INT_MAX));
}

}  // namespace socket2
