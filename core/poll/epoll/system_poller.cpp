#include "core/poll/system_poller.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "core/poll/epoll/epoll_selector.h"
#include "core/poll/readiness_poller.h"
#include "core/sys/process.h"

namespace socket2 {

struct SystemPollers::Known {
    // Finds the group that works on that descriptor, or makes one.
    Result find(int epoll_fd, std::shared_ptr<EpollGroup>& out) {
        const std::lock_guard lock(mutex);
        std::erase_if(groups, [](const auto& group) { return group.expired(); });
        for (size_t i = 0; epoll_fd >= 0 && i < groups.size(); ++i) {
            out = groups[i].lock();
            if (out != nullptr && out->works_on(epoll_fd)) return Result::done();
        }
        groups.reserve(groups.size() + 1);
        const Result r = EpollGroup::create(epoll_fd, out);
        if (r.ok()) groups.push_back(out);
        return r;
    }

    std::mutex& mutex = process_lock(LockKind::registry);
    std::vector<std::weak_ptr<EpollGroup>> groups;
};

SystemPollers::SystemPollers() : known_(std::make_unique<Known>()) {}
SystemPollers::~SystemPollers() = default;

SystemPollers::Shares SystemPollers::shares() { return Shares::epoll; }

Result SystemPollers::make(Descriptor shared, std::unique_ptr<Poller>& out) {
    std::shared_ptr<EpollGroup> group;
    Result r = known_->find(static_cast<int>(shared), group);
    if (r.is_error()) return r;
    const int epoll_fd = group->fd();
    std::unique_ptr<EpollSelector> selector;
    r = EpollSelector::create(std::move(group), selector);
    if (r.is_error()) return r;
    out = std::make_unique<ReadinessPoller>(std::move(selector));
    return Result::of(epoll_fd);
}

}  // namespace socket2
