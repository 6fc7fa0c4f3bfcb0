// What pollers on one completion port share.
#include "core/poll/iocp/iocp_group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/poll/iocp/iocp_poller.h"
#include "core/poll/system_poller.h"
#include "core/sys/socket.h"

namespace socket2 {
namespace {

std::shared_ptr<IocpGroup> make_group() {
    std::shared_ptr<IocpGroup> group;
    EXPECT_TRUE(IocpGroup::create(nullptr, group).ok());
    return group;
}

Result sleep(IocpPoller& poller, double seconds) {
    OpList completed;
    const Result r = poller.wait(seconds, completed);
    EXPECT_TRUE(completed.empty());
    return r;
}

TEST(IocpGroup, AWakeReachesTheOneItIsFor) {
    const auto group = make_group();
    constexpr int kSleepers = 3;
    constexpr int kRounds = 100;
    std::vector<std::unique_ptr<IocpPoller>> pollers;
    std::vector<std::thread> threads;
    std::atomic<int> turns[kSleepers] = {};
    for (int i = 0; i < kSleepers; ++i) pollers.push_back(std::make_unique<IocpPoller>(group));
    for (int i = 0; i < kSleepers; ++i) {
        threads.emplace_back([&, i] {
            while (turns[i] < kRounds) {
                EXPECT_TRUE(sleep(*pollers[static_cast<size_t>(i)], kNever).ok());
                ++turns[i];
            }
        });
    }
    // One at a time: each has to come back before the next is woken, and none on its own.
    const MonotonicClock clock;
    for (int round = 1; round <= kRounds; ++round) {
        for (int i = 0; i < kSleepers; ++i) {
            pollers[static_cast<size_t>(i)]->wake();
            const double limit = clock.now() + 20;
            while (turns[i] < round && clock.now() < limit) std::this_thread::yield();
            ASSERT_EQ(turns[i], round);
        }
    }
    for (auto& thread : threads) thread.join();
}

TEST(IocpGroup, ALoopCanSleepInOneThreadAndThenInAnother) {
    const auto group = make_group();
    IocpPoller poller(group);
    for (int i = 0; i < 5; ++i) {
        std::thread([&] { EXPECT_TRUE(sleep(poller, 0.001).ok()); }).join();
        std::thread sleeper([&] { EXPECT_TRUE(sleep(poller, kNever).ok()); });
        poller.wake();
        sleeper.join();
    }
}

TEST(IocpGroup, PacketsOfOthersAreNobodys) {
    const auto group = make_group();
    IocpPoller poller(group);
    OVERLAPPED stranger{};
    ASSERT_TRUE(::PostQueuedCompletionStatus(group->port(), 7, 0, &stranger) != 0);
    ASSERT_TRUE(::PostQueuedCompletionStatus(group->port(), 7, 0, nullptr) != 0);
    const MonotonicClock clock;
    const double until = clock.now() + 0.05;
    EXPECT_TRUE(sleep(poller, 0.05).ok());
    EXPECT_GE(clock.now(), until - 1e-3);
}

TEST(SystemPollers, ThePortLivesUntilItsLastUserIsGone) {
    SystemPollers pollers;
    std::unique_ptr<Poller> a;
    std::unique_ptr<Poller> b;
    std::unique_ptr<Poller> alone;
    const int port = pollers.make(-1, a).value();
    EXPECT_EQ(pollers.make(port, b).value(), port);
    EXPECT_NE(pollers.make(-1, alone).value(), port);
    DWORD flags = 0;
    a.reset();
    EXPECT_TRUE(::GetHandleInformation(windows::handle_of(port), &flags) != 0);
    EXPECT_EQ(pollers.make(port, a).value(), port);
    b.reset();
    a.reset();
    EXPECT_TRUE(::GetHandleInformation(windows::handle_of(port), &flags) == 0);
}

TEST(SystemPollers, APortOfTheProgramsIsOneWhateverItsNumber) {
    SystemPollers pollers;
    const HANDLE mine = ::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 8);
    HANDLE again = nullptr;
    const HANDLE self = ::GetCurrentProcess();
    ASSERT_TRUE(::DuplicateHandle(self, mine, self, &again, 0, FALSE, DUPLICATE_SAME_ACCESS) != 0);
    std::unique_ptr<Poller> a;
    std::unique_ptr<Poller> b;
    const auto number = [](HANDLE handle) { return reinterpret_cast<intptr_t>(handle); };
    const int port = pollers.make(number(mine), a).value();
    EXPECT_NE(port, number(mine));
    EXPECT_EQ(pollers.make(number(again), b).value(), port);
    ::CloseHandle(mine);
    ::CloseHandle(again);
    EXPECT_TRUE(pollers.make(number(again), b).is_error());
    const HANDLE event = ::CreateEventW(nullptr, FALSE, FALSE, nullptr);
    EXPECT_TRUE(pollers.make(number(event), b).is_error());
    ::CloseHandle(event);
}

}  // namespace
}  // namespace socket2
