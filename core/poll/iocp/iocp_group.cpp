#include "core/poll/iocp/iocp_group.h"

#include <winternl.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <utility>

#include "core/base/clock.h"
#include "core/poll/iocp/afd.h"
#include "core/sys/windows/error.h"

// Not in mingw's headers.
extern "C" {
NTSTATUS NTAPI NtQueryIoCompletion(HANDLE port, int what, void* out, ULONG size, ULONG* returned);
NTSTATUS NTAPI NtCompareObjects(HANDLE a, HANDLE b);
}

namespace socket2 {
namespace {

Result last_error() { return windows::failure(static_cast<int>(::GetLastError())); }

// Marks the group's own packets, because a program may post others to its port.
const char key_of_ours = 0;
ULONG_PTR our_key() { return reinterpret_cast<ULONG_PTR>(&key_of_ours); }

// An operation that is over at once sends no packet.
constexpr UCHAR kNotificationModes =
    FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;

void CALLBACK nothing(ULONG_PTR) {}

bool is_port(HANDLE handle) {
    LONG depth = 0;
    return ::NtQueryIoCompletion(handle, 0, &depth, sizeof depth, nullptr) >= 0;
}

// Rounded up, so that a timer is never early.
DWORD milliseconds(double seconds) {
    constexpr double kLongest = 1e6;  // a longer wait returns early, and the caller waits again
    if (seconds == kNever) return INFINITE;
    return static_cast<DWORD>(std::ceil(std::clamp(seconds, 0.0, kLongest) * 1e3));
}

}  // namespace

Result IocpGroup::create(HANDLE port, std::shared_ptr<IocpGroup>& out) {
    out.reset(new IocpGroup);
    const Result r = out->open_port(port);
    return r.ok() ? out->open_polls() : r;
}

Result IocpGroup::open_port(HANDLE port) {
    if (port == nullptr) {
        // A limit on running threads would hold up one loop's packets while others are busy.
        port_ = ::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, INT_MAX);
        return port_ != nullptr ? Result::done() : last_error();
    }
    const HANDLE process = ::GetCurrentProcess();
    if (::DuplicateHandle(process, port, process, &port_, 0, FALSE, DUPLICATE_SAME_ACCESS) == 0) {
        port_ = nullptr;
        return last_error();
    }
    return is_port(port_) ? Result::done() : Result(Errc::invalid_argument);
}

Result IocpGroup::open_polls() {
    const Result r = windows::open_afd(afd_);
    if (r.is_error()) return r;
    if (::CreateIoCompletionPort(afd_, port_, our_key(), 0) == nullptr) return last_error();
    return ::SetFileCompletionNotificationModes(afd_, kNotificationModes) != 0 ? Result::done()
                                                                               : last_error();
}

IocpGroup::~IocpGroup() {
    for (const HANDLE handle : {afd_, port_}) {
        if (handle != nullptr) ::CloseHandle(handle);
    }
}

bool IocpGroup::works_on(HANDLE port) const {
    return port == port_ || ::NtCompareObjects(port, port_) == 0;
}

bool IocpGroup::add(Descriptor fd) {
    const HANDLE handle = windows::handle_of(fd);
    const WSAPROTOCOL_INFOW protocol = windows::protocol_of(fd);
    // Without system handles an operation that is over at once may still send a packet.
    const bool system = (protocol.dwServiceFlags1 & XP1_IFS_HANDLES) != 0;
    return system && protocol.iAddressFamily != AF_UNIX &&
           ::CreateIoCompletionPort(handle, port_, our_key(), 0) != nullptr &&
           ::SetFileCompletionNotificationModes(handle, kNotificationModes) != 0;
}

// Notes the thread that is about to sleep, so that others can ring it.
Result IocpGroup::know_thread(Member& me) {
    const DWORD id = ::GetCurrentThreadId();
    if (me.thread != nullptr && me.thread_id == id) return Result::done();
    const HANDLE thread = ::OpenThread(THREAD_SET_CONTEXT, FALSE, id);
    if (thread == nullptr) return last_error();
    if (me.thread != nullptr) ::CloseHandle(me.thread);
    me.thread = thread;
    me.thread_id = id;
    return Result::done();
}

void IocpGroup::ring(Member& member) {
    if (!member.sleeping || std::exchange(member.rung, true)) return;
    ::QueueUserAPC(nothing, member.thread, 0);
}

void IocpGroup::wake(Member& member) {
    const std::lock_guard lock(mutex_);
    member.woken = true;
    ring(member);
}

Result IocpGroup::wait(Member& me, double seconds, Packets& arrived) {
    constexpr ULONG kBatch = 64;
    OVERLAPPED_ENTRY entries[kBatch];
    const MonotonicClock clock;
    const double until = seconds > 0 && seconds < kNever ? clock.now() + seconds : seconds;
    for (;;) {
        {
            const std::lock_guard lock(mutex_);
            arrived.splice(me.routed);
            if (me.woken || !arrived.empty()) seconds = 0;
            if (seconds > 0) {
                const Result known = know_thread(me);
                if (known.is_error()) return known;
                me.sleeping = true;
            }
        }
        // A look is not alertable: a late ring would end it before it has seen the port.
        ULONG count = 0;
        const BOOL alertable = seconds > 0 ? TRUE : FALSE;
        const BOOL ok = ::GetQueuedCompletionStatusEx(port_, entries, kBatch, &count,
                                                      milliseconds(seconds), alertable);
        const DWORD code = ok != 0 ? 0 : ::GetLastError();
        if (ok == 0) count = 0;

        const std::lock_guard lock(mutex_);
        me.sleeping = me.rung = false;
        for (ULONG i = 0; i < count; ++i) {
            if (entries[i].lpCompletionKey != our_key()) continue;
            auto& packet = static_cast<Packet&>(*entries[i].lpOverlapped);
            packet.member->routed.push_back(packet);
            if (packet.member != &me) ring(*packet.member);
        }
        arrived.splice(me.routed);
        if (!std::exchange(me.woken, false) && arrived.empty() && seconds > 0) {
            if (code != 0 && code != WAIT_TIMEOUT && code != WAIT_IO_COMPLETION) {
                return windows::failure(static_cast<int>(code));
            }
            if (until < kNever) seconds = until - clock.now();
            if (seconds > 0) continue;
        }
        return Result::done();
    }
}

}  // namespace socket2
