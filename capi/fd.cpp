#include "capi/handles.h"

using namespace socket2;
using namespace socket2::capi;

namespace {

// make(loop, out) makes the object that the handle names.
template <typename Make>
int new_fd(int loop, Make make) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        std::unique_ptr<Fd> fd;
        const Result r = make(entry.loop, fd);
        return r.is_error() ? entry.report(r) : entry.adopt(std::move(fd));
    });
}

}  // namespace

int socket2_fd_new(int loop, intptr_t fd) {
    return new_fd(loop, [&](Loop& l, std::unique_ptr<Fd>& out) { return Fd::wrap(l, fd, out); });
}

int socket2_fd_attach(int loop, intptr_t fd) {
    return new_fd(loop, [&](Loop& l, std::unique_ptr<Fd>& out) { return Fd::attach(l, fd, out); });
}

int socket2_fd_open(int loop, const char* path) {
    return new_fd(loop, [&](Loop& l, std::unique_ptr<Fd>& out) -> Result {
        return path == nullptr ? Errc::invalid_argument : Fd::open(l, path, out);
    });
}
