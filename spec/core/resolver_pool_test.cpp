// Which lookups the pool of workers takes, and how many of each asker.
#include <gtest/gtest.h>

#include <list>
#include <string>
#include <vector>

#include "core/net/resolver.h"
#include "spec/core/resolver_fixture.h"
#include "threads.h"

namespace socket2 {
namespace {

TEST_F(ResolverTest, NeverMoreThanEightOfOneAskerAtOnceAndAllAreAnswered) {
    Program program(*resolver);
    occupy(program);
    for (int i = 0; i < 100; ++i) program.start("name" + std::to_string(i));
    EXPECT_EQ(workers->threads(), static_cast<size_t>(kShare));
    EXPECT_EQ(script->inside(), kShare);
    script->open();
    program.finish_all();
    EXPECT_EQ(program.results.size(), 100U + kShare);
    for (const auto& [name, result] : program.results) EXPECT_EQ(result, 1) << name;
    EXPECT_LE(script->most_inside(), kShare);
    EXPECT_LE(workers->threads(), static_cast<size_t>(kShare));
}

TEST_F(ResolverTest, FirstComeFirstServed) {
    Program program(*resolver);
    for (int i = 1; i < kShare; ++i) program.start("hang" + std::to_string(i));
    program.start("last");
    script->wait_asked(kShare);
    std::vector<std::string> expected;
    for (int i = 0; i < 20; ++i) {
        expected.push_back("name" + std::to_string(i));
        program.start(expected.back());
        script->let_go(expected.back());
    }
    script->let_go("last");  // one worker for all
    script->wait_answered(21);
    std::vector<std::string> asked = script->asked();
    asked.erase(asked.begin(), asked.begin() + kShare);
    EXPECT_EQ(asked, expected);
}

TEST_F(ResolverTest, NoAskerTakesAllThreads) {
    Program greedy(*resolver);
    for (int i = 0; i < 100; ++i) greedy.start("hang" + std::to_string(i));
    script->wait_asked(kShare);
    Program other(*resolver);
    script->let_go("name");
    EXPECT_EQ(other.finish(other.start("name")), 1);
    EXPECT_TRUE(greedy.results.empty());
}

TEST_F(ResolverTest, LookupsThatNobodyWaitsForLeaveTheirPlaceToOthers) {
    Program program(*resolver);
    for (int round = 1; round <= 3; ++round) {
        std::vector<int> names;
        for (int i = 0; i < kShare; ++i) {
            names.push_back(program.start("hang" + std::to_string(round * kShare + i)));
        }
        script->wait_asked(static_cast<size_t>(round * kShare));
        for (const int name : names) program.at(name).cancel();
    }
    script->let_go("name");
    EXPECT_EQ(program.finish(program.start("name")), 1);
    EXPECT_EQ(script->inside(), 3 * kShare);
}

TEST_F(ResolverTest, NobodyFillsThePoolWithWhatNobodyWaitsFor) {
    Program program(*resolver);
    const int most = Resolver::kMaxAbandoned / 2;
    for (int i = 0; i < most; ++i) {
        const int name = program.start("hang" + std::to_string(i));
        script->wait_asked(static_cast<size_t>(i) + 1);
        program.at(name).cancel();
    }
    const int queued = program.start("name");
    EXPECT_EQ(workers->threads(), static_cast<size_t>(most));
    Program other(*resolver);
    script->let_go("other");
    EXPECT_EQ(other.finish(other.start("other")), 1);
    EXPECT_EQ(program.results.count(queued), 0U);
    script->open();
    EXPECT_EQ(program.finish(queued), 1);
}

TEST_F(ResolverTest, EqualNamesShareALookup) {
    Program one(*resolver);
    Program two(*resolver);
    const int first = one.start("hang");
    script->wait_asked(1);
    const int late = one.start("hang", now() + 0.02);
    const int canceled = two.start("hang");
    const int last = two.start("hang");
    EXPECT_EQ(one.finish(late), value(Errc::timeout));
    two.at(canceled).cancel();
    EXPECT_EQ(two.finish(canceled), value(Errc::canceled));
    one.at(first).cancel();
    EXPECT_EQ(one.finish(first), value(Errc::canceled));
    script->open();
    EXPECT_EQ(two.finish(last), 1);
    EXPECT_EQ(script->asked().size(), 1U);
    EXPECT_EQ(two.at(last).found().addresses.size(), 1U);
}

TEST_F(ResolverTest, OneThatWasLeftIsJoined) {
    Program program(*resolver);
    const int left = program.start("hang");
    script->wait_asked(1);
    program.at(left).cancel();
    const int joined = program.start("hang");
    script->open();
    EXPECT_EQ(program.finish(joined), 1);
    EXPECT_EQ(script->asked().size(), 1U);
}

TEST_F(ResolverTest, WhatNeedsNoNetworkDoesNotWaitForIt) {
    Program program(*resolver);
    occupy(program);
    for (int i = 0; i < 100; ++i) program.start("name" + std::to_string(i));
    script->let_go("localhost");
    script->let_go("192.0.2.1");
    EXPECT_EQ(program.finish(program.start("localhost")), 1);
    EXPECT_EQ(program.finish(program.start(endpoint("192.0.2.1", "http"))), 1);
    EXPECT_EQ(program.finish(program.start("a.localhost")), 2);  // in both families
    EXPECT_EQ(program.results.size(), 3U);
}

TEST_F(ResolverTest, AHangingLookupDoesNotHoldUpOthers) {
    Program program(*resolver);
    program.start("hang");
    script->let_go("name");
    EXPECT_EQ(program.finish(program.start("name")), 1);
    EXPECT_EQ(program.results.size(), 1U);
}

TEST_F(ResolverTest, QueuedJobsThatNobodyWaitsForAreDropped) {
    Program program(*resolver);
    occupy(program);
    // Each other loop gets half of what is left, so "gone" is queued only once all threads are
    // taken.
    std::list<Program> others;
    for (int left = Resolver::kMaxNames - kShare, o = 0; left > 0; left -= (left + 1) / 2, ++o) {
        Program& other = others.emplace_back(*resolver);
        for (int i = 0; i < kShare; ++i) {
            other.start("hang" + std::to_string(o) + "-" + std::to_string(i));
        }
    }
    script->wait_asked(Resolver::kMaxNames);
    const int canceled = program.start("canceled");
    const int closed = program.start("closed");
    const int late = program.start("late", now() + 0.02);
    const int kept = program.start("kept");
    {
        Program gone(*resolver);
        gone.start("gone");
        gone.end();
    }
    program.at(canceled).cancel();
    program.close(closed);
    EXPECT_EQ(program.finish(canceled), value(Errc::canceled));
    EXPECT_EQ(program.finish(closed), value(Errc::closed));
    EXPECT_EQ(program.finish(late), value(Errc::timeout));
    script->open();
    EXPECT_EQ(program.finish(kept), 1);
    program.finish_all();
    for (const std::string& host : script->asked()) {
        EXPECT_TRUE(host.rfind("hang", 0) == 0 || host == "kept") << host;
    }
}

TEST_F(ResolverTest, WorkersAreUsedAgainAndEndWhenIdle) {
    renew(0.01);
    script->open();
    Program program(*resolver);
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 20; ++i) program.start("name");
        program.finish_all();
        wait_workers(0);
    }
    renew(1000);
    for (int i = 0; i < 20; ++i) {
        Program one(*resolver);
        one.finish(one.start("name"));
        // The thread counts as idle before it posts, so the next lookup need not start another.
        EXPECT_EQ(workers->threads(), 1U);
    }
}

TEST_F(ResolverTest, WithoutAThreadThereIsAnError) {
    if (!NoThreads::kPossible) GTEST_SKIP() << "nothing keeps threads from starting here";
    Program program(*resolver);
    {
        const NoThreads none;
        const int name = program.start("name");
        EXPECT_EQ(program.finish(name), value(Errc::no_buffer_space));
        EXPECT_NE(program.at(name).result().os_code(), 0);
        EXPECT_EQ(workers->threads(), 0U);
    }
    script->let_go("name");
    EXPECT_EQ(program.finish(program.start("name")), 1);
    EXPECT_EQ(script->asked().size(), 1U);
}

TEST_F(ResolverTest, WithoutAnotherThreadTheOneDoesAll) {
    if (!NoThreads::kPossible) GTEST_SKIP() << "nothing keeps threads from starting here";
    Program program(*resolver);
    program.start("hang");
    script->wait_asked(1);
    const NoThreads none;
    for (int i = 0; i < 20; ++i) program.start("name" + std::to_string(i));
    program.look();
    EXPECT_TRUE(program.results.empty());
    EXPECT_EQ(workers->threads(), 1U);
    script->open();
    program.finish_all();
    for (const auto& [name, result] : program.results) EXPECT_EQ(result, 1) << name;
    EXPECT_EQ(script->most_inside(), 1);
}

}  // namespace
}  // namespace socket2
