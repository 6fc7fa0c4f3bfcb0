#include "capi/handles.h"

using namespace socket2;
using namespace socket2::capi;

static_assert(SOCKET2_SIGINT == int{kSignalInt} && SOCKET2_SIGBREAK == int{kSignalBreak} &&
              SOCKET2_SIGTERM == int{kSignalTerm} && SOCKET2_SIGHUP == int{kSignalHup} &&
              SOCKET2_SIGQUIT == int{kSignalQuit} && SOCKET2_SIGUSR1 == int{kSignalUsr1} &&
              SOCKET2_SIGUSR2 == int{kSignalUsr2} && SOCKET2_SIGCHLD == int{kSignalChld} &&
              SOCKET2_SIGWINCH == int{kSignalWinch} && SOCKET2_SIGCONT == int{kSignalCont} &&
              SOCKET2_SIGTSTP == int{kSignalTstp} && SOCKET2_SIGTTIN == int{kSignalTtin} &&
              SOCKET2_SIGTTOU == int{kSignalTtou} && SOCKET2_SIGALRM == int{kSignalAlrm} &&
              SOCKET2_SIGPIPE == int{kSignalPipe} && SOCKET2_SIGURG == int{kSignalUrg} &&
              SOCKET2_SIGIO == int{kSignalIo} && SOCKET2_SIGXCPU == int{kSignalXcpu} &&
              SOCKET2_SIGXFSZ == int{kSignalXfsz});

int socket2_signal_new(int loop, int signals) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        if (signals <= 0 || signals > int{kAllSignals}) return SOCKET2_EINVAL;
        auto made = std::make_unique<SignalWatch>(entry.loop, static_cast<SignalSet>(signals));
        SignalWatch& watch = *made;
        const int handle = entry.adopt(std::move(made));
        if (handle < 0) return handle;
        const int started = guarded([&] { return entry.report(watch.start()); });
        if (started < 0) entry.objects.take(handle);
        return started < 0 ? started : handle;
    });
}

int socket2_signal_wait(int loop, int handle, double deadline) {
    return on_object<SignalWatch>(loop, handle, [&](LoopEntry& entry, SignalWatch& watch) -> int {
        return is_time(deadline) ? entry.report(watch.wait(deadline)) : SOCKET2_EINVAL;
    });
}

int socket2_signal_close(int loop, int handle) { return close_handle<SignalWatch>(loop, handle); }
