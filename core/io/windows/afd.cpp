#include "core/io/windows/afd.h"

#include <winternl.h>

#include "core/io/windows/error.h"

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

static_assert(sizeof(AfdPoll) == 32);

}  // namespace

int poll_socket(Descriptor fd, uint8_t direction, AfdPoll& poll, OVERLAPPED& overlapped) {
    constexpr ULONG kRead = kReceive | kDisconnect | kAccept;
    constexpr ULONG kWrite = kSend | kConnectFail;
    poll.timeout.QuadPart = INT64_MAX;
    poll.count = 1;
    poll.exclusive = 0;
    poll.handle = handle_of(fd);
    poll.events = (direction == kReadable ? kRead : kWrite) | kAbort | kLocalClose;
    poll.status = 0;
    // An OVERLAPPED begins with the status block, and is what the packet brings back.
    overlapped.Internal = static_cast<ULONG_PTR>(kPending);
    const NTSTATUS status =
        ::NtDeviceIoControlFile(handle_of(fd), nullptr, nullptr, &overlapped,
                                reinterpret_cast<IO_STATUS_BLOCK*>(&overlapped), kControlCode,
                                &poll, sizeof poll, &poll, sizeof poll);
    return status == kPending ? WSA_IO_PENDING : code_of_status(status);
}

Result move_to_port(HANDLE handle, HANDLE port, ULONG_PTR key) {
    constexpr int kReplaceCompletion = 61;  // FileReplaceCompletionInformation
    struct {
        HANDLE port;
        ULONG_PTR key;
    } completion{port, key};
    IO_STATUS_BLOCK block{};
    const NTSTATUS status =
        ::NtSetInformationFile(handle, &block, &completion, sizeof completion,
                               static_cast<FILE_INFORMATION_CLASS>(kReplaceCompletion));
    return status >= 0 ? Result::done() : failure(code_of_status(status));
}

}  // namespace socket2::windows
