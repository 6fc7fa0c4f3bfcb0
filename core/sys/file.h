// Descriptors that are no sockets, with the results of socket.h.
#pragma once

#include <cstddef>

#include "core/base/result.h"
#include "core/sys/descriptor.h"

namespace socket2::sys {

// Opens a path for reading and writing: the value is the descriptor.
Result open_path(const char* path);
// In blocking mode or not: neither blocks, but for a disk, and for who else reads from or writes to
// the same descriptor meanwhile. A write in blocking mode takes a part, and is Errc::not_supported of what is neither pipe nor file.
Result read(Descriptor fd, void* data, size_t size);
Result write(Descriptor fd, const void* data, size_t size);

}  // namespace socket2::sys
