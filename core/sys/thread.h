// Threads that belong to the library.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/base/result.h"

namespace socket2 {

// Signals are for the program, so a library thread blocks them all. A thread that runs the
// program's code has the mask of the thread that starts it: what that code starts in turn, for
// example with os.execute(), inherits the mask and must be killable by signals. Systems give a
// process's signals to its first thread, unless it blocks them.
enum class SignalMask : uint8_t { all, inherited };

// Runs `body` in a thread that is never joined. Errc::no_buffer_space or out_of_memory when the
// system has no thread to give. `body` must not throw.
Result start_thread(std::function<void()> body, SignalMask mask = SignalMask::all);

// The calling thread's name, for the system's tools; a new name is cut to the system's size.
Result set_thread_name(const char* name);
std::string thread_name();

// How many processors the calling thread, and the threads that it starts, may run on; at least 1.
int processor_count();

}  // namespace socket2
