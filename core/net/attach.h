// Sockets that others have made.
#pragma once

#include <memory>

#include "core/net/socket.h"

namespace socket2 {

// A socket of whatever kind the descriptor is, which it owns from then on; an error leaves it alone.
Result attach_socket(Loop& loop, Descriptor fd, std::unique_ptr<Socket>& out);

}  // namespace socket2
