// What is remembered about lookups, and for how long.
#include "core/net/lookup_cache.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "spec/core/resolver_fixture.h"

namespace socket2 {
namespace {

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
    // Found again, it lives from then on, in the place of the old result.
    cache.put(endpoint("a"), 105, found_at(2));
    EXPECT_EQ(cache.size(), 1U);
    EXPECT_TRUE(cache.find(endpoint("a"), 114, out));
    EXPECT_EQ(out.addresses[0].port(), 2);
    // Expired results make room.
    cache.put(endpoint("b"), 200, found_at(3));
    EXPECT_EQ(cache.size(), 1U);
}

TEST(LookupCache, LifetimesWithoutMeasure) {
    LookupCache cache;
    Lookup out;
    cache.set_lifetime(kNever);
    cache.put(endpoint("a"), 1, found_at(1));
    EXPECT_TRUE(cache.find(endpoint("a"), 1e300, out));
    cache.set_lifetime(1e-300);  // nothing compared with the time
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
    // Found again, it is no longer the oldest.
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

}  // namespace
}  // namespace socket2
