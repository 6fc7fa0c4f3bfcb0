// Lookups in the background: their answers, and askers that stop waiting.
#include "core/net/resolver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "spec/core/resolver_fixture.h"
#include "threads.h"

namespace socket2 {
namespace {

// ---- one lookup ----

TEST_F(ResolverTest, AnswersWithTheNumberOfAddresses) {
    Program program(*resolver);
    const int name = program.start("name");
    program.look();
    EXPECT_TRUE(program.results.empty());
    EXPECT_EQ(program.at(name).result().error(), Errc::busy);
    script->open();
    EXPECT_EQ(program.finish(name), 1);
    EXPECT_EQ(program.at(name).result().value(), 1);
    ASSERT_EQ(program.at(name).found().addresses.size(), 1U);
    EXPECT_EQ(program.at(name).found().addresses[0].to_string(), "192.0.2.1:1");
}

TEST_F(ResolverTest, GivesTheTextsAsTheyWere) {
    std::atomic<bool> right = false;
    std::mutex gate;
    Resolver own(*workers, [&](const Endpoint& asked, Lookup& out) {
        const std::lock_guard lock(gate);
        right = std::string(asked.host) == "host" && asked.service == nullptr &&
                asked.type == SocketType::udp && asked.family == Family::inet6 &&
                asked.protocol == 17 && asked.flags == kCanonName;
        answer(out, 1);
        out.canonical_name = "canonical";
        return Result::done();
    });
    Program program(own);
    std::unique_lock lock(gate);
    std::string host = "host";
    const int name =
        program.start({host.c_str(), nullptr, SocketType::udp, Family::inet6, 17, kCanonName});
    host = "gone";  // before the worker has looked
    lock.unlock();
    EXPECT_EQ(program.finish(name), 1);
    EXPECT_TRUE(right);
    EXPECT_EQ(program.at(name).found().canonical_name, "canonical");
}

TEST_F(ResolverTest, ANameThatIsNoneStaysNone) {
    std::atomic<int> right = 0;
    Resolver own(*workers, [&](const Endpoint& asked, Lookup& out) {
        if (asked.host == nullptr && std::string(asked.service) == "no such service") ++right;
        answer(out, 1);
        return Result::done();
    });
    Program program(own);
    EXPECT_EQ(program.finish(program.start(endpoint(nullptr, "no such service"))), 1);
    EXPECT_EQ(right, 1);
}

TEST_F(ResolverTest, PassesErrorsOn) {
    script->open();
    Program program(*resolver);
    EXPECT_EQ(program.finish(program.start("unknown")), value(Errc::unknown_host));
    const int system = program.start("system");
    EXPECT_EQ(program.finish(system), value(Errc::system_error));
    EXPECT_EQ(program.at(system).result().os_code(), 5);
    EXPECT_EQ(program.finish(program.start("memory")), value(Errc::out_of_memory));
    EXPECT_EQ(program.finish(program.start("throws")), value(Errc::system_error));
    EXPECT_EQ(program.finish(program.start("name")), 1);
}

TEST_F(ResolverTest, LiteralsNeedNoWorkerButComeAsEvents) {
    Program program(*resolver);
    const int name = program.start(endpoint("::1", "80", kCanonName), now() - 1);
    EXPECT_EQ(program.at(name).result().error(), Errc::busy);
    EXPECT_EQ(program.loop().take(), nullptr);
    const int port = program.start(endpoint("::1", "99999"));
    const int path = program.start({"/path", nullptr, SocketType::tcp, Family::local, 0, 0});
    EXPECT_EQ(program.finish(name), 1);
    EXPECT_EQ(program.at(name).found().canonical_name, "::1");
    EXPECT_EQ(program.finish(port), value(Errc::invalid_port));
    EXPECT_EQ(program.finish(path), 1);
    EXPECT_TRUE(script->asked().empty());
    EXPECT_EQ(workers->threads(), 0U);
}

TEST_F(ResolverTest, LiteralsWithoutEndDoNotKeepTheLoopFromItsOtherWork) {
    script->open();
    Program program(*resolver);
    const int name = program.start("name");
    const double limit = now() + kLimit;
    while (program.results.count(name) == 0 && now() < limit) {
        const int literal = program.start("::1");
        program.look();
        EXPECT_EQ(program.results.count(literal), 1U);
        program.close(literal);
    }
    EXPECT_EQ(program.results[name], 1);
}

TEST_F(ResolverTest, WorkersTakeNoSignals) {
    if (!kSignals) GTEST_SKIP() << "there are no signals here";
    std::atomic<bool> blocked = false;
    Resolver own(*workers, [&](const Endpoint&, Lookup& out) {
        blocked = !takes_signals();
        answer(out, 1);
        return Result::done();
    });
    Program program(own);
    program.finish(program.start("name"));
    EXPECT_TRUE(blocked);
    EXPECT_TRUE(takes_signals());
}

// ---- askers that do not wait ----

TEST_F(ResolverTest, CancelIsAtOnceAndTheLateAnswerIsDropped) {
    Program program(*resolver);
    const int name = program.start("name");
    script->wait_asked(1);
    program.at(name).cancel();
    program.at(name).cancel();
    EXPECT_EQ(program.finish(name), value(Errc::canceled));
    EXPECT_EQ(program.at(name).result().error(), Errc::canceled);
    EXPECT_EQ(script->inside(), 1);
    script->open();
    // A second lookup's answer is posted behind the late one by the same worker, or another.
    script->wait_answered(1);
    EXPECT_EQ(program.finish(program.start("other")), 1);
    EXPECT_EQ(program.at(name).result().error(), Errc::canceled);
    program.at(name).cancel();  // it is over, so nothing happens
    program.look();
    EXPECT_EQ(program.results.size(), 2U);
}

TEST_F(ResolverTest, DeadlineIsAtOnceAndTheLateAnswerIsDropped) {
    Program program(*resolver);
    const double deadline = now() + 0.5;  // time for a worker to ask
    const int name = program.start("name", deadline);
    script->wait_asked(1);
    EXPECT_EQ(program.finish(name), value(Errc::timeout));
    EXPECT_GE(now(), deadline);
    script->open();
    script->wait_answered(1);
    EXPECT_EQ(program.finish(program.start("other")), 1);
    EXPECT_EQ(program.at(name).result().error(), Errc::timeout);
}

TEST_F(ResolverTest, PassedDeadlineAsksNobody) {
    Program program(*resolver);
    EXPECT_EQ(program.finish(program.start("name", now() - 1)), value(Errc::timeout));
    EXPECT_EQ(workers->threads(), 0U);
}

TEST_F(ResolverTest, CloseWhilePendingCompletesOnce) {
    Program program(*resolver);
    const int name = program.start("name");
    script->wait_asked(1);
    program.close(name);
    EXPECT_EQ(program.loop().reserved(), 1U);
    EXPECT_EQ(program.finish(name), value(Errc::closed));
    script->open();
    script->wait_answered(1);
    EXPECT_EQ(program.finish(program.start("other")), 1);
    EXPECT_EQ(program.loop().reserved(), 1U);  // the other's
    // Closed before its completion was due, even a literal.
    const int literal = program.start("::1");
    program.close(literal);
    EXPECT_EQ(program.finish(literal), value(Errc::closed));
}

TEST_F(ResolverTest, TheFirstReasonCounts) {
    Program program(*resolver);
    const int name = program.start("name");
    program.at(name).cancel();
    program.close(name);
    EXPECT_EQ(program.finish(name), value(Errc::canceled));
}

TEST_F(ResolverTest, AnswerThatIsPostedAndNotYetThere) {
    Program program(*resolver);
    const int canceled = program.start("canceled");
    const int closed = program.start("closed");
    script->open();
    script->wait_answered(2);
    wait_workers(2);
    program.at(canceled).cancel();
    program.close(closed);
    EXPECT_EQ(program.finish(canceled), value(Errc::canceled));
    EXPECT_EQ(program.finish(closed), value(Errc::closed));
    program.look();
}

TEST_F(ResolverTest, AnAnswerThatComesTooLateIsNotTaken) {
    script->open();
    Program program(*resolver);
    for (int round = 1; round <= 50; ++round) {  // the answer may not be posted yet
        const int name = program.start("name" + std::to_string(round));
        script->wait_answered(round);
        std::this_thread::yield();
        program.at(name).cancel();
        EXPECT_EQ(program.finish(name), value(Errc::canceled));
        program.look();
        ASSERT_TRUE(program.at(name).found().addresses.empty());
    }
}

TEST_F(ResolverTest, LoopGoesWhileAWorkerHangs) {
    auto program = std::make_unique<Program>(*resolver);
    program->start("name");
    program->start("other");
    script->wait_asked(2);
    const double before = now();
    program->end();
    program.reset();
    EXPECT_LT(now() - before, kLimit);
    EXPECT_EQ(script->inside(), 2);
    script->open();
    script->wait_answered(2);
    Program next(*resolver);
    EXPECT_EQ(next.finish(next.start("name")), 1);
}

TEST_F(ResolverTest, ResolverGoesWhileWorkersHang) {
    Program program(*resolver);
    occupy(program);
    const int queued = program.start("queued");
    resolver.reset();
    workers.reset();
    program.look();
    EXPECT_TRUE(program.results.empty());
    program.start("::1");
    script->open();
    program.finish_all();
    EXPECT_EQ(program.results[queued], 1);
}

// ---- threads ----

TEST_F(ResolverTest, LoopsInManyThreads) {
    script->open();
    resolver->set_cache(0.001);
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t) {
        threads.emplace_back([&, t] {
            for (int round = 0; round < 10; ++round) {
                Program program(*resolver);
                for (int i = 0; i < 40; ++i) {
                    const int name = program.start("name" + std::to_string(i % 7));
                    if (i % 3 == t % 3) program.at(name).cancel();
                    if (i % 5 == 0) program.close(name);
                    if (i % 8 == 0) program.look();
                    if (i % 11 == 0) resolver->set_cache(0.001);
                }
                if (round % 2 == 0) program.finish_all();
                program.end();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_LE(script->most_inside(), Resolver::kMaxAbandoned);
}

}  // namespace
}  // namespace socket2
