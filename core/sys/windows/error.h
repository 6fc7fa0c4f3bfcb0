// Windows' three kinds of error codes in the library's words.
#pragma once

#include "core/base/result.h"

namespace socket2::windows {

// For codes from WSAGetLastError() or GetLastError(), which share their numbers.
Result failure(int os_code);
Result last_failure();
// The same for an established connection: if it broke, it counts as reset, like on other systems,
// no matter which side broke it.
Result connection_failure(int os_code);

// The code that WSAGetLastError() would give for the NTSTATUS of a completed operation; 0 for a
// success.
int code_of_status(long status);

}  // namespace socket2::windows
