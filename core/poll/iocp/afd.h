// What sockets can do below the socket calls. wepoll, libuv and mio use it in the same way.
#pragma once

#include "core/base/result.h"
#include "core/sys/windows/winsock.h"

namespace socket2::windows {

// The layout is the system's.
struct AfdPoll {
    LARGE_INTEGER timeout;
    ULONG count;
    ULONG exclusive;
    HANDLE handle;
    ULONG events;
    LONG status;
};

// Opens a handle for polls of any sockets.
Result open_afd(HANDLE& out);

// Begins a poll, the operation that select() is made of: it completes when the direction (kReadable
// or kWritable) first has something to report. 0: it had something at once. WSA_IO_PENDING: a
// packet will come. Anything else is an error. `poll` and `overlapped` have to stay until then.
int poll_socket(HANDLE afd, Descriptor fd, uint8_t direction, AfdPoll& poll,
                OVERLAPPED& overlapped);

// After a poll: whether the connection was reset. The next read may not report it.
bool saw_a_reset(const AfdPoll& poll);

// After a poll: whether the socket was closed by its owner. Its number may belong to another
// socket.
bool saw_it_closed(const AfdPoll& poll);

}  // namespace socket2::windows
