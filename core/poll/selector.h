// A readiness source under a POSIX poller: epoll, kqueue.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/result.h"
#include "core/io/io_op.h"

namespace socket2 {

// Edge-triggered: a source is registered once, for all directions, and reported when something has
// changed. Spurious reports are allowed.
class Selector {
   public:
    struct Event {
        IoSource* source;
        uint8_t ready;  // Ready bits
    };

    virtual ~Selector() = default;

    // Also reports at once what is ready already. Sets source.registered.
    virtual Result add(IoSource& source) = 0;
    // After this no event names the source, not even an event that the system has queued.
    virtual void remove(IoSource& source) = 0;
    // Returns the number of events; 0 when the time was over, a signal came or wake() was called.
    virtual Result wait(double seconds, Event* events, int capacity) = 0;
    // Does nothing in a forked child.
    virtual void wake() const = 0;

    // For a forked child: forgets a source as if it had never been added, and returns it; null when
    // there is none left.
    virtual IoSource* forget_one() = 0;
};

}  // namespace socket2
