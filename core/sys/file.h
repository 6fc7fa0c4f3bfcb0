// Descriptors that are not sockets, with the results of socket.h.
#pragma once

#include <cstddef>

#include "core/base/result.h"
#include "core/sys/descriptor.h"

namespace socket2::sys {

// Opens a path for reading and writing: the value is the descriptor.
Result open_path(const char* path);
// Work on descriptors in blocking mode or not. Neither call blocks, except for a disk, or when
// another thread or process reads from or writes to the same descriptor meanwhile. In blocking mode
// a write takes a part, and is Errc::not_supported for anything but a pipe or a file.
Result read(Descriptor fd, void* data, size_t size);
Result write(Descriptor fd, const void* data, size_t size);

}  // namespace socket2::sys
