// What a forked child has of core/net; readiness_stream_test.cpp tests pollers.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/net/query.h"
#include "core/net/resolver.h"
#include "core/poll/system_poller.h"
#include "core/sys/lookup.h"

namespace socket2 {
namespace {

constexpr double kLimit = 60;  // for a loaded machine; nothing that works waits for it

double now() { return MonotonicClock().now(); }

// Whether `body` returns true in a child.
bool child_agrees(const std::function<bool()>& body) {
    const pid_t child = ::fork();
    EXPECT_GE(child, 0);
    if (child == 0) {
        ::alarm(static_cast<unsigned>(kLimit));
        ::_exit(body() ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status == 0;
}

// The result of a lookup on a new loop.
Errc look_up(Resolver& resolver) {
    std::unique_ptr<Poller> poller;
    EXPECT_TRUE(SystemPollers().make(-1, poller).ok());
    Loop loop(std::move(poller), std::make_unique<MonotonicClock>());
    auto query = std::make_unique<Query>(loop);
    query->start(resolver, {"name", "80", SocketType::tcp, Family::inet, 0, 0}, now() + kLimit);
    const Op* op = nullptr;
    while (op == nullptr && loop.poll(now() + kLimit).ok()) op = loop.take();
    const Errc error = op != nullptr ? op->result.error() : Errc::timeout;
    loop.close(std::move(query));
    return error;
}

TEST(Fork, AChildRemembersLookupsOfItsOwn) {
    std::atomic<int> asked = 0;
    Workers workers;
    Resolver resolver(workers, [&](const Endpoint&, Lookup& out) {
        ++asked;
        Lookup found;
        EXPECT_TRUE(
            lookup_literal({"192.0.2.1", "1", SocketType::tcp, Family::inet, 0, 0}, found).ok());
        out = found;
        return Result::done();
    });
    resolver.set_cache(1000);
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(look_up(resolver) == Errc::ok && asked == 1);
    EXPECT_TRUE(child_agrees([&] {
        for (int i = 0; i < 3; ++i) {
            if (look_up(resolver) != Errc::ok) return false;
        }
        return asked <= 2;
    }));
}

// The system's lookup holds a lock of its own for a moment, which would never be released in a
// child.
TEST(Fork, AChildLooksUpWhileItsParentDoes) {
    constexpr int kThreads = 4;
    constexpr int kForks = 200;
    const auto look_up = [] {
        Lookup found;
        return lookup({"localhost", "80", SocketType::tcp, Family::inet, 0, 0}, found).ok();
    };
    std::atomic<bool> over = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&] {
            while (!over) EXPECT_TRUE(look_up());
        });
    }
    for (int i = 0; i < kForks; ++i) {
        if (!child_agrees(look_up)) {
            ADD_FAILURE() << "the child of fork " << i;
            break;
        }
    }
    over = true;
    for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace socket2
