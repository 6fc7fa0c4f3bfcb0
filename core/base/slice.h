// A piece of memory that is only read.
#pragma once

#include <cstddef>
#include <span>

namespace socket2 {

struct Slice {
    const void* data;
    size_t size;
};

using Slices = std::span<const Slice>;

}  // namespace socket2
