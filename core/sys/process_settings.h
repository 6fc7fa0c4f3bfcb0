// Settings of the process that belong to no socket.
#pragma once

namespace socket2 {

// Writes to a pipe without a reader fail from now on, whichever library makes them, unless the program has
// decided otherwise. A program that the process becomes inherits that.
void ignore_broken_pipes();

// No port that the system picks for a socket is lower. As it was when this was called first.
int lowest_picked_port();

// How many descriptors the process may have.
int descriptor_limit();

}  // namespace socket2
