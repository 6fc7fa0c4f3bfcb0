#include "capi/handles.h"

using namespace socket2;
using namespace socket2::capi;

int socket2_timer_new(int loop, double deadline) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        if (!is_time(deadline) || deadline == kNever) return SOCKET2_EINVAL;
        auto timer = std::make_unique<Timer>();
        Timer& t = *timer;
        entry.loop.reserve_timer();
        const int handle = entry.adopt(std::move(timer));
        if (handle > 0) entry.loop.arm(t, deadline);
        return handle;
    });
}

int socket2_timer_close(int loop, int handle) { return close_handle<Timer>(loop, handle); }
