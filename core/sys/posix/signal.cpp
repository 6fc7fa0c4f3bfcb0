// A handler may only touch atomics and make a few system calls. So it marks the signal and writes
// to a pipe. A thread of the library reads the pipe and tells the hub.
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <iterator>

#include "core/sys/descriptor.h"
#include "core/sys/error.h"
#include "core/sys/posix/socket_calls.h"
#include "core/sys/system_signals.h"
#include "core/sys/thread.h"

namespace socket2::system_signals {
namespace {

struct Known {
    SignalSet signal;
    int number;
};

constexpr Known kKnown[] = {
    {kSignalInt, SIGINT},   {kSignalTerm, SIGTERM},   {kSignalHup, SIGHUP},
    {kSignalQuit, SIGQUIT}, {kSignalUsr1, SIGUSR1},   {kSignalUsr2, SIGUSR2},
    {kSignalChld, SIGCHLD}, {kSignalWinch, SIGWINCH}, {kSignalCont, SIGCONT},
    {kSignalTstp, SIGTSTP}, {kSignalTtin, SIGTTIN},   {kSignalTtou, SIGTTOU},
    {kSignalAlrm, SIGALRM}, {kSignalPipe, SIGPIPE},   {kSignalUrg, SIGURG},
    {kSignalIo, SIGIO},     {kSignalXcpu, SIGXCPU},   {kSignalXfsz, SIGXFSZ},
};

std::atomic<SignalSet> caught = 0;  // but not told yet
std::atomic<int> bell = -1;         // the end of the pipe that the handler writes to
int reading_end = -1;
struct sigaction former[std::size(kKnown)];

static_assert(std::atomic<SignalSet>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

extern "C" void on_signal(int number) {
    const int error = errno;
    for (const Known& each : kKnown) {
        if (each.number == number) caught.fetch_or(each.signal);
    }
    // If the pipe is full, it already has a byte for the thread. Until a forked child has its own
    // pipe, this wakes the parent's thread, which finds nothing.
    const char byte = 0;
    static_cast<void>(!::write(bell.load(), &byte, sizeof byte));
    errno = error;
}

void tell_forever(int fd) {
    for (;;) {
        const SignalSet came = caught.exchange(0);
        if (came != 0) SignalHub::instance().tell(came);
        char bytes[64];
        if (::read(fd, bytes, sizeof bytes) < 0 && errno != EINTR) return;  // the program closed it
    }
}

size_t index_of(SignalSet signal) {
    size_t i = 0;
    while (kKnown[i].signal != signal) ++i;
    return i;
}

Result failure() { return Result(sys::errc_of(errno), errno); }

}  // namespace

SignalSet known() {
    SignalSet all = 0;
    for (const Known& each : kKnown) all |= each.signal;
    return all;
}

Result start() {
    int ends[2];
    if (posix::new_pipe(ends) < 0) return failure();
    Result r = sys::make_nonblocking(ends[1]);
    if (r.ok()) r = start_thread([fd = ends[0]] { tell_forever(fd); });
    if (r.is_error()) {
        ::close(ends[0]);
        ::close(ends[1]);
        return r;
    }
    // The handler can run at any time, so its former pipe is closed only after it has another one.
    const int former_bell = bell.exchange(ends[1]);
    if (former_bell >= 0) {
        ::close(former_bell);
        ::close(reading_end);
    }
    reading_end = ends[0];
    return r;
}

Result take(SignalSet signal) {
    const size_t i = index_of(signal);
    struct sigaction ours {};
    ours.sa_handler = on_signal;
    ours.sa_flags = SA_RESTART;
    sigemptyset(&ours.sa_mask);
    return ::sigaction(kKnown[i].number, &ours, &former[i]) == 0 ? Result::done() : failure();
}

void give_back(SignalSet signal) {
    const size_t i = index_of(signal);
    struct sigaction present;
    if (::sigaction(kKnown[i].number, nullptr, &present) != 0 || present.sa_handler != on_signal)
        return;
    ::sigaction(kKnown[i].number, &former[i], nullptr);
}

}  // namespace socket2::system_signals
