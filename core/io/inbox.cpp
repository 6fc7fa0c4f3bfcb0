#include "core/io/inbox.h"

#include <utility>

#include "core/io/poller.h"

namespace socket2 {

void Inbox::post(std::shared_ptr<Posted> item) {
    const std::lock_guard lock(mutex_);
    if (poller_ == nullptr) return;
    Posted* const posted = item.get();
    if (last_ != nullptr) {
        last_->next_ = std::move(item);  // whoever posted the first has woken the loop
    } else {
        first_ = std::move(item);
        any_.store(true, std::memory_order_release);
        // Under the lock, or the poller could be gone.
        poller_->wake();
    }
    last_ = posted;
}

void Inbox::open(const Poller& poller) {
    const std::lock_guard lock(mutex_);
    poller_ = &poller;
}

void Inbox::close() {
    {
        const std::lock_guard lock(mutex_);
        poller_ = nullptr;
    }
    // One by one: a long chain that frees itself would recurse.
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
