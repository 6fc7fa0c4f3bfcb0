// A doubly linked list with its links in its members: no allocation, removal in O(1).
// It owns nothing; a member must leave the list before it dies.
#pragma once

#include "core/base/assert.h"

namespace socket2 {

// Base of a member. A member is in at most one list at a time.
template <typename T>
class ListNode {
   public:
    ListNode() = default;
    ListNode(const ListNode&) = delete;
    ListNode& operator=(const ListNode&) = delete;

    bool in_list() const { return next_ != nullptr; }

   private:
    template <typename U>
    friend class IntrusiveList;

    ListNode* prev_ = nullptr;
    ListNode* next_ = nullptr;
};

template <typename T>
class IntrusiveList {
   public:
    IntrusiveList() { head_.prev_ = head_.next_ = &head_; }
    IntrusiveList(const IntrusiveList&) = delete;
    IntrusiveList& operator=(const IntrusiveList&) = delete;

    bool empty() const { return head_.next_ == &head_; }

    void push_back(T& member) {
        ListNode<T>& node = member;
        SOCKET2_ASSERT(!node.in_list(), "a list member is already in a list");
        node.prev_ = head_.prev_;
        node.next_ = &head_;
        head_.prev_->next_ = &node;
        head_.prev_ = &node;
    }

    static void remove(T& member) {
        ListNode<T>& node = member;
        SOCKET2_ASSERT(node.in_list(), "a list member is taken from a list it is not in");
        node.prev_->next_ = node.next_;
        node.next_->prev_ = node.prev_;
        node.prev_ = node.next_ = nullptr;
    }

    // The oldest member; null when empty.
    T* front() const { return empty() ? nullptr : &static_cast<T&>(*head_.next_); }

    // Takes out the oldest member; null when empty.
    T* pop_front() {
        T* const member = front();
        if (member != nullptr) remove(*member);
        return member;
    }

    // Moves all members of `other` behind those of this list.
    void splice(IntrusiveList& other) {
        if (other.empty()) return;
        ListNode<T>* first = other.head_.next_;
        ListNode<T>* last = other.head_.prev_;
        first->prev_ = head_.prev_;
        head_.prev_->next_ = first;
        last->next_ = &head_;
        head_.prev_ = last;
        other.head_.prev_ = other.head_.next_ = &other.head_;
    }

   private:
    ListNode<T> head_;
};

}  // namespace socket2
