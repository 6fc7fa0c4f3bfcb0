// What other threads post to a loop.
#include "core/io/inbox.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "spec/core/fake_poller.h"
#include "spec/core/real_loop.h"

namespace socket2 {
namespace {

class Note final : public Posted {
   public:
    explicit Note(std::function<void()> act) : act_(std::move(act)) {}
    void arrive() override { act_(); }

   private:
    std::function<void()> act_;
};

TEST(Inbox, APostFromAnotherThreadEndsTheWait) {
    const std::unique_ptr<Loop> loop = make_loop();
    std::thread::id where;
    int arrived = 0;
    // The post may come before the wait begins or after: either way the wait ends.
    for (int round = 0; round < 200; ++round) {
        std::thread other([&, inbox = loop->inbox()] {
            inbox->post(std::make_shared<Note>([&] {
                ++arrived;
                where = std::this_thread::get_id();
            }));
        });
        const double limit = now() + kLimit;
        while (arrived == round && now() < limit) EXPECT_TRUE(loop->poll(limit).ok());
        other.join();
        ASSERT_EQ(arrived, round + 1);
        EXPECT_EQ(where, std::this_thread::get_id());
    }
}

TEST(Inbox, KeepsTheOrderAndWakesOnce) {
    double time = 1;
    int violations = 0;
    auto owned = std::make_unique<FakePoller>(time, violations);
    FakePoller* poller = owned.get();
    Loop loop(std::move(owned), std::make_unique<FakeClock>(time));
    std::vector<int> arrived;
    for (int i = 0; i < 5; ++i) {
        loop.inbox()->post(std::make_shared<Note>([&arrived, i] { arrived.push_back(i); }));
    }
    EXPECT_EQ(poller->wakes, 1);
    EXPECT_TRUE(arrived.empty());
    EXPECT_TRUE(loop.poll(kNever).ok());
    EXPECT_EQ(arrived, (std::vector<int>{0, 1, 2, 3, 4}));
    // An item that posts another one: that one arrives in the next turn.
    loop.inbox()->post(std::make_shared<Note>(
        [&] { loop.inbox()->post(std::make_shared<Note>([&] { arrived.push_back(6); })); }));
    EXPECT_EQ(poller->wakes, 2);
    EXPECT_TRUE(loop.poll(0).ok());
    EXPECT_EQ(poller->wakes, 3);
    EXPECT_TRUE(loop.poll(0).ok());
    EXPECT_EQ(arrived.back(), 6);
}

TEST(Inbox, WhatArrivedTakesNothingAlongWhenItIsPostedAgain) {
    const std::unique_ptr<Loop> loop = make_loop();
    std::vector<int> arrived;
    const auto one = std::make_shared<Note>([&] { arrived.push_back(1); });
    const auto two = std::make_shared<Note>([&] { arrived.push_back(2); });
    loop->inbox()->post(one);
    loop->inbox()->post(two);
    EXPECT_TRUE(loop->poll(0).ok());
    loop->inbox()->post(one);
    EXPECT_TRUE(loop->poll(0).ok());
    EXPECT_EQ(arrived, (std::vector<int>{1, 2, 1}));
    EXPECT_EQ(two.use_count(), 1);
}

TEST(Inbox, ANewPollerIsWokenForWhatWaits) {
    std::unique_ptr<Loop> loop = make_loop();
    bool arrived = false;
    loop->inbox()->post(std::make_shared<Note>([&] { arrived = true; }));
    std::unique_ptr<Poller> poller;
    EXPECT_TRUE(SystemPollers().make(-1, poller).ok());
    loop->replace_poller(std::move(poller));
    EXPECT_TRUE(loop->poll(now() + kLimit).ok());
    EXPECT_TRUE(arrived);
}

TEST(Inbox, OutlivesItsLoopAndDropsWhatComes) {
    std::unique_ptr<Loop> loop = make_loop();
    const std::shared_ptr<Inbox> inbox = loop->inbox();
    bool arrived = false;
    auto before = std::make_shared<Note>([&] { arrived = true; });
    auto after = std::make_shared<Note>([&] { arrived = true; });
    inbox->post(before);
    for (int i = 0; i < 100000; ++i) inbox->post(std::make_shared<Note>([] {}));
    loop.reset();
    inbox->post(after);
    EXPECT_EQ(before.use_count(), 1);
    EXPECT_EQ(after.use_count(), 1);
    EXPECT_FALSE(arrived);
}

}  // namespace
}  // namespace socket2
