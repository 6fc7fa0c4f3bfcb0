// What sockets can do below the socket calls, as wepoll, libuv and mio use it.
#pragma once

#include "core/base/result.h"
#include "core/sys/windows/winsock.h"

namespace socket2::windows {

// The system's own layout.
struct AfdPoll {
    LARGE_INTEGER timeout;
    ULONG count;
    ULONG exclusive;
    HANDLE handle;
    ULONG events;
    LONG status;
};

// A handle for polls, of whatever sockets.
Result open_afd(HANDLE& out);

// Readiness as an operation on such a handle, of which select() is made: completes with the first of what
// the direction (kReadable or kWritable) has to tell. 0: it had it at once; WSA_IO_PENDING: a packet
// comes; else an error. Both have to stay until then.
int poll_socket(HANDLE afd, Descriptor fd, uint8_t direction, AfdPoll& poll,
                OVERLAPPED& overlapped);

// Of a poll that is over: the connection was reset. The next read may not tell.
bool saw_a_reset(const AfdPoll& poll);

// The same: whoever has the socket closed it. Its number may be another's by now.
bool saw_it_closed(const AfdPoll& poll);

}  // namespace socket2::windows
