// This system's selectors, for the tests: which file makes them is the build's to pick.
#pragma once

#include <memory>
#include <span>

#include "core/poll/selector.h"

namespace socket2 {

struct SelectorKind {
    const char* name;
    std::unique_ptr<Selector> (*make)();
};

// The first is what a loop has.
std::span<const SelectorKind> selector_kinds();

}  // namespace socket2
