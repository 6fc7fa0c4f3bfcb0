// Socket options by name: one table for all languages.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/sys/descriptor.h"
#include "core/sys/sockaddr.h"

namespace socket2 {

// What kind of value an option has. These are numbers of the ABI.
enum class OptionKind : int {
    boolean = 1,
    integer = 2,
    linger = 3,  // seconds, or -1 for off
    text = 4,
    interface = 5,  // for multicast: an index; set by index or by text (a name, an IPv4 address)
    error = 6,      // read only, and cleared by reading: 0 or an error code of the library
};

struct OptionName {
    int level;
    int name;
};

struct Option {
    const char* name;
    OptionKind kind;
    // Options that differ between the two families (ttl, multicast) have separate names.
    OptionName inet;
    OptionName inet6;
};

// A row for an option that has the same name in both families.
constexpr Option both(const char* name, OptionKind kind, int level, int option) {
    return {name, kind, {level, option}, {level, option}};
}

// Null when this system has no option of that name.
const Option* find_option(std::string_view name);

// The rows that only this system has.
std::span<const Option> system_options();

// `inet6`: whether the socket is of that family.
Result set_option(Descriptor fd, bool inet6, const Option& option, int value);
Result get_option(Descriptor fd, bool inet6, const Option& option, int& value);
Result set_option(Descriptor fd, bool inet6, const Option& option, const char* text);
Result get_option(Descriptor fd, const Option& option, std::string& text);

// Joins or leaves a multicast group on an interface (an index; 0: the system's choice).
Result set_membership(Descriptor fd, bool join, const SockAddr& group, int interface);

// The index of an interface by its name, its index as text, or its IPv4 address.
Result interface_index(const char* text);

}  // namespace socket2
