// Handles: integers for loops and their objects, and how results cross the boundary.
#pragma once

#include <climits>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <type_traits>

#include "capi/socket2.h"
#include "core/base/slot_map.h"
#include "core/io/loop.h"
#include "core/io/signal.h"
#include "core/net/fd.h"
#include "core/net/query.h"
#include "core/net/socket.h"
#include "core/net/stream.h"
#include "core/net/tcp.h"
#include "core/net/udp.h"
#include "core/sys/process.h"
#include "core/thread/port.h"

namespace socket2::capi {

// The loop that a handle names. Its objects live here until they are closed.
struct LoopEntry {
    LoopEntry(std::unique_ptr<Poller> poller, int the_shared)
        : loop(std::move(poller), std::make_unique<MonotonicClock>()), shared(the_shared) {}
    ~LoopEntry();

    // Returns the handle of a new object, which is freed when no handle is left.
    int adopt(std::unique_ptr<Object> object);
    // Closes the object of a live handle, which becomes stale.
    void close(int handle) { loop.close(objects.take(handle)); }

    // Returns the number for the caller, and keeps the system's code of an error.
    int report(Result result) {
        if (result.is_error()) {
            os_error = result.os_code();
            reported = true;
        }
        return result.value();
    }

    Loop loop;
    SlotMap<std::unique_ptr<Object>> objects;
    int shared;  // what others can share with it: SystemPollers::shares()
    socket2_read last_read = {};
    int os_error = 0;
    bool reported = false;                // the call under way has set os_error
    uint32_t process = process_number();  // the process that the poller belongs to
};

// Null when the handle is not of one of these kinds.
inline Object* find_object(LoopEntry& entry, int handle, unsigned kinds) {
    const std::unique_ptr<Object>* object = entry.objects.find(handle);
    return object == nullptr || ((*object)->kind() & kinds) == 0 ? nullptr : object->get();
}

template <typename T>
T* find_object(LoopEntry& entry, int handle) {
    return static_cast<T*>(find_object(entry, handle, T::kKinds));
}

template <>
inline Stream* find_object<Stream>(LoopEntry& entry, int handle) {
    const std::unique_ptr<Object>* object = entry.objects.find(handle);
    return object == nullptr ? nullptr : (*object)->stream();
}

// Null when the handle is stale or made up. Only for the loop's own thread.
LoopEntry* find_loop(int loop);

// The object of a handle, for functions that return a pointer instead of a code; null when there is
// none.
template <typename T>
const T* look_at(int loop, int handle) {
    LoopEntry* const entry = find_loop(loop);
    return entry == nullptr ? nullptr : find_object<T>(*entry, handle);
}

// In a forked child: gives the copy of a loop a poller of its own, independent of the parent.
int leave_parent(LoopEntry& entry);

// Returns the handle of the connection that the listener has just accepted.
int adopt_accepted(LoopEntry& entry, Tcp& listener);

// Runs `body`, which returns an int; out of memory becomes its code.
template <typename Body>
int guarded(Body body) {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        return SOCKET2_ENOMEM;
    } catch (...) {
        return SOCKET2_ESYSTEM;
    }
}

// Finds the loop, runs `body(entry)`.
template <typename Body>
int on_loop(int loop, Body body) {
    LoopEntry* entry = find_loop(loop);
    if (entry == nullptr) return SOCKET2_EBADHANDLE;
    entry->reported = false;
    const int result = guarded([&] {
        const int r = entry->process == process_number() ? 0 : leave_parent(*entry);
        return r < 0 ? r : body(*entry);
    });
    if (result < SOCKET2_PENDING && !entry->reported) entry->os_error = 0;  // the library's own
    return result;
}

// Finds the object, and runs `body(entry, object)`, which returns an int.
template <typename T, typename Body>
int on_object(int loop, int handle, Body body) {
    return on_loop(loop, [&](LoopEntry& entry) -> int {
        T* object = find_object<T>(entry, handle);
        return object == nullptr ? static_cast<int>(SOCKET2_EBADHANDLE) : body(entry, *object);
    });
}

// The same for a socket or stream: runs `body(socket)`, and translates its Result (or passes on its
// int).
template <typename S, typename Body>
int on_socket(int loop, int handle, Body body) {
    return on_object<S>(loop, handle, [&](LoopEntry& entry, S& socket) {
        if constexpr (std::is_same_v<decltype(body(socket)), Result>) {
            return entry.report(body(socket));
        } else {
            return body(socket);
        }
    });
}

// Closes the object that the handle names, if it is of T's kinds: 0.
template <typename T>
int close_handle(int loop, int handle) {
    return on_object<T>(loop, handle, [&](LoopEntry& entry, T&) {
        entry.close(handle);
        return 0;
    });
}

// The channel's number in the process.
int channel_number(const Channel& channel);

inline bool is_time(double t) { return t == t; }
inline bool is_buffer(const void* data, size_t size) {
    return (data != nullptr || size == 0) && size <= INT_MAX;
}

static_assert(sizeof(Address) <= sizeof(socket2_addr));
static_assert(alignof(Address) <= alignof(socket2_addr));
static_assert(std::is_trivially_copyable_v<Address>);

inline Address* address(socket2_addr* addr) { return reinterpret_cast<Address*>(addr); }
inline const Address* address(const socket2_addr* addr) {
    return reinterpret_cast<const Address*>(addr);
}

// Makes an endpoint of the arguments of a lookup, or says which of them is wrong. The texts stay
// the caller's.
Result endpoint_of(const char* host, const char* service, int type, int family, int protocol,
                   int flags, Endpoint& out);
// In a forked child, which lacks the threads that were doing the lookup: starts it again.
void ask_again(Query& query);
// Whether `max` addresses may be written.
inline bool is_room(const socket2_addr* out, int max) {
    return max >= 0 && (out != nullptr || max == 0);
}
// Copies what fits, and returns how many addresses there are.
int copy_lookup(const Lookup& found, socket2_addr* out, int max, char* name, size_t name_size);

// Copies what fits, with a zero at the end, and returns the whole length.
inline int copy_text(const std::string& from, char* text, size_t size) {
    if (text != nullptr && size > 0) {
        const size_t n = from.size() < size ? from.size() : size - 1;
        std::memcpy(text, from.data(), n);
        text[n] = '\0';
    }
    return static_cast<int>(from.size());
}

}  // namespace socket2::capi
