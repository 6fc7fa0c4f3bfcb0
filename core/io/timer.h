// A time at which a loop reports something.
#pragma once

#include "core/base/heap.h"
#include "core/io/object.h"

namespace socket2 {

// Pinned while it is armed. Small, because programs have many.
class Timer : public Object, public HeapNode {
   public:
    static constexpr unsigned kKinds = kTimer;

    Timer() : Object(kTimer) {}

   private:
    void on_close(Loop& loop) override;
};

}  // namespace socket2
