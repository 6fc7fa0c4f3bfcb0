// The foreign libraries that the build knows. Each is opened when it is first needed, or asked for here.
#pragma once

#include <span>

namespace socket2 {

struct Feature {
    const char* name;
    // Of the library that was opened; both null where there is none, or the build is without it.
    const char* (*library)();
    const char* (*version)();
};

std::span<const Feature> features();

namespace zlib {

Feature feature();

}  // namespace zlib

}  // namespace socket2
