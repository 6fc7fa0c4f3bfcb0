// Threads of the library's own.
#pragma once

#include <functional>
#include <string>

#include "core/base/result.h"

namespace socket2 {

// Runs `body` in a thread that nobody joins and that takes no signals: they are the program's.
// Errc::no_buffer_space or out_of_memory when the system has no thread to give. `body` must not
// throw.
Result start_thread(std::function<void()> body);

// The calling thread's name, as the system's tools show it; a new one is cut to what it takes.
Result set_thread_name(const char* name);
std::string thread_name();

// Processors that the calling thread may run on, as those that it starts may; at least 1.
int processor_count();

}  // namespace socket2
