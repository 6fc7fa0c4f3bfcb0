// What the system knows about names without asking the network.
#pragma once

#include <string>

namespace socket2::sys {

// Where the system's hosts file is.
std::string hosts_path();
// Whether the system's resolver answers for localhost without the hosts file and the network.
bool knows_localhost();

}  // namespace socket2::sys
