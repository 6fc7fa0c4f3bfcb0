#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

namespace socket2::posix {

// What the systems do in different ways, of option.cpp. They return 0, or -1 and set errno.

// IPv4's interface for sending, by its index; 0 is the system's choice.
int set_multicast_interface(int fd, int index);

// A number or a boolean of any option: not all of multicast's are integers everywhere.
int set_number(int fd, int level, int name, int value);

int set_membership(int fd, bool join, const sockaddr_storage& group, int index);

// The first IPv4 address of an interface; "any" if it has none.
in_addr inet_address(int index);

}  // namespace socket2::posix
