#include "core/poll/epoll/epoll_group.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <new>
#include <utility>

#include "core/base/clock.h"
#include "core/sys/error.h"

namespace socket2 {
namespace {

// An event's data: the member, which of the registrations under the descriptor, and the descriptor.
constexpr unsigned kFdBits = 30;
constexpr unsigned kGenerationBits = 22;
constexpr size_t kMaxMembers = size_t{1} << (64 - kFdBits - kGenerationBits);
constexpr uint32_t kFdMask = (1u << kFdBits) - 1;
constexpr uint32_t kGenerationMask = (1u << kGenerationBits) - 1;
// How many seconds the events of sleeping members may wait for a leader.
constexpr double kPatience = 1e-3;

constexpr uint64_t kBell = ~uint64_t{0};  // belongs to no member, because descriptors stay lower

uint64_t data_of(size_t id, uint32_t generation, int fd) {
    return (uint64_t{id} << kGenerationBits | generation) << kFdBits | static_cast<uint32_t>(fd);
}

Result failure() { return Result(sys::errc_of(errno), errno); }

Result control(int epoll_fd, int operation, int fd, uint32_t events, uint64_t data) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = data;
    return ::epoll_ctl(epoll_fd, operation, fd, &event) == 0 ? Result::done() : failure();
}

uint8_t ready_of(uint32_t events) {
    uint8_t ready = 0;
    if (events & EPOLLIN) ready |= kReadable;
    if (events & EPOLLPRI) ready |= kReadable | kUrgent;
    if (events & EPOLLOUT) ready |= kWritable;
    if (events & EPOLLRDHUP) ready |= kReadable | kHangup;
    if (events & (EPOLLHUP | EPOLLERR)) ready |= kReadable | kWritable | kHangup;
    return ready;
}

timespec timespec_of(double seconds) {
    constexpr double kLongest = 1e6;  // a longer wait returns early, and the caller waits again
    seconds = std::min(seconds, kLongest);
    timespec t{};
    t.tv_sec = static_cast<time_t>(seconds);
    t.tv_nsec = static_cast<long>((seconds - static_cast<double>(t.tv_sec)) * 1e9);
    return t;
}

// epoll_pwait2(2), which older C libraries lack. The number is the same on all processors.
int wait_nanoseconds(int epoll_fd, epoll_event* events, int capacity, const timespec& limit) {
    constexpr long kNumber = 441;
    const int64_t timeout[2] = {limit.tv_sec, limit.tv_nsec};
    return static_cast<int>(
        ::syscall(kNumber, epoll_fd, events, capacity, timeout, nullptr, size_t{0}));
}

// Returns the number of events, or -1. Kernels before 5.11 lack epoll_pwait2, and some sandboxes
// refuse it: then the wait is in whole milliseconds, rounded up so that a timer is never early.
int take_events(int epoll_fd, epoll_event* events, int capacity, double seconds) {
    static std::atomic<bool> refused = false;
    if (seconds <= 0) return ::epoll_wait(epoll_fd, events, capacity, 0);
    if (seconds == kNever) return ::epoll_wait(epoll_fd, events, capacity, -1);
    const timespec limit = timespec_of(seconds);
    if (!refused.load(std::memory_order_relaxed)) {
        const int n = wait_nanoseconds(epoll_fd, events, capacity, limit);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM)) return n;
        refused = true;
    }
    const double ms =
        static_cast<double>(limit.tv_sec) * 1e3 + static_cast<double>(limit.tv_nsec) / 1e6;
    return ::epoll_wait(epoll_fd, events, capacity, static_cast<int>(std::ceil(ms)));
}

// Fires after so many seconds; 0 stops it.
void set_timer(int timer, double seconds) {
    itimerspec at{};
    at.it_value = timespec_of(seconds);
    ::timerfd_settime(timer, 0, &at, nullptr);
}

// Repeats a call that a signal interrupts. Returns its number, or -1.
template <typename Call>
ssize_t uninterrupted(Call call) {
    ssize_t n;
    do {
        n = call();
    } while (n < 0 && errno == EINTR);
    return n;
}

// This can only fail when the counter is full.
bool write_to(int bell) {
    const uint64_t one = 1;
    return uninterrupted([&] { return ::write(bell, &one, sizeof one); }) > 0;
}

void silence(EpollGroup::Bell& bell) {
    if (!bell.rung) return;
    uint64_t rings;
    bell.rung = uninterrupted([&] { return ::read(bell.fd, &rings, sizeof rings); }) < 0;
}

// Sleeps until one of them can be read, or for so many seconds. Returns an error, or 0.
int sleep_on(pollfd* bells, nfds_t n, double seconds) {
    const timespec limit = timespec_of(seconds);
    return ::ppoll(bells, n, seconds == kNever ? nullptr : &limit, nullptr) < 0 ? errno : 0;
}

}  // namespace

// What one wait() has come to so far.
struct EpollGroup::Turn {
    static constexpr int kBatch = 64;

    Selector::Event* const events;  // belongs to the member
    const int capacity;
    int count = 0;
    bool gave = false;  // has given others something
    int error = 0;

    int batch() const { return std::min(capacity, kBatch); }
};

Result EpollGroup::create(int epoll_fd, std::shared_ptr<EpollGroup>& out) {
    out.reset(new EpollGroup);
    EpollGroup& made = *out;
    made.epoll_fd_ =
        epoll_fd < 0 ? ::epoll_create1(EPOLL_CLOEXEC) : ::fcntl(epoll_fd, F_DUPFD_CLOEXEC, 0);
    if (made.epoll_fd_ < 0) return failure();
    made.bell_.fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made.bell_.fd < 0) return failure();
    return control(made.epoll_fd_, EPOLL_CTL_ADD, made.bell_.fd, EPOLLIN, kBell);
}

EpollGroup::~EpollGroup() {
    // The program's own epoll outlives this duplicate, so the bell has to leave it. In a forked
    // child that would be the parent's bell.
    if (bell_.fd >= 0 && !is_of_parent()) ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, bell_.fd, nullptr);
    leave_parent();
}

void EpollGroup::leave_parent() {
    for (int* const fd : {&bell_.fd, &timer_, &epoll_fd_}) {
        if (*fd >= 0) ::close(*fd);
        *fd = -1;
    }
}

// The system finds the bell only in its own epoll.
bool EpollGroup::works_on(int epoll_fd) const {
    return !is_of_parent() && control(epoll_fd, EPOLL_CTL_MOD, bell_.fd, EPOLLIN, kBell).ok();
}

Result EpollGroup::join(Member& member) {
    const std::lock_guard lock(mutex_);
    const auto free = std::find(members_.begin(), members_.end(), nullptr);
    const auto id = static_cast<size_t>(free - members_.begin());
    if (id == kMaxMembers) return Errc::no_buffer_space;
    try {
        if (id == members_.size()) members_.push_back(nullptr);
    } catch (const std::bad_alloc&) {
        return Errc::out_of_memory;
    }
    members_[id] = &member;
    member.id = id;
    ++alive_;
    return make_bells();
}

// Makes what only a group of several members needs.
Result EpollGroup::make_bells() {
    if (alive_ < 2) return Result::done();
    if (timer_ < 0) timer_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timer_ < 0) return failure();
    for (Member* member : members_) {
        if (member == nullptr || member->bell.fd >= 0) continue;
        member->bell.fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (member->bell.fd < 0) return failure();
    }
    return Result::done();
}

void EpollGroup::leave(Member& member) {
    if (is_of_parent()) {
        if (member.bell.fd >= 0) ::close(member.bell.fd);
        return;
    }
    const std::lock_guard lock(mutex_);
    if (member.id == members_.size() || members_[member.id] != &member) return;  // it never joined
    members_[member.id] = nullptr;
    --alive_;
    if (member.bell.fd >= 0) ::close(member.bell.fd);
}

Result EpollGroup::add(Member& member, IoSource& source) {
    const auto fd = static_cast<int>(source.fd);
    const auto index = static_cast<size_t>(fd);
    // The lock stays held: once the system has the descriptor, others may take its events.
    const std::lock_guard lock(mutex_);
    try {
        if (index >= member.slots.size()) {
            const size_t size = std::max(index + 1, 2 * member.slots.size());
            member.routed.reserve(size);
            member.slots.resize(size);
        }
    } catch (const std::bad_alloc&) {
        return Errc::out_of_memory;  // the loop cannot be interrupted among its lists
    }
    const uint32_t generation = (generation_ + 1) & kGenerationMask;
    const Result r =
        control(epoll_fd_, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET,
                data_of(member.id, generation, fd));
    // These two errors only come with wrapped descriptors: for files that are always ready, and for
    // a descriptor that is added twice.
    if (r.os_code() == EPERM) return Result(Errc::not_supported, EPERM);
    if (r.os_code() == EEXIST) return Result(Errc::busy, EEXIST);
    if (r.is_error()) return r;
    generation_ = generation;
    // A descriptor that was closed too early has left the epoll, and its number is used again.
    for (Member* former : members_) {
        if (former == nullptr || index >= former->slots.size()) continue;
        Slot& slot = former->slots[index];
        if (former == &member && slot.source != nullptr) slot.source->registered = false;
        slot.source = nullptr;
        slot.routed = 0;
    }
    Slot& slot = member.slots[index];
    slot.source = &source;
    slot.generation = generation;
    source.registered = true;
    return r;
}

void EpollGroup::remove(Member& member, IoSource& source) {
    const auto fd = static_cast<int>(source.fd);
    const std::lock_guard lock(mutex_);
    source.registered = false;
    Slot& slot = member.slots[static_cast<size_t>(fd)];
    if (slot.source != &source) return;  // another source has the number
    // close(2) alone would not be enough while a forked child still holds a copy of the descriptor.
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
    slot.source = nullptr;
    slot.routed = 0;
}

// ---- waiting ----

// Each state of a member has a function for one round. It runs with the lock, but releases it while
// the member is in the system.

Result EpollGroup::wait(Member& me, double seconds, Selector::Event* events, int capacity) {
    const MonotonicClock clock;
    const double until = seconds > 0 && seconds < kNever ? clock.now() + seconds : seconds;
    Turn turn{events, capacity};
    Lock lock(mutex_);
    for (;;) {
        take_routed(me, turn);
        if (me.woken || turn.count > 0) seconds = 0;
        if (seconds > 0) me.state = fall_asleep(me, turn);
        switch (me.state) {
            case State::awake:
                look(me, turn, lock);
                break;
            case State::leader:
                lead(me, turn, seconds, lock);
                break;
            case State::sleeper:
                sleep(me, turn, seconds, lock);
                break;
            case State::deputy:
                stand_by(me, turn, seconds, lock);
                break;
        }
        if (seconds <= 0 || turn.count > 0 || me.woken || turn.error != 0) break;
        if (until == kNever) continue;
        seconds = until - clock.now();
        if (seconds <= 0) break;
    }
    me.woken = false;
    see_to_a_leader();
    return turn.error == 0 || turn.error == EINTR ? Result::of(turn.count)
                                                  : Result(sys::errc_of(turn.error), turn.error);
}

// Chooses how to sleep. A member that has just given others something leaves the lead to them.
EpollGroup::State EpollGroup::fall_asleep(Member& me, Turn& turn) {
    const bool gave = std::exchange(turn.gave, false);
    if (leader_ == nullptr && !gave) {
        leader_ = &me;
        return State::leader;
    }
    sleepers_.push_back(me);
    const bool first = deputy_ == nullptr;
    if (first) deputy_ = &me;
    see_to_a_leader();
    return first ? State::deputy : State::sleeper;
}

// Takes what the epoll has, for all; not if it was given something: the giver has looked already.
void EpollGroup::look(Member& me, Turn& turn, Lock& lock) {
    if (turn.count > 0) return;
    epoll_event reported[Turn::kBatch];
    const int n = ask(reported, turn, 0, lock);
    hand_out(me, reported, n, turn);
}

// Sleeps until something comes to the epoll, takes it for all members, and gives up the lead.
void EpollGroup::lead(Member& me, Turn& turn, double seconds, Lock& lock) {
    epoll_event reported[Turn::kBatch];
    const int n = ask(reported, turn, seconds, lock);
    leader_ = nullptr;
    silence(bell_);
    me.state = State::awake;
    hand_out(me, reported, n, turn);
}

// Asks the epoll, without the lock. Returns the number of events; an error goes to the turn.
int EpollGroup::ask(epoll_event* reported, Turn& turn, double seconds, Lock& lock) const {
    lock.unlock();
    const int n = take_events(epoll_fd_, reported, turn.batch(), seconds);
    turn.error = n < 0 ? errno : 0;
    lock.lock();
    return n;
}

// Sleeps until other members have something for it.
void EpollGroup::sleep(Member& me, Turn& turn, double seconds, Lock& lock) {
    pollfd bell = {me.bell.fd, POLLIN, 0};
    lock.unlock();
    turn.error = sleep_on(&bell, 1, seconds);
    lock.lock();
    get_up(me, turn);
}

// Sleeps like the others, but leads if no member comes to lead in time.
void EpollGroup::stand_by(Member& me, Turn& turn, double seconds, Lock& lock) {
    pollfd bells[2] = {{me.bell.fd, POLLIN, 0}, {timer_, POLLIN, 0}};
    lock.unlock();
    turn.error = sleep_on(bells, 2, seconds);
    lock.lock();
    get_up(me, turn);
    deputy_ = nullptr;
    set_timer(timer_, 0);
}

void EpollGroup::get_up(Member& me, Turn& turn) {
    IntrusiveList<Member>::remove(me);
    silence(me.bell);
    me.state = State::awake;
    take_routed(me, turn);
}

void EpollGroup::wake(Member& member) {
    if (is_of_parent()) return;
    int fd = -1;
    {
        const std::lock_guard lock(mutex_);
        member.woken = true;
        Bell* const bell = bell_of(member);
        if (bell == nullptr || std::exchange(bell->rung, true)) return;
        fd = bell->fd;
    }
    // Wakes without the lock, because the woken member takes the lock at once. Until this byte has
    // come silence() finds nothing in the bell, which stays marked as rung.
    static_cast<void>(write_to(fd));
}

// The next member that waits leads. If none does for a while, the deputy leads.
void EpollGroup::see_to_a_leader() {
    if (leader_ != nullptr || sleepers_.empty()) return;
    if (deputy_ != nullptr) {
        set_timer(timer_, kPatience);
    } else {
        ring(*sleepers_.front());
    }
}

// The bell that wakes a member; null when it needs no waking.
EpollGroup::Bell* EpollGroup::bell_of(Member& member) {
    switch (member.state) {
        case State::awake:
            return nullptr;
        case State::leader:
            return &bell_;
        case State::sleeper:
        case State::deputy:
            return &member.bell;
    }
    return nullptr;
}

// Makes a sleeping member look for events.
void EpollGroup::ring(Member& member) {
    Bell* const bell = bell_of(member);
    if (bell != nullptr && !bell->rung) bell->rung = write_to(bell->fd);
}

// The registration that an event belongs to; null when it is gone.
EpollGroup::Slot* EpollGroup::find(uint64_t data, Member*& member) {
    const size_t id = data >> (kFdBits + kGenerationBits);
    const uint32_t generation = static_cast<uint32_t>(data >> kFdBits) & kGenerationMask;
    const size_t fd = data & kFdMask;
    member = id < members_.size() ? members_[id] : nullptr;
    if (member == nullptr || fd >= member->slots.size()) return nullptr;
    Slot& slot = member->slots[fd];
    return slot.source != nullptr && slot.generation == generation ? &slot : nullptr;
}

void EpollGroup::take_routed(Member& me, Turn& turn) {
    auto next = me.routed.begin();
    for (; next != me.routed.end() && turn.count < turn.capacity; ++next) {
        Slot& slot = me.slots[static_cast<size_t>(*next)];
        if (slot.routed != 0) turn.events[turn.count++] = {slot.source, slot.routed};
        slot.routed = 0;
        slot.listed = false;
    }
    me.routed.erase(me.routed.begin(), next);
}

// Hands each event to its member; those of this member go to the turn.
void EpollGroup::hand_out(Member& me, const epoll_event* reported, int n, Turn& turn) {
    for (int i = 0; i < n; ++i) {
        Member* member = nullptr;
        // A member that only looks leaves the leader's bell alone.
        Slot* slot = reported[i].data.u64 == kBell ? nullptr : find(reported[i].data.u64, member);
        if (slot == nullptr) continue;
        const uint8_t ready = ready_of(reported[i].events);
        if (member == &me) {
            turn.events[turn.count++] = {slot->source, ready};
            continue;
        }
        turn.gave = true;
        slot->routed |= ready;
        if (!slot->listed) {
            slot->listed = true;
            member->routed.push_back(static_cast<int>(reported[i].data.u64 & kFdMask));
        }
        ring(*member);
    }
}

}  // namespace socket2
