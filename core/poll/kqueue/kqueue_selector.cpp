#include "core/poll/kqueue/kqueue_selector.h"

#include <fcntl.h>
#include <sys/event.h>
#include <sys/time.h>
#include <sys/types.h>  // first, because OpenBSD's sys/event.h needs it
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <ctime>
#include <iterator>
#include <limits>
#include <new>

#include "core/base/clock.h"
#include "core/sys/error.h"

namespace socket2 {
namespace {

using Change = struct kevent;
using Filter = decltype(Change::filter);
using Flags = decltype(Change::flags);

struct Watched {
    Filter filter;
    unsigned fflags;
    uint8_t ready;  // what an event says
};

// What is watched on a source, in one change list. Where no filter reports urgent data, every event
// may be about it: then a read goes on until nothing is left, because it may have stopped at the
// mark.
constexpr Watched kWatched[] = {
#ifdef EVFILT_EXCEPT
    {EVFILT_READ, 0, kReadable},
    {EVFILT_WRITE, 0, kWritable},
    {EVFILT_EXCEPT, NOTE_OOB, kReadable | kUrgent},
#else
    {EVFILT_READ, 0, kReadable | kUrgent},
    {EVFILT_WRITE, 0, kWritable},
#endif
};

constexpr uintptr_t kBell = std::numeric_limits<uintptr_t>::max();  // descriptors stay lower

Result failure() { return Result(sys::errc_of(errno), errno); }

Change change_of(uintptr_t ident, const Watched& watched, unsigned flags, uintptr_t generation) {
    Change change{};
    change.ident = ident;
    change.filter = watched.filter;
    change.flags = static_cast<Flags>(flags);
    change.fflags = watched.fflags;
    change.udata = std::bit_cast<decltype(change.udata)>(generation);  // an integer on some
    return change;
}

// Returns 0 or an errno. Without room for events the system stops at the first change that it
// refuses.
int apply(int kqueue, const Change* changes, int count) {
    // The counts are int or size_t.
    const int r =
        ::kevent(kqueue, changes, static_cast<unsigned short>(count), nullptr, 0, nullptr);
    return r == 0 || errno == EINTR ? 0 : errno;  // it is interrupted after all changes were made
}

int apply(int kqueue, const Change& change) { return apply(kqueue, &change, 1); }

using WatchedChanges = std::array<Change, std::size(kWatched)>;

WatchedChanges changes_of(uintptr_t fd, unsigned flags, uintptr_t generation) {
    WatchedChanges changes;
    for (size_t i = 0; i < changes.size(); ++i) {
        changes[i] = change_of(fd, kWatched[i], flags, generation);
    }
    return changes;
}

// Whether the error means that a descriptor's kind has nothing to watch there.
bool is_missing(int error) {
    return error == EINVAL || error == ENODEV || error == EOPNOTSUPP || error == ENOTSUP;
}

void unwatch(int kqueue, uintptr_t fd) {
    const WatchedChanges changes = changes_of(fd, EV_DELETE, 0);
    if (apply(kqueue, changes.data(), changes.size()) == 0) return;
    for (const Change& change : changes) apply(kqueue, change);
}

// A pipe's end is refused when the other end is gone: an event of the library's own reports that.
int tell(int kqueue, uintptr_t fd, uintptr_t generation) {
    const Change changes[] = {
        change_of(fd, {EVFILT_USER, 0, 0}, EV_ADD | EV_ONESHOT, generation),
        change_of(fd, {EVFILT_USER, NOTE_TRIGGER, 0}, 0, generation),
    };
    return apply(kqueue, changes, 2);
}

// Returns 0 or an errno. Adds all filters at once, and one by one if that fails, because not every
// descriptor has all of them.
int watch(int kqueue, uintptr_t fd, uintptr_t generation) {
    const WatchedChanges changes = changes_of(fd, EV_ADD | EV_CLEAR, generation);
    if (apply(kqueue, changes.data(), changes.size()) == 0) return 0;
    bool any = false;
    int missing = 0;
    for (const Change& change : changes) {
        int error = apply(kqueue, change);
        if (error == EPIPE) error = tell(kqueue, fd, generation);
        any = any || error == 0;
        if (is_missing(error)) {
            missing = error;
        } else if (error != 0) {
            unwatch(kqueue, fd);
            return error;
        }
    }
    return any ? 0 : missing;
}

// Only a filter that was added can be enabled.
bool is_watched(int kqueue, uintptr_t fd, uintptr_t generation) {
    for (const Change& change : changes_of(fd, EV_ENABLE | EV_CLEAR, generation)) {
        if (apply(kqueue, change) == 0) return true;
    }
    return false;
}

uint8_t ready_of(const Change& event) {
    // The system could not go on watching, or the event is the library's own.
    if (event.filter == EVFILT_USER || (event.flags & EV_ERROR) != 0) {
        return kReadable | kWritable | kHangup;
    }
    uint8_t ready = 0;
    for (const Watched& watched : kWatched) {
        if (watched.filter == event.filter) ready = watched.ready;
    }
    // The end of the other direction shows there, and so does this side's own shutdown.
    if ((event.flags & EV_EOF) != 0 && event.filter == EVFILT_READ) ready |= kHangup;
    return ready;
}

timespec timespec_of(double seconds) {
    constexpr double kLongest = 1e6;  // a longer wait returns early, and the caller waits again
    seconds = std::clamp(seconds, 0.0, kLongest);
    timespec t{};
    t.tv_sec = static_cast<time_t>(seconds);
    t.tv_nsec = static_cast<long>((seconds - static_cast<double>(t.tv_sec)) * 1e9);
    return t;
}

}  // namespace

Result KqueueSelector::create(std::unique_ptr<KqueueSelector>& out) {
    out.reset(new KqueueSelector);
    const int kqueue = out->kqueue_ = ::kqueue();
    if (kqueue < 0 || ::fcntl(kqueue, F_SETFD, FD_CLOEXEC) < 0) return failure();
    const int error = apply(kqueue, change_of(kBell, {EVFILT_USER, 0, 0}, EV_ADD | EV_CLEAR, 0));
    return error == 0 ? Result::done() : Result(sys::errc_of(error), error);
}

KqueueSelector::~KqueueSelector() {
    // In a forked child the number may belong to another descriptor.
    if (kqueue_ >= 0 && process_ == process_number()) ::close(kqueue_);
}

Result KqueueSelector::add(IoSource& source) {
    const auto fd = static_cast<uintptr_t>(source.fd);
    try {
        if (fd >= slots_.size()) slots_.resize(std::max<size_t>(fd + 1, 2 * slots_.size()));
    } catch (const std::bad_alloc&) {
        return Errc::out_of_memory;  // the loop cannot be interrupted among its lists
    }
    Slot& slot = slots_[fd];
    // EV_ADD would take the descriptor from a source that has it. If the program closed the
    // descriptor too early, the kqueue has dropped it, and its number is in use again.
    if (slot.source != nullptr) {
        if (is_watched(kqueue_, fd, slot.generation)) return Result(Errc::busy, EEXIST);
        slot.source->registered = false;
        slot = {};
    }
    const int error = watch(kqueue_, fd, ++generation_);
    if (is_missing(error)) return Result(Errc::not_supported, error);
    if (error != 0) return Result(sys::errc_of(error), error);
    slot = {&source, generation_};
    source.registered = true;
    return Result::done();
}

void KqueueSelector::remove(IoSource& source) {
    source.registered = false;
    const auto fd = static_cast<uintptr_t>(source.fd);
    Slot& slot = slots_[fd];
    if (slot.source != &source) return;  // another source has the number
    // close(2) alone would not be enough while another process still holds a copy of the
    // descriptor.
    unwatch(kqueue_, fd);
    slot = {};
}

// Null when the event belongs to no source: its source is gone, or it is the bell.
IoSource* KqueueSelector::find(uintptr_t fd, uintptr_t generation) {
    if (fd >= slots_.size() || slots_[fd].generation != generation) return nullptr;
    return slots_[fd].source;
}

Result KqueueSelector::wait(double seconds, Event* events, int capacity) {
    constexpr int kBatch = 64;
    Change reported[kBatch];
    const MonotonicClock clock;
    const double until = seconds > 0 && seconds < kNever ? clock.now() + seconds : seconds;
    for (;;) {
        Sleep awake = Sleep::awake;
        if (seconds > 0 && !sleep_.compare_exchange_strong(awake, Sleep::asleep)) seconds = 0;
        const timespec limit = timespec_of(seconds);
        const auto room = static_cast<unsigned short>(std::min(capacity, kBatch));
        const int n =
            ::kevent(kqueue_, nullptr, 0, reported, room, seconds == kNever ? nullptr : &limit);
        const int error = n < 0 ? errno : 0;
        const bool woken = sleep_.exchange(Sleep::awake) == Sleep::woken;
        if (error != 0 && error != EINTR) return Result(sys::errc_of(error), error);

        int count = 0;
        for (int i = 0; i < n; ++i) {
            IoSource* source = find(reported[i].ident, std::bit_cast<uintptr_t>(reported[i].udata));
            if (source != nullptr) events[count++] = {source, ready_of(reported[i])};
        }
        if (count > 0 || woken || n <= 0 || seconds <= 0) return Result::of(count);
        // The events belonged to no source, or were the bell of a wake that an earlier wait has
        // noticed.
        if (until != kNever) seconds = std::max(until - clock.now(), 0.0);
    }
}

IoSource* KqueueSelector::forget_one() {
    while (!slots_.empty()) {
        IoSource* const source = slots_.back().source;
        slots_.pop_back();
        if (source == nullptr) continue;
        source->registered = false;
        return source;
    }
    return nullptr;
}

void KqueueSelector::wake() const {
    if (process_ != process_number() || sleep_.exchange(Sleep::woken) != Sleep::asleep) return;
    // EV_CLEAR here would undo the trigger on some systems.
    apply(kqueue_, change_of(kBell, {EVFILT_USER, NOTE_TRIGGER, 0}, 0, 0));
}

}  // namespace socket2
