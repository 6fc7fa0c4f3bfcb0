// Integer names for objects: a name of a dead object is recognized, never followed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace socket2 {

// Names are given in sequence, from 1 to 2^31 - 1 and then from 1 again. The low bits of a name are
// its place in a table of which at least a quarter is free; a name is skipped while its place is
// taken. So a stale name can meet a new object only after at least 2^29 more insertions, or 2^30
// while objects take up at most half of the table. T must be default-constructible to an empty
// value.
template <typename T>
class SlotMap {
   public:
    static constexpr size_t kMaxLive = (size_t{1} << 22) - 1;

    // The first name is the one after `last`.
    explicit SlotMap(int32_t last = 0) : last_(last) {}

    // Returns the new name, or 0 when all are taken. May allocate (and then may throw bad_alloc).
    int32_t insert(T value) {
        if (live_ == kMaxLive) return 0;
        if (live_ >= slots_.size() / 4 * 3) grow();
        do {
            last_ = last_ == INT32_MAX ? 1 : last_ + 1;
        } while (place(slots_, last_).name != 0);
        Slot& slot = place(slots_, last_);
        slot.value = std::move(value);
        slot.name = last_;
        ++live_;
        return last_;
    }

    // The object, or null for a name that is stale or was never given.
    T* find(int32_t name) {
        if (name <= 0 || slots_.empty()) return nullptr;
        Slot& slot = place(slots_, name);
        return slot.name == name ? &slot.value : nullptr;
    }

    // Takes the object out; `name` must be live.
    T take(int32_t name) {
        Slot& slot = place(slots_, name);
        T value = std::move(slot.value);
        slot = {};
        --live_;
        return value;
    }

    template <typename F>
    void for_each(F f) {
        for (Slot& slot : slots_) {
            if (slot.name != 0) f(slot.value);
        }
    }

   private:
    static constexpr size_t kMinSlots = 16;

    struct Slot {
        T value{};
        int32_t name = 0;  // 0: free
    };
    using Slots = std::vector<Slot>;  // a power of two

    static Slot& place(Slots& slots, int32_t name) {
        return slots[static_cast<uint32_t>(name) & (slots.size() - 1)];
    }

    // Names that differ in their low bits still differ when one more bit counts.
    void grow() {
        Slots larger(std::max(kMinSlots, 2 * slots_.size()));
        for (Slot& slot : slots_) {
            if (slot.name != 0) place(larger, slot.name) = std::move(slot);
        }
        slots_ = std::move(larger);
    }

    Slots slots_;
    size_t live_ = 0;
    int32_t last_;
};

}  // namespace socket2
