#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

namespace socket2::posix {

// The parts of option.cpp that systems do in different ways. They return 0, or -1 and set errno.

// Sets IPv4's interface for sending, by its index; 0 is the system's choice.
int set_multicast_interface(int fd, int index);

// Sets a number or a boolean: multicast options are not integers on every system.
int set_number(int fd, int level, int name, int value);

int set_membership(int fd, bool join, const sockaddr_storage& group, int index);

// The first IPv4 address of an interface; "any" if it has none.
in_addr inet_address(int index);

}  // namespace socket2::posix
