#include "core/io/inbox.h"

#include <utility>

#include "core/io/poller.h"

namespace socket2 {

void Inbox::post(std::shared_ptr<Posted> item) {
    {
        const std::lock_guard lock(mutex_);
        if (closed_) return;
        Posted* const last = std::exchange(last_, item.get());
        if (last != nullptr) {
            last->next_ = std::move(item);  // the post of the first item wakes the loop
            return;
        }
        first_ = std::move(item);
        any_.store(true, std::memory_order_release);
    }
    // Wakes without the lock, because the woken thread takes the lock at once.
    const std::lock_guard lock(poller_mutex_);
    if (poller_ != nullptr) poller_->wake();
}

void Inbox::open(const Poller& poller) {
    const std::scoped_lock lock(poller_mutex_, mutex_);
    closed_ = false;
    process_ = process_number();
    poller_ = &poller;
}

void Inbox::close() {
    {
        const std::scoped_lock lock(poller_mutex_, mutex_);
        closed_ = true;
        poller_ = nullptr;
    }
    // Frees one item at a time: a long chain that frees itself would recurse.
    for (std::shared_ptr<Posted> item = take(); item;) {
        std::shared_ptr<Posted> next = std::move(item->next_);
        item = std::move(next);
    }
}

void Inbox::deliver() {
    if (!any_.load(std::memory_order_acquire)) return;
    for (std::shared_ptr<Posted> item = take(); item;) {
        std::shared_ptr<Posted> next = std::move(item->next_);
        item->arrive();
        item = std::move(next);
    }
}

std::shared_ptr<Posted> Inbox::take() {
    const std::lock_guard lock(mutex_);
    any_.store(false, std::memory_order_relaxed);
    last_ = nullptr;
    return std::exchange(first_, nullptr);
}

}  // namespace socket2
