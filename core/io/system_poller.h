// This system's poller.
#pragma once

#include <memory>

#include "core/io/poller.h"

namespace socket2 {

// The value is the descriptor that an embedding program may share (an epoll's). With `shared` >= 0
// the poller works on a duplicate of that descriptor, which stays the caller's.
Result make_system_poller(int shared, std::unique_ptr<Poller>& out);

}  // namespace socket2
