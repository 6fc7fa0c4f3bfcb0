// A time at which a loop reports something.
#pragma once

#include <cstdint>

#include "core/base/heap.h"

namespace socket2 {

// Pinned while it is armed; whoever made it owns it. Small, as programs have many.
struct Timer : HeapNode {
    int32_t user = 0;  // the owner's name for it; the core never looks at it
};

}  // namespace socket2
