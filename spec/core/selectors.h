// This system's selectors, for the tests; the build picks the file that makes them.
#pragma once

#include <memory>
#include <span>

#include "core/poll/selector.h"

namespace socket2 {

struct SelectorKind {
    const char* name;
    std::unique_ptr<Selector> (*make)();
};

// The first is the kind that loops use.
std::span<const SelectorKind> selector_kinds();

}  // namespace socket2
