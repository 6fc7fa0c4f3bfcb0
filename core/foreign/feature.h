// The foreign libraries that the build knows. Each is opened when it is first needed, or when it is
// first asked about here.
#pragma once

#include <span>

namespace socket2 {

struct Feature {
    const char* name;
    // The library that was opened; both are null when there is none, or the build is without it.
    const char* (*library)();
    const char* (*version)();
};

std::span<const Feature> features();

namespace zlib {

Feature feature();

}  // namespace zlib

}  // namespace socket2
