// Lookups in the background on real loops: the pool with scripted lookups that block until the
// test lets them go.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/io/workers.h"
#include "core/net/query.h"
#include "core/net/resolver.h"
#include "spec/core/real_loop.h"

namespace socket2 {

inline Endpoint endpoint(const char* host, const char* service = "80", unsigned flags = 0) {
    return {host, service, SocketType::tcp, Family::unspecified, 0, flags};
}

inline void answer(Lookup& out, int port) {
    Lookup found;
    const std::string text = std::to_string(port);
    EXPECT_TRUE(lookup_literal(endpoint("192.0.2.1", text.c_str()), found).ok());
    out = found;
}

// The system's resolver, scripted by the test. The workers share it, so it can outlive the test.
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
    std::vector<std::string> asked_;  // in the order in which workers began them
    int inside_ = 0;
    int most_inside_ = 0;
    int answered_ = 0;
};

using ScriptPtr = std::shared_ptr<Script>;

// A loop with its lookups, by name.
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

    // Ends like LoopEntry: closes everything, then the loop.
    void end() {
        close_all();
        loop_.reset();
    }

    // Notes what came, by name; each only once.
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

    // Occupies all threads that one asker can have with lookups that hang; they belong to
    // `program`.
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

}  // namespace socket2
