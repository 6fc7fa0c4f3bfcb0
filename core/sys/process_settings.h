// Settings of the process that do not belong to a socket.
#pragma once

namespace socket2 {

// From now on writes to a pipe without a reader fail, in any library, unless the program has
// decided otherwise. The process keeps that when it executes another program.
void ignore_broken_pipes();

// The system picks no lower port for a socket. Read by the first call, and remembered.
int lowest_picked_port();

// How many descriptors the process may have.
int descriptor_limit();

}  // namespace socket2
