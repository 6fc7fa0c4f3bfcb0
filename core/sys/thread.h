// Threads of the library's own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/base/result.h"

namespace socket2 {

// Signals are the program's, so a thread of the library's own blocks them all. One that runs the program's
// code has the mask of the thread that starts it: what the code starts in its turn, os.execute() for one,
// inherits the mask and has to be ended by signals. Systems give a process's signals to its first thread,
// unless that blocks them.
enum class SignalMask : uint8_t { all, inherited };

// Runs `body` in a thread that nobody joins.
// Errc::no_buffer_space or out_of_memory when the system has no thread to give. `body` must not
// throw.
Result start_thread(std::function<void()> body, SignalMask mask = SignalMask::all);

// The calling thread's name, as the system's tools show it; a new one is cut to what it takes.
Result set_thread_name(const char* name);
std::string thread_name();

// Processors that the calling thread may run on, as those that it starts may; at least 1.
int processor_count();

}  // namespace socket2
