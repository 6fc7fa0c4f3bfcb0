#include "core/poll/iocp/afd.h"

#include <winternl.h>

#include "core/sys/windows/error.h"

namespace socket2::windows {
namespace {

constexpr ULONG kControlCode = 0x12024;  // IOCTL_AFD_POLL

constexpr ULONG kReceive = 0x1;
constexpr ULONG kSend = 0x4;
constexpr ULONG kDisconnect = 0x8;
constexpr ULONG kAbort = 0x10;
constexpr ULONG kLocalClose = 0x20;
constexpr ULONG kAccept = 0x80;
constexpr ULONG kConnectFail = 0x100;

constexpr NTSTATUS kPending = 0x103;

constexpr ULONG kOpen = 1;  // FILE_OPEN

static_assert(sizeof(AfdPoll) == 32);

// The socket below the layers that others may have put around the system's own.
HANDLE base_of(Descriptor fd) {
    SOCKET base = socket_of(fd);
    DWORD size = 0;
    ::WSAIoctl(socket_of(fd), SIO_BASE_HANDLE, nullptr, 0, &base, sizeof base, &size, nullptr,
               nullptr);
    return handle_of(static_cast<Descriptor>(base));
}

}  // namespace

Result open_afd(HANDLE& out) {
    static wchar_t name[] = L"\\Device\\Afd\\socket2";
    UNICODE_STRING path{sizeof name - sizeof *name, sizeof name, name};
    OBJECT_ATTRIBUTES attributes{};
    attributes.Length = sizeof attributes;
    attributes.ObjectName = &path;
    IO_STATUS_BLOCK block{};
    const NTSTATUS status =
        ::NtCreateFile(&out, SYNCHRONIZE, &attributes, &block, nullptr, 0,
                       FILE_SHARE_READ | FILE_SHARE_WRITE, kOpen, 0, nullptr, 0);
    return status >= 0 ? Result::done() : failure(code_of_status(status));
}

bool saw_a_reset(const AfdPoll& poll) { return poll.count > 0 && (poll.events & kAbort) != 0; }

bool saw_it_closed(const AfdPoll& poll) {
    return poll.count > 0 && (poll.events & kLocalClose) != 0;
}

int poll_socket(HANDLE afd, Descriptor fd, uint8_t direction, AfdPoll& poll,
                OVERLAPPED& overlapped) {
    constexpr ULONG kRead = kReceive | kDisconnect | kAccept;
    constexpr ULONG kOver = kAbort | kLocalClose | kConnectFail;
    poll.timeout.QuadPart = INT64_MAX;
    poll.count = 1;
    poll.exclusive = 0;
    poll.handle = base_of(fd);
    poll.events = (direction == kReadable ? kRead : kSend) | kOver;
    poll.status = 0;
    // An OVERLAPPED begins with the status block, and is what the packet brings back.
    overlapped.Internal = static_cast<ULONG_PTR>(kPending);
    const NTSTATUS status = ::NtDeviceIoControlFile(
        afd, nullptr, nullptr, &overlapped, reinterpret_cast<IO_STATUS_BLOCK*>(&overlapped),
        kControlCode, &poll, sizeof poll, &poll, sizeof poll);
    return status == kPending ? WSA_IO_PENDING : code_of_status(status);
}

}  // namespace socket2::windows
