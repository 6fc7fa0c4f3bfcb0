#include <array>
#include <atomic>
#include <mutex>

#include "capi/handles.h"
#include "core/base/immortal.h"
#include "core/poll/system_poller.h"

namespace socket2::capi {
namespace {

// The loops of the process, so that integers can name loops, and stale ones are recognized. The
// loop's own thread reads its slot without a lock. The lock is for what can meet a wake(), which
// may come from any thread.
class Registry {
   public:
    int insert(std::unique_ptr<LoopEntry> entry) {
        const std::lock_guard lock(mutex_);
        for (size_t tried = 1; tried < kSlots; ++tried) {
            next_ = next_ % (kSlots - 1) + 1;  // slot 0 stays empty, so that no handle is 0
            if (handles_[next_].load(std::memory_order_relaxed) != 0) continue;
            generations_[next_] = (generations_[next_] + 1) & kMaxGeneration;
            const int handle = static_cast<int>(generations_[next_] << kIndexBits | next_);
            entries_[next_] = entry.release();
            handles_[next_].store(handle, std::memory_order_release);
            return handle;
        }
        return SOCKET2_ENOHANDLE;
    }

    LoopEntry* find(int loop) const {
        if (loop <= 0) return nullptr;
        const size_t index = static_cast<size_t>(loop) % kSlots;
        // The entry of a stale handle is not looked at: another thread may be freeing the entry
        // that is there now.
        if (handles_[index].load(std::memory_order_acquire) != loop) return nullptr;
        return entries_[index];
    }

    std::unique_ptr<LoopEntry> take(int loop) {
        const std::lock_guard lock(mutex_);
        std::unique_ptr<LoopEntry> entry(find(loop));
        if (entry) handles_[static_cast<size_t>(loop) % kSlots].store(0);
        return entry;
    }

    bool wake(int loop) {
        const std::lock_guard lock(mutex_);
        const LoopEntry* entry = find(loop);
        if (entry != nullptr) entry->loop.wake();
        return entry != nullptr;
    }

    template <typename Change>
    void while_nobody_wakes(Change change) {
        const std::lock_guard lock(mutex_);
        change();
    }

   private:
    static constexpr unsigned kIndexBits = 10;
    static constexpr size_t kSlots = 1u << kIndexBits;
    static constexpr unsigned kMaxGeneration = (1u << (31 - kIndexBits)) - 1;

    std::mutex& mutex_ = process_lock(LockKind::registry);
    std::array<std::atomic<int>, kSlots> handles_{};  // 0: free
    std::array<LoopEntry*, kSlots> entries_{};
    std::array<unsigned, kSlots> generations_{};
    size_t next_ = 0;
};

using Shares = SystemPollers::Shares;

// Never destroyed: a thread or a finalizer may still use a handle while the process ends.
Immortal<Registry> registry;

// Never destroyed either.
SystemPollers& pollers() {
    static auto* const the_process = new SystemPollers;
    return *the_process;
}

int detail_of(const Op& op) {
    if ((op.owner.kind() & Waitable::kKinds) == 0) return 0;
    const auto& io_op = static_cast<const IoOp&>(op);
    switch (op.kind) {
        case OpKind::send:
        case OpKind::write:
            return static_cast<int>(io_op.done);
        case OpKind::recv_from:
            return io_op.truncated ? 1 : 0;
        default:
            return 0;
    }
}

socket2_event fired(LoopEntry& entry, const Timer& timer) {
    const int handle = timer.handle();
    entry.objects.take(handle);
    return {handle, SOCKET2_TIMER, 0, 0};
}

int result_of(LoopEntry& entry, Op& op, int handle) {
    if (op.kind != OpKind::accept || op.result.is_error()) return entry.report(op.result);
    // If the listener was closed after the connection came, the connection was closed with it.
    Tcp* listener = find_object<Tcp>(entry, handle);
    if (listener == nullptr) return SOCKET2_ECLOSED;
    return guarded([&] { return adopt_accepted(entry, *listener); });
}

socket2_event finished(LoopEntry& entry, Op& op) {
    const int handle = op.owner.handle();
    const int kind = op.kind == OpKind::lookup ? SOCKET2_LOOKUP
                     : op.side == Side::read   ? SOCKET2_READ
                                               : SOCKET2_WRITE;
    return {handle, kind, result_of(entry, op, handle), detail_of(op)};
}

// The next event; false when there is none.
bool next_event(LoopEntry& entry, socket2_event& event) {
    if (const Timer* timer = entry.loop.take_timer()) {
        event = fired(entry, *timer);
    } else if (Op* op = entry.loop.take()) {
        event = finished(entry, *op);
    } else {
        return false;
    }
    return true;
}

void use(LoopEntry& entry, std::unique_ptr<Poller> poller, int shared) {
    registry->while_nobody_wakes([&] { entry.loop.replace_poller(std::move(poller)); });
    entry.shared = shared;
}

// Moves the loop to what others may share, and returns the descriptor that it uses then.
int share(LoopEntry& entry, Descriptor shared) {
    if (shared == entry.shared) return entry.shared;
    if (entry.loop.has_sources()) return SOCKET2_EBUSY;
    std::unique_ptr<Poller> poller;
    const Result r = pollers().make(shared, poller);
    if (r.is_error()) return entry.report(r);
    use(entry, std::move(poller), r.value());
    return entry.shared;
}

}  // namespace

LoopEntry* find_loop(int loop) { return registry->find(loop); }

int leave_parent(LoopEntry& entry) {
    entry.loop.leave_parent();
    std::unique_ptr<Poller> poller;
    const Result r = pollers().make(-1, poller);
    if (r.is_error()) return entry.report(r);
    use(entry, std::move(poller), r.value());
    bool watches = false;
    entry.objects.for_each([&](std::unique_ptr<Object>& object) {
        if (object->kind() == kLookup) ask_again(static_cast<Query&>(*object));
        if (object->kind() == kPort) static_cast<Port&>(*object).line_up_again();
        if (object->kind() == kSignalWatch) watches = true;
    });
    entry.process = process_number();
    return watches ? entry.report(SignalHub::instance().revive()) : 0;
}

}  // namespace socket2::capi

using namespace socket2;
using namespace socket2::capi;

int socket2_loop_new(void) {
    return guarded([] {
        std::unique_ptr<Poller> poller;
        const Result r = pollers().make(-1, poller);
        if (r.is_error()) return r.value();
        return registry->insert(std::make_unique<LoopEntry>(std::move(poller), r.value()));
    });
}

int socket2_loop_close(int loop) {
    // In a forked child, what is closed must be the child's own. A loop without a poller is closed
    // all the same.
    const int known = on_loop(loop, [](LoopEntry&) { return 0; });
    static_cast<void>(known);
    return guarded([&] { return registry->take(loop) ? 0 : SOCKET2_EBADHANDLE; });
}

int socket2_poll(int loop, socket2_event* events, int max, double deadline) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        if (events == nullptr || max <= 0 || !is_time(deadline)) return SOCKET2_EINVAL;
        const Result r = entry.loop.poll(deadline);
        if (r.is_error()) return entry.report(r);
        int n = 0;
        while (n < max && next_event(entry, events[n])) ++n;
        return n;
    });
}

int socket2_wake(int loop) {
    return guarded([&] { return registry->wake(loop) ? 0 : SOCKET2_EBADHANDLE; });
}

int socket2_os_error(int loop) {
    return on_loop(loop, [](LoopEntry& entry) { return entry.os_error; });
}

int socket2_loop_epoll_fd(int loop) {
    return on_loop(loop, [](LoopEntry& entry) {
        return SystemPollers::shares() == Shares::epoll ? entry.shared : SOCKET2_ENOTSUPPORTED;
    });
}

int socket2_loop_set_epoll_fd(int loop, int epoll_fd) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        if (SystemPollers::shares() != Shares::epoll) return SOCKET2_ENOTSUPPORTED;
        if (epoll_fd < 0) return SOCKET2_EINVAL;
        return share(entry, epoll_fd);
    });
}

int socket2_loop_iocp(int loop, intptr_t* port) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        if (SystemPollers::shares() != Shares::completion_port) return SOCKET2_ENOTSUPPORTED;
        if (port == nullptr) return SOCKET2_EINVAL;
        *port = entry.shared;
        return 0;
    });
}

int socket2_loop_set_iocp(int loop, intptr_t port) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        if (SystemPollers::shares() != Shares::completion_port) return SOCKET2_ENOTSUPPORTED;
        if (port <= 0) return SOCKET2_EINVAL;
        const int r = share(entry, port);
        return r < 0 ? r : 0;
    });
}
