#include "core/poll/epoll/epoll_selector.h"

namespace socket2 {

Result EpollSelector::create(std::shared_ptr<EpollGroup> group,
                             std::unique_ptr<EpollSelector>& out) {
    out.reset(new EpollSelector(std::move(group)));
    return out->group_->join(out->me_);
}

// The group's other threads exist only in the parent.
IoSource* EpollSelector::forget_one() {
    group_->leave_parent();
    while (!me_.slots.empty()) {
        IoSource* const source = me_.slots.back().source;
        me_.slots.pop_back();
        if (source == nullptr) continue;
        source->registered = false;
        return source;
    }
    return nullptr;
}

}  // namespace socket2
