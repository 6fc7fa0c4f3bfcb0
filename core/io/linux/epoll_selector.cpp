#include "core/io/linux/epoll_selector.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <new>

#include "core/io/posix/syscalls.h"

namespace socket2 {
namespace {

Result failure() { return Result(posix::errc_of(errno), errno); }

// An event's data: the descriptor, and above it the wake-up descriptor of the selector that
// registered it, which tells the selectors of a process apart.
uint64_t data_of(int wake_fd, int fd) {
    return static_cast<uint64_t>(wake_fd) << 32 | static_cast<uint32_t>(fd);
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

// epoll_pwait2 counts in nanoseconds. Kernels before 5.11 lack it, and some sandboxes: then whole
// milliseconds, rounded up so that a timer is never early.
int wait_for(int epoll_fd, epoll_event* events, int capacity, double seconds) {
    constexpr double kLongest = 1e6;  // beyond this the caller comes round again
    if (seconds <= 0) return ::epoll_wait(epoll_fd, events, capacity, 0);
    if (seconds == kNever) return ::epoll_wait(epoll_fd, events, capacity, -1);
    seconds = std::min(seconds, kLongest);
    timespec limit{};
    limit.tv_sec = static_cast<time_t>(seconds);
    limit.tv_nsec = static_cast<long>((seconds - static_cast<double>(limit.tv_sec)) * 1e9);
    const int n = ::epoll_pwait2(epoll_fd, events, capacity, &limit, nullptr);
    if (n >= 0 || errno != ENOSYS) return n;
    return ::epoll_wait(epoll_fd, events, capacity, static_cast<int>(std::ceil(seconds * 1e3)));
}

}  // namespace

Result EpollSelector::create(int epoll_fd, std::unique_ptr<EpollSelector>& out) {
    const int own =
        epoll_fd < 0 ? ::epoll_create1(EPOLL_CLOEXEC) : ::fcntl(epoll_fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0) return failure();
    const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0) {
        const Result r = failure();
        ::close(own);
        return r;
    }
    out.reset(new EpollSelector(own, wake_fd));
    return out->control(EPOLL_CTL_ADD, wake_fd, EPOLLIN);
}

EpollSelector::~EpollSelector() {
    // An epoll shared with others outlives this selector, so the wake-up has to leave it.
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, wake_fd_, nullptr);
    ::close(wake_fd_);
    ::close(epoll_fd_);
}

Result EpollSelector::control(int operation, int fd, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = data_of(wake_fd_, fd);
    return ::epoll_ctl(epoll_fd_, operation, fd, &event) == 0 ? Result::done() : failure();
}

Result EpollSelector::add(IoSource& source) {
    const auto index = static_cast<size_t>(source.fd);
    try {
        if (index >= sources_.size()) sources_.resize(std::max(index + 1, 2 * sources_.size()));
    } catch (const std::bad_alloc&) {
        return Errc::out_of_memory;  // the loop cannot be interrupted among its lists
    }
    const Result r = control(EPOLL_CTL_ADD, static_cast<int>(source.fd),
                             EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET);
    // Only descriptors of the program's own (wrapped ones) come to these: files that are always ready,
    // and the same descriptor twice.
    if (r.os_code() == EPERM) return Result(Errc::not_supported, EPERM);
    if (r.os_code() == EEXIST) return Result(Errc::busy, EEXIST);
    if (r.is_error()) return r;
    // One that the program closed too early has left epoll, and its number is in use again.
    if (sources_[index] != nullptr) sources_[index]->registered = false;
    sources_[index] = &source;
    source.registered = true;
    return r;
}

void EpollSelector::remove(IoSource& source) {
    // close(2) alone would not do while a forked child still holds a copy of the descriptor.
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, static_cast<int>(source.fd), nullptr);
    sources_[static_cast<size_t>(source.fd)] = nullptr;
    source.registered = false;
}

Result EpollSelector::wait(double seconds, Event* events, int capacity) {
    constexpr int kBatch = 64;
    epoll_event reported[kBatch];
    const int n = wait_for(epoll_fd_, reported, std::min(capacity, kBatch), seconds);
    if (n < 0) return errno == EINTR ? Result::done() : failure();
    int count = 0;
    bool stranger = false;
    for (int i = 0; i < n; ++i) {
        const uint64_t data = reported[i].data.u64;
        const auto fd = static_cast<uint32_t>(data);
        if (data == data_of(wake_fd_, wake_fd_)) {
            uint64_t wakes;
            // Level-triggered: whoever fails to empty it is woken once more.
            if (::read(wake_fd_, &wakes, sizeof wakes) < 0) continue;
        } else if (data != data_of(wake_fd_, static_cast<int>(fd))) {
            stranger = true;
        } else if (fd < sources_.size() && sources_[fd] != nullptr) {
            events[count++] = {sources_[fd], ready_of(reported[i].events)};
        }
    }
    // An event of another loop on the same epoll: it would be lost, so say so.
    if (stranger && count == 0) return Errc::not_supported;
    return Result::of(count);
}

void EpollSelector::wake() const {
    const uint64_t one = 1;
    // It can only fail when the counter is full, and then a wake-up is under way already.
    if (::write(wake_fd_, &one, sizeof one) < 0) return;
}

}  // namespace socket2
