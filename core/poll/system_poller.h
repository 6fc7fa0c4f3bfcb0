// This system's pollers.
#pragma once

#include <cstdint>
#include <memory>

#include "core/io/poller.h"

namespace socket2 {

// The pollers of a process, which may share what they wait on. Any thread.
class SystemPollers {
   public:
    SystemPollers();
    ~SystemPollers();

    // What loops on this system can share. With nothing, make() refuses `shared` >= 0.
    enum class Shares : uint8_t { nothing, epoll, completion_port };
    static Shares shares();

    // The value is the descriptor that loops may share; it is valid as long as any of its pollers.
    // With `shared` >= 0 the poller joins those that work on that descriptor. The first of them
    // takes a duplicate, and the given descriptor stays the caller's. May throw bad_alloc.
    Result make(Descriptor shared, std::unique_ptr<Poller>& out);

   private:
    struct Known;
    const std::unique_ptr<Known> known_;
};

}  // namespace socket2
