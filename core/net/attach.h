// Makes sockets from descriptors that others have made.
#pragma once

#include <memory>

#include "core/net/socket.h"

namespace socket2 {

// Makes a socket of the descriptor's kind, which owns the descriptor from then on. After an error
// the descriptor is unchanged.
Result attach_socket(Loop& loop, Descriptor fd, std::unique_ptr<Socket>& out);

}  // namespace socket2
