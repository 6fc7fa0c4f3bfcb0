#include "core/sys/process_settings.h"

#include <sys/resource.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <cstdio>

namespace socket2 {

void ignore_broken_pipes() {
    struct sigaction action = {};
    if (::sigaction(SIGPIPE, nullptr, &action) != 0) return;
    if ((action.sa_flags & SA_SIGINFO) != 0 || action.sa_handler != SIG_DFL) return;
    action.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &action, nullptr);
}

namespace {

constexpr int kFirstPortOfUsers = 1024;

int read_lowest_picked_port() {
    // Linux has this file. The range has a default, but is often set.
    std::FILE* const file = std::fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    if (file == nullptr) return kFirstPortOfUsers;
    int lowest = 0;
    const bool read = std::fscanf(file, "%d", &lowest) == 1;
    std::fclose(file);
    return read ? lowest : kFirstPortOfUsers;
}

}  // namespace

int lowest_picked_port() {
    static const int lowest = read_lowest_picked_port();
    return lowest;
}

int descriptor_limit() {
    rlimit limit = {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return INT_MAX;
    return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, INT_MAX));
}

}  // namespace socket2
