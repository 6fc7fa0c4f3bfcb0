#include "core/io/linux/epoll_selector.h"

namespace socket2 {

Result EpollSelector::create(std::shared_ptr<EpollGroup> group,
                             std::unique_ptr<EpollSelector>& out) {
    out.reset(new EpollSelector(std::move(group)));
    return out->group_->join(out->me_);
}

}  // namespace socket2
