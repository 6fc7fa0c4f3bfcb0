// Look-ups in the background: the pool with scripted look-ups that block until the test lets them
// go, the cache, and look-ups on real loops.
#include "core/net/resolver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/net/lookup_cache.h"
#include "core/net/query.h"
#include "core/poll/system_poller.h"
#include "spec/core/fake_poller.h"
#include "threads.h"

namespace socket2 {
namespace {

// Long enough for a loaded machine; nothing that works waits for it.
constexpr double kLimit = 60;

double now() { return MonotonicClock().now(); }

Endpoint endpoint(const char* host, const char* service = "80", unsigned flags = 0) {
    return {host, service, SocketType::tcp, Family::unspecified, 0, flags};
}

void answer(Lookup& out, int port) {
    Lookup found;
    const std::string text = std::to_string(port);
    EXPECT_TRUE(lookup_literal(endpoint("192.0.2.1", text.c_str()), found).ok());
    out = found;
}

// The system's resolver as a test wants it. Outlives its test in the hands of the workers.
class Script {
   public:
    // What the resolver calls.
    Result operator()(const Endpoint& asked, Lookup& out) {
        const std::string host = asked.host;
        std::unique_lock lock(mutex_);
        asked_.push_back(host);
        ++inside_;
        most_inside_ = std::max(most_inside_, inside_);
        changed_.notify_all();
        changed_.wait(lock, [&] {
            return open_ || let_go_.count(host) != 0 ||
                   (host.rfind("hang", 0) == 0 && let_go_.count("hang") != 0);
        });
        --inside_;
        ++answered_;
        changed_.notify_all();
        if (host == "unknown") return Errc::unknown_host;
        if (host == "system") return Result(Errc::system_error, 5);
        if (host == "memory") throw std::bad_alloc();
        if (host == "throws") throw 1;
        answer(out, static_cast<int>(asked_.size()));
        return Result::done();
    }

    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }

    void let_go(const std::string& host) {
        const std::lock_guard lock(mutex_);
        let_go_.insert(host);
        changed_.notify_all();
    }

    void wait_asked(size_t times) {
        wait([&] { return asked_.size() >= times; });
    }
    void wait_answered(int times) {
        wait([&] { return answered_ >= times; });
    }
    int inside() { return get(inside_); }
    int most_inside() { return get(most_inside_); }
    std::vector<std::string> asked() { return get(asked_); }

   private:
    void wait(const std::function<bool()>& condition) {
        std::unique_lock lock(mutex_);
        const std::chrono::duration<double> limit(kLimit);
        ASSERT_TRUE(changed_.wait_for(lock, limit, condition));
    }

    template <typename T>
    T get(const T& member) {
        const std::lock_guard lock(mutex_);
        return member;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
    std::set<std::string> let_go_;
    std::vector<std::string> asked_;  // in the order in which workers began
    int inside_ = 0;
    int most_inside_ = 0;
    int answered_ = 0;
};

using ScriptPtr = std::shared_ptr<Script>;

std::unique_ptr<Loop> make_loop() {
    std::unique_ptr<Poller> poller;
    EXPECT_TRUE(SystemPollers().make(-1, poller).ok());
    return std::make_unique<Loop>(std::move(poller), std::make_unique<MonotonicClock>());
}

// A loop with its look-ups, by name.
class Program {
   public:
    explicit Program(Resolver& resolver) : resolver_(resolver), loop_(make_loop()) {}
    ~Program() { close_all(); }

    int start(const Endpoint& what, double deadline = kNever) {
        auto query = std::make_unique<Query>(*loop_);
        const int name = ++last_;
        query->set_handle(name);
        query->start(resolver_, what, deadline);
        queries_[name] = std::move(query);
        return name;
    }

    int start(const std::string& host, double deadline = kNever) {
        return start(endpoint(host.c_str()), deadline);
    }

    Query& at(int name) { return *queries_.at(name); }

    void close(int name) {
        loop_->close(std::move(queries_.at(name)));
        queries_.erase(name);
    }

    void close_all() {
        while (!queries_.empty()) close(queries_.begin()->first);
    }

    // As LoopEntry's end: everything is closed, then the loop goes.
    void end() {
        close_all();
        loop_.reset();
    }

    // What came, by name; each only once.
    void look(double until = 0) {
        EXPECT_TRUE(loop_->poll(until).ok());
        while (Op* op = loop_->take()) {
            EXPECT_EQ(op->kind, OpKind::lookup);
            const int name = op->owner.handle();
            EXPECT_TRUE(results.emplace(name, op->result.value()).second) << "a second completion";
        }
    }

    int finish(int name) {
        const double limit = now() + kLimit;
        while (results.count(name) == 0 && now() < limit) look(limit);
        EXPECT_EQ(results.count(name), 1U) << "no completion";
        return results[name];
    }

    void finish_all() {
        for (int name = 1; name <= last_; ++name) finish(name);
    }

    Loop& loop() { return *loop_; }

    std::map<int, int> results;

   private:
    Resolver& resolver_;
    std::unique_ptr<Loop> loop_;
    std::map<int, std::unique_ptr<Query>> queries_;
    int last_ = 0;
};

class ResolverTest : public ::testing::Test {
   protected:
    ResolverTest() { renew(Workers::kIdleSeconds); }
    ~ResolverTest() override { script->open(); }

    void renew(double idle_seconds) {
        workers = std::make_unique<Workers>(idle_seconds);
        resolver = std::make_unique<Resolver>(
            *workers,
            [s = script](const Endpoint& asked, Lookup& out) { return (*s)(asked, out); });
    }

    // All threads that one asker can have busy with look-ups that hang, which belong to `program`.
    void occupy(Program& program) {
        for (int i = 0; i < kShare; ++i) program.start("hang" + std::to_string(i));
        script->wait_asked(kShare);
    }

    void wait_workers(size_t count) {
        const double limit = now() + kLimit;
        while (workers->threads() != count && now() < limit) std::this_thread::yield();
        EXPECT_EQ(workers->threads(), count);
    }

    static constexpr int kShare = Resolver::kShare;

    ScriptPtr script = std::make_shared<Script>();
    std::unique_ptr<Workers> workers;
    std::unique_ptr<Resolver> resolver;
};

constexpr int value(Errc error) { return static_cast<int>(error); }

// ---- one look-up ----

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

// ---- those who do not wait ----

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
    // A second look-up's answer is posted behind the late one by the same worker, or another.
    script->wait_answered(1);
    EXPECT_EQ(program.finish(program.start("other")), 1);
    EXPECT_EQ(program.at(name).result().error(), Errc::canceled);
    program.at(name).cancel();  // it is over: nothing happens
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
    // Closed before its completion was due, a literal too.
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

// ---- the pool ----

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
    EXPECT_EQ(program.finish(program.start("a.localhost")), 2);  // of both families
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
    // Each other loop has half of what is left, so that "gone" would not be queued: until all is taken.
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
        // It counts as idle before it posts, so the next one need not start another.
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

// ---- the cache ----

TEST_F(ResolverTest, RemembersNothingByDefault) {
    script->open();
    Program program(*resolver);
    program.finish(program.start("name"));
    program.finish(program.start("name"));
    EXPECT_EQ(script->asked().size(), 2U);
}

TEST_F(ResolverTest, RemembersSuccessesWhenTold) {
    script->open();
    resolver->set_cache(1000);
    Program program(*resolver);
    const int first = program.start("name");
    EXPECT_EQ(program.finish(first), 1);
    const int second = program.start("name", now() - 1);  // needs no waiting
    EXPECT_EQ(program.at(second).result().error(), Errc::busy);
    EXPECT_EQ(program.finish(second), 1);
    EXPECT_EQ(program.at(first).found().addresses[0].to_string(),
              program.at(second).found().addresses[0].to_string());
    EXPECT_EQ(script->asked().size(), 1U);
    program.finish(program.start("unknown"));
    EXPECT_EQ(program.finish(program.start("unknown")), value(Errc::unknown_host));
    EXPECT_EQ(script->asked().size(), 3U);

    resolver->set_cache(1000);  // forgets
    program.finish(program.start("name"));
    EXPECT_EQ(script->asked().size(), 4U);
    resolver->set_cache(0);
    program.finish(program.start("name"));
    EXPECT_EQ(script->asked().size(), 5U);
}

TEST_F(ResolverTest, QueuedEqualsAreAnsweredByTheFirst) {
    resolver->set_cache(1000);
    Program program(*resolver);
    occupy(program);
    for (int i = 0; i < 20; ++i) program.start("same");
    script->let_go("same");
    script->let_go("hang");
    program.finish_all();
    for (const auto& [name, result] : program.results) EXPECT_EQ(result, 1) << name;
    EXPECT_EQ(script->asked().size(), static_cast<size_t>(kShare) + 1);
}

TEST_F(ResolverTest, LateAnswerOfOneWhoLeftIsRemembered) {
    resolver->set_cache(1000);
    Program program(*resolver);
    const int name = program.start("name");
    script->wait_asked(1);
    program.at(name).cancel();
    script->open();
    script->wait_answered(1);
    EXPECT_EQ(program.finish(program.start("other")), 1);
    const double limit = now() + kLimit;
    bool remembered = false;
    while (!remembered && now() < limit) {
        const size_t before = script->asked().size();
        program.finish(program.start("name"));
        remembered = script->asked().size() == before;
    }
    EXPECT_TRUE(remembered);
}

Lookup found_at(int port) {
    Lookup found;
    answer(found, port);
    return found;
}

TEST(LookupCache, IsOffAtFirst) {
    LookupCache cache;
    Lookup out;
    EXPECT_FALSE(cache.on());
    cache.put(endpoint("a"), 0, found_at(1));
    EXPECT_EQ(cache.size(), 0U);
    EXPECT_FALSE(cache.find(endpoint("a"), 0, out));
}

TEST(LookupCache, Expires) {
    LookupCache cache;
    cache.set_lifetime(10);
    Lookup out;
    cache.put(endpoint("a"), 100, found_at(1));
    EXPECT_TRUE(cache.find(endpoint("a"), 109, out));
    EXPECT_EQ(out.addresses[0].port(), 1);
    EXPECT_FALSE(cache.find(endpoint("a"), 110, out));
    // Found again: lives from then on, in the place of the old one.
    cache.put(endpoint("a"), 105, found_at(2));
    EXPECT_EQ(cache.size(), 1U);
    EXPECT_TRUE(cache.find(endpoint("a"), 114, out));
    EXPECT_EQ(out.addresses[0].port(), 2);
    // The expired make room.
    cache.put(endpoint("b"), 200, found_at(3));
    EXPECT_EQ(cache.size(), 1U);
}

TEST(LookupCache, LifetimesWithoutMeasure) {
    LookupCache cache;
    Lookup out;
    cache.set_lifetime(kNever);
    cache.put(endpoint("a"), 1, found_at(1));
    EXPECT_TRUE(cache.find(endpoint("a"), 1e300, out));
    cache.set_lifetime(1e-300);  // nothing beside the time
    cache.put(endpoint("a"), 1, found_at(1));
    EXPECT_EQ(cache.size(), 0U);
    EXPECT_FALSE(cache.find(endpoint("a"), 1, out));
}

TEST(LookupCache, TheOldestMakesRoom) {
    LookupCache cache;
    cache.set_lifetime(1e6);
    Lookup out;
    const auto name = [](size_t i) { return "name" + std::to_string(i); };
    for (size_t i = 0; i < LookupCache::kCapacity + 10; ++i) {
        cache.put(endpoint(name(i).c_str()), static_cast<double>(i), found_at(1));
    }
    EXPECT_EQ(cache.size(), LookupCache::kCapacity);
    EXPECT_FALSE(cache.find(endpoint(name(9).c_str()), 2000, out));
    EXPECT_TRUE(cache.find(endpoint(name(10).c_str()), 2000, out));
    // Found again: no longer the oldest.
    cache.put(endpoint(name(10).c_str()), 2000, found_at(2));
    cache.put(endpoint("one more"), 2000, found_at(3));
    EXPECT_TRUE(cache.find(endpoint(name(10).c_str()), 2000, out));
    EXPECT_FALSE(cache.find(endpoint(name(11).c_str()), 2000, out));
    EXPECT_EQ(cache.size(), LookupCache::kCapacity);
}

TEST(LookupCache, EveryPartOfAQuestionCounts) {
    const Endpoint base{"host", "service", SocketType::tcp, Family::inet, 6, 1};
    std::vector<Endpoint> others(8, base);
    others[0].host = "hos";
    others[1].service = "tservice";
    others[2].service = nullptr;
    others[3].service = "";
    others[4].type = SocketType::udp;
    others[5].family = Family::inet6;
    others[6].protocol = 17;
    others[7].flags = 2;
    others.push_back({"hostservice", "", SocketType::tcp, Family::inet, 6, 1});
    others.push_back({nullptr, "service", SocketType::tcp, Family::inet, 6, 1});
    others.push_back({"", "service", SocketType::tcp, Family::inet, 6, 1});
    LookupCache cache;
    cache.set_lifetime(10);
    Lookup out;
    cache.put(base, 0, found_at(1));
    for (const Endpoint& other : others) EXPECT_FALSE(cache.find(other, 0, out));
    int port = 2;
    for (const Endpoint& other : others) cache.put(other, 0, found_at(port++));
    port = 2;
    for (const Endpoint& other : others) {
        ASSERT_TRUE(cache.find(other, 0, out));
        EXPECT_EQ(out.addresses[0].port(), port++);
    }
    EXPECT_TRUE(cache.find(base, 0, out));
    EXPECT_EQ(out.addresses[0].port(), 1);
}

// ---- the inbox ----

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
    // It may come before the wait begins or after: either way the wait ends.
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
    // One that posts another: that is for the next turn.
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
