#include "core/io/linux/epoll_group.h"

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
#include "core/io/posix/syscalls.h"

namespace socket2 {
namespace {

// An event's data: whose it is, which of the registrations under the descriptor, the descriptor.
constexpr unsigned kFdBits = 30;
constexpr unsigned kGenerationBits = 22;
constexpr size_t kMaxMembers = size_t{1} << (64 - kFdBits - kGenerationBits);
constexpr uint32_t kFdMask = (1u << kFdBits) - 1;
constexpr uint32_t kGenerationMask = (1u << kGenerationBits) - 1;
// Seconds in which events of those who sleep may wait for a leader.
constexpr double kPatience = 1e-3;

constexpr uint64_t kBell = ~uint64_t{0};  // and no member's, as no descriptor is so high

uint64_t data_of(size_t id, uint32_t generation, int fd) {
    return (uint64_t{id} << kGenerationBits | generation) << kFdBits | static_cast<uint32_t>(fd);
}

Result failure() { return Result(posix::errc_of(errno), errno); }

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
    constexpr double kLongest = 1e6;  // beyond this the caller comes round again
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

// The number of events, or -1. epoll_pwait2 counts in nanoseconds. Kernels before 5.11 lack it, and
// some sandboxes refuse it: then whole milliseconds, rounded up so that a timer is never early.
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

// Seconds from now; 0 stops it.
void set_timer(int timer, double seconds) {
    itimerspec at{};
    at.it_value = timespec_of(seconds);
    ::timerfd_settime(timer, 0, &at, nullptr);
}

// Any number, or -1: of what a signal does not interrupt.
template <typename Call>
ssize_t uninterrupted(Call call) {
    ssize_t n;
    do {
        n = call();
    } while (n < 0 && errno == EINTR);
    return n;
}

// It can only fail when the counter is full.
bool ring_bell(int bell) {
    const uint64_t one = 1;
    return uninterrupted([&] { return ::write(bell, &one, sizeof one); }) > 0;
}

void ring_once(int bell, bool& rung) {
    if (!rung) rung = ring_bell(bell);
}

void silence(int bell, bool& rung) {
    if (!rung) return;
    uint64_t rings;
    rung = uninterrupted([&] { return ::read(bell, &rings, sizeof rings); }) < 0;
}

int take_routed(EpollGroup::Member& me, Selector::Event* events, int capacity) {
    int count = 0;
    auto next = me.routed.begin();
    for (; next != me.routed.end() && count < capacity; ++next) {
        EpollGroup::Slot& slot = me.slots[static_cast<size_t>(*next)];
        if (slot.routed != 0) events[count++] = {slot.source, slot.routed};
        slot.routed = 0;
        slot.listed = false;
    }
    me.routed.erase(me.routed.begin(), next);
    return count;
}

}  // namespace

Result EpollGroup::create(int epoll_fd, std::shared_ptr<EpollGroup>& out) {
    out.reset(new EpollGroup);
    EpollGroup& made = *out;
    made.epoll_fd_ =
        epoll_fd < 0 ? ::epoll_create1(EPOLL_CLOEXEC) : ::fcntl(epoll_fd, F_DUPFD_CLOEXEC, 0);
    if (made.epoll_fd_ < 0) return failure();
    made.bell_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made.bell_ < 0) return failure();
    return control(made.epoll_fd_, EPOLL_CTL_ADD, made.bell_, EPOLLIN, kBell);
}

EpollGroup::~EpollGroup() {
    // The program's own epoll outlives its duplicate, so the bell has to leave it. In a forked child
    // that would be the parent's bell.
    if (bell_ >= 0 && !is_of_parent()) ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, bell_, nullptr);
    leave_parent();
}

void EpollGroup::leave_parent() {
    for (int* const fd : {&bell_, &timer_, &epoll_fd_}) {
        if (*fd >= 0) ::close(*fd);
        *fd = -1;
    }
}

// The system knows the bell there.
bool EpollGroup::works_on(int epoll_fd) const {
    return !is_of_parent() && control(epoll_fd, EPOLL_CTL_MOD, bell_, EPOLLIN, kBell).ok();
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

// What only several need.
Result EpollGroup::make_bells() {
    if (alive_ < 2) return Result::done();
    if (timer_ < 0) timer_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timer_ < 0) return failure();
    for (Member* member : members_) {
        if (member == nullptr || member->bell >= 0) continue;
        member->bell = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (member->bell < 0) return failure();
    }
    return Result::done();
}

void EpollGroup::leave(Member& member) {
    if (is_of_parent()) {
        if (member.bell >= 0) ::close(member.bell);
        return;
    }
    const std::lock_guard lock(mutex_);
    if (member.id == members_.size() || members_[member.id] != &member) return;  // it never joined
    members_[member.id] = nullptr;
    --alive_;
    if (member.bell >= 0) ::close(member.bell);
}

Result EpollGroup::add(Member& member, IoSource& source) {
    const auto fd = static_cast<int>(source.fd);
    const auto index = static_cast<size_t>(fd);
    // The lock is kept, as another member may take an event as soon as the system has the descriptor.
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
    // Only descriptors of the program's own (wrapped ones) come to these: files that are always ready,
    // and the same descriptor twice.
    if (r.os_code() == EPERM) return Result(Errc::not_supported, EPERM);
    if (r.os_code() == EEXIST) return Result(Errc::busy, EEXIST);
    if (r.is_error()) return r;
    generation_ = generation;
    // A descriptor that the program closed too early has left epoll, and its number is in use again.
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
    if (slot.source != &source) return;  // the number is another's by now
    // close(2) alone would not do while a forked child still holds a copy of the descriptor.
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
    slot.source = nullptr;
    slot.routed = 0;
}

Result EpollGroup::wait(Member& me, double seconds, Selector::Event* events, int capacity) {
    const MonotonicClock clock;
    const double until = seconds > 0 && seconds < kNever ? clock.now() + seconds : seconds;
    epoll_event reported[kBatch];
    bool gave = false;
    for (;;) {
        std::unique_lock lock(mutex_);
        int count = take_routed(me, events, capacity);
        if (me.woken || count > 0) seconds = 0;
        if (seconds > 0 && leader_ == nullptr && !gave) {
            leader_ = &me;
            me.sleep = Sleep::leading;
        } else if (seconds > 0) {
            sleep_apart(me);
        }
        const bool apart = me.sleep == Sleep::apart;
        const bool deputy = deputy_ == &me;
        lock.unlock();

        int n = 0;
        if (apart) {
            n = sleep_on_bell(me, seconds, deputy);
        } else if (count == 0) {  // those who took these have looked for more
            n = take_events(epoll_fd_, reported, std::min(capacity, kBatch), seconds);
        }
        const int error = n < 0 ? errno : 0;

        lock.lock();
        wake_up(me);
        gave = false;
        if (apart) {
            count = take_routed(me, events, capacity);
        } else {
            count += hand_out(me, reported, n, events, gave);
        }
        if (seconds > 0 && count == 0 && !me.woken && error == 0) {
            if (until == kNever) continue;
            seconds = until - clock.now();
            if (seconds > 0) continue;
        }
        me.woken = false;
        see_to_a_leader();
        return error == 0 || error == EINTR ? Result::of(count)
                                            : Result(posix::errc_of(error), error);
    }
}

void EpollGroup::wake(Member& member) {
    if (is_of_parent()) return;
    int bell = -1;
    {
        const std::lock_guard lock(mutex_);
        member.woken = true;
        const bool leads = member.sleep == Sleep::leading;
        bool& rung = leads ? rung_ : member.rung;
        if (member.sleep == Sleep::awake || std::exchange(rung, true)) return;
        bell = leads ? bell_ : member.bell;
    }
    // Without the lock, which the one that is woken wants at once. Until this has come silence() finds
    // nothing in the bell, which stays marked as rung.
    static_cast<void>(ring_bell(bell));
}

void EpollGroup::sleep_apart(Member& me) {
    apart_.push_back(me);
    me.sleep = Sleep::apart;
    if (deputy_ == nullptr) deputy_ = &me;
    if (leader_ == nullptr) see_to_a_leader();
}

void EpollGroup::wake_up(Member& me) {
    if (me.sleep == Sleep::leading) {
        leader_ = nullptr;
        silence(bell_, rung_);
    } else if (me.sleep == Sleep::apart) {
        IntrusiveList<Member>::remove(me);
        silence(me.bell, me.rung);
        if (deputy_ == &me) {
            deputy_ = nullptr;
            set_timer(timer_, 0);
        }
    }
    me.sleep = Sleep::awake;
}

// Whoever waits next leads. If nobody does for a while it is the deputy.
void EpollGroup::see_to_a_leader() {
    if (leader_ != nullptr || apart_.empty()) return;
    if (deputy_ != nullptr) {
        set_timer(timer_, kPatience);
    } else {
        ring(*apart_.front());
    }
}

// Makes a member that sleeps look for what there is.
void EpollGroup::ring(Member& member) {
    if (member.sleep == Sleep::leading) {
        ring_once(bell_, rung_);
    } else if (member.sleep == Sleep::apart) {
        ring_once(member.bell, member.rung);
    }
}

// Whose event it is; null: nobody's any more.
EpollGroup::Slot* EpollGroup::find(uint64_t data, Member*& member) {
    const size_t id = data >> (kFdBits + kGenerationBits);
    const uint32_t generation = static_cast<uint32_t>(data >> kFdBits) & kGenerationMask;
    const size_t fd = data & kFdMask;
    member = id < members_.size() ? members_[id] : nullptr;
    if (member == nullptr || fd >= member->slots.size()) return nullptr;
    Slot& slot = member->slots[fd];
    return slot.source != nullptr && slot.generation == generation ? &slot : nullptr;
}

int EpollGroup::sleep_on_bell(Member& me, double seconds, bool deputy) const {
    pollfd sleep[2] = {{me.bell, POLLIN, 0}, {timer_, POLLIN, 0}};
    const timespec limit = timespec_of(seconds);
    return ::ppoll(sleep, deputy ? 2 : 1, seconds == kNever ? nullptr : &limit, nullptr);
}

// The member's own go to `events`: how many.
int EpollGroup::hand_out(Member& me, const epoll_event* reported, int n, Selector::Event* events,
                         bool& gave) {
    int count = 0;
    for (int i = 0; i < n; ++i) {
        Member* member = nullptr;
        // One who only looks leaves the leader's bell alone.
        Slot* slot = reported[i].data.u64 == kBell ? nullptr : find(reported[i].data.u64, member);
        if (slot == nullptr) continue;
        const uint8_t ready = ready_of(reported[i].events);
        if (member == &me) {
            events[count++] = {slot->source, ready};
            continue;
        }
        gave = true;
        slot->routed |= ready;
        if (!slot->listed) {
            slot->listed = true;
            member->routed.push_back(static_cast<int>(reported[i].data.u64 & kFdMask));
        }
        ring(*member);
    }
    return count;
}

}  // namespace socket2
