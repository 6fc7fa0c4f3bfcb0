// Several loops' selectors on one epoll: whichever takes an event, it reaches its owner.
#include "core/poll/epoll/epoll_group.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/poll/epoll/epoll_selector.h"
#include "core/poll/readiness_poller.h"
#include "core/poll/system_poller.h"

namespace {

std::atomic<int> epoll_waits = 0;

}  // namespace

// Replaces the C library's function.
extern "C" int epoll_wait(int epoll_fd, epoll_event* events, int capacity, int timeout) {
    ++epoll_waits;
    return ::epoll_pwait(epoll_fd, events, capacity, timeout, nullptr);
}

namespace socket2 {
namespace {

constexpr double kLimit = 60;  // for a loaded machine; nothing that works waits for it

double now() { return MonotonicClock().now(); }

std::shared_ptr<EpollGroup> make_group(int epoll_fd = -1) {
    std::shared_ptr<EpollGroup> group;
    EXPECT_TRUE(EpollGroup::create(epoll_fd, group).ok());
    return group;
}

std::unique_ptr<EpollSelector> make_member(const std::shared_ptr<EpollGroup>& group) {
    std::unique_ptr<EpollSelector> member;
    EXPECT_TRUE(EpollSelector::create(group, member).ok());
    return member;
}

// Two ends; ours is watched.
struct Pair {
    Pair() {
        int fds[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        source.fd = fds[0];
        theirs = fds[1];
    }
    ~Pair() {
        ::close(static_cast<int>(source.fd));
        ::close(theirs);
    }
    void feed() const { EXPECT_EQ(::send(theirs, "x", 1, 0), 1); }
    void drain() const {
        char data[64];
        while (::recv(static_cast<int>(source.fd), data, sizeof data, 0) > 0) continue;
    }

    IoSource source;
    int theirs;
};

// The sources that one wait reports.
std::vector<IoSource*> wait(EpollSelector& member, double seconds) {
    Selector::Event events[64];
    const Result n = member.wait(seconds, events, 64);
    EXPECT_TRUE(n.ok());
    std::vector<IoSource*> sources;
    for (int i = 0; i < n.value(); ++i) sources.push_back(events[i].source);
    return sources;
}

using Sources = std::vector<IoSource*>;

size_t count_fds() {
    size_t n = 0;
    for (int fd = 0; fd < 1024; ++fd) n += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return n;
}

class TwoMembers : public ::testing::Test {
   protected:
    std::shared_ptr<EpollGroup> group = make_group();
    std::unique_ptr<EpollSelector> a = make_member(group);
    std::unique_ptr<EpollSelector> b = make_member(group);
};

TEST_F(TwoMembers, AnEventThatTheOtherTookArrivesOnce) {
    Pair p;
    ASSERT_TRUE(b->add(p.source).ok());
    EXPECT_EQ(wait(*a, 0), Sources{}) << "it is b's";
    EXPECT_EQ(wait(*b, 0), Sources{&p.source}) << "writable";
    p.feed();
    EXPECT_EQ(wait(*a, 0), Sources{});
    EXPECT_EQ(wait(*b, kNever), Sources{&p.source});
    EXPECT_EQ(wait(*b, 0), Sources{});
    EXPECT_EQ(wait(*a, 0), Sources{});
    b->remove(p.source);
}

TEST_F(TwoMembers, SeveralEventsOfOneDescriptorArriveAsOne) {
    Pair p;
    ASSERT_TRUE(b->add(p.source).ok());
    EXPECT_EQ(wait(*a, 0), Sources{});
    p.feed();
    EXPECT_EQ(wait(*a, 0), Sources{});
    ::close(p.theirs);
    EXPECT_EQ(wait(*a, 0), Sources{});
    Selector::Event events[64];
    ASSERT_EQ(b->wait(kNever, events, 64).value(), 1);
    EXPECT_EQ(events[0].ready, kReadable | kWritable | kHangup);
    b->remove(p.source);
    p.theirs = -1;
}

TEST_F(TwoMembers, WhatWasTakenForARemovedSourceIsForNobody) {
    Pair p;
    ASSERT_TRUE(b->add(p.source).ok());
    EXPECT_EQ(wait(*a, 0), Sources{});
    b->remove(p.source);
    EXPECT_EQ(wait(*b, 0), Sources{});
    // The same descriptor again, from either member.
    for (EpollSelector* member : {b.get(), a.get()}) {
        for (int i = 0; i < 200; ++i) {
            ASSERT_TRUE(member->add(p.source).ok());
            EXPECT_EQ(wait(member == a.get() ? *b : *a, 0), Sources{});
            member->remove(p.source);
        }
        ASSERT_TRUE(member->add(p.source).ok());
        EXPECT_EQ(wait(*member, 0), Sources{&p.source});
        EXPECT_EQ(wait(*member, 0), Sources{});
        member->remove(p.source);
    }
}

TEST_F(TwoMembers, MoreEventsThanFitStay) {
    std::vector<Pair> pairs(100);
    for (Pair& p : pairs) ASSERT_TRUE(b->add(p.source).ok());
    for (int i = 0; i < 4; ++i) EXPECT_EQ(wait(*a, 0), Sources{});
    Sources seen = wait(*b, kNever);
    EXPECT_EQ(seen.size(), 64U);
    for (IoSource* source : wait(*b, kNever)) seen.push_back(source);
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(std::unique(seen.begin(), seen.end()) - seen.begin(), 100);
    for (Pair& p : pairs) b->remove(p.source);
}

TEST_F(TwoMembers, ADescriptorBelongsToOne) {
    Pair p;
    ASSERT_TRUE(b->add(p.source).ok());
    EXPECT_EQ(a->add(p.source).error(), Errc::busy);
    b->remove(p.source);
    EXPECT_TRUE(a->add(p.source).ok());
    a->remove(p.source);
}

TEST_F(TwoMembers, ANumberThatIsInUseAgainIsNoBusinessOfItsFormerOwner) {
    Pair p;
    ASSERT_TRUE(b->add(p.source).ok());
    EXPECT_EQ(wait(*a, 0), Sources{});
    // Closed without telling b, and the number comes back.
    ::close(static_cast<int>(p.source.fd));
    Pair q;
    ASSERT_EQ(q.source.fd, p.source.fd);
    ASSERT_TRUE(a->add(q.source).ok());
    b->remove(p.source);
    EXPECT_FALSE(p.source.registered);
    EXPECT_EQ(wait(*b, 0), Sources{});
    EXPECT_EQ(wait(*a, 0), Sources{&q.source});
    q.feed();
    EXPECT_EQ(wait(*a, kNever), Sources{&q.source});
    a->remove(q.source);
    p.source.fd = -1;
}

TEST_F(TwoMembers, OneThatLeavesTakesItsEventsAlong) {
    Pair p;
    ASSERT_TRUE(b->add(p.source).ok());
    b->remove(p.source);
    p.source.registered = false;
    b.reset();
    EXPECT_EQ(wait(*a, 0), Sources{});
    const auto c = make_member(group);
    EXPECT_EQ(wait(*c, 0), Sources{});
    ASSERT_TRUE(c->add(p.source).ok());
    EXPECT_EQ(wait(*a, 0), Sources{});
    EXPECT_EQ(wait(*c, 0), Sources{&p.source});
    c->remove(p.source);
}

TEST_F(TwoMembers, AWakeIsForOneOfThem) {
    a->wake();
    EXPECT_EQ(wait(*b, 0), Sources{});
    EXPECT_EQ(wait(*a, kNever), Sources{}) << "or it would wait for ever";
    const double begin = now();
    EXPECT_EQ(wait(*a, 0.02), Sources{}) << "the wake is used up";
    EXPECT_GE(now() - begin, 0.0199);
}

TEST_F(TwoMembers, WaitsThatNothingEndsLastAsLongAsAsked) {
    std::thread other([&] { EXPECT_EQ(wait(*b, 0.1), Sources{}); });
    for (int i = 0; i < 5; ++i) {
        const double begin = now();
        EXPECT_EQ(wait(*a, 0.03), Sources{});
        EXPECT_GE(now() - begin, 0.0299);
    }
    other.join();
}

// Until both sleep in their ways there is no member to wake, so this is repeated.
TEST_F(TwoMembers, EachOfTwoWhoSleepCanBeWoken) {
    std::atomic<int> woken = 0;
    std::atomic<bool> stop = false;
    std::thread other([&] {
        while (!stop) {
            EXPECT_EQ(wait(*b, kNever), Sources{});
            ++woken;
        }
    });
    std::thread third([&] {
        while (!stop) {
            const int before = woken;
            b->wake();
            const double limit = now() + kLimit;
            while (woken == before && now() < limit) std::this_thread::yield();
            EXPECT_GT(woken, before);
            a->wake();
        }
        b->wake();
    });
    for (int i = 0; i < 2000; ++i) EXPECT_EQ(wait(*a, kNever), Sources{});
    stop = true;
    other.join();
    third.join();
}

TEST_F(TwoMembers, WhoIsBusyDoesNotKeepTheOtherFromItsEvents) {
    Pair p;
    ASSERT_TRUE(b->add(p.source).ok());
    EXPECT_EQ(wait(*b, 0), Sources{&p.source});
    std::atomic<int> seen = 0;
    std::thread other([&] {
        for (int i = 0; i < 100; ++i) {
            EXPECT_EQ(wait(*b, kNever), Sources{&p.source});
            p.drain();
            ++seen;
        }
    });
    Pair own;
    ASSERT_TRUE(a->add(own.source).ok());
    EXPECT_EQ(wait(*a, kNever), Sources{&own.source});
    // a leads or has led, and is busy from here on.
    const double limit = now() + kLimit;
    for (int i = 0; i < 100; ++i) {
        p.feed();
        while (seen == i && now() < limit) std::this_thread::yield();
    }
    EXPECT_EQ(seen, 100);
    other.join();
    a->remove(own.source);
    b->remove(p.source);
}

// Threads pass a byte around in rings that go through all of them. Now and then one of them rests,
// computes, or closes and opens again. No step may be missed.
void rings(int members, int per_member) {
    constexpr int kRounds = 300;
    const auto group = make_group();
    const auto n = static_cast<size_t>(members);
    // In ring r, pair i belongs to member i. What member i reads, it writes to the next member's
    // pair.
    std::vector<std::vector<Pair>> rings(static_cast<size_t>(per_member));
    for (auto& ring : rings) ring = std::vector<Pair>(n);
    std::atomic<int> finished = 0;
    std::vector<std::thread> threads;
    std::vector<std::unique_ptr<EpollSelector>> selectors;
    for (size_t i = 0; i < n; ++i) selectors.push_back(make_member(group));
    for (size_t i = 0; i < n; ++i) {
        threads.emplace_back([&, i] {
            EpollSelector& me = *selectors[i];
            std::vector<int> rounds(rings.size());
            for (auto& ring : rings) EXPECT_TRUE(me.add(ring[i].source).ok());
            const double limit = now() + kLimit;
            unsigned seed = static_cast<unsigned>(i) + 1;
            Selector::Event events[64];
            while (finished < members * per_member && now() < limit) {
                const Result got = me.wait(0.5, events, 64);
                EXPECT_TRUE(got.ok());
                seed = seed * 1103515245 + 12345;
                if (seed % 16 == 0) {  // busy for a moment
                    const double until = now() + 1e-4;
                    while (now() < until) continue;
                }
                for (int k = 0; k < got.value(); ++k) {
                    size_t r = 0;
                    while (&rings[r][i].source != events[k].source) ++r;
                    char byte;
                    while (::recv(static_cast<int>(events[k].source->fd), &byte, 1, 0) == 1) {
                        if (++rounds[r] == kRounds) ++finished;
                        rings[r][(i + 1) % n].feed();
                    }
                }
            }
            for (auto& ring : rings) me.remove(ring[i].source);
        });
    }
    for (auto& ring : rings) ring[0].feed();
    for (auto& thread : threads) thread.join();
    EXPECT_GE(finished, members * per_member);
}

// How often this thread has gone to sleep.
long sleeps() {
    rusage usage{};
    EXPECT_EQ(::getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_nvcsw;
}

TEST(EpollGroup, WhoHasNothingToDoSleepsThroughIt) {
    const auto me = make_member(make_group());
    const long before = sleeps();
    EXPECT_EQ(wait(*me, 0.3), Sources{});
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        me->wake();
    });
    EXPECT_EQ(wait(*me, kNever), Sources{});
    other.join();
    EXPECT_LT(sleeps() - before, 30);
}

// From now on the system call that counts in nanoseconds fails in this process.
bool refuse_nanoseconds(unsigned error) {
    constexpr unsigned kNumber = 441;
    sock_filter filter[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, kNumber},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    const sock_fprog program{sizeof filter / sizeof *filter, filter};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(EpollGroup, WithoutNanosecondsAWaitIsNeitherEarlyNorManyCalls) {
    enum { kFine, kEarly, kBusy, kUnknown };
    for (const int error : {ENOSYS, EPERM}) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            if (!refuse_nanoseconds(static_cast<unsigned>(error))) ::_exit(kUnknown);
            const auto me = make_member(make_group());
            const int before = epoll_waits;
            for (int i = 0; i < 20; ++i) {
                const double begin = now();
                wait(*me, 0.0025);
                if (now() - begin < 0.0025) ::_exit(kEarly);
            }
            ::_exit(epoll_waits - before <= 25 ? kFine : kBusy);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        if (WEXITSTATUS(status) == kUnknown) GTEST_SKIP() << "nothing can be refused here";
        EXPECT_EQ(status, 0) << "errno " << error;
    }
}

TEST(EpollGroup, ASourceWhoseNumberIsInUseAgainIsRegisteredNoMore) {
    const auto me = make_member(make_group());
    Pair p;
    ASSERT_TRUE(me->add(p.source).ok());
    ::close(static_cast<int>(p.source.fd));  // without telling it
    Pair q;
    ASSERT_EQ(q.source.fd, p.source.fd);
    ASSERT_TRUE(me->add(q.source).ok());
    EXPECT_FALSE(p.source.registered) << "who waits on it would wait for ever";
    EXPECT_EQ(me->add(p.source).error(), Errc::busy);
    EXPECT_EQ(wait(*me, 0), Sources{&q.source});
    me->remove(q.source);
    p.source.fd = -1;
}

TEST(EpollGroup, TwoMembersMissNothing) { rings(2, 10); }
TEST(EpollGroup, FourMembersMissNothing) { rings(4, 5); }
TEST(EpollGroup, EightMembersMissNothing) { rings(8, 3); }

// Members come, register, are woken, close, and go, while one stays and takes what it can get.
TEST(EpollGroup, MembersComeAndGoWhileOneWaits) {
    const auto group = make_group();
    std::atomic<bool> stop = false;
    const auto stays = make_member(group);
    std::thread waits([&] {
        while (!stop) EXPECT_EQ(wait(*stays, kNever), Sources{});
    });
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 200; ++i) {
                const auto me = make_member(group);
                Pair p;
                EXPECT_TRUE(me->add(p.source).ok());
                p.feed();
                if (i % 2 == 0) {
                    EXPECT_EQ(wait(*me, kNever), Sources{&p.source});
                }
                me->remove(p.source);
                stays->wake();
            }
        });
    }
    for (auto& thread : threads) thread.join();
    stop = true;
    stays->wake();
    waits.join();
}

TEST(SystemPollers, TheDescriptorLivesUntilItsLastUserIsGone) {
    const size_t before = count_fds();
    {
        SystemPollers pollers;
        std::unique_ptr<Poller> a;
        std::unique_ptr<Poller> b;
        std::unique_ptr<Poller> alone;
        const int fd = pollers.make(-1, a).value();
        EXPECT_EQ(pollers.make(fd, b).value(), fd);
        EXPECT_NE(pollers.make(-1, alone).value(), fd);
        a.reset();
        EXPECT_GE(::fcntl(fd, F_GETFD), 0);
        EXPECT_EQ(pollers.make(fd, a).value(), fd);
        b.reset();
        a.reset();
        EXPECT_LT(::fcntl(fd, F_GETFD), 0);
    }
    EXPECT_EQ(count_fds(), before);
}

TEST(SystemPollers, AnEpollOfTheProgramsIsOneWhateverItsNumber) {
    SystemPollers pollers;
    const int mine = ::epoll_create1(EPOLL_CLOEXEC);
    const int again = ::dup(mine);
    std::unique_ptr<Poller> a;
    std::unique_ptr<Poller> b;
    const int fd = pollers.make(mine, a).value();
    EXPECT_NE(fd, mine);
    EXPECT_EQ(pollers.make(again, b).value(), fd);
    const int other = ::epoll_create1(EPOLL_CLOEXEC);
    std::unique_ptr<Poller> c;
    EXPECT_NE(pollers.make(other, c).value(), fd);
    for (const int of : {mine, again, other}) ::close(of);
    const int event = ::eventfd(0, EFD_CLOEXEC);
    EXPECT_TRUE(pollers.make(event, c).is_error());
    ::close(event);
    EXPECT_TRUE(pollers.make(event, c).is_error());
}

}  // namespace
}  // namespace socket2
