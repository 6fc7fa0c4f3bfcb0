// Loops with this system's pollers.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "core/base/clock.h"
#include "core/io/loop.h"
#include "core/poll/system_poller.h"

namespace socket2 {

// Long enough for a loaded machine; nothing that works waits for it.
constexpr double kLimit = 60;

inline double now() { return MonotonicClock().now(); }

inline std::unique_ptr<Loop> make_loop() {
    std::unique_ptr<Poller> poller;
    EXPECT_TRUE(SystemPollers().make(-1, poller).ok());
    return std::make_unique<Loop>(std::move(poller), std::make_unique<MonotonicClock>());
}

}  // namespace socket2
