// A kqueue is an epoll. A descriptor is in it once, for all its filters, so an edge of one filter
// shows in the others, too. User events share one descriptor that is always readable: when armed,
// it is reported.
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <map>
#include <mutex>
#include <vector>

namespace {

using Change = struct kevent;

struct Knote {
    void* udata;
    bool once;       // EV_ONESHOT
    bool triggered;  // for a user event
};

// What is watched on a descriptor, or under a user event's number.
using Knotes = std::map<int, Knote>;  // by filter

struct Descriptor {
    uint64_t serial = 0;  // its events' data
    Knotes knotes;
};

struct Kqueue {
    std::map<int, Descriptor> descriptors;
    std::map<uint64_t, int> by_serial;
    std::map<uintptr_t, Knote> users;
};

std::mutex mutex;
std::map<int, Kqueue>& kqueues() {
    static auto* const all = new std::map<int, Kqueue>;  // threads may outlive the statics
    return *all;
}

constexpr uint64_t kUsers = 0;  // the serial of always_readable
uint64_t last_serial = kUsers;

void before_fork() { mutex.lock(); }
void in_parent() { mutex.unlock(); }

// A child has no copy of a kqueue.
void in_child() {
    for (const auto& kqueue : kqueues()) ::close(kqueue.first);
    kqueues().clear();
    mutex.unlock();
}

const int handled = ::pthread_atfork(before_fork, in_parent, in_child);

// Made when the library is loaded, because the tests count descriptors.
const int always_readable = ::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

int control(int kq, int operation, int fd, uint32_t events, uint64_t serial) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = serial;
    return ::epoll_ctl(kq, operation, fd, &event) == 0 ? 0 : errno;
}

uint32_t interest(const Knotes& knotes) {
    uint32_t events = EPOLLET;
    if (knotes.count(EVFILT_READ) != 0) events |= EPOLLIN | EPOLLRDHUP;
    if (knotes.count(EVFILT_WRITE) != 0) events |= EPOLLOUT;
    if (knotes.count(EVFILT_EXCEPT) != 0) events |= EPOLLPRI;
    return events;
}

void forget(Kqueue& queue, int fd) {
    queue.by_serial.erase(queue.descriptors[fd].serial);
    queue.descriptors.erase(fd);
}

int add(int kq, Kqueue& queue, int fd, const Change& change) {
    Descriptor& descriptor = queue.descriptors[fd];
    Knotes knotes = descriptor.knotes;
    knotes[change.filter] = {change.udata, false, false};
    const bool is_new = descriptor.knotes.empty();
    if (is_new) descriptor.serial = ++last_serial;
    const int operation = is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    const int error = control(kq, operation, fd, interest(knotes), descriptor.serial);
    if (error != 0) {
        if (is_new) forget(queue, fd);
        return error == EPERM ? 0 : error;  // a file on a disk
    }
    queue.by_serial[descriptor.serial] = fd;
    descriptor.knotes = knotes;
    return 0;
}

int change_descriptor(int kq, Kqueue& queue, const Change& change) {
    const int fd = static_cast<int>(change.ident);
    const auto known = queue.descriptors.find(fd);
    // Like a kqueue when a descriptor is closed.
    if (known != queue.descriptors.end() &&
        control(kq, EPOLL_CTL_MOD, fd, interest(known->second.knotes), known->second.serial) != 0) {
        forget(queue, fd);
    }
    if ((change.flags & EV_ADD) != 0) return add(kq, queue, fd, change);
    Descriptor* descriptor = queue.descriptors.count(fd) != 0 ? &queue.descriptors[fd] : nullptr;
    if (descriptor == nullptr || descriptor->knotes.count(change.filter) == 0) return ENOENT;
    if ((change.flags & EV_DELETE) == 0) {
        descriptor->knotes[change.filter].udata = change.udata;
        return 0;
    }
    descriptor->knotes.erase(change.filter);
    if (!descriptor->knotes.empty()) {
        return control(kq, EPOLL_CTL_MOD, fd, interest(descriptor->knotes), descriptor->serial);
    }
    forget(queue, fd);
    return control(kq, EPOLL_CTL_DEL, fd, 0, 0);
}

int change_user(int kq, Kqueue& queue, const Change& change) {
    if ((change.flags & EV_ADD) != 0) {
        queue.users[change.ident] = {change.udata, (change.flags & EV_ONESHOT) != 0, false};
        return 0;
    }
    const auto known = queue.users.find(change.ident);
    if (known == queue.users.end()) return ENOENT;
    if ((change.flags & EV_DELETE) != 0) {
        queue.users.erase(known);
        return 0;
    }
    known->second.udata = change.udata;
    if ((change.fflags & NOTE_TRIGGER) == 0) return 0;
    known->second.triggered = true;
    return control(kq, EPOLL_CTL_MOD, always_readable, EPOLLIN | EPOLLONESHOT, kUsers);
}

int wait(int kq, epoll_event* events, int capacity, const timespec* timeout) {
    const int n = ::epoll_pwait2(kq, events, capacity, timeout, nullptr);
    if (n >= 0 || errno != ENOSYS) return n;
    if (timeout == nullptr) return ::epoll_wait(kq, events, capacity, -1);
    const double ms =
        static_cast<double>(timeout->tv_sec) * 1e3 + static_cast<double>(timeout->tv_nsec) / 1e6;
    return ::epoll_wait(kq, events, capacity, static_cast<int>(std::ceil(ms)));
}

void report_users(Kqueue& queue, std::vector<Change>& out) {
    for (auto next = queue.users.begin(); next != queue.users.end();) {
        const auto user = next++;
        if (!user->second.triggered) continue;
        user->second.triggered = false;
        Change event{};
        event.ident = user->first;
        event.filter = EVFILT_USER;
        event.udata = user->second.udata;
        out.push_back(event);
        if (user->second.once) queue.users.erase(user);
    }
}

void report(const Kqueue& queue, const epoll_event& reported, std::vector<Change>& out) {
    const auto known = queue.by_serial.find(reported.data.u64);
    if (known == queue.by_serial.end()) return;
    constexpr struct {
        int filter;
        uint32_t events;
        uint32_t end;
    } kFilters[] = {
        {EVFILT_READ, EPOLLIN, EPOLLRDHUP | EPOLLHUP | EPOLLERR},
        {EVFILT_WRITE, EPOLLOUT, EPOLLHUP | EPOLLERR},
        {EVFILT_EXCEPT, EPOLLPRI, 0},
    };
    const Knotes& knotes = queue.descriptors.at(known->second).knotes;
    for (const auto& filter : kFilters) {
        const auto knote = knotes.find(filter.filter);
        const bool ended = (reported.events & filter.end) != 0;
        if (knote == knotes.end() || ((reported.events & filter.events) == 0 && !ended)) continue;
        Change event{};
        event.ident = static_cast<uintptr_t>(known->second);
        event.filter = static_cast<int16_t>(filter.filter);
        event.flags = ended ? EV_EOF : 0;
        event.udata = knote->second.udata;
        out.push_back(event);
    }
}

}  // namespace

int kqueue() {
    static_cast<void>(handled);
    const int kq = ::epoll_create1(0);  // inherited by exec, like a kqueue's number may be
    if (kq < 0) return kq;
    const int error = control(kq, EPOLL_CTL_ADD, always_readable, 0, kUsers);
    if (error != 0) {
        ::close(kq);
        errno = error;
        return -1;
    }
    const std::lock_guard lock(mutex);
    kqueues()[kq] = {};  // forgets what was closed under the number
    return kq;
}

int kevent(int kq, const Change* changes, int nchanges, Change* events, int nevents,
           const timespec* timeout) {
    std::unique_lock lock(mutex);
    Kqueue& queue = kqueues()[kq];
    for (int i = 0; i < nchanges; ++i) {
        const bool user = changes[i].filter == EVFILT_USER;
        const int error =
            user ? change_user(kq, queue, changes[i]) : change_descriptor(kq, queue, changes[i]);
        if (error == 0) continue;
        errno = error;
        return -1;
    }
    if (nevents == 0) return 0;
    constexpr int kBatch = 64;
    constexpr int kFilterCount = 3;
    epoll_event reported[kBatch];
    std::vector<Change> out;
    for (int n = 1; n > 0 && out.empty();) {  // again, if none of it was watched
        lock.unlock();
        n = wait(kq, reported, std::clamp(nevents / kFilterCount, 1, kBatch), timeout);
        if (n < 0) return n;
        lock.lock();
        for (int i = 0; i < n; ++i) {
            if (reported[i].data.u64 == kUsers) {
                report_users(queue, out);
            } else {
                report(queue, reported[i], out);
            }
        }
    }
    // User events beyond the room would wait for the next trigger; here there is only one at a
    // time.
    const int count = std::min(static_cast<int>(out.size()), nevents);
    std::copy_n(out.begin(), count, events);
    return count;
}
