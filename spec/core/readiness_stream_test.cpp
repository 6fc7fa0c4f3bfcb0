// Streams under a readiness poller: no event is lost, and long sends leave room for others.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/poll/readiness_poller.h"
#include "facts.h"
#include "spec/core/readiness_fixture.h"

namespace socket2 {
namespace {

TEST_P(Streams, DataBetweenTheTryAndTheRegistrationIsSeen) {
    selector->before_add = [&] {
        send_all(pair.theirs.get(), "abc");
        await(pair.ours.get(), POLLIN);
    };
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 3);
}

TEST_P(Streams, TheEndBetweenTheTryAndTheRegistrationIsSeen) {
    selector->before_add = [&] {
        pair.theirs.close();
        await(pair.ours.get(), POLLIN);
    };
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 0);
}

TEST_P(Streams, MoreDataAfterAShortReadIsSeen) {
    for (const bool registered : {false, true}) {
        if (registered) register_by_reading(s, pair.theirs.get());
        for (int i = 0; i < 20; ++i) {
            send_all(pair.theirs.get(), "0123456789");
            EXPECT_EQ(read_some(s, 100), "0123456789");
            // The short read says "drained", and only then more comes.
            send_all(pair.theirs.get(), "abcde");
            await(pair.ours.get(), POLLIN);
            EXPECT_EQ(read_some(s, 100), "abcde");
        }
    }
}

TEST_P(Streams, TheEndAfterAShortReadIsSeen) {
    for (const bool registered : {false, true}) {
        SCOPED_TRACE(registered);
        Pair other = tcp() ? tcp_pair() : unix_pair();
        Socket t(other.ours.get(), tcp());
        if (registered) register_by_reading(t, other.theirs.get());
        send_all(other.theirs.get(), "abc");
        await(other.ours.get(), POLLIN);
        EXPECT_EQ(read_some(t, 100), "abc");
        other.theirs.close();
        EXPECT_EQ(read_some(t, 100), "");
        EXPECT_EQ(read_some(t, 100), "") << "and stays so";
        poller().detach(t.source);
    }
}

TEST_P(Streams, DataAndTheEndAtOnceAreBothSeen) {
    for (const bool registered : {false, true}) {
        for (const bool parked : {false, true}) {
            for (const size_t chunk : {1u, 3u, 10u, 100u}) {
                SCOPED_TRACE(::testing::Message() << registered << parked << chunk);
                Pair other = tcp() ? tcp_pair() : unix_pair();
                Socket t(other.ours.get(), tcp());
                if (registered) register_by_reading(t, other.theirs.get());
                std::string first(chunk, '\0');
                std::string all;
                if (parked) {
                    EXPECT_TRUE(recv(poller(), t.read, first.data(), chunk).is_pending());
                }
                send_all(other.theirs.get(), "0123456789");
                other.theirs.close();
                await(other.ours.get(), POLL_END);
                if (parked) {
                    EXPECT_EQ(wait_for(poller(), 1), Ops{&t.read});
                    ASSERT_GT(t.read.result.value(), 0);
                    all = first.substr(0, static_cast<size_t>(t.read.result.value()));
                }
                all += read_to_end(t, chunk);
                EXPECT_EQ(all, "0123456789");
                poller().detach(t.source);
            }
        }
    }
}

TEST_P(Streams, AfterTheirHalfCloseWeCanStillSend) {
    register_by_reading(s, pair.theirs.get());
    send_all(pair.theirs.get(), "last");
    ASSERT_EQ(::shutdown(pair.theirs.get(), SHUT_WR), 0);
    EXPECT_EQ(read_to_end(s, 16), "last");
    EXPECT_EQ(outcome(poller(), s.write, send(poller(), s.write, "answer", 6)), 6);
    EXPECT_EQ(receive(pair.theirs.get(), 6), "answer");
}

TEST_P(Streams, AParkedReadEndsWithOurOwnShutdown) {
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    ASSERT_EQ(::shutdown(pair.ours.get(), SHUT_RD), 0);
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 0);
}

TEST_P(Streams, SendingToAClosedPeerIsABrokenPipeWithoutASignal) {
    pair.theirs.close();
    await(pair.ours.get(), POLL_END);
    // The first bytes provoke TCP's reset.
    const MonotonicClock clock;
    const double limit = clock.now() + kLimit;
    int code = 0;
    while (code >= 0 && clock.now() < limit) {
        code = outcome(poller(), s.write, send(poller(), s.write, "x", 1));
        EXPECT_EQ(wait(poller(), 0.001), Ops{});
    }
    EXPECT_TRUE(code == static_cast<int>(Errc::broken_pipe) ||
                code == static_cast<int>(Errc::connection_reset))
        << error_word(code);
}

TEST_P(Streams, AParkedWriteEndsWhenThePeerCloses) {
    const std::string data(size_t{16} << 20, 'x');
    EXPECT_TRUE(send(poller(), s.write, data.data(), data.size()).is_pending());
    EXPECT_EQ(wait(poller(), 0), Ops{});
    std::thread peer([&] {
        receive(pair.theirs.get(), 100000);
        pair.theirs.close();
    });
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.write});
    peer.join();
    EXPECT_TRUE(s.write.result.error() == Errc::broken_pipe ||
                s.write.result.error() == Errc::connection_reset);
    EXPECT_LT(s.write.done, data.size());
}

TEST_P(Streams, ALongSendCompletesWhenAllIsWritten) {
    std::string data(size_t{8} << 20, '\0');
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 + i / 251);
    std::string received;
    std::thread peer([&] { received = receive(pair.theirs.get(), data.size()); });
    const int n = outcome(poller(), s.write, send(poller(), s.write, data.data(), data.size()));
    peer.join();
    EXPECT_EQ(n, static_cast<int>(data.size()));
    EXPECT_EQ(s.write.done, data.size());
    EXPECT_TRUE(received == data);
}

// This thread is the receiver, too, so the send has to stop and go on many times.
TEST_P(Streams, ASendThatIsBlockedGoesOnWhenThereIsRoom) {
    std::string data(size_t{8} << 20, '\0');
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 + i / 251);
    std::string received;
    EXPECT_TRUE(send(poller(), s.write, data.data(), data.size()).is_pending());
    Ops ops;
    std::string some(100000, '\0');
    while (received.size() < data.size()) {
        await(pair.theirs.get(), POLLIN);
        const ssize_t n = ::recv(pair.theirs.get(), some.data(), some.size(), 0);
        ASSERT_GT(n, 0);
        received.append(some, 0, static_cast<size_t>(n));
        const Ops more = wait(poller(), 0);
        ops.insert(ops.end(), more.begin(), more.end());
        // If the receiver is ahead of the sender, the room has to be noticed without this.
        if (received.size() == s.write.done && ops.empty()) ops = wait(poller(), kLimit);
    }
    EXPECT_EQ(ops, Ops{&s.write});
    EXPECT_EQ(s.write.result.value(), static_cast<int>(data.size()));
    EXPECT_TRUE(received == data);
}

// Some slices are empty, and there are many times as many as one call takes.
TEST_P(Streams, SlicesAreSentInOrder) {
    std::string data(size_t{8} << 20, '\0');
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 + i / 251);
    std::vector<Slice> slices;
    for (size_t at = 0, size = 1; at < data.size(); at += slices.back().size) {
        slices.push_back({data.data() + at, std::min(size, data.size() - at)});
        size = size * 7919 % 30000;
        if (size % 5 == 0) slices.push_back({nullptr, 0});
    }
    slices.push_back({nullptr, 0});
    std::string received;
    std::thread peer([&] { received = receive(pair.theirs.get(), data.size()); });
    prepare(s.write, OpKind::send, const_cast<void*>(slices.front().data), slices.front().size);
    s.write.more = slices.data() + 1;
    s.write.more_count = slices.size() - 1;
    const int n = outcome(poller(), s.write, poller().submit(s.write));
    peer.join();
    EXPECT_EQ(n, static_cast<int>(data.size()));
    EXPECT_EQ(s.write.done, data.size());
    EXPECT_TRUE(received == data);
}

// A socket that keeps message boundaries shows the calls.
TEST_F(ReadinessPollerTest, SlicesGoInOneCall) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    Socket s(ends[0]);
    const Slice slices[] = {{"three", 5}, {"", 0}, {" ", 1}, {"slices", 6}};
    prepare(s.write, OpKind::send, const_cast<void*>(slices[0].data), slices[0].size);
    s.write.more = slices + 1;
    s.write.more_count = 3;
    EXPECT_EQ(poller().submit(s.write).value(), 12);
    char got[100];
    EXPECT_EQ(::recv(ends[1], got, sizeof got, 0), 12);
    EXPECT_EQ(std::string(got, 12), "three slices");
    poller().detach(s.source);
    for (const int fd : ends) ::close(fd);
}

// The system refuses the second call after it has taken the first.
TEST_P(Streams, AFailureAfterAPartIsToldWithThePart) {
    const std::string part(1000, 'x');
    std::vector<Slice> slices(sys::kMaxSlices, Slice{part.data(), part.size()});
    slices.push_back({nullptr, 10});  // not valid memory
    prepare(s.write, OpKind::send, const_cast<char*>(part.data()), part.size());
    s.write.more = slices.data() + 1;
    s.write.more_count = slices.size() - 1;
    EXPECT_TRUE(poller().submit(s.write).is_pending());
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.write});
    EXPECT_EQ(s.write.result.error(), Errc::invalid_argument);
    EXPECT_EQ(s.write.done, part.size() * sys::kMaxSlices);
}

TEST_P(Streams, ACanceledSendTellsHowFarItCame) {
    const std::string data(size_t{16} << 20, 'x');
    EXPECT_TRUE(send(poller(), s.write, data.data(), data.size()).is_pending());
    EXPECT_EQ(wait(poller(), 0), Ops{});
    cancel(s.write);
    EXPECT_EQ(s.write.result.error(), Errc::canceled);
    EXPECT_GT(s.write.done, 0u);
    EXPECT_LT(s.write.done, data.size());
    ASSERT_EQ(::shutdown(pair.ours.get(), SHUT_WR), 0);
    const std::string got = receive(pair.theirs.get(), s.write.done);
    EXPECT_EQ(got.size(), s.write.done);
    char byte;
    EXPECT_EQ(::recv(pair.theirs.get(), &byte, 1, 0), 0) << "and not a byte more";
}

// The caller has to learn about the part, and only a completion can tell.
TEST_P(Streams, ASendThatCannotBeWatchedTellsHowFarItCame) {
    const std::string data(size_t{16} << 20, 'x');
    selector->add_fails = Errc::out_of_memory;
    Result r = send(poller(), s.write, data.data(), data.size());
    EXPECT_TRUE(r.is_pending()) << error_word(r.value());
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.write});
    EXPECT_EQ(s.write.result.error(), Errc::out_of_memory);
    EXPECT_GT(s.write.done, 0u);
    EXPECT_LT(s.write.done, data.size());
    r = send(poller(), s.write, data.data(), data.size());
    EXPECT_EQ(r.error(), Errc::out_of_memory) << "nothing went out";
    selector->add_fails = Result::done();
}

// A send that could go on forever gives the others their turn.
TEST_P(Streams, ALongSendDoesNotHoldUpOthers) {
    const std::string data(size_t{64} << 20, 'x');
    Pair other = tcp() ? tcp_pair() : unix_pair();
    Socket t(other.ours.get(), tcp());
    char byte;
    EXPECT_TRUE(recv(poller(), t.read, &byte, 1).is_pending());
    std::thread peer([&] { receive(pair.theirs.get(), data.size()); });
    EXPECT_TRUE(send(poller(), s.write, data.data(), data.size()).is_pending());
    send_all(other.theirs.get(), "y");
    const Ops ops = wait_for(poller(), 2);
    peer.join();
    EXPECT_EQ(ops, (Ops{&t.read, &s.write}));
    poller().detach(t.source);
}

TEST_P(Streams, AQueuedEventOfAClosedSourceIsForNobody) {
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    send_all(pair.theirs.get(), "stale");
    await(pair.ours.get(), POLLIN);
    // The event waits in the system; then the source goes, and its number gets a new owner.
    poller().cancel(s.read);
    poller().detach(s.source);
    EXPECT_FALSE(s.source.registered);
    const int number = pair.ours.get();
    Pair next = tcp() ? tcp_pair() : unix_pair();
    ASSERT_EQ(::dup2(next.ours.get(), number), number);
    Socket t(number, tcp());
    EXPECT_TRUE(recv(poller(), t.read, data, sizeof data).is_pending());
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(wait(poller(), 0.001), Ops{});
    send_all(next.theirs.get(), "ab");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&t.read});
    EXPECT_EQ(t.read.result.value(), 2);
    poller().detach(t.source);
}

// While a child holds a copy, closing ours does not end the registration: detach has to.
TEST_P(Streams, ADescriptorThatAChildHoldsReportsNothingAfterItsClose) {
    int gate[2];
    ASSERT_EQ(::pipe(gate), 0);
    Fd child_end(gate[0]), our_end(gate[1]);
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::close(our_end.get());
        char byte;
        const ssize_t end = ::read(child_end.get(), &byte, 1);
        ::_exit(end == 0 ? 0 : 1);
    }
    poller().cancel(s.read);
    poller().detach(s.source);
    const int number = pair.ours.get();
    pair.ours.close();
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});

    // Events on the old connection, and a new source with the same number.
    send_all(pair.theirs.get(), "to the child");
    Pair next = tcp() ? tcp_pair() : unix_pair();
    if (next.ours.get() != number) {
        ASSERT_EQ(::dup2(next.ours.get(), number), number);
        next.ours = Fd(number);
    }
    Socket t(number, tcp());
    EXPECT_TRUE(recv(poller(), t.read, data, sizeof data).is_pending());
    EXPECT_EQ(wait(poller(), 0.001), Ops{});
    send_all(next.theirs.get(), "ab");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&t.read});
    EXPECT_EQ(t.read.result.value(), 2);
    poller().detach(t.source);

    our_end.close();
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(wait(poller(), 0), Ops{});
}

// ---- forks --------------------------------------------------------------------------------------

// Runs `body` in a child, and returns whether it returned true.
bool child_agrees(const std::function<bool()>& body) {
    const pid_t child = ::fork();
    EXPECT_GE(child, 0);
    if (child == 0) {
        ::alarm(kLimitMs / 1000);
        ::_exit(body() ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status == 0;
}

TEST_P(Streams, AChildThatAbandonsAPollerLeavesItToTheParent) {
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    EXPECT_TRUE(child_agrees([&] {
        poller().wake();
        OpList unfinished;
        OpList finished;
        poller().abandon(unfinished, finished);
        const bool given_back = unfinished.pop_front() == &s.read && unfinished.empty();
        poller().wake();
        poller().detach(s.source);
        poller().abandon(unfinished, finished);
        return given_back && unfinished.empty() && finished.empty() && !s.source.registered;
    }));
    EXPECT_EQ(wait(poller(), 0.001), Ops{}) << "the child has woken the parent";
    send_all(pair.theirs.get(), "ab");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 2);
}

TEST_P(Streams, AChildHasWhatWasCanceledAndWhatIsHot) {
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    poller().cancel(s.read);
    EXPECT_TRUE(child_agrees([&] {
        OpList unfinished;
        OpList finished;
        poller().abandon(unfinished, finished);
        return finished.pop_front() == &s.read && unfinished.empty();
    }));
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
}

// A receiver that takes everything at once would hold the loop up: a file does that.
TEST_F(ReadinessPollerTest, ALongWriteGoesInShares) {
    std::FILE* const file = std::tmpfile();
    ASSERT_NE(file, nullptr);
    const std::string data(size_t{5} << 20, 'x');
    Socket s(::fileno(file));
    prepare(s.write, OpKind::write, const_cast<char*>(data.data()), data.size());
    EXPECT_TRUE(poller().submit(s.write).is_pending());
    EXPECT_LT(s.write.done, data.size() / 2);
    const int before = selector->waits;
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.write});
    EXPECT_GT(selector->waits, before + 1) << "others have their turn in between";
    EXPECT_EQ(s.write.result.value(), static_cast<int>(data.size()));
    poller().detach(s.source);
    std::fclose(file);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Streams, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Tcp" : "Unix"; });

TEST_F(ReadinessPollerTest, ASteadyStreamNeedsOneTryPerRead) {
    Pair pair = tcp_pair();
    Socket s(pair.ours.get(), true);
    register_by_reading(s, pair.theirs.get());
    send_all(pair.theirs.get(), "abc");
    EXPECT_EQ(read_some(s, 100), "abc");
    EXPECT_EQ(s.source.ready & kReadable, 0) << "a short read has drained a TCP socket";
    poller().detach(s.source);
}

TEST_F(ReadinessPollerTest, AResetIsAnError) {
    Pair pair = tcp_pair();
    Socket s(pair.ours.get(), true);
    char byte;
    EXPECT_TRUE(recv(poller(), s.read, &byte, 1).is_pending());
    const linger hard{1, 0};
    ASSERT_EQ(::setsockopt(pair.theirs.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    pair.theirs.close();
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.error(), Errc::connection_reset);
    EXPECT_EQ(s.read.result.os_code(), ECONNRESET);
    poller().detach(s.source);
}

// A read stops at the mark of urgent data: that a read is short does not mean "drained".
TEST_F(ReadinessPollerTest, DataBehindUrgentDataIsSeen) {
    enum { kFresh, kRegistered, kAway };  // the last: its edges come while no read waits
    for (const int state : {kFresh, kRegistered, kAway}) {
        SCOPED_TRACE(state);
        Pair pair = tcp_pair();
        Socket s(pair.ours.get(), true);
        if (state != kFresh) register_by_reading(s, pair.theirs.get());
        send_all(pair.theirs.get(), "ab");
        ASSERT_EQ(::send(pair.theirs.get(), "!", 1, MSG_OOB), 1);
        send_all(pair.theirs.get(), "cd");
        await(pair.ours.get(), POLLIN);
        if (state == kAway) {
            EXPECT_EQ(wait(poller(), 0), Ops{});
        }
        EXPECT_EQ(read_some(s, 100), "ab");
        EXPECT_EQ(read_some(s, 100), "cd");
        poller().detach(s.source);
    }
}

}  // namespace
}  // namespace socket2
