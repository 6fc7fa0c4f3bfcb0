// What a console tells its programs. The system starts a thread for each message.
#include <windows.h>

#include "core/sys/system_signals.h"

namespace socket2::system_signals {
namespace {

SignalSet signals_of(DWORD event) {
    switch (event) {
        case CTRL_C_EVENT:
            return kSignalInt;
        case CTRL_BREAK_EVENT:
            return kSignalBreak;
        case CTRL_CLOSE_EVENT:
            return kSignalHup | kSignalTerm;
        case CTRL_LOGOFF_EVENT:
        case CTRL_SHUTDOWN_EVENT:
            return kSignalTerm;
        default:
            return 0;
    }
}

BOOL WINAPI on_event(DWORD event) {
    if (SignalHub::instance().tell(signals_of(event)) == 0) return FALSE;
    const bool is_the_end = event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT;
    // The system ends the process when this returns, or after some seconds.
    if (is_the_end) ::Sleep(INFINITE);
    return TRUE;
}

}  // namespace

SignalSet known() { return kSignalInt | kSignalBreak | kSignalTerm | kSignalHup; }

Result start() {
    return ::SetConsoleCtrlHandler(on_event, TRUE) ? Result::done() : Result(Errc::not_supported);
}

// The handler passes on signals that have no listener. It is never removed: the system would wait
// for a running handler, which waits for the hub.
Result take(SignalSet) { return Result::done(); }
void give_back(SignalSet) {}

}  // namespace socket2::system_signals
