// This system's pollers.
#pragma once

#include <cstdint>
#include <memory>

#include "core/io/poller.h"

namespace socket2 {

// Those of a process, which may share what they wait on. Any thread.
class SystemPollers {
   public:
    SystemPollers();
    ~SystemPollers();

    // What loops of this system can share; with nothing make() refuses `shared` >= 0.
    enum class Shares : uint8_t { nothing, epoll, completion_port };
    static Shares shares();

    // The value is the descriptor that loops may share, good as long as any of its pollers. With
    // `shared` >= 0 the poller joins those that work on that descriptor; the first takes a duplicate
    // of it, and the given one stays the caller's. May throw bad_alloc.
    Result make(Descriptor shared, std::unique_ptr<Poller>& out);

   private:
    struct Known;
    const std::unique_ptr<Known> known_;
};

}  // namespace socket2
