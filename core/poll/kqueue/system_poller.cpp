#include "core/poll/system_poller.h"

#include "core/poll/kqueue/kqueue_selector.h"
#include "core/poll/readiness_poller.h"

namespace socket2 {

struct SystemPollers::Known {};

SystemPollers::SystemPollers() = default;
SystemPollers::~SystemPollers() = default;

SystemPollers::Shares SystemPollers::shares() { return Shares::nothing; }

Result SystemPollers::make(Descriptor shared, std::unique_ptr<Poller>& out) {
    if (shared >= 0) return Errc::not_supported;
    std::unique_ptr<KqueueSelector> selector;
    const Result r = KqueueSelector::create(selector);
    if (r.is_error()) return r;
    out = std::make_unique<ReadinessPoller>(std::move(selector));
    return Result::done();
}

}  // namespace socket2
