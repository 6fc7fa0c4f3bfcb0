// A Selector over epoll(7), edge-triggered: a member of an EpollGroup.
#pragma once

#include <memory>

#include "core/poll/epoll/epoll_group.h"

namespace socket2 {

class EpollSelector final : public Selector {
   public:
    static Result create(std::shared_ptr<EpollGroup> group, std::unique_ptr<EpollSelector>& out);
    ~EpollSelector() override { group_->leave(me_); }

    Result add(IoSource& source) override { return group_->add(me_, source); }
    void remove(IoSource& source) override { group_->remove(me_, source); }
    Result wait(double seconds, Event* events, int capacity) override {
        return group_->wait(me_, seconds, events, capacity);
    }
    void wake() const override { group_->wake(me_); }
    IoSource* forget_one() override;

   private:
    explicit EpollSelector(std::shared_ptr<EpollGroup> group) : group_(std::move(group)) {}

    const std::shared_ptr<EpollGroup> group_;
    mutable EpollGroup::Member me_;
};

}  // namespace socket2
