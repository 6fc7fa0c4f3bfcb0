#include "core/io/system_poller.h"

#include "core/io/linux/epoll_selector.h"
#include "core/io/readiness_poller.h"

namespace socket2 {

Result make_system_poller(int shared, std::unique_ptr<Poller>& out) {
    std::unique_ptr<EpollSelector> selector;
    const Result r = EpollSelector::create(shared, selector);
    if (r.is_error()) return r;
    const int epoll_fd = selector->epoll_fd();
    out = std::make_unique<ReadinessPoller>(std::move(selector));
    return Result::of(epoll_fd);
}

}  // namespace socket2
