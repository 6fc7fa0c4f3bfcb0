#include <gtest/gtest.h>

#include "core/poll/kqueue/kqueue_selector.h"
#include "spec/core/selectors.h"

namespace socket2 {
namespace {

constexpr SelectorKind kKinds[] = {
    {"Kqueue",
     []() -> std::unique_ptr<Selector> {
         std::unique_ptr<KqueueSelector> selector;
         EXPECT_TRUE(KqueueSelector::create(selector).ok());
         return selector;
     }},
};

}  // namespace

std::span<const SelectorKind> selector_kinds() { return kKinds; }

}  // namespace socket2
