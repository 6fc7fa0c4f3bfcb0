// How threads differ between Unix systems.
#pragma once

#include <cstddef>

namespace socket2::posix {

// The size of a thread's name in bytes, with its zero.
extern const size_t kThreadNameSize;

// Names the calling thread. -> 0 or an errno code
int set_thread_name(const char* name);
void get_thread_name(char* name, size_t size);

// How many processors the calling thread is bound to; 0 when that is not known.
int bound_processor_count();

}  // namespace socket2::posix
