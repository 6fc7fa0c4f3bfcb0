// The pool of threads, with tasks that block until the test lets them go.
#include "core/io/workers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/sys/thread.h"
#include "threads.h"

namespace socket2 {
namespace {

constexpr double kLimit = 60;

// What the tasks of a test share. The threads share it, too, so it can outlive the test.
struct Board {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> begun;
    std::vector<std::string> finished;
    bool open = false;

    void wait(const std::function<bool()>& condition) {
        std::unique_lock lock(mutex);
        ASSERT_TRUE(changed.wait_for(lock, std::chrono::duration<double>(kLimit), condition));
    }
    void wait_begun(size_t count) {
        wait([&] { return begun.size() >= count; });
    }
    void wait_finished(size_t count) {
        wait([&] { return finished.size() >= count; });
    }
    void let_go() {
        const std::lock_guard lock(mutex);
        open = true;
        changed.notify_all();
    }
    size_t count() {
        const std::lock_guard lock(mutex);
        return begun.size();
    }
};

class Step final : public Workers::Task {
   public:
    Step(std::shared_ptr<Board> board, std::string name, bool waits)
        : board_(std::move(board)), name_(std::move(name)), waits_(waits) {}

    std::atomic<bool> go = false;
    std::string thread_was;

   private:
    void run() noexcept override {
        std::unique_lock lock(board_->mutex);
        thread_was = thread_name();
        board_->begun.push_back(name_);
        board_->changed.notify_all();
        board_->changed.wait(lock, [&] { return !waits_ || go || board_->open; });
    }
    void finish() noexcept override {
        const std::lock_guard lock(board_->mutex);
        board_->finished.push_back(name_);
        board_->changed.notify_all();
    }

    const std::shared_ptr<Board> board_;
    const std::string name_;
    const bool waits_;
};

class WorkersTest : public ::testing::Test {
   protected:
    ~WorkersTest() override { board->let_go(); }

    std::shared_ptr<Step> start(Workers::Lane& lane, const std::string& name,
                                const void* asker = nullptr, bool waits = true) {
        auto step = std::make_shared<Step>(board, name, waits);
        EXPECT_TRUE(lane.start(step, asker).is_pending());
        return step;
    }

    void end(const std::shared_ptr<Step>& step) {
        const std::lock_guard lock(board->mutex);
        step->go = true;
        board->changed.notify_all();
    }

    std::shared_ptr<Board> board = std::make_shared<Board>();
    Workers workers;
};

TEST_F(WorkersTest, AnAskerHasHalfAndTheNextHalfOfWhatIsLeft) {
    const auto lane = workers.lane("lane", 8, 100);
    const int askers[4] = {};
    const size_t expected[] = {4, 6, 7, 8};
    for (size_t a = 0; a < 4; ++a) {
        for (int i = 0; i < 10; ++i) start(*lane, std::to_string(a), &askers[a]);
        board->wait_begun(expected[a]);
        EXPECT_EQ(workers.threads(), expected[a]);
    }
    EXPECT_EQ(board->count(), 8U);
    board->let_go();
    board->wait_finished(40);
    EXPECT_EQ(workers.threads(), 8U);
}

TEST_F(WorkersTest, AskersTakeTurns) {
    const auto lane = workers.lane("lane", 2, 100);
    const int askers[2] = {};
    const auto first = start(*lane, "first");
    // The one thread that is left is busy until all are in line.
    const auto second = start(*lane, "a", &askers[0]);
    board->wait_begun(2);
    for (int i = 0; i < 2; ++i) start(*lane, "a", &askers[0], false);
    for (int i = 0; i < 3; ++i) start(*lane, "b", &askers[1], false);
    EXPECT_EQ(board->count(), 2U);
    end(second);
    board->wait_finished(6);
    const std::vector<std::string> order(board->begun.begin() + 2, board->begun.end());
    EXPECT_EQ(order, (std::vector<std::string>{"a", "b", "a", "b", "b"}));
}

TEST_F(WorkersTest, LanesDoNotWaitForEachOther) {
    const auto slow = workers.lane("slow", 2, 2);
    const auto quick = workers.lane("quick", 2, 2);
    for (int i = 0; i < 10; ++i) start(*slow, "slow");
    board->wait_begun(1);
    const auto step = start(*quick, "quick", nullptr, false);
    board->wait_finished(1);
    EXPECT_EQ(board->finished.front(), "quick");
    EXPECT_EQ(step->thread_was, "quick");
}

TEST_F(WorkersTest, WhatIsNotBegunIsNotDone) {
    const auto lane = workers.lane("lane", 2, 100);
    const auto first = start(*lane, "first");
    board->wait_begun(1);
    const auto dropped = start(*lane, "dropped");
    const auto kept = start(*lane, "kept", nullptr, false);
    EXPECT_TRUE(lane->leave(*dropped));
    EXPECT_EQ(dropped.use_count(), 1);
    EXPECT_FALSE(lane->leave(*dropped));
    end(first);
    board->wait_finished(2);
    EXPECT_EQ(board->begun, (std::vector<std::string>{"first", "kept"}));
}

TEST_F(WorkersTest, AnAbandonedTaskLeavesItsPlaceUntilThereAreTooMany) {
    const auto lane = workers.lane("lane", 2, 6);
    std::vector<std::shared_ptr<Step>> left;
    for (size_t i = 1; i <= 3; ++i) {
        left.push_back(start(*lane, "left"));
        board->wait_begun(i);
        EXPECT_FALSE(lane->leave(*left.back()));
    }
    const auto queued = start(*lane, "queued", nullptr, false);
    EXPECT_EQ(workers.threads(), 3U);
    int other = 0;
    start(*lane, "other", &other, false);  // has its own share
    board->wait_finished(1);
    EXPECT_EQ(board->finished.front(), "other");
    EXPECT_EQ(board->count(), 4U) << "it has not begun";
    // A place is free before the end of its task is reported, so either of the two may finish
    // first.
    end(left.front());
    board->wait_finished(3);
    EXPECT_EQ(board->begun.back(), "queued");
    std::sort(board->finished.begin() + 1, board->finished.end());
    EXPECT_EQ(board->finished, (std::vector<std::string>{"other", "left", "queued"}));
}

TEST_F(WorkersTest, AnAbandonedTaskThatIsWantedAgainCounts) {
    const auto lane = workers.lane("lane", 2, 100);
    const auto first = start(*lane, "first");
    board->wait_begun(1);
    EXPECT_FALSE(lane->leave(*first));
    lane->want(*first);
    lane->want(*first);
    const auto second = start(*lane, "second", nullptr, false);
    EXPECT_EQ(workers.threads(), 1U);
    EXPECT_FALSE(lane->leave(*first));
    board->wait_finished(1);
    EXPECT_EQ(board->finished.front(), "second");
}

TEST_F(WorkersTest, WithoutAThreadThereIsAnError) {
    if (!NoThreads::kPossible) GTEST_SKIP() << "nothing keeps threads from starting here";
    const auto lane = workers.lane("lane", 8, 8);
    const auto step = std::make_shared<Step>(board, "step", false);
    {
        const NoThreads none;
        EXPECT_EQ(lane->start(step, nullptr).error(), Errc::no_buffer_space);
        EXPECT_EQ(step.use_count(), 1);
        EXPECT_EQ(workers.threads(), 0U);
    }
    EXPECT_TRUE(lane->start(step, nullptr).is_pending());
    board->wait_finished(1);
}

TEST_F(WorkersTest, ThePoolGoesAndAllIsDone) {
    auto own = std::make_unique<Workers>();
    auto lane = own->lane("lane", 2, 2);
    for (int i = 0; i < 20; ++i) start(*lane, "step");
    board->wait_begun(1);
    own.reset();
    lane.reset();
    board->let_go();
    board->wait_finished(20);
}

TEST_F(WorkersTest, ManyThreadsAtOnce) {
    const auto lane = workers.lane("lane", 6, 12);
    board->let_go();
    std::vector<std::thread> threads;
    std::atomic<size_t> dropped = 0;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 500; ++i) {
                const auto step = start(*lane, "step", t % 2 == 0 ? &lane : nullptr);
                if (i % 3 == 0 && lane->leave(*step)) ++dropped;
                if (i % 2 == 0) lane->want(*step);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    board->wait_finished(2000 - dropped);
    EXPECT_LE(workers.threads(), 12U);
}

}  // namespace
}  // namespace socket2
