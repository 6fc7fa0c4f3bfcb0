// A Selector over kqueue(2), edge-triggered: macOS, FreeBSD, NetBSD, OpenBSD.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/poll/selector.h"
#include "core/sys/process.h"

namespace socket2 {

// Needs EVFILT_USER: NetBSD has it since 10, OpenBSD since 7.8. A forked child has no copy of a
// kqueue.
class KqueueSelector final : public Selector {
   public:
    static Result create(std::unique_ptr<KqueueSelector>& out);
    KqueueSelector(const KqueueSelector&) = delete;
    KqueueSelector& operator=(const KqueueSelector&) = delete;
    ~KqueueSelector() override;

    Result add(IoSource& source) override;
    void remove(IoSource& source) override;
    Result wait(double seconds, Event* events, int capacity) override;
    void wake() const override;
    IoSource* forget_one() override;

   private:
    enum class Sleep : uint8_t { awake, asleep, woken };

    // What is registered under a descriptor.
    struct Slot {
        IoSource* source = nullptr;
        uintptr_t generation = 0;  // tells its events from those of the descriptor's former owner
    };

    KqueueSelector() = default;
    IoSource* find(uintptr_t fd, uintptr_t generation);

    const uint32_t process_ = process_number();
    int kqueue_ = -1;
    std::vector<Slot> slots_;  // by descriptor
    uintptr_t generation_ = 0;
    mutable std::atomic<Sleep> sleep_ = Sleep::awake;
};

}  // namespace socket2
