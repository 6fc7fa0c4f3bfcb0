// The parts of option.cpp that systems do in different ways.
#pragma once

#include <netinet/in.h>

#include <cstddef>

#include "core/sys/option.h"

namespace socket2::sys {

// Errc::not_supported for an option that a socket of this kind cannot have.
Result set_raw(Descriptor fd, OptionName option, const void* value, size_t size);
// `size` is the room, then how much of it was filled.
Result get_raw(Descriptor fd, OptionName option, void* value, size_t& size);

// For integers and booleans.
Result set_number(Descriptor fd, OptionName option, int value);
Result get_number(Descriptor fd, OptionName option, int& value);

// IPv4's interface for sending multicast, by its index; 0 is the system's choice. IPv6 takes the
// number.
Result set_inet_interface(Descriptor fd, OptionName option, int index);
Result set_inet6_interface(Descriptor fd, OptionName option, int index);

Result set_membership(Descriptor fd, bool join, const SockAddr& group, int index);

// The index of the interface that has the address, or Errc::no_such_device.
Result interface_with(const in_addr& address);

}  // namespace socket2::sys
