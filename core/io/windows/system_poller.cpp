#include "core/io/system_poller.h"

#include "core/io/windows/iocp_poller.h"

namespace socket2 {

struct SystemPollers::Known {};

SystemPollers::SystemPollers() = default;
SystemPollers::~SystemPollers() = default;

bool SystemPollers::can_share() { return false; }

Result SystemPollers::make(int shared, std::unique_ptr<Poller>& out) {
    if (shared >= 0) return Errc::not_supported;
    std::unique_ptr<IocpPoller> poller;
    const Result r = IocpPoller::create(poller);
    out = std::move(poller);
    return r;
}

}  // namespace socket2
