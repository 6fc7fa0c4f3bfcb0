// A min-heap of times: arm, disarm and take the earliest in O(log n). Members with equal times
// leave in the order in which they were pushed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/clock.h"

namespace socket2 {

// Base of a member. It knows its place, so that it can leave from the middle.
class HeapNode {
   public:
    bool in_heap() const { return index_ != kOutside; }

   private:
    template <typename U>
    friend class Heap;

    static constexpr uint32_t kOutside = UINT32_MAX;
    uint64_t order_ = 0;  // how many members were pushed before this one
    uint32_t index_ = kOutside;
};

// T derives from HeapNode. The heap owns nothing. Keys lie beside the pointers so that sifting
// touches one array and not every member.
template <typename T>
class Heap {
   public:
    bool empty() const { return entries_.empty(); }
    size_t size() const { return entries_.size(); }
    double earliest() const { return entries_.empty() ? kNever : entries_.front().key; }
    T& front() const { return *entries_.front().member; }

    // How many members have ever been pushed, and how many of them before the present front.
    uint64_t pushed() const { return pushed_; }
    uint64_t front_order() const { return node(front()).order_; }

    // Makes room for `members`, so that push() does not allocate. The capacity at least doubles,
    // because many small steps would copy everything each time. May throw bad_alloc, with the heap
    // unchanged.
    void reserve(size_t members) {
        if (members > entries_.capacity()) {
            entries_.reserve(std::max(members, 2 * entries_.capacity()));
        }
    }

    // Allocates only if reserve() has not made room.
    void push(T& member, double key) {
        entries_.push_back({key, &member});
        node(member).order_ = pushed_++;
        sift_up(entries_.size() - 1);
    }

    void remove(T& member) {
        const size_t hole = node(member).index_;
        node(member).index_ = HeapNode::kOutside;
        const Entry last = entries_.back();
        entries_.pop_back();
        if (hole == entries_.size()) return;
        entries_[hole] = last;
        node(*last.member).index_ = static_cast<uint32_t>(hole);
        sift_down(hole);
        sift_up(node(*last.member).index_);
    }

    // Calls f with each member, in no particular order.
    template <typename F>
    void for_each(F f) const {
        for (const Entry& entry : entries_) f(*entry.member);
    }

   private:
    // Four children to a node: half the levels of a binary heap, and siblings share a cache line.
    static constexpr size_t kChildren = 4;

    struct Entry {
        double key;
        T* member;
    };

    static HeapNode& node(T& member) { return member; }

    static bool before(const Entry& a, const Entry& b) {
        if (a.key != b.key) return a.key < b.key;
        return node(*a.member).order_ < node(*b.member).order_;
    }

    void place(size_t index, const Entry& entry) {
        entries_[index] = entry;
        node(*entry.member).index_ = static_cast<uint32_t>(index);
    }

    void sift_up(size_t index) {
        const Entry entry = entries_[index];
        while (index > 0) {
            const size_t parent = (index - 1) / kChildren;
            if (before(entries_[parent], entry)) break;
            place(index, entries_[parent]);
            index = parent;
        }
        place(index, entry);
    }

    void sift_down(size_t index) {
        const Entry entry = entries_[index];
        for (;;) {
            const size_t first = index * kChildren + 1;
            if (first >= entries_.size()) break;
            size_t least = first;
            const size_t end =
                first + kChildren < entries_.size() ? first + kChildren : entries_.size();
            for (size_t child = first + 1; child < end; ++child) {
                if (before(entries_[child], entries_[least])) least = child;
            }
            if (before(entry, entries_[least])) break;
            place(index, entries_[least]);
            index = least;
        }
        place(index, entry);
    }

    std::vector<Entry> entries_;
    uint64_t pushed_ = 0;
};

}  // namespace socket2
