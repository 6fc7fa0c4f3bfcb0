// Windows' three kinds of error codes in the library's words.
#pragma once

#include "core/base/result.h"

namespace socket2::windows {

// Of WSAGetLastError() or GetLastError(), which share their numbers.
Result failure(int os_code);
Result last_failure();
// The same, of a connection that was there: one that broke was reset, as elsewhere, whoever broke it.
Result connection_failure(int os_code);

// The code that WSAGetLastError() would give for the NTSTATUS of an operation that has completed; 0 for
// a success.
int code_of_status(long status);

}  // namespace socket2::windows
