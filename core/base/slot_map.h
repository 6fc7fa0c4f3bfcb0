// Integer names for objects: a name of a dead object is recognized, never followed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace socket2 {

// A name holds an index (22 bits) and a generation (9 bits): positive in 32 bits, never 0.
// Freed slots are used again in the order they were freed, and only while at least kMinFree wait,
// so a stale name can meet a new object only after kMinFree * 512 more insertions.
// T must be default-constructible to an empty value.
template <typename T>
class SlotMap {
   public:
    // The new name, or 0 when all names are taken. May allocate (and then may throw bad_alloc).
    int32_t insert(T value) {
        uint32_t index;
        if (free_count_ > kMinFree || (slots_.size() > kMaxIndex && free_count_ > 0)) {
            index = first_free_;
            first_free_ = slots_[index].next_free;
            --free_count_;
        } else {
            if (slots_.empty()) slots_.emplace_back();  // index 0 names nothing
            if (slots_.size() > kMaxIndex) return 0;
            index = static_cast<uint32_t>(slots_.size());
            slots_.emplace_back();
        }
        Slot& slot = slots_[index];
        slot.value = std::move(value);
        slot.live = true;
        return name_of(index, slot.generation);
    }

    // The object, or null for a name that is stale or was never given.
    T* find(int32_t name) {
        const uint32_t index = static_cast<uint32_t>(name) & kMaxIndex;
        if (name <= 0 || index >= slots_.size()) return nullptr;
        Slot& slot = slots_[index];
        if (!slot.live || name_of(index, slot.generation) != name) return nullptr;
        return &slot.value;
    }

    // Takes the object out; `name` must be live.
    T take(int32_t name) {
        const uint32_t index = static_cast<uint32_t>(name) & kMaxIndex;
        Slot& slot = slots_[index];
        T value = std::move(slot.value);
        slot.value = T();
        slot.live = false;
        slot.generation = (slot.generation + 1) & kMaxGeneration;
        slot.next_free = 0;
        if (free_count_ == 0) {
            first_free_ = index;
        } else {
            slots_[last_free_].next_free = index;
        }
        last_free_ = index;
        ++free_count_;
        return value;
    }

    template <typename F>
    void for_each(F f) {
        for (Slot& slot : slots_) {
            if (slot.live) f(slot.value);
        }
    }

   private:
    static constexpr uint32_t kIndexBits = 22;
    static constexpr uint32_t kMaxIndex = (1u << kIndexBits) - 1;
    static constexpr uint32_t kMaxGeneration = (1u << (31 - kIndexBits)) - 1;
    static constexpr size_t kMinFree = 1024;

    struct Slot {
        T value{};
        uint32_t next_free = 0;
        uint16_t generation = 0;
        bool live = false;
    };

    static int32_t name_of(uint32_t index, uint32_t generation) {
        return static_cast<int32_t>(generation << kIndexBits | index);
    }

    std::vector<Slot> slots_;
    uint32_t first_free_ = 0;
    uint32_t last_free_ = 0;
    size_t free_count_ = 0;
};

}  // namespace socket2
