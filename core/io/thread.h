// Threads of the library's own.
#pragma once

#include <functional>

#include "core/base/result.h"

namespace socket2 {

// Runs `body` in a thread that nobody joins and that takes no signals: they are the program's.
// Errc::no_buffer_space or out_of_memory when the system has no thread to give. `body` must not
// throw.
Result start_thread(std::function<void()> body);

// Another in a forked child, which has none of its parent's threads.
int process_id();

}  // namespace socket2
