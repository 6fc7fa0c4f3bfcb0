#include <gtest/gtest.h>

#include "core/poll/epoll/epoll_selector.h"
#include "spec/core/selectors.h"

namespace socket2 {
namespace {

std::unique_ptr<EpollSelector> make_selector(const std::shared_ptr<EpollGroup>& group) {
    std::unique_ptr<EpollSelector> selector;
    EXPECT_TRUE(EpollSelector::create(group, selector).ok());
    return selector;
}

std::shared_ptr<EpollGroup> make_group() {
    std::shared_ptr<EpollGroup> group;
    EXPECT_TRUE(EpollGroup::create(-1, group).ok());
    return group;
}

// One of two selectors on an epoll; the other takes its events whenever it can.
class RobbedSelector final : public Selector {
   public:
    Result add(IoSource& source) override { return own_->add(source); }
    void remove(IoSource& source) override { own_->remove(source); }
    Result wait(double seconds, Event* events, int capacity) override {
        Event none[64];
        EXPECT_EQ(robber_->wait(0, none, 64).value(), 0) << "it has registered nothing";
        return own_->wait(seconds, events, capacity);
    }
    void wake() const override { own_->wake(); }
    IoSource* forget_one() override { return own_->forget_one(); }

   private:
    const std::shared_ptr<EpollGroup> group_ = make_group();
    const std::unique_ptr<EpollSelector> robber_ = make_selector(group_);
    const std::unique_ptr<EpollSelector> own_ = make_selector(group_);
};

constexpr SelectorKind kKinds[] = {
    {"Epoll", []() -> std::unique_ptr<Selector> { return make_selector(make_group()); }},
    {"SharedEpoll",
     []() -> std::unique_ptr<Selector> { return std::make_unique<RobbedSelector>(); }},
};

}  // namespace

std::span<const SelectorKind> selector_kinds() { return kKinds; }

}  // namespace socket2
