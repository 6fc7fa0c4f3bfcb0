#include "core/poll/system_poller.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "core/poll/iocp/iocp_poller.h"
#include "core/sys/socket.h"

namespace socket2 {

struct SystemPollers::Known {
    // Finds the group that works on that port, or makes one.
    Result find(HANDLE port, std::shared_ptr<IocpGroup>& out) {
        const std::lock_guard lock(mutex);
        std::erase_if(groups, [](const auto& group) { return group.expired(); });
        for (size_t i = 0; port != nullptr && i < groups.size(); ++i) {
            out = groups[i].lock();
            if (out != nullptr && out->works_on(port)) return Result::done();
        }
        groups.reserve(groups.size() + 1);
        const Result r = IocpGroup::create(port, out);
        if (r.ok()) groups.push_back(out);
        return r;
    }

    std::mutex mutex;
    std::vector<std::weak_ptr<IocpGroup>> groups;
};

SystemPollers::SystemPollers() : known_(std::make_unique<Known>()) {}
SystemPollers::~SystemPollers() = default;

SystemPollers::Shares SystemPollers::shares() { return Shares::completion_port; }

Result SystemPollers::make(Descriptor shared, std::unique_ptr<Poller>& out) {
    sys::start();
    std::shared_ptr<IocpGroup> group;
    const Result r = known_->find(shared < 0 ? nullptr : windows::handle_of(shared), group);
    if (r.is_error()) return r;
    // Only 32 bits of a handle are significant.
    const auto port = static_cast<int>(reinterpret_cast<intptr_t>(group->port()));
    out = std::make_unique<IocpPoller>(std::move(group));
    return Result::of(port);
}

}  // namespace socket2
