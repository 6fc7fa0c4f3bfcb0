// Where Unix systems differ in their threads.
#pragma once

#include <cstddef>

namespace socket2::posix {

// Bytes of a thread's name, with its zero.
extern const size_t kThreadNameSize;

// Of the calling thread. -> 0 or an errno code
int set_thread_name(const char* name);
void get_thread_name(char* name, size_t size);

// Processors that the calling thread is bound to; 0 where that is not known.
int bound_processor_count();

}  // namespace socket2::posix
